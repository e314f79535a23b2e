"""Every command and every Python snippet of the README and of docs/ is run or checked here.

A command is checked as `nas` does before it begins: composed, with every key, option and kind of
value. The worked example on one's own images is run whole, at the smallest sizes, and the Python
snippets after it. What another test runs is named with it.
"""

import os
import re
import shlex
import subprocess
import sys

import forking
import numpy as np
import pytest
from fixtures import CHECKOUT, TINY, TINY_SPACE, environment
from PIL import Image

import nascli
from nascli import cli
from nascli.config import command_line, overrides, search
from nascli.data.synthetic import Synthetic

PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
ELSEWHERE = {
    ("extending.md", "sh"): "tests/e2e/test_extending.py",
    ("extending.md", "python"): "tests/e2e/test_extending.py",
    ("README.md", "python"): "tests/e2e/test_python.py",
}
RUNS = CHECKOUT / "tests" / "recorded" / "runs"
STANDS_FOR = {  # what a reader puts in, and what is put in here
    r"outputs/retrain/\.\.\.|\$trained": str(RUNS / "retrain_cell"),
    r"outputs/search/(\.\.\.|2026\w*-\S+)|RUN|\$run|\$random": str(RUNS / "darts_cell"),
    r"\$SLURM_ARRAY_TASK_ID": "1",
    r"~/photos/\S+": "photo.jpg",
}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language):
    """Page, line and text of each fenced block that no other test runs."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in FENCE.finditer(text):
            if found[1] == language and (page.name, language) not in ELSEWHERE:
                yield page.name, text[: found.start()].count("\n") + 2, found[2]


def commands(text):
    """The commands of a block, each as its words."""
    lines, line = text.replace("\\\n", "").splitlines(), ""
    for part in lines:
        line += f"{part}\n"
        words = shlex.shlex(line, posix=True, punctuation_chars="()&")
        words.whitespace_split = True
        try:
            tokens, line = list(words), ""
        except ValueError:  # a quote that goes on
            continue
        one = []
        for token in [*tokens, "&&"]:
            if token in ("&&", ")"):
                if one:
                    yield one
                one = []
            elif token == "(":
                one = []  # run=$(
            else:
                one.append(token)


COMMANDS = [
    pytest.param(words, id=f"{page}:{line}: {' '.join(words)[:60]}")
    for page, line, text in blocks("sh")
    for words in commands(text)
]
SNIPPETS = {f"{page}:{line}": text for page, line, text in blocks("python")}


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """The folder of components that the README speaks of."""
    place = tmp_path_factory.mktemp("own")
    for group, like in (("strategy", "random"), ("operation", "none")):
        target = place / "mine" / group / f"my_{group}.yaml"
        target.parent.mkdir(parents=True)
        text = (CHECKOUT / "configs" / group / f"{like}.yaml").read_text()
        target.write_text(re.sub(r"^none:", "my_operation:", text, flags=re.MULTILINE))
    return place


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_is_one_that_nas_would_begin_with(words, mine, monkeypatch):
    monkeypatch.chdir(mine)
    program, *rest = words
    if program == "torchrun":  # its own words, then what each process begins
        program, rest = "nas", rest[rest.index("nascli") + 1 :]
    if program == "python":
        assert rest[0] == "-c" or (CHECKOUT / rest[0]).is_file()
    elif program == "pip":
        (what,) = [word for word in rest if word.startswith(".")]
        known = (CHECKOUT / "pyproject.toml").read_text()
        for extra in re.findall(r"\[(\w+)\]", what):
            assert f"\n{extra} = [" in known
    elif program != "pytest":  # which is what is running
        assert program == "nas"
        checked(rest)


def checked(words):
    """As `nas` looks at its words."""
    for pattern, path in STANDS_FOR.items():
        words = [re.sub(rf"(^|=)({pattern})", rf"\g<1>{path}", word) for word in words]
    verb, rest = words[0], words[1:]
    assert verb in cli.VERBS
    if verb in cli._PLAIN:
        return
    flags, rest = overrides.split(rest, cli._VALUED)
    folders = overrides.directories(flags)
    command_line.checked(verb, rest, folders, multirun="-m" in flags)


STATED = [  # with lists of sizes, or objectives: only what is built knows whether they are right
    param
    for param in COMMANDS
    if param.values[0][:2] == ["nas", "search"]
    and re.search(r" (space\.\w+=\[|objectives=)", " ".join(param.values[0]))
    and not {"-m", "--config-dir"} & set(param.values[0])
]


@pytest.mark.parametrize("words", STATED)
def test_a_search_that_states_sizes_or_objectives_can_be_built(words):
    asked = command_line.asked_for("search", words[2:], [])
    task = Synthetic(images=200, size=32, classes=10)
    assert search.build(asked, survey=False, task=task).problem.goal.objectives


def test_no_command_stands_where_this_does_not_look():
    assert len(COMMANDS) > 90 and len(SNIPPETS) > 3
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert {found[1] for found in FENCE.finditer(text)} <= {"", "sh", "python", "yaml"}
        others = re.sub(r"^```(sh|python)\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
        hidden = re.findall(r"^ *(?:\$ )?(?:nas|pip|python) .*=.*$", others, flags=re.MULTILINE)
        assert not hidden, page.name


SMALL = (
    "training.epochs=1 training.batch_size=8 space.channels=4 space.cells=2 device=none "
    "accelerator=cpu"
)


@pytest.fixture(scope="module")
def example(client, tmp_path_factory):
    """docs/start.md's example on one's own images, done as it stands there; the exported file."""
    home = tmp_path_factory.mktemp("home")
    rng = np.random.default_rng(0)
    for name, low in (("cat", 0), ("dog", 156)):
        folder = home / "photos" / name
        folder.mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(low, low + 100, (16, 20, 3), dtype=np.uint8)
            turned = Image.Exif()
            turned[0x0112] = 6 if number == 0 else 1  # orientation: lies on its side
            Image.fromarray(pixels).save(folder / f"{number}.jpg", exif=turned)
    relay = f'"{sys.executable}" -S "{forking.__file__}" "{client.address}" "{home}"'
    starter = home / "bin" / "nas"
    starter.parent.mkdir()
    starter.write_text(
        f'#!/bin/sh\ncase $1 in search|retrain) set -- "$@" {SMALL};; esac\nexec {relay} "$@"\n'
    )
    starter.chmod(0o755)
    (block,) = [text for _, _, text in blocks("sh") if "nas predict $trained" in text]
    done = subprocess.run(
        ["bash", "-ec", block],
        cwd=home,
        env={**environment(), "HOME": str(home), "PATH": f"{starter.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (run,) = home.glob("outputs/retrain/*")
    return home, run, home / done.stdout.splitlines()[-1]


def test_the_example_on_own_images_ends_with_a_file(example):
    _, _, file = example
    assert file.name == "network.onnx" and file.is_file()


ONE = {
    "space.channels": 2,
    "space.cells_per_stage": 1,
    "training.epochs": 1,
    "accelerator": "cpu",
    "budget.trials": 1,
    "budget.seconds": None,  # so that no clock decides
}
CHANGED = {  # the names that a reader puts in, and the smallest sizes
    "start.md": {"network.onnx": "{file}", "photo.jpg": "photos/cat/0.jpg"},
    "retraining.md": {
        "genotype=found, seeds=3": "*tiny, genotype=found",
        '"random", "resnet18"]': '"random"], random_genotypes=1',
    },
    "using.md": {
        "outputs/retrain/...": "{run}",
        "photo.jpg": "photos/cat/1.jpg",
        'budget="10 minutes"': 'budget=0.001, space="nasbench201", strategy="random", settings=one',
        'format="onnx"': 'format="state_dict"',
    },
}


@pytest.mark.parametrize("where", SNIPPETS)
def test_a_python_snippet_runs(where, example, monkeypatch, capsys):
    home, run, file = example
    monkeypatch.chdir(home)
    text = SNIPPETS[where]
    for old, new in CHANGED[where.partition(":")[0]].items():
        text = text.replace(old, new.format(run=run, file=file))
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    names = {
        "nascli": nascli,
        "found": "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|",
        "tiny": (*TINY, *TINY_SPACE["nasbench201"], "data.images=64", "space=nasbench201"),
        "pixels": photos,
        "images": photos[:, :8, :8],
        "labels": np.array(["cat", "dog"] * 30),
        "more": photos[:3, :8, :8],
        "one": ONE,
    }
    exec(compile(text, where, "exec"), names)
    if where.startswith("start.md"):
        (expected,) = nascli.load(run).predict("photos/cat/0.jpg")  # a photograph on its side
        given = np.exp(names["logits"][0])
        np.testing.assert_allclose(given / given.sum(), expected, rtol=1e-4)
        assert capsys.readouterr().out.strip() == ("cat", "dog")[expected.argmax()]
