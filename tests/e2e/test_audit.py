"""`nas audit` as a person runs it."""

import csv
import json
import signal
import time

import pytest

SMALL = (
    "data=synthetic",
    "data.images=192",
    "training.epochs=2",
    "training.batch_size=32",
    "space.channels=4",
    "space.cells_per_stage=1",
    "accelerator=cpu",
    "resamples=40",
)
TRAIN = ("estimator=zero_cost", "estimator.scores=[synflow]", "reference=train", "networks=6")


def said(run):
    """What was found, without what a clock has measured."""
    rows = list(csv.DictReader((run / "audit.csv").open()))
    for row in rows:
        for name in list(row):
            if name.endswith("_seconds"):
                del row[name]
    report = json.loads((run / "report.json").read_text())
    for row in report["correlations"]:
        del row["time_ms"]
    return rows, report["correlations"], report["against_baselines"]


def test_twelve_epochs_against_two_hundred(nas, tmp_path):
    arguments = ("estimator=table", "fidelity=0.06", "networks=1000", "resamples=40")
    done = nas("audit", *arguments)
    assert done.code == 0, done.stderr
    assert done.stdout.count("\n") == 1 and "audit/" in done.stdout
    run = tmp_path / done.run
    written = {path.name for path in run.iterdir()}
    expected = "config.yaml environment.json history.jsonl audit.csv report.json report.html"
    assert {*expected.split(), "log.txt", "figures"} <= written
    assert {path.stem for path in (run / "figures").iterdir()} >= {
        "kendall_tau",
        "accuracy_over_accuracy",
        "accuracy_over_params",
    }
    rows = {r["metric"]: r for r in json.loads((run / "report.json").read_text())["correlations"]}
    # Spearman of params with the accuracy of all 15,625 cells is 0.72 as published
    # (Abdelfattah et al. 2021); of 1,000 of them it is within 0.06 of that
    assert rows["params"]["spearman"] == pytest.approx(0.72, abs=0.06)
    assert "Kendall tau" in done.stderr and "params (cost)" in done.stderr
    assert len((run / "audit.csv").read_text().splitlines()) == 1001


@pytest.fixture(scope="module")
def alone(start, tmp_path_factory):
    """What an audit in one process finds that nobody disturbs."""
    folder = tmp_path_factory.mktemp("alone")
    process = start("audit", *SMALL, *TRAIN, cwd=folder)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return said(folder / out.strip())


def test_interrupted_and_resumed_it_ends_as_if_nothing_had_happened(nas, tmp_path, start, alone):
    process = start("audit", *SMALL, *TRAIN, cwd=tmp_path)
    files = []
    while process.poll() is None and not (files and files[0].read_bytes().count(b"\n") >= 2):
        files = list(tmp_path.glob("outputs/audit/*/history.jsonl"))
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, "")
    run = files[0].parent
    assert f"nas audit resume={run.relative_to(tmp_path)}" in err and "Traceback" not in err
    kept = len((run / "audit.csv").read_text().splitlines()) - 1
    assert 2 <= kept < 6
    resumed = nas("audit", f"resume={run}")
    assert resumed.code == 0, resumed.stderr
    assert f"resuming after {kept} networks" in resumed.stderr
    assert said(run) == alone
    changed = nas("audit", f"resume={run}", "networks=7")
    assert changed.code == 2 and "networks cannot change when a run is resumed" in changed.stderr


def test_on_several_processes_it_says_the_same(nas, tmp_path):
    """Of a table, so that no worker imports torch; test_workers.py trains on several processes."""
    arguments = ("estimator=table", "fidelity=0.06", "networks=40", "resamples=40")
    serial = nas("audit", *arguments)
    assert serial.code == 0, serial.stderr
    several = nas("audit", *arguments, "workers=processes", "workers.count=2")
    assert several.code == 0, several.stderr
    assert said(tmp_path / several.run) == said(tmp_path / serial.run)


def test_faults_are_one_message_each(nas, tmp_path):
    done = nas("audit", "reference=tabel", "netwoks=3", "estimator=one_shot")
    assert done.code == 2 and done.stdout == ""
    assert "estimator 'tabel' is not known" in done.stderr and "'table'?" in done.stderr
    assert "key 'netwoks' is not known" in done.stderr and "'networks'?" in done.stderr
    assert ": it scores with shared weights" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "outputs").exists()
