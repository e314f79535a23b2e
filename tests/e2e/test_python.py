"""The verbs called from Python: what the shell finds, and a process that is left as it was."""

import gc
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures import CHECKOUT, environment

import nascli
from nascli.core.trial import Trial

TABLE = {"space": "nasbench201", "estimator": "table", "device": "none"}
SMALL = {
    "data": "synthetic",
    "data.images": 64,
    "training.batch_size": 8,
    "training.epochs": 1,
    "device": "none",
    "accelerator": "cpu",
    "space": "nasbench201",
    "space.channels": 2,
    "space.cells_per_stage": 1,
}
NETWORK = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words(keys):
    return [f"{key}={str(value).replace('None', 'null')}" for key, value in keys.items()]


def trials(run):
    """A history without what a clock has measured."""
    lines = [json.loads(line) for line in (Path(run) / "history.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("seconds")
        line.pop("elapsed", None)
        timed = [name for name in line["metrics"] if name.endswith("_seconds")]
        for name in timed:
            del line["metrics"][name]
    return lines


def test_a_search_is_the_one_of_the_shell(nas, tmp_path):
    chosen = {**TABLE, "strategy": "evolution", "budget.trials": 30, "seed": 3}
    shell = nas("search", *words(chosen))
    assert shell.code == 0, shell.stderr
    budget = {"trials": 30}
    run = nascli.search("strategy=evolution", "seed=3", **TABLE, budget=budget)
    assert trials(run) == trials(tmp_path / shell.run)
    found, expected = Path(run), tmp_path / shell.run
    for name in ("genotype.json", "config.yaml"):
        assert (found / name).read_text() == (expected / name).read_text()
    files = [sorted(p.name for p in folder.iterdir()) for folder in (found, expected)]
    assert {*files[1]} - {*files[0]} <= {"log.txt"}
    assert json.loads((found / "environment.json").read_text())["command"].startswith("nas search")
    assert run.genotype.space == "nasbench201" and run.front == []
    assert run.report["verb"] == "search" and run.path.parent == Path("outputs/search").absolute()


def test_percentages_and_fronts(tmp_path):
    run = nascli.search(
        strategy="nsga2",
        **TABLE,
        objectives={"accuracy": "max", "params": "min"},
        constraints={"params": "60%"},
        budget={"trials": 30},
    )
    assert run.report["problem"]["constraints"]["params"] == pytest.approx(0.6 * 1_531_546)
    assert len(run.front) == len(run.report["front"]) > 1
    assert all(isinstance(trial, Trial) for trial in run.front)


def test_a_retraining_is_the_one_of_the_shell(nas, tmp_path):
    shell = nas("retrain", *words({**SMALL, "genotype": NETWORK}))
    assert shell.code == 0, shell.stderr
    run = nascli.retrain(genotype=NETWORK, **SMALL)
    expected = nascli.load(tmp_path / shell.run)
    assert run.report["epochs"] == expected.report["epochs"]
    assert run.report["result"] == expected.report["result"]
    assert run.genotype == expected.genotype
    again = nascli.retrain(resume=run)
    assert again.report["result"] == run.report["result"] and len(again.history) == 1


def test_an_audit_is_the_one_of_the_shell(nas, tmp_path):
    chosen = {"estimator": "table", "fidelity": 0.06, "networks": 20, "resamples": 20}
    shell = nas("audit", *words(chosen), "reference=table")
    assert shell.code == 0, shell.stderr
    run = nascli.audit(**chosen, reference="table")
    assert trials(run) == trials(tmp_path / shell.run)
    assert run.report["networks"]["asked"] == 20


def test_a_profile(tmp_path):
    heard = []
    run = nascli.profile(
        genotype=NETWORK,
        **{**SMALL, "device": "cpu", "device.seconds": 0.001, "device.repeats": 1},
        progress=lambda done, text: heard.append((done, text)),
    )
    assert (run.path / "latency_table.csv").is_file()
    assert run.report["network"]["latency_ms"] > 0
    assert heard[-1] == (1.0, "1 network timed")
    assert any(done == 1.0 and text.endswith("layers timed") for done, text in heard)


def test_searches_are_compared(nas, tmp_path):
    chosen = {**TABLE, "budget.trials": 20}
    runs = [
        nascli.search(strategy=name, seed=seed, **chosen)
        for name, seed in (("random", 1), ("evolution", 1), ("evolution", 2))
    ]
    found = nascli.compare(*runs, x="queries", reference={"accuracy": 0})
    shell = nas("compare", *(str(run.path) for run in runs))
    assert shell.code == 0, shell.stderr
    assert found.report["table"] == nascli.load(tmp_path / shell.run).report["table"]
    assert nascli.compare("outputs").report["table"] == found.report["table"]


def test_a_search_goes_on(tmp_path):
    short = nascli.search(strategy="evolution", **TABLE, budget={"trials": 60})
    long = nascli.search(strategy="evolution", **TABLE, budget={"trials": 120})
    again = nascli.search(resume=short.path, **{"budget.trials": 120})
    assert again.path.resolve() == short.path.resolve()
    assert trials(again) == trials(long) and again.genotype == long.genotype


def test_a_run_that_has_ended_is_left_as_it_is():
    run = nascli.search(**TABLE, strategy="random", **{"budget.trials": 5})
    before = {file.name: file.stat().st_mtime_ns for file in run.path.iterdir()}
    heard = Listener()
    assert nascli.search(resume=run, listener=heard) == run
    assert {file.name: file.stat().st_mtime_ns for file in run.path.iterdir()} == before
    (said,) = heard.warnings
    assert "has ended already (budget.trials=5 is used up)" in said


def test_faults_are_those_of_the_shell(nas, tmp_path):
    wrong = {"strategy": "drats", "space.chanels": 8, "seed": "often", "budget.trials": 0}
    with pytest.raises(nascli.Fault) as caught:
        nascli.search(**wrong)
    said = nas("search", *words(wrong)).stderr.removeprefix("nas: ").splitlines()
    assert sorted(str(caught.value).splitlines()) == sorted(said)
    with pytest.raises(nascli.Fault, match="no run folder at"):
        nascli.search(resume=tmp_path / "none")
    with pytest.raises(nascli.Fault, match="seed is <object"):
        nascli.search(seed=object())
    assert not (tmp_path / "outputs").exists()


def test_paths_with_everything_in_them(tmp_path):
    outputs = tmp_path / "it's a=b, c (d) {e} [f] $g #h"
    run = nascli.search(strategy="random", **TABLE, outputs=outputs, budget={"trials": 2})
    assert run.path.parent == outputs / "search"
    again = nascli.search(resume=run, budget={"trials": 3})
    assert len(again.history) == 3
    assert nascli.load(run).report["verb"] == "search"


def test_values_of_every_kind_are_what_the_config_gets():
    from nascli.config.compose import composed
    from nascli.config.overrides import keywords

    given = {
        "space": "cell",
        "space.auxiliary": True,
        "budget": {"trials": None, "seconds": 1.5},
        "operation@space.operations": ["none", "skip_connect"],
        "training": {"architecture": {"betas": [0.25, 0.75]}},
        "data": {"noise": np.float64(0.125)},
        "outputs": Path("a b"),
        "+strategy.note": "true",
    }
    config = composed("search", ["data=synthetic", *keywords("search", given)])
    assert config.space.auxiliary is True
    assert (config.budget.trials, config.budget.seconds) == (None, 1.5)
    assert list(config.space.operations) == ["none", "skip_connect"]
    assert config.training.architecture.betas == [0.25, 0.75]
    assert config.data.noise == 0.125
    assert (config.outputs, config.strategy.note) == ("a b", "true")


def test_a_users_own_strategy(tmp_path):
    mine = tmp_path / "my, own"
    (mine / "strategy").mkdir(parents=True)
    (mine / "strategy" / "first.yaml").write_text("# The first only.\n_target_: my_first.First\n")
    (mine / "my_first.py").write_text(
        "from nascli.core.listed import Listed\n"
        "from nascli.core.space import at\n"
        "class First(Listed):\n"
        "    def __init__(self, problem):\n"
        "        super().__init__(problem, [at(problem.space, 0)])\n"
    )
    before = list(sys.path)
    run = nascli.search(strategy="first", **TABLE, config_dir=mine)
    assert len(run.history) == 1
    assert sys.path == before
    again = nascli.search(resume=run, config_dir=[mine])
    assert len(again.history) == 1
    with pytest.raises(nascli.Fault, match="no such folder"):
        nascli.search(config_dir=tmp_path / "none")


class Listener:
    def __init__(self):
        self.trials, self.warnings = [], []

    def progress(self, done, text):
        pass

    def warn(self, text):
        self.warnings.append(text)

    def trial(self, trial):
        self.trials.append(trial)


def test_what_a_callback_raises_reaches_the_caller_and_is_no_trial():
    def stop(done, text):
        raise KeyError("mine")

    words = ("strategy=random", "space=nasbench201", "estimator=train", "data=synthetic")
    small = {"data.images": 60, "training.epochs": 1, "space.channels": 4, "device": "none"}
    with pytest.raises(KeyError, match="mine"):
        nascli.search(*words, **small, budget={"trials": 2}, progress=stop)
    (path,) = Path("outputs/search").iterdir()
    assert nascli.load(path).history == []
    run = nascli.search(resume=path)
    assert [trial.error for trial in run.history] == [None, None]


def test_a_callback_may_change_the_working_folder(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    class Moves(Listener):
        def warn(self, text):
            os.chdir(elsewhere)

        def trial(self, trial):
            os.chdir("/")

    chosen = {**TABLE, "strategy": "random", "listener": Moves()}
    found = nascli.search(**chosen, **{"budget.trials": 5})
    os.chdir(tmp_path)
    assert found.path.parent == tmp_path / "outputs" / "search"
    assert len(found.history) == 5 and found.genotype is not None and found.report
    again = nascli.search(
        resume=found.path.relative_to(tmp_path), listener=Moves(), **{"budget.trials": 8}
    )
    assert again.path == found.path and len(again.history) == 8
    os.chdir(tmp_path)
    trained = nascli.retrain(**SMALL, genotype=NETWORK, listener=Moves())
    assert trained.path.parent == tmp_path / "outputs" / "retrain"
    assert trained.report and (trained.path / "weights.pt").is_file()
    assert not list(elsewhere.iterdir())


def test_a_fault_that_is_kept_holds_no_folder(tmp_path, monkeypatch):
    run = nascli.search(strategy="random", **TABLE, budget={"trials": 3})
    with pytest.raises(nascli.Fault, match="seed cannot change") as kept:
        nascli.search(resume=run, seed=3)
    monkeypatch.chdir("/")  # a run is where it was, wherever one goes
    assert len(nascli.search(resume=run, budget={"trials": 4}).history) >= 4
    del kept


@pytest.mark.parametrize("verb", ["retrain", "audit"])
def test_a_search_is_not_gone_on_with_by_another_verb(verb):
    run = nascli.search(strategy="random", **TABLE, budget={"trials": 3})
    before = {file.name: file.read_bytes() for file in run.path.glob("*.json*")}
    with pytest.raises(nascli.Fault, match="is a run of nas search, which"):
        getattr(nascli, verb)(resume=run)
    assert {file.name: file.read_bytes() for file in run.path.glob("*.json*")} == before


def test_a_listener_hears_of_every_trial_and_nothing_is_printed(capfd):
    heard = Listener()
    run = nascli.search(strategy="random", **TABLE, budget={"trials": 5}, listener=heard)
    assert [t.genotype for t in heard.trials] == [t.genotype for t in run.history]
    later = Listener()
    again = nascli.search(resume=run, budget={"trials": 7}, listener=later)
    assert [t.number for t in later.trials] == [t.number for t in again.history] == [*range(7)]
    begun, resumed = later.warnings
    assert begun.startswith("searching nasbench201 (15,625 genotypes) in ")
    assert resumed == "resuming after 5 trials"
    assert capfd.readouterr() == ("", "")


def state():
    return {
        "random": random.getstate(),
        "numpy": repr(np.random.get_state()),
        "torch": torch.get_rng_state().tolist(),
        "threads": torch.get_num_threads(),
        "path": list(sys.path),
        "argv": list(sys.argv),
        "handlers": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "frozen": gc.get_freeze_count(),
        "running": threading.active_count(),
    }


def test_the_process_is_as_it_was():
    torch.set_num_threads(2)
    random.random(), np.random.random(), torch.rand(1)
    before = state()
    run = nascli.search(strategy="random", estimator="train", budget={"trials": 1}, **SMALL)
    assert state() == before
    with pytest.raises(nascli.Fault):
        nascli.search(strategy="drats")
    assert state() == before
    nascli.retrain(genotype=run, **SMALL)
    nascli.audit(estimator="table", networks=5, resamples=5)
    assert state() == before
    torch.set_num_threads(1)


def test_off_the_main_thread():
    found = []
    thread = threading.Thread(
        target=lambda: found.append(nascli.search(strategy="random", **TABLE, budget={"trials": 3}))
    )
    thread.start()
    thread.join()
    assert len(found[0].history) == 3


def test_inside_a_program_that_uses_hydra(tmp_path):
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.version import getbase

    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "app.yaml").write_text("answer: 42\n")
    with initialize_config_dir(str(tmp_path / "own"), version_base="1.2"):
        ours, version = GlobalHydra.instance().hydra, getbase()
        nascli.search(strategy="random", **TABLE, budget={"trials": 2})
        assert GlobalHydra.instance().hydra is ours and getbase() == version
        assert compose("app").answer == 42
    assert not GlobalHydra.instance().is_initialized()


def test_inside_a_program_that_hydra_runs(tmp_path):
    (tmp_path / "app.yaml").write_text("trials: 3\n")
    (tmp_path / "app.py").write_text(
        "import hydra, nascli\n"
        "from hydra.core.hydra_config import HydraConfig\n"
        "@hydra.main(version_base=None, config_path='.', config_name='app')\n"
        "def main(cfg):\n"
        "    name = HydraConfig.get().job.name\n"
        "    run = nascli.search('strategy=random', 'space=nasbench201', estimator='table',\n"
        "                        budget={'trials': cfg.trials})\n"
        "    assert HydraConfig.get().job.name == name\n"
        "    print(len(run.history))\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "app.py", "trials=4"], env=environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr


def test_importing_it_loads_nothing():
    code = (
        "import sys, nascli\n"
        "heavy = {'torch', 'hydra', 'omegaconf', 'numpy', 'rich'}\n"
        "assert not heavy & set(sys.modules)\n"
        "assert {'search', 'retrain', 'Fault', 'Run'} <= set(dir(nascli))\n"
        "nascli.search(strategy='random', space='nasbench201', estimator='table')\n"
        "assert not {'torch', 'rich'} & set(sys.modules)\n"
        "assert callable(nascli.search)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_readmes_snippet_runs(tmp_path):
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"## From Python\n.*?```python\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "snippet.py").write_text(snippet)
    done = subprocess.run(
        [sys.executable, "snippet.py"], env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("outputs/search/*"))) == 4


def test_no_module_takes_the_name_of_a_verb():
    there = {path.stem for path in (CHECKOUT / "nascli").iterdir()}
    assert not {"search", "retrain", "profile", "audit", "compare", "load"} & there
    with pytest.raises(AttributeError, match="has no attribute 'serach'"):
        nascli.serach  # noqa: B018
