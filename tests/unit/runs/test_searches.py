import json
from dataclasses import replace

import pytest

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.trial import Trial
from nascli.runs import searches
from nascli.runs.folder import Run

CONFIG = "accelerator: cpu\nseed: 3\nstrategy:\n  population: 5\n"


def loss(metrics):
    return [-metrics["accuracy"], metrics["flops"]]


def trial(number, accuracy, flops, **more):
    metrics = {"accuracy": accuracy, "flops": flops}
    genotype = Genotype("toy", ("a",), (str(number),))
    return Trial(number, genotype, **{"fidelity": 1.0, "metrics": metrics, **more})


@pytest.fixture
def folder(tmp_path):
    """A run with a good trial, one of low fidelity, an infeasible, a failed and two good ones."""
    run = Run.claim(tmp_path, "search", "x", {"config.yaml": CONFIG})
    run.append(trial(0, 50.0, 8.0), used=1.0, elapsed=0.5)
    run.append(trial(1, 99.0, 1.0, fidelity=0.25), used=1.25, elapsed=0.75)
    run.append(trial(2, 99.0, 1.0, infeasible="flops"), used=1.25, elapsed=1.0)
    run.append(trial(3, 99.0, 1.0, error="no"), used=2.25, elapsed=1.5)
    run.append(trial(4, 40.0, 9.0), used=3.25, elapsed=2.0)
    run.append(trial(5, 45.0, 7.0), used=4.25, elapsed=2.5)
    return run.path


def read(folder):
    return searches.read(folder, 3, 1.0, loss, 2)


def test_what_a_history_tells(folder):
    found = read(folder)
    assert found.queries.tolist() == [1.0, 4.25]
    assert found.seconds.tolist() == [0.5, 2.5]
    assert found.losses.tolist() == [[-50, 8], [-45, 7]]
    assert found.worst.tolist() == [-40, 9]
    assert found.ends == {"queries": 4.25, "seconds": 2.5}
    assert (found.trials, found.seed, found.finished, found.final) == (6, 3, False, {})


def test_what_stands_beside_a_trial_is_no_part_of_it(folder):
    assert Run(folder).history()[0] == trial(0, 50.0, 8.0)


def test_the_report_has_the_final_figures(folder):
    report = {"verb": "search", "final": {"test_accuracy": 48.5, "note": "x"}}
    (folder / "report.json").write_text(json.dumps(report))
    found = read(folder)
    assert found.finished
    assert found.final == {"test_accuracy": 48.5}
    (folder / "report.json").write_text("[")
    with pytest.raises(Fault, match="report.json' is damaged"):
        read(folder)


def test_a_line_under_way_is_left_alone(folder):
    file = folder / "history.jsonl"
    before = file.read_bytes() + b'{"number":6,'
    file.write_bytes(before)
    assert read(folder).trials == 6
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nonsense", "history.jsonl', line 7 is damaged: Expecting value"),
        (
            '{"number": 0}',
            "history.jsonl', line 7 is damaged: not a trial, for it",
        ),
        ("[1]", "history.jsonl', line 7 is damaged: "),
    ],
)
def test_a_damaged_line_is_named(folder, line, says):
    with (folder / "history.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(Fault, match=says):
        read(folder)


def test_a_trial_without_what_is_compared_is_named(folder):
    run = Run(folder)
    run.append(replace(trial(6, 1.0, 1.0), metrics={"flops": 1.0}), used=5.0, elapsed=3.0)
    with pytest.raises(Fault, match="history.jsonl', line 7 has no 'accuracy'"):
        read(folder)


def test_an_older_history_does_not_say_what_was_used(folder):
    line = json.dumps(trial(0, 1.0, 1.0).to_json())
    (folder / "history.jsonl").write_text(line + "\n")
    with pytest.raises(Fault, match="line 1 does not say what was used of the budget"):
        read(folder)


def test_an_empty_history_has_found_nothing(folder):
    (folder / "history.jsonl").write_text("")
    found = read(folder)
    assert found.losses.shape == (0, 2)
    assert found.ends == {"queries": 0, "seconds": 0}


def test_folders_are_searched_for_runs_and_each_is_taken_once(folder, tmp_path):
    (tmp_path / "retrain" / "other").mkdir(parents=True)
    (tmp_path / "retrain" / "other" / "config.yaml").write_text("")
    draft = tmp_path / "search" / ".new-x"
    draft.mkdir()
    for name in ("config.yaml", "history.jsonl"):
        (draft / name).write_text("")
    assert searches.find([str(tmp_path)]) == ([folder], [])
    assert searches.find([str(folder.parent), str(folder), str(tmp_path)]) == ([folder], [])


def test_folders_that_are_no_searches(folder, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(Fault, match="empty' is not the run folder of a search, and there is none"):
        searches.find([str(empty)])
    with pytest.raises(Fault, match="no run folder at '.*nowhere'"):
        searches.find([str(tmp_path / "nowhere")])
    (folder / "history.jsonl").unlink()
    with pytest.raises(Fault, match="without a trial: its history.jsonl is empty or missing"):
        searches.find([str(folder)])


def test_a_dead_search_among_others_is_left_out_and_named(folder, tmp_path):
    dead = Run.claim(tmp_path, "search", "dead", {"config.yaml": CONFIG})
    assert searches.find([str(folder), str(dead.path)]) == ([folder], [dead.path])
    (dead.path / "history.jsonl").write_text("")
    assert searches.find([str(dead.path), str(folder), str(folder)]) == ([folder], [dead.path])
    with pytest.raises(Fault, match="is a search without a trial"):
        searches.find([str(dead.path)])


def other_verb(tmp_path, verb, config):
    """A finished run of another verb, with a history as an audit has one."""
    run = Run.claim(tmp_path, verb, "x", {"config.yaml": config})
    run.append(trial(0, 50.0, 8.0))
    run.write_json("report.json", {"verb": verb})
    return run.path


def test_below_a_folder_other_verbs_are_passed_over(folder, tmp_path):
    audit = other_verb(tmp_path, "audit", "seed: 3\nreference:\n  strategy: none\n")
    retrain = other_verb(tmp_path, "retrain", "seed: 3\n")
    Run.claim(tmp_path, "search", "just_begun", {"config.yaml": CONFIG})
    assert searches.find([str(tmp_path)]) == ([folder], [])
    for path in (audit, retrain):
        with pytest.raises(Fault, match=f"'{path}' is not the run folder of a search: its config"):
            searches.find([str(path)])
        with pytest.raises(Fault, match="and there is none below it"):
            searches.find([str(path.parent)])


def test_the_seed_and_the_rest(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("a: 1\nseed: -3\nstrategy:\n  seed: 4\n")
    assert searches.seed_apart(file) == (-3, "a: 1\n\nstrategy:\n  seed: 4\n")
    file.write_text("a: 1\n")
    with pytest.raises(Fault, match="it names no seed"):
        searches.seed_apart(file)
