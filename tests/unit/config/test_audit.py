import csv
import io
import json
from dataclasses import replace

import pytest
import torch
from fixtures import TINY, TINY_SPACE, asked, composed
from omegaconf import OmegaConf

from nascli.config import audit
from nascli.config import shared_weights as sharing
from nascli.core.fault import Fault
from nascli.core.space import at, size
from nascli.core.trial import Proposal
from nascli.programs import audit as program
from nascli.programs import shared_weights
from nascli.runs.folder import CONFIG, Run
from nascli.supernet.shared import Shared


def parts_of(*overrides):
    return audit.build(asked(composed(*overrides, verb="audit"), "audit"))


TABLE = ("estimator=table", "estimator@reference=table")


def test_genotypes_are_drawn_without_repeats_and_follow_from_the_seed():
    drawn = parts_of(*TABLE, "networks=500").genotypes
    assert len(set(drawn)) == 500
    assert parts_of(*TABLE, "networks=500").genotypes == drawn
    assert parts_of(*TABLE, "networks=500", "seed=1").genotypes != drawn
    # uniform over 15,625: the mean number is 7,812 +- 4,511 / sqrt(500), five deviations
    space = parts_of(*TABLE).problem.space
    number = {at(space, n): n for n in range(size(space))}
    assert abs(sum(map(number.get, drawn)) / 500 - 7_812) < 1_009


def test_all_genotypes_can_be_asked_for():
    assert len(set(parts_of(*TABLE, "genotypes=all").genotypes)) == 15_625


def test_only_genotypes_that_a_csv_knows_are_drawn(tmp_path):
    space = parts_of(*TABLE).problem.space
    known = [at(space, n) for n in (3_906, 7_812, 15_624, 11_718)]
    rows = [[json.dumps(g.choices), 50 + n] for n, g in enumerate(known)]
    file = tmp_path / "own.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([["genotype", "accuracy"], *rows])
    parts = parts_of(*TABLE, f"reference.path={file}", "genotypes=all")
    assert {space.canonical(g) for g in known} == set(parts.genotypes)
    told = {parts.asking.reference.estimate(Proposal(g))["accuracy"] for g in parts.genotypes}
    assert told == {50.0, 51.0, 52.0, 53.0}
    with pytest.raises(Fault, match="networks is 100; there are only 4: take genotypes=all"):
        parts_of(*TABLE, f"reference.path={file}")


def test_what_the_estimator_has_learnt_from_is_left_out(tmp_path):
    space = parts_of(*TABLE).problem.space
    known = [at(space, n) for n in range(3_906, 3_936)]
    rows = [[json.dumps(g.choices), 50 + n] for n, g in enumerate(known)]
    for name, part in (("some.csv", rows[:20]), ("all.csv", rows)):
        with (tmp_path / name).open("w", newline="") as out:
            csv.writer(out).writerows([["genotype", "accuracy"], *part])
    chosen = ["estimator=predictor", f"estimator.path={tmp_path / 'some.csv'}"]
    chosen += [
        "estimator@reference=table",
        f"reference.path={tmp_path / 'all.csv'}",
        "genotypes=all",
    ]
    canonical = [space.canonical(genotype) for genotype in known]
    new = {genotype for genotype in canonical if genotype not in canonical[:20]}
    assert new and set(parts_of(*chosen).genotypes) == new
    with pytest.raises(Fault, match=f"there are only {len(new)}: take genotypes=all"):
        parts_of(*chosen, "genotypes=random", f"networks={len(new) + 1}")


def test_the_reference_gets_the_whole_recipe():
    parts = parts_of("estimator=train", "estimator@reference=train", "fidelity=0.25")
    assert parts.problem.fidelity == 0.25
    assert parts.asking.estimator.meaning == "on the validation split, after 1 epoch from scratch"
    assert parts.asking.reference.meaning == "on the validation split, after 4 epochs from scratch"


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["networks=2"], "networks is 2; it must be at least 3"),
        (["resamples=0"], "resamples is 0; it must be at least 1"),
        (["genotypes=some"], "genotypes is 'some'; it must be random or all"),
        (["networks=20000"], "networks is 20000; there are only 15625: take genotypes=all"),
        (["fidelity=0.0"], "fidelity is 0.0; it must be above 0 and at most 1"),
        (["space=cell"], "reference: estimator=table knows NAS-Bench-201 only"),
        (["estimator=one_shot"], "estimator: it scores with shared weights"),
        (["estimator@reference=one_shot"], "reference: it scores with shared weights"),
        (["estimator@reference=zero_cost"], "the reference gives no accuracy, only score"),
        (
            ["supernet=/no/such/run"],
            "supernet=/no/such/run is not a run folder: there is no such folder",
        ),
    ],
)
def test_bad_input_is_one_clear_message(overrides, says):
    with pytest.raises(Fault, match=says.replace("(", r"\(")):
        parts_of(*overrides)


class Failing:
    """Fails on every third network; never gives a number for the one after."""

    metrics = ("score",)
    meaning = ""

    def __init__(self):
        self.asked = []

    def estimate(self, proposal):
        self.asked.append(proposal)
        if len(self.asked) % 3 == 0:
            raise ArithmeticError("no score")
        return {"score": float(len(self.asked))}


def test_a_failed_network_is_kept_with_its_reason_and_its_reference():
    parts = parts_of(*TABLE)
    failed = []
    keep = lambda number, _error: failed.append(number)  # noqa: E731
    problem = replace(parts.problem, fidelity=0.5)
    asking = replace(parts.asking, problem=problem, estimator=Failing(), on_error=keep)
    genotypes = parts.genotypes[:3]
    trials = [asking(number, Proposal(g, 0.5)) for number, g in enumerate(genotypes)]
    assert failed == [2]
    assert [trial.error for trial in trials] == [
        None,
        None,
        "estimator: ArithmeticError: no score",
    ]
    for trial in trials:
        table = parts.asking.reference.estimate(Proposal(trial.genotype))
        assert trial.metrics["reference"] == table["accuracy"]
        assert trial.metrics["reference_seconds"] > 0
    assert [p.fidelity for p in asking.estimator.asked] == [0.5] * 3
    rows = list(csv.DictReader(io.StringIO(asking.csv(trials))))
    assert [row["score"] for row in rows] == ["1.0", "2.0", ""]
    assert [json.loads(row["genotype"]) for row in rows] == [t.genotype.choices for t in trials]
    assert rows[2]["error"] == "estimator: ArithmeticError: no score"


SMALL = ("space=cell", *TINY, *TINY_SPACE["cell"], "seed=4")


@pytest.fixture
def searched(tmp_path):
    """The run folder of a gradient search, as far as its shared weights are concerned."""
    run = Run.claim(tmp_path, "search", "darts", {})
    OmegaConf.save(composed("strategy=darts", *SMALL), run.path / CONFIG)
    small = (o for o in SMALL if "device" not in o)
    shared = Shared(parts_of("estimator@reference=train", *small).problem, "nobody")
    with torch.no_grad():
        for parameter in shared.supernet.parameters():
            parameter.fill_(0.25)
    bilevel = {"supernet": shared.supernet.state_dict()}
    run.save("state.pt", {"trials": 3, "strategy": {"epoch": 3, "bilevel": bilevel}})
    return run.path


def test_shared_weights_come_from_a_run_folder(searched):
    chosen = ("estimator=one_shot", "estimator@reference=train", f"supernet='{searched}'")
    parts = parts_of(*chosen)
    problem, shared = parts.problem, parts.shared
    assert (problem.space.name, problem.task.name, problem.seed) == ("cell", "synthetic", 4)
    assert shared.trainer == "nobody"
    assert not all(bool((p == 0.25).all()) for p in shared.supernet.parameters())
    said = shared_weights.load(shared, searched)
    assert said == f"shared weights as they were after 3 trials of {searched}"
    assert all(bool((p == 0.25).all()) for p in shared.supernet.parameters())


def test_shared_weights_that_an_estimator_has_trained_serve_too(searched):
    chosen = ("estimator=one_shot", "estimator@reference=train", f"supernet='{searched}'")
    shared = parts_of(*chosen).shared
    trained = {"epoch": 1, "supernet": shared.supernet.state_dict()}
    trained["supernet"] = {name: 0 * value for name, value in trained["supernet"].items()}
    state = {"trials": 2, "strategy": {"members": []}, "estimators": [None, trained]}
    Run(searched).save("state.pt", state)
    shared_weights.load(shared, searched)
    assert not any(bool(value.any()) for value in shared.supernet.state_dict().values())


def test_shared_weights_stay_in_this_process(searched):
    chosen = ("estimator=one_shot", "estimator@reference=train", f"supernet='{searched}'")
    with pytest.raises(Fault, match="shared weights are in this process"):
        parts_of(*chosen, "workers=processes")


def test_weights_that_are_not_there_or_do_not_fit(searched):
    chosen = ("estimator=one_shot", "estimator@reference=train", f"supernet='{searched}'")
    shared = parts_of(*chosen).shared
    Run(searched).save("state.pt", {"trials": 1, "strategy": {"supernet": {"x": torch.zeros(1)}}})
    with pytest.raises(Fault, match="do not fit the space"):
        shared_weights.load(shared, searched)
    (searched / "state.pt").unlink()
    with pytest.raises(Fault, match="holds no shared weights"):
        shared_weights.load(shared, searched)


def test_what_the_supernet_decides_cannot_be_chosen_besides(searched):
    chosen = composed(f"supernet='{searched}'", verb="audit")
    with pytest.raises(Fault, match=r"space.channels, seed cannot be chosen with supernet="):
        sharing.check_overrides(chosen, ["space.channels=3", "networks=5", "seed=1"])
    sharing.check_overrides(chosen, ["networks=5", "estimator=one_shot"])


def test_too_many_failures_end_it(tmp_path):
    class Broken(Failing):
        def estimate(self, proposal):
            raise LookupError("no row")

    parts = parts_of(*TABLE)
    parts = replace(parts, asking=replace(parts.asking, reference=Broken()))
    run = Run.claim(tmp_path, "audit", "broken", {})
    said = "the first 10 networks all failed with the same error: reference: LookupError: no row"
    with pytest.raises(Fault, match=said):
        program.audit(run, parts)
    assert len(run.history()) == 10
    assert len((run.path / "audit.csv").read_text().splitlines()) == 11


def test_failures_are_counted_by_kind(tmp_path):
    class Guess(Failing):
        metrics = ("accuracy",)

        def estimate(self, proposal):
            return {"accuracy": super().estimate(proposal)["score"]}

    parts = parts_of(*TABLE, "networks=12", "resamples=10")
    parts = replace(parts, asking=replace(parts.asking, estimator=Guess()))
    run = Run.claim(tmp_path, "audit", "failing", {})
    found = program.audit(run, parts)
    assert found.report["failures"] == {"estimator: ArithmeticError: no score": 4}


def test_an_audit_of_a_supernet_names_the_data_of_its_run(tmp_path):
    said = {"choices": {"space": "chain", "data": "synthetic", "strategy": "spos"}, "overrides": []}
    (tmp_path / "environment.json").write_text(json.dumps(said))
    config = composed(f"supernet='{tmp_path}'", verb="audit")
    assert sharing.chosen(config) == {"space": "chain", "data": "synthetic"}
    assert sharing.chosen(composed(verb="audit")) == {}
