"""What a person types and reads."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import forking
import pytest
from fixtures import TINY, environment

from nascli import cli
from nascli.cli import VERBS

ROOT = Path(__file__).resolve().parents[2]
TABLE = ("strategy=random", "space=nasbench201", "estimator=table", "budget.trials=5")


def test_help_names_every_verb(nas):
    done = nas("--help")
    assert done.code == 0
    for verb in ("search", "retrain", "profile", "list", "show"):
        assert re.search(rf"^  nas {verb} ", done.stdout, flags=re.MULTILINE)
    assert nas().stdout == done.stdout


@pytest.mark.parametrize(
    "words", [["list"], ["search", "--help"], ["--help"], ["-sc", "install=bash"]]
)
def test_who_reads_the_first_lines_alone_is_no_fault(words, monkeypatch, capsys):
    reading, writing = os.pipe()
    os.close(reading)  # as `nas list | head -0` does
    monkeypatch.setattr(sys, "argv", ["nas", *words])
    with os.fdopen(writing, "w", buffering=1) as stdout:  # what is printed is written at once
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(SystemExit) as left:
            cli.main()
    assert left.value.code == 0
    assert capsys.readouterr().err == ""


def test_search_help_says_what_every_option_is(nas):
    done = nas("search", "--help")
    assert done.code == 0
    for group in ("space", "strategy", "estimator", "device", "data", "training", "workers"):
        starts, said = set(), done.stdout.partition(f"\n{group}=...\n")[2].partition("\n\n")[0]
        for file in (ROOT / "configs" / group).glob("*.yaml"):
            line = re.search(rf"^( [ *] {file.stem} +)\S.*$", said, flags=re.MULTILINE)
            assert line, f"{group}={file.stem} has no line"
            starts.add(len(line[1]))
        assert len(starts) == 1, f"what is said of {group} does not stand below each other"


def test_list_shows_every_component(nas):
    done = nas("list")
    for file in (ROOT / "configs").glob("*/*.yaml"):
        assert re.search(rf"^  {file.stem} +\S", done.stdout, flags=re.MULTILINE), file
    assert "darts_v2" in done.stdout
    one = nas("list", "strategy")
    assert one.stdout.startswith("strategy:\n")
    assert "space:" not in one.stdout


def test_cfg_job_shows_the_config_and_runs_nothing(nas, tmp_path):
    done = nas("search", "--cfg", "job", "seed=7")
    assert done.code == 0
    assert "seed: 7" in done.stdout
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("flags", [("-m", "--cfg", "job"), ("--info=all", "-c", "job")])
def test_flags_of_which_only_one_can_be(nas, tmp_path, flags):
    done = nas("search", *flags, "seed=1")
    assert (done.code, done.stdout) == (2, "")
    first, second = (flag.partition("=")[0] for flag in flags[:2])
    said = f"{first} and {second} cannot be given together: leave out all but one"
    assert done.stderr.strip() == f"nas: {said}"
    assert not (tmp_path / "outputs").exists()


def test_stopped_before_a_command_has_begun(monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_composed", stopped)
    assert cli._main(["search", "-m", "seed=1,2"]) == 130


def test_stdout_is_the_run_folder_alone(nas, tmp_path):
    done = nas("search", *TABLE)
    assert done.code == 0, done.stderr
    assert "(with the images of cifar10: data.path=FOLDER, or data.download" in done.stderr
    trained = nas("retrain", f"genotype={done.run}", "data.path=nowhere")
    assert trained.code == 2 and "no intact CIFAR10 in data.path=" in trained.stderr
    assert not (tmp_path / "outputs/retrain").exists()
    assert done.stdout.count("\n") == 1
    run = tmp_path / done.run
    assert len((run / "history.jsonl").read_text().splitlines()) == 5
    genotype = json.loads((run / "genotype.json").read_text())
    assert genotype["space"] == "nasbench201"
    assert "nas retrain" in done.stderr
    written = {p.name for p in run.iterdir()}
    expected = "config.yaml environment.json history.jsonl genotype.json report.json report.html"
    assert {*expected.split(), "log.txt", "figures"} <= written


def test_multirun_prints_a_folder_for_every_job(nas):
    done = nas("search", "-m", *TABLE, "seed=1,2")
    assert done.code == 0, done.stderr
    folders = done.stdout.splitlines()
    assert len(set(folders)) == 2
    assert all("random_nasbench201" in f for f in folders)


def test_searches_started_together_never_share_a_folder(start, tmp_path):
    started = [start("search", *TABLE, f"seed={seed % 2}", cwd=tmp_path) for seed in range(3)]
    outputs = [process.communicate(timeout=240)[0] for process in started]
    assert [process.returncode for process in started] == [0] * 3
    folders = {tmp_path / out.strip() for out in outputs}
    assert len(folders) == 3
    for folder in folders:
        assert len((folder / "history.jsonl").read_text().splitlines()) == 5


def test_sweep_script(client, tmp_path):
    binary = tmp_path / "bin"
    binary.mkdir()
    starter = binary / "nas"
    relay = f'"{sys.executable}" -S "{forking.__file__}" "{client.address}" "{binary}"'
    starter.write_text(f'#!/bin/sh\nexec {relay} "$@"\n')
    starter.chmod(0o755)
    env = environment()
    env["PATH"] = f"{binary}{os.pathsep}{env['PATH']}"
    done = subprocess.run(
        ["bash", str(ROOT / "examples" / "sweep.sh"), "20", "2"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == ["random"] * 2 + ["evolution"] * 2
    assert all(80 < float(row[2]) < 94.4 for row in rows)


def test_completion_offers_verbs_groups_and_options(start, tmp_path):
    def query(line):
        place = {"COMP_LINE": line, "COMP_POINT": str(len(line))}
        return start("-sc", "query=bash", cwd=tmp_path, **place).communicate(60)[0].split()

    assert "search" in query("nas se")
    assert "strategy=" in query("nas search stra")
    assert {"strategy=random", "strategy=darts"} <= set(query("nas search strategy="))
    assert "genotype=" in query("nas retrain geno")


def test_completion_installs(nas):
    for shell in ("bash", "zsh", "fish"):
        done = nas("-sc", f"install={shell}")
        assert done.code == 0, done.stderr
        assert done.stdout.strip()


@pytest.mark.parametrize("verb", ["serach", "train", "-x"])
def test_an_unknown_verb_is_a_fault(nas, verb):
    done = nas(verb)
    assert done.code == 2
    assert f"verb '{verb}' is not known; allowed: {', '.join(sorted(VERBS))}" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_fault_is_reported_at_once(nas, tmp_path):
    done = nas(
        "search",
        "strategy=drats",
        "spac=cell",
        "space.chanels=8",
        "seed=often",
        "budget.trials=0",
        "data=digit",
        "device.threads=two",
    )
    assert done.code == 2
    assert done.stdout == ""
    says = done.stderr
    assert "strategy 'drats' is not known; allowed: " in says
    assert "did you mean 'darts'?" in says
    assert "key 'spac' is not known" in says and "did you mean 'space'?" in says
    assert "key 'space.chanels' is not known" in says and "'space.channels'?" in says
    assert "seed is 'often'; it must be a whole number (default: 0)" in says
    assert "budget.trials is 0; it must be a whole number above 0, or null" in says
    assert "data 'digit' is not known" in says
    assert "device.threads is 'two'; it must be a whole number" in says
    assert "Traceback" not in says
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["strategy=random,evolution"], "is several values: add -m"),
        (["data=image_folder", "data.path=/no/such/folder"], "/no/such/folder"),
        (["data=image_folder"], "data"),
        (["data=cifar10", "data.path=/no/such/folder"], "/no/such/folder"),
        (["+strategy.speed=3"], "speed"),
        (["objectives={accuracy: maximum}"], "objectives.accuracy is 'maximum'; it must be max or"),
        (["constraints.parms=1000"], "metric in constraints 'parms' is not known"),
        (["strategy=evolution", "strategy.population=0"], "population is 0"),
        (["seed"], "cannot read 'seed': write key=value"),
        (["resume=/no/such/run"], "no run folder at '/no/such/run'"),
        (["strategy=random", "estimator=table"], "estimator=table knows NAS-Bench-201 only"),
        ([*TABLE, "estimator.dataset=cifar"], "did you mean 'cifar10'?"),
        ([*TABLE, "estimator.latency=pixel4"], "did you mean 'pixel3'?"),
        ([*TABLE, "estimator.path=/no/such.csv"], "cannot read estimator.path=/no/such.csv"),
        (["--config-dir", "/no/such/configs"], "no such folder"),
    ],
)
def test_bad_input_is_one_clear_message(nas, tmp_path, arguments, says):
    done = nas("search", *arguments)
    assert done.code == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.glob("outputs/search/*"))


def test_several_that_are_built_are_told_of_at_once(nas, tmp_path):
    wrong = {
        "training.epochs=0": "training.epochs is 0; it must be an integer of at least 1",
        "accelerator=tpu": "accelerator 'tpu' is not known; allowed: auto, cpu, cuda",
        "space.cells=0": "space.cells is 0; it must be a whole number from 1",
        "constraints.params=-1": "constraints.params is -1; it must be a number above 0",
        "fidelity=2.0": "fidelity is 2.0; it must be above 0 and at most 1",
    }
    done = nas("search", *wrong)
    assert done.code == 2 and done.stdout == "" and "Traceback" not in done.stderr
    assert [says for says in wrong.values() if says not in done.stderr] == []
    assert not (tmp_path / "outputs").exists()


def test_a_users_own_strategy(nas, tmp_path):
    mine = tmp_path / "mine"
    (mine / "strategy").mkdir(parents=True)
    (mine / "strategy" / "first.yaml").write_text(
        "# Proposes the first genotype only.\n_target_: my_strategy.First\n"
    )
    (mine / "my_strategy.py").write_text(
        "from nascli.core.space import at\n"
        "from nascli.core.trial import Proposal\n"
        "class First:\n"
        "    def __init__(self, problem): self.problem, self.asked = problem, False\n"
        "    def ask(self, limit):\n"
        "        if self.asked: return []\n"
        "        self.asked = True\n"
        "        return [Proposal(at(self.problem.space, 0))]\n"
        "    def tell(self, trials): pass\n"
        "    def recommend(self, history): return history.best(self.problem.goal).genotype\n"
        "    def state_dict(self): return {'asked': self.asked}\n"
        "    def load_state_dict(self, state): self.asked = state['asked']\n"
    )
    listed = nas("list", "strategy", "--config-dir", "mine")
    assert re.search(r"^  first +Proposes the first", listed.stdout, flags=re.MULTILINE)
    done = nas("search", "--config-dir", "mine", "strategy=first", *TABLE[1:])
    assert done.code == 0, done.stderr
    assert len((tmp_path / done.run / "history.jsonl").read_text().splitlines()) == 1


def test_an_old_name_in_a_users_config_is_named_and_understood(nas, tmp_path):
    (tmp_path / "mine" / "penalty").mkdir(parents=True)
    (tmp_path / "mine" / "penalty" / "mine.yaml").write_text(
        "_target_: nascli.penalties.zero_one.ZeroOne\n_partial_: true\nweight: 2\n"
    )
    chosen = ("strategy=darts", "+penalty@strategy.penalties.mine=mine", *TINY, "data.images=64")
    done = nas("search", "--config-dir", "mine", *chosen, "training.epochs=1", "space.channels=2")
    assert done.code == 0, done.stderr
    assert (
        "warning: a config of yours uses an old name: _target_ nascli.penalties.zero_one.ZeroOne "
        "is now nascli.gradient.penalties.zero_one.ZeroOne; please change it"
    ) in " ".join(done.stderr.split())
    recorded = (tmp_path / done.run / "config.yaml").read_text()
    assert "_target_: nascli.gradient.penalties.zero_one.ZeroOne" in recorded


def test_a_search_says_why_it_ended_and_what_failed(nas, tmp_path):
    """25 cells of grid order read nothing and share the row; those after them have none."""
    nothing = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    (tmp_path / "own.csv").write_text(f"\ufeffgenotype;accuracy;who\n{nothing};10,5;me\n")
    table = ("space=nasbench201", "estimator=table", "estimator.path=own.csv", "device=none")
    done = nas("search", "strategy=grid", *table, "budget.trials=27")
    assert done.code == 0, done.stderr
    assert "left aside: 'who' (line 2 has 'me', no number)" in done.stderr
    assert "ended after 27 trials: budget.trials=27 is used up" in done.stderr
    assert "failed: 2 with LookupError: " in done.stderr
    (tmp_path / "own.csv").rename(tmp_path / "moved.csv")
    for row, says in ((f"{nothing},10.6", "was 10.5 and is 10.6;"), (None, "is used up")):
        (tmp_path / "other.csv").write_text(f"genotype,accuracy\n{row}\n")
        file = "moved.csv" if row is None else "other.csv"
        more = nas("search", f"resume={done.run}", f"estimator.path={file}", "budget.trials=28")
        assert more.code == (0 if row is None else 2) and says in more.stderr, more.stderr
    assert "own.csv has no row for a genotype" in done.stderr
    repeating = (
        "strategy=random",
        "strategy.repeats=true",
        "budget.repeats=1",
        "budget.trials=null",
    )
    done = nas("search", *repeating, *table[:2], "device=none")
    assert "1 repeat: budget.repeats=1 proposals in a row were known" in done.stderr


def test_watch_shows_a_run_until_it_is_interrupted(nas, start, tmp_path):
    nas("search", *TABLE)
    process = start("watch", "port=0", cwd=tmp_path)
    try:
        address = ""
        while not address.endswith("/\n"):
            assert process.poll() is None, process.said()
            with contextlib.suppress(FileNotFoundError):  # it has not begun
                address = process.said()[0]
            time.sleep(0.01)
        address = address.strip()
        with urllib.request.urlopen(address, timeout=20) as page:
            (run,) = re.findall('href="(search/[^"]+)"', page.read().decode())
        with urllib.request.urlopen(address + run, timeout=20) as page:
            assert "random" in page.read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
    assert "watching 1 run" in process.said()[1] and "Traceback" not in process.said()[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "no run folder at 'nowhere'"),
        (["port=many"], "port is 'many'; it must be a whole number from 0 (any free one) to 65535"),
        (["prot=1"], "key 'prot' is not known; allowed: port; did you mean 'port'?"),
    ],
)
def test_what_watch_cannot_do_is_said(nas, words, said):
    done = nas("watch", *words)
    assert done.code == 2 and said in done.stderr


def test_flags_as_other_tools_have_them_are_keys(nas, tmp_path):
    words = ("--strategy", "random", "--space=nasbench201", "--estimator", "TABLE")
    done = nas("search", *words, "--budget.trials=2", "--seed", "3")
    assert done.code == 2 and "did you mean 'table'?" in done.stderr
    done = nas("search", *words[:-1], "table", "--budget.trials=2", "--seed", "3")
    assert done.code == 0, done.stderr
    config = (tmp_path / done.run / "config.yaml").read_text()
    assert "seed: 3" in config and "  trials: 2" in config
    assert "--seed has no value; write seed=VALUE" in nas("search", "--seed").stderr


def test_help_with_an_option_says_what_its_keys_are(nas):
    done = nas("search", "data=image_folder", "--help")
    assert done.stdout.startswith("data=image_folder: Your own images")
    assert re.search(
        r"^  data\.image_size: null +# pixels of both sides", done.stdout, re.MULTILINE
    )
    assert "_target_" not in done.stdout and "# pixels" in done.stdout
    both = nas("search", "data=digits", "strategy=darts", "--help").stdout
    assert "data.valid_fraction" in both and "    second_order: null" in both


def test_a_multirun_counts_its_jobs_and_names_what_failed(nas):
    words = ("-m", *TABLE, "budget.trials=1,-1", "seed=1,2")
    done = nas("search", *words)
    assert done.code == 2
    assert "[1/4] budget.trials=1 seed=1" in done.stderr and "[4/4]" in done.stderr
    assert "failed: budget.trials=-1 seed=1; budget.trials=-1 seed=2" in done.stderr


def test_completion_offers_run_folders(nas, start, tmp_path):
    run = nas("search", *TABLE).run
    line = "nas retrain genotype=outputs/search/"
    process = start("-sc", "query=bash", cwd=tmp_path, COMP_LINE=line)
    assert process.communicate(60)[0].split() == [f"genotype={run}"]
