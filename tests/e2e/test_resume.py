"""Nothing is lost: a search killed anywhere ends as the uninterrupted one does."""

import functools
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from fixtures import command, environment

SMALL = (
    "data=synthetic",
    "data.images=128",
    "training.epochs=1",
    "training.batch_size=16",
    "space.channels=2",
    "space.cells=3",
    "space.nodes=2",
    "device=none",
    "accelerator=cpu",
)
TABLE = ("strategy=random", "space=nasbench201", "estimator=table")
SEARCHES = {
    "random": ("strategy=random", "estimator=train", "budget.trials=5"),
    "evolution": (
        "strategy=evolution",
        "estimator=train",
        "budget.trials=7",
        "strategy.population=3",
        "strategy.tournament=2",
    ),
    "darts": ("strategy=darts", "training.epochs=4"),
    "spos": (
        "strategy=spos",
        "training.epochs=1",
        "budget.trials=9",
        "strategy.population=3",
        "strategy.tournament=2",
        "estimator.at_once=3",
    ),
    "enas": ("strategy=enas", "training.epochs=2", "strategy.trials=2"),
}


def lines(run: Path):
    file = run / "history.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def wait_for(process, folder: Path, trials: int) -> Path:
    """The run folder, once it holds so many trials."""
    while process.poll() is None:
        runs = list(folder.glob("outputs/search/[!.]*"))  # a draft begins with a dot
        if runs and lines(runs[0]) >= trials:
            return runs[0]
        time.sleep(0.005)
    raise AssertionError(f"ended before it could be stopped: {process.said()[1]}")


def what_happened(run: Path):
    """The history without what a clock has measured, and the genotype."""
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    for trial in history:
        del trial["seconds"], trial["elapsed"]
    return history, json.loads((run / "genotype.json").read_text())["choices"]


@pytest.fixture(scope="module")
def undisturbed(start, tmp_path_factory):
    """The run folder of a search with these arguments; each is done once."""

    @functools.cache
    def found(*arguments):
        folder = tmp_path_factory.mktemp("undisturbed")
        process = start("search", *arguments, cwd=folder)
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        return folder / out.strip()

    return found


@pytest.mark.parametrize(
    ("name", "trials"),
    [
        ("random", 0),
        ("evolution", 3),
        ("darts", 3),
        ("enas", 3),
        ("spos", 4),
    ],
)
def test_kill_and_resume(start, undisturbed, tmp_path, name, trials):
    expected = what_happened(undisturbed(*SMALL, *SEARCHES[name]))
    process = start("search", *SMALL, *SEARCHES[name], cwd=tmp_path)
    run = wait_for(process, tmp_path, trials)
    process.kill()
    process.wait()
    assert (run / "config.yaml").exists()
    again = start("search", f"resume={run}", cwd=tmp_path)
    out, err = again.communicate(timeout=240)
    assert again.returncode == 0, err
    assert tmp_path / out.strip() == run
    assert what_happened(run) == expected


ONE_SHOT = (
    "strategy=evolution",
    "estimator=one_shot",
    "strategy.population=4",
    "strategy.tournament=2",
    "budget.trials=6",
    "training.epochs=4",
)


def epochs(run):
    """How many epochs of the estimator's own supernet are saved; None once they are over."""
    import torch

    try:
        state = torch.load(run / "state.pt", weights_only=True)["estimators"][-1]
    except FileNotFoundError:
        return 0
    return state["epoch"] if "optimizer" in state else None


@pytest.fixture(scope="module")
def one_shot(undisturbed):
    """A search by the paths of a supernet of its own that nobody disturbs."""
    run = undisturbed(*SMALL, *ONE_SHOT)
    report = json.loads((run / "report.json").read_text())
    assert report["effort"]["search_epoch_seconds"] > 0
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert len(history) >= 6 and not any(trial["error"] for trial in history)
    return what_happened(run)


@pytest.mark.parametrize("epoch", [2])
def test_a_supernet_that_an_estimator_trains_goes_on_from_its_epoch(
    start, one_shot, tmp_path, epoch
):
    process = start("search", *SMALL, *ONE_SHOT, cwd=tmp_path)
    run = wait_for(process, tmp_path, 0)
    while process.poll() is None and (epochs(run) or 0) < epoch and epochs(run) is not None:
        time.sleep(0.005)
    process.kill()
    process.wait()
    kept = epochs(run)
    assert kept is None or kept >= epoch
    again = start("search", f"resume={run}", cwd=tmp_path)
    err = again.communicate(timeout=240)[1]
    assert again.returncode == 0, err
    assert what_happened(run) == one_shot


def test_interrupt_says_how_to_go_on(start, tmp_path):
    process = start("search", *SMALL, *SEARCHES["random"], cwd=tmp_path)
    run = wait_for(process, tmp_path, 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert f"nas search resume={run.relative_to(tmp_path)}" in err
    assert "Traceback" not in err


def test_a_history_cut_short_in_the_middle_of_a_line(tmp_path, nas, undisturbed):
    run = shutil.copytree(undisturbed(*SMALL, *SEARCHES["random"]), tmp_path / "run")
    expected = what_happened(run)
    file = run / "history.jsonl"
    file.write_bytes(file.read_bytes()[:-40])
    again = nas("search", "resume=run")
    assert again.code == 0, again.stderr
    assert what_happened(run) == expected


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("state.pt", b"not a checkpoint", "is corrupt or was not written by nascli"),
        ("history.jsonl", b'{"number": 0}\n', "line 1 is damaged"),
        ("config.yaml", b"space: {}\n", "is of no run that can go on"),
        ("config.yaml", b"{{{", "is not a readable config"),
        ("environment.json", b"[" * 10_000, "is more than 50 lists and objects deep"),
    ],
)
def test_damaged_and_foreign_files(tmp_path, nas, undisturbed, file, content, says):
    run = shutil.copytree(undisturbed(*TABLE), tmp_path / "run")
    (run / file).write_bytes(content)
    again = nas("search", "resume=run")
    assert again.code == 2
    assert says in again.stderr
    assert "Traceback" not in again.stderr


def test_a_foreign_component_is_not_built(tmp_path, nas, undisturbed):
    run = shutil.copytree(undisturbed(*TABLE), tmp_path / "run")
    config = run / "config.yaml"
    changed, count = re.subn(
        r"_target_: nascli\.spaces\S+", "_target_: os.system", config.read_text()
    )
    config.write_text(changed)
    again = nas("search", "resume=run")
    assert (again.code, count) == (2, 1)
    assert "would build 'os.system'" in again.stderr


def test_only_the_budget_changes_on_resume(tmp_path, nas, undisturbed):
    shutil.copytree(undisturbed(*TABLE), tmp_path / "run")
    again = nas("search", "resume=run", "seed=2")
    assert again.code == 2
    assert "seed cannot change when a run is resumed" in again.stderr


def test_a_search_with_a_program_of_the_users_goes_on_where_it_is_named_again(tmp_path, nas):
    device = ("device=remote", "device.command='sh -c \"echo 1; : {network}\"'")
    begun = nas("search", *TABLE, *device, "budget.trials=2")
    assert begun.code == 0, begun.stderr
    more = ("search", f"resume={begun.run}", "budget.trials=3")
    refused = nas(*more)
    assert refused.code == 2
    named = re.search(r"give (device\.command=.*) with resume=", refused.stderr)[1]
    again = nas(*more, named)
    assert again.code == 0, again.stderr
    assert lines(tmp_path / begun.run) == 3
    other = nas(*more, "device.rounds=5")
    assert other.code == 2
    assert "device.rounds cannot change when a run is resumed" in other.stderr


def test_a_full_disk_stops_cleanly(tmp_path):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    table = ("strategy=random", "space=nasbench201", "estimator=table", "budget.trials=100")
    process = subprocess.Popen(
        command(["search", *table]),
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=small_files,
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert "cannot write" in err and "what was written before is intact" in err
    assert "Traceback" not in err
    (run,) = tmp_path.glob("outputs/search/*")
    kept = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert [trial["number"] for trial in kept] == list(range(len(kept)))
    assert 5 < len(kept) < 100


def test_outputs_that_cannot_be_made(nas, tmp_path):
    (tmp_path / "taken").write_text("a file")
    done = nas(
        "search", "outputs=taken/here", "strategy=random", "space=nasbench201", "estimator=table"
    )
    assert done.code == 2
    assert "cannot make a run folder under 'taken/here'" in done.stderr
    if os.geteuid() != 0:
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o500)
        assert nas("search", f"outputs={locked}").code == 2
