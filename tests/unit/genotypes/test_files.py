from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest
from fixtures import ToyTask, composed, environment
from hydra.utils import instantiate

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.space import known, sample
from nascli.genotypes import descriptions, dump, load, published
from nascli.genotypes.nasbench201 import parse, to_string

TOY = Genotype.of("toy", {"a": "1", "b": "é"})


def space(name):
    return instantiate(composed(f"space={name}").space, _partial_=True)(ToyTask())


def test_published_genotypes_are_in_the_space_and_described():
    assert {"darts_v1", "darts_v2", "pdarts", "pc_darts_cifar", "drnas"} <= set(published())
    assert {"mobilenet_v2", "efficientnet_b0", "fbnet_c", "proxyless_gpu"} <= set(published())
    spaces = {name: space(name) for name in ("cell", "mobile")}
    for name, file in published().items():
        genotype = load(name)
        assert known(spaces[genotype.space], genotype) == genotype
        about = descriptions()[name]
        assert about.endswith(".")
        assert "arXiv" in about
        assert len(about) <= 100
        assert json.loads(file.read_text())["source"]


# The listings of Liu et al. 2019, with two (operation, input) a node.
NORMAL_V2 = [("sep_conv_3x3", 0), ("sep_conv_3x3", 1)] * 2
NORMAL_V2 += [("skip_connect", 0), ("sep_conv_3x3", 1), ("skip_connect", 0), ("dil_conv_3x3", 2)]
REDUCTION_V2 = [("max_pool_3x3", 0), ("max_pool_3x3", 1)]
REDUCTION_V2 += [("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 0)]
REDUCTION_V2 += [("skip_connect", 2), ("max_pool_3x3", 1), ("skip_connect", 2)]


def test_darts_v2_is_what_its_paper_draws():
    genotype = load("darts_v2")
    for group, listing in (("normal", NORMAL_V2), ("reduction", REDUCTION_V2)):
        for node in range(4):
            (first, low), (second, high) = listing[2 * node : 2 * node + 2]
            assert genotype[f"{group}/{node + 2}/inputs"] == f"{low}+{high}"
            assert genotype[f"{group}/{node + 2}/first"] == first
            assert genotype[f"{group}/{node + 2}/second"] == second


def test_a_file_a_run_folder_and_extra_keys_are_read(tmp_path, monkeypatch):
    file = tmp_path / "genotype.json"
    file.write_text(dump(TOY, source="here", accuracy=94.2), encoding="utf-8")
    assert load(str(file)) == TOY
    assert load(str(tmp_path)) == TOY
    monkeypatch.chdir(tmp_path.parent)
    assert load(f"{tmp_path.name}/") == TOY
    assert json.loads(dump(TOY, source="here")) == {
        "format": "nascli-genotype-1",
        "space": "toy",
        "choices": {"a": "1", "b": "é"},
        "source": "here",
    }


def test_a_published_name_goes_before_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "darts_v1").mkdir()
    (tmp_path / "darts_v1" / "genotype.json").write_text(dump(TOY), encoding="utf-8")
    assert load("darts_v1").space == "cell"
    assert load("./darts_v1") == TOY


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not a genotype: "),
        (b"\xff\xfe\x00", "is not a genotype: "),
        (b'{"format": "nascli-genotype-1", "space": "toy"', "is not a genotype: "),
        (b"[" * 100_000, "is not a genotype: "),
        (b"[1, 2]", "is not a genotype: it holds [1, 2], not an object"),
        (b'{"a": 1}', "it has no format, not 'nascli-genotype-1'"),
        (b'{"format": "nascli-genotype-2"}', "it has format 'nascli-genotype-2', not"),
        (b'{"format": "nascli-genotype-1"}', "a genotype needs 'space' (a name) and 'choices'"),
        (
            b'{"format": "nascli-genotype-1", "space": "toy", "choices": {"a": 1, "c": []}}',
            "a genotype's choices are strings; 'a' has 1, 'c' has []",
        ),
        (b'"' + b"x" * 1_000_001 + b'"', "the most that is read are 1,000,000"),
    ],
)
def test_what_is_no_genotype_is_named(tmp_path, content, says):
    file = tmp_path / "genotype.json"
    file.write_bytes(content)
    for reference in (file, tmp_path):
        with pytest.raises(Fault) as fault:
            load(str(reference))
        message = str(fault.value)
        assert str(file) in message
        assert says in message


def test_a_name_that_is_not_known_gets_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Fault) as fault:
        load("dartsv1")
    message = str(fault.value)
    assert message.startswith(
        "there is no file or run folder 'dartsv1', and genotype 'dartsv1' is not known; "
        "allowed: darts_v1, darts_v2, "
    )
    assert message.endswith("did you mean 'darts_v1'?")


def test_what_cannot_be_a_path_is_not_known_either():
    for reference in ("x" * 5_000, "\0", ""):
        with pytest.raises(Fault):
            load(reference)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ((), "it is no run folder"),
        (("config.yaml", "report.json"), "its run has ended without one (log.txt says how)"),
        (
            ("config.yaml", "history.jsonl"),
            "its run has not ended; a search that was stopped goes on with: "
            "nas search 'resume=a run'",
        ),
    ],
)
def test_a_folder_without_a_genotype_says_why(files, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a run"
    folder.mkdir()
    for name in files:
        (folder / name).touch()
    with pytest.raises(Fault) as fault:
        load("a run")
    assert str(fault.value) == f"folder 'a run' has no genotype.json; {why}"


def test_a_file_that_cannot_be_read_says_so(tmp_path):
    (tmp_path / "genotype.json").mkdir()
    with pytest.raises(Fault, match=r"genotype.json is a folder; it must be a regular file"):
        load(str(tmp_path))


STRING = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"


def test_nasbench201_strings_go_there_and_back():
    genotype = load(STRING)
    assert genotype == parse(STRING)
    assert genotype.space == "nasbench201"
    assert genotype.choices == {
        "1<-0": "nor_conv_3x3",
        "2<-0": "none",
        "2<-1": "skip_connect",
        "3<-0": "avg_pool_3x3",
        "3<-1": "nor_conv_1x1",
        "3<-2": "none",
    }
    assert to_string(genotype) == STRING
    assert parse("|a~0|+|c~1|b~0|+|f~2|d~0|e~1|").options == tuple("abcdef")
    space = instantiate(composed("space=nasbench201").space, _partial_=True)(ToyTask())
    rng = random.Random(0)
    for chosen in (sample(space, rng) for _ in range(50)):
        assert parse(to_string(chosen)) == chosen


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("|a~0|", "does not have the edges of NAS-Bench-201"),
        ("|a~0|+|b~0|c~1|+|d~0|e~1|f~3|", "does not have the edges of NAS-Bench-201"),
        ("|a~0|+|b~0|c~0|+|d~0|e~1|f~2|", "does not have the edges of NAS-Bench-201"),
        ("|a~0|+|b~0|c~1|+|d~0|e~1|f~2|+|g~0|", "does not have the edges of NAS-Bench-201"),
        ("|a~0|+|b~0|c~1|+|d~0|e~1|f2|", "because of '|d~0|e~1|f2|'"),
        ("|a~0|+|b~0|c~1|+|d~0|e~1|f~2", "because of '|d~0|e~1|f~2'"),
        ("|", "because of '|'"),
    ],
)
def test_what_is_no_string_is_named(text, says):
    with pytest.raises(Fault) as fault:
        load(text)
    assert says in str(fault.value)
    assert str(fault.value).endswith("it must look like |op~0|+|op~0|op~1|+|op~0|op~1|op~2|")


def test_needs_no_torch():
    code = "import sys, nascli.genotypes as g; g.load('pdarts'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=environment()).returncode == 0
