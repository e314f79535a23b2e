"""Run folders that an earlier version left behind are read, and resumed as it resumed them.

`record.py` says how the folders under runs/ came about; expected/ is what the version that left
them made of the killed ones. What is compared:

- searches on a table: every line of the history, the answer and its result, exactly;
- searches that train: the lines that were on record, exactly. What comes after follows from float32
  sums, which another CPU adds up differently, and genotypes follow from accuracies. So of the other
  lines only number, `asked` and fidelity are compared and that none failed; the genotypes too where
  the strategy proposes whatever the accuracies are (`random`). With several processes lines may
  come in another order: they are compared by their number; `asked`, `used` and the answer (of
  equally good genotypes the first) are left aside;
- a retraining: the epochs on record exactly, the others only that they are there;
- an audit: genotypes and reference exactly, and scores to a relative 1e-3.

Peak memory is left aside, except in the lines on record: it has moved on purpose since (CHANGELOG),
for networks let go of tensors earlier.

With NASCLI_EXACT=1 in the environment everything is compared exactly, which holds on the machine
and with the torch that the folders were recorded with.
"""

import json
import os
from pathlib import Path

import pytest
from recorded.record import EXPECTED, RUNS, RUNS_FOLDER, outcome, take

EXACT = bool(os.environ.get("NASCLI_EXACT"))
KILLED = [name for name, recipe in RUNS.items() if recipe.kill is not None]
SHOWN = ("evolution_table", "p_darts_cell", "robust_darts_cell", "gdas_bench", "retrain_cell")
FLOATS = ("killed_reinforce_table",)  # on a table, but its policy is a network
BLIND = ("killed_random_processes",)  # what it proposes does not follow from accuracies


def lines_of(run):
    """The whole lines of a history, as they were."""
    data = (run / "history.jsonl").read_bytes()
    return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]


def without_peaks(node):
    """The same without any peak memory of a network."""
    if isinstance(node, dict):
        return {key: without_peaks(v) for key, v in node.items() if key != "peak_memory_mb"}
    return [without_peaks(value) for value in node] if isinstance(node, list) else node


def test_every_folder_has_a_recipe():
    assert sorted(RUNS) == sorted(path.name for path in RUNS_FOLDER.iterdir())
    assert sorted(KILLED) == sorted(path.stem for path in EXPECTED.glob("*.json"))


def test_nothing_tells_of_a_machine():
    for file in RUNS_FOLDER.rglob("*"):
        if file.suffix in (".json", ".yaml", ".jsonl", ".csv"):
            text = file.read_text()
            assert not any(f"{place}/" in text for place in ("/root", "/home", "/tmp", "/work"))


@pytest.mark.parametrize("name", KILLED)
def test_goes_on(name, tmp_path, nas):
    recipe = RUNS[name]
    run = take(name, tmp_path)
    before = lines_of(run) if recipe.verb != "retrain" else []
    done = nas(recipe.verb, f"resume={name}")
    assert done.code == 0, done.stderr
    assert done.run == Path(name)
    found = outcome(run, recipe.verb)
    expected = json.loads((EXPECTED / f"{name}.json").read_text())
    found, expected = without_peaks(found), without_peaks(expected)
    if recipe.verb != "retrain":
        assert lines_of(run)[: len(before)] == before
    whole = recipe.verb == "search" and "table" in name and name not in FLOATS
    if "processes" in name:
        for said in (found, expected):
            del said["genotype"], said["result"]
            said["history"].sort(key=lambda line: line["number"])
            for line in said["history"]:
                del line["asked"], line["used"]
    if EXACT or whole:
        assert found == expected
    elif recipe.verb == "search":
        searched(name, found, expected)
    elif recipe.verb == "retrain":
        retrained(found, expected, recipe.kill)
    else:
        audited(found["history"], expected["history"])


def searched(name, found, expected):
    """A search that trains."""
    keys = ("number", "asked", "fidelity", "error", *(["genotype"] if name in BLIND else []))
    assert found.keys() == expected.keys()
    assert len(found["history"]) == len(expected["history"])
    for line, other in zip(found["history"], expected["history"], strict=True):
        assert line.keys() == other.keys()
        assert {key: line.get(key) for key in keys} == {key: other.get(key) for key in keys}
        assert line["metrics"].keys() == other["metrics"].keys()
    for key in {"genotype", "result"} & found.keys():
        assert found[key].keys() == expected[key].keys()


def retrained(found, expected, epochs):
    """A training of which so many epochs were on record."""
    assert found["genotype"] == expected["genotype"]
    assert found["costs"] == expected["costs"]
    assert found["result"].keys() == expected["result"].keys()
    assert found["epochs"][:epochs] == expected["epochs"][:epochs]
    for row, other in zip(found["epochs"], expected["epochs"], strict=True):
        assert row.keys() == other.keys()
        assert row["epoch"] == other["epoch"]
        assert row["learning_rate"] == pytest.approx(other["learning_rate"])


def audited(found, expected):
    """An audit against a table; the loop has come to write down when it was asked for a network."""
    for line, other in zip(found, expected, strict=True):
        del line["asked"], other["asked"]
        scores, others = line.pop("metrics"), other.pop("metrics")
        assert line == other
        assert scores["reference"] == others["reference"]
        assert scores == pytest.approx(others, rel=1e-3)


@pytest.mark.parametrize("name", SHOWN)
def test_is_shown(name, tmp_path, nas):
    run = take(name, tmp_path)
    done = nas("show", name)
    assert done.code == 0, done.stderr
    report = json.loads((run / "report.json").read_text())
    assert f"{report['verb']}, " in done.stdout
    accuracy = next(v for k, v in report["result"].items() if k.endswith("accuracy"))
    assert f"{accuracy:.2f}" in done.stdout


def test_a_network_of_a_front_is_shown(tmp_path, nas):
    run = take("nsga2_front", tmp_path)
    one = min((run / "front").glob("*.json"))
    done = nas("show", str(one.relative_to(tmp_path)))
    assert done.code == 0, done.stderr


def test_searches_are_compared(tmp_path, nas):
    names = ["evolution_table", "random_table"]
    for name in names:
        take(name, tmp_path)
    done = nas("compare", *names)
    assert done.code == 0, done.stderr
    trained = ["random_train", "random_processes", "darts_cell", "beta_darts_cell"]
    for name in trained[2:]:
        take(name, tmp_path)
    done = nas("compare", *trained[2:])
    assert done.code == 0, done.stderr


def test_a_searched_network_is_retrained(tmp_path, nas):
    take("darts_cell", tmp_path)
    settings = ("data=synthetic", "data.images=64", "device=none", "accelerator=cpu")
    done = nas("retrain", "genotype=darts_cell", "training.epochs=1", *settings)
    assert done.code == 0, done.stderr
    chosen = json.loads((RUNS_FOLDER / "darts_cell" / "genotype.json").read_text())
    assert json.loads((tmp_path / done.run / "genotype.json").read_text()) == chosen
    assert "searched" in done.stderr and "retrained" in done.stderr


def test_shared_weights_are_audited(tmp_path, nas):
    take("gdas_bench", tmp_path)
    done = nas("audit", "estimator=one_shot", "supernet=gdas_bench", "networks=3", "resamples=20")
    assert done.code == 0, done.stderr
    assert len(lines_of(tmp_path / done.run)) == 3


def test_a_finished_search_on_a_table_goes_on_with_a_larger_budget(tmp_path, nas):
    run = take("evolution_table", tmp_path)
    before = lines_of(run)
    done = nas("search", "resume=evolution_table", "budget.trials=40", "budget.proposals=40")
    assert done.code == 0, done.stderr
    assert lines_of(run)[:30] == before
    assert len(lines_of(run)) == 40


def test_a_finished_gradient_search_stays_as_it_is(tmp_path, nas):
    run = take("gdas_bench", tmp_path)
    before = lines_of(run)
    done = nas("search", "resume=gdas_bench")
    assert done.code == 0, done.stderr
    assert lines_of(run) == before
    chosen = json.loads((RUNS_FOLDER / "gdas_bench" / "genotype.json").read_text())
    assert json.loads((run / "genotype.json").read_text()) == chosen
