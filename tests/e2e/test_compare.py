"""Searches set side by side, as a person does it."""

import csv
import json
import shutil
import statistics

import pytest

TABLE = ("space=nasbench201", "estimator=table", "budget.trials=50")


@pytest.fixture(scope="module")
def searched(start, tmp_path_factory):
    """A folder with two strategies' searches at two seeds."""
    folder = tmp_path_factory.mktemp("compare")
    words = ["search", "-m", "strategy=random,evolution", "seed=1,2", *TABLE]
    process = start(*words, cwd=folder)
    err = process.communicate(timeout=240)[1]
    assert process.returncode == 0, err
    return folder


def lines(run):
    return [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]


def best(run, queries):
    return max(line["metrics"]["accuracy"] for line in lines(run) if line["used"] <= queries)


def test_two_strategies_at_two_seeds(nas, searched):
    done = nas("compare", "outputs/search", cwd=searched)
    assert done.code == 0, done.stderr
    assert done.stdout.count("\n") == 1
    folder = searched / done.run
    assert folder.parent == searched / "outputs" / "compare"
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert {
        "compare.csv",
        "table.csv",
        "report.json",
        "report.html",
        "figures/anytime.svg",
    } <= files
    report = json.loads((folder / "report.json").read_text())
    assert {row["group"] for row in report["table"]} == {"random", "evolution"}
    assert "at the least" in done.stderr and "no difference shown" in done.stderr
    for row in report["table"]:
        runs = sorted((searched / "outputs" / "search").glob(f"*_{row['group']}_nasbench201*"))
        found = [best(run, 50) for run in runs]
        tests = [json.loads((run / "report.json").read_text())["final"] for run in runs]
        assert row["mean_accuracy"] == pytest.approx(statistics.mean(found))
        assert row["std_accuracy"] == pytest.approx(statistics.stdev(found))
        mean = statistics.mean(one["test_accuracy"] for one in tests)
        assert row["mean_test_accuracy"] == pytest.approx(mean)
        assert row["queries"] == 50
    with (folder / "compare.csv").open() as file:
        points = list(csv.DictReader(file))
    assert len(points) == 2 * 2 * 50
    for point in points[::17]:
        where = f"*_{point['group']}_nasbench201*"
        seeds = {
            json.loads((run / "environment.json").read_text())["seed"]: run
            for run in (searched / "outputs" / "search").glob(where)
        }
        expected = best(seeds[int(point["seed"])], float(point["queries"]))
        assert float(point["value"]) == pytest.approx(expected)


def test_equal_budgets_and_seconds(nas, searched):
    audit = nas("audit", "estimator=table", "networks=5", "resamples=10", cwd=searched)
    assert audit.code == 0, audit.stderr
    done = nas("compare", "outputs", "at=10", cwd=searched)  # passes over the audit
    assert done.code == 0, done.stderr
    report = json.loads((searched / done.run / "report.json").read_text())
    for row in report["table"]:
        runs = (searched / "outputs" / "search").glob(f"*_{row['group']}_nasbench201*")
        assert row["mean_accuracy"] == pytest.approx(statistics.mean(best(r, 10) for r in runs))
    timed = nas("compare", "outputs/search", "x=seconds", "log_x=true", cwd=searched)
    assert timed.code == 0, timed.stderr
    head = (searched / timed.run / "compare.csv").read_text().partition("\n")[0]
    assert head == "group,seed,seconds,measure,value"


def test_a_run_that_has_not_ended_is_taken_as_far_as_it_is(nas, searched, tmp_path):
    shutil.copytree(searched / "outputs" / "search", tmp_path / "outputs" / "search")
    run = sorted((tmp_path / "outputs" / "search").glob("*_random_*"))[0]
    (run / "report.json").unlink()
    history = run / "history.jsonl"
    history.write_bytes(b"".join(history.read_bytes().splitlines(keepends=True)[:20])[:-9])
    done = nas("compare", "outputs/search")
    assert done.code == 0, done.stderr
    words = " ".join(done.stderr.split())
    assert f"not ended, taken as far as they are: outputs/search/{run.name} (19 trials)" in words
    assert "the runs end after 19 to 50 queries" in words and "at=19" in words
    with (tmp_path / done.run / "compare.csv").open() as file:
        points = [p for p in csv.DictReader(file) if p["group"] == "random" and p["seed"] == "1"]
    assert [float(p["queries"]) for p in points] == list(range(1, 20))


def test_runs_that_do_not_compare(nas, searched, tmp_path):
    shutil.copytree(searched / "outputs" / "search", tmp_path / "outputs" / "search")
    other = nas("search", "strategy=random", *TABLE, "estimator.dataset=cifar100")
    assert other.code == 0, other.stderr
    done = nas("compare", "outputs/search")
    assert done.code == 2
    assert "estimator.dataset is cifar10 in" in done.stderr
    assert f"cifar100 in '{other.run}'" in done.stderr
    assert not (tmp_path / "outputs" / "compare").exists()


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("history.jsonl", b"{}\n", "history.jsonl', line 1 is damaged: not a trial"),
        ("config.yaml", b"seed: 1\nstrategy: {{{", "is not a readable config"),
        ("config.yaml", b"seed: 1\n", "its config has no strategy"),
        (
            "config.yaml",
            lambda text: text.replace(b"nascli.estimators.table.Table", b"os.system"),
            "would build 'os.system'",
        ),
    ],
)
def test_damaged_and_foreign_files(nas, searched, tmp_path, file, content, says):
    run = sorted((searched / "outputs" / "search").iterdir())[0]
    shutil.copytree(run, tmp_path / "run")
    place = tmp_path / "run" / file
    place.write_bytes(content(place.read_bytes()) if callable(content) else content)
    done = nas("compare", "run")
    assert done.code == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_input(nas):
    assert "say which runs: nas compare RUN..." in nas("compare").stderr
    done = nas("compare", "nowhere", "lgo_x=true")
    assert done.code == 2
    assert "did you mean 'log_x'?" in done.stderr


@pytest.mark.parametrize(
    "more",
    [
        ("strategy=evolution", "strategy.population=10", "constraints.params=900000"),
        ("strategy=asha", "strategy.fidelities=[0.06,1.0]"),
    ],
)
def test_the_history_says_what_was_charged(nas, tmp_path, more):
    done = nas("search", *TABLE, *more)
    assert done.code == 0, done.stderr
    used, known, free, broke = 0.0, set(), 0, 0
    for line in lines(tmp_path / done.run):
        key = (*line["genotype"]["choices"].values(), line["fidelity"])
        charged = line["infeasible"] is None and key not in known
        used += line["fidelity"] if charged else 0
        free += not charged
        broke += line["infeasible"] is not None
        known |= {key} if charged else set()
        assert line["used"] == pytest.approx(used, abs=1e-5)
    assert (f" ({broke} broke a constraint)" in done.stderr) == (broke > 0)
    assert used == pytest.approx(50, abs=1)
    assert free > 0 or "strategy=asha" in more
