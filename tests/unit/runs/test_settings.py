import pytest

from nascli.core.fault import Fault
from nascli.runs import settings


def config(**changed):
    base = {
        "seed": 1,
        "outputs": "here",
        "accelerator": "auto",
        "fidelity": 1.0,
        "objectives": {"accuracy": "max"},
        "constraints": {},
        "budget": {"trials": 20},
        "space": {"_target_": "x.Space", "channels": 16},
        "estimator": {"_target_": "x.Table", "dataset": "cifar10"},
        "training": {"_target_": "x.Recipe", "epochs": 4},
        "device": {"_target_": "x.Cpu", "threads": 1},
        "strategy": {"_target_": "x.Evolution", "population": 50, "tournament": 10},
    }
    return {**base, **changed}


def strategy(name="Evolution", **values):
    return {"strategy": {"_target_": f"x.{name}", **values}}


def methods(*configs):
    found = [settings.settings(one, {}) for one in configs]
    return [settings.split(one, trained=False)[1] for one in found]


def test_components_go_by_their_option_and_places_are_left_out():
    choices = {"strategy": "darts", "relaxation@strategy.relaxation": "softmax"}
    relaxed = {"_target_": "x.Softmax", "_partial_": True, "start": 1}
    flat = settings.settings(config(**strategy("Gradient", relaxation=relaxed)), choices)
    assert flat["strategy"] == "darts"
    assert flat["strategy.relaxation"] == "softmax"
    assert flat["strategy.relaxation.start"] == 1
    assert flat["space"] == "Space"  # the class, where no option is on record
    assert not {"seed", "outputs", "accelerator", "strategy.relaxation._partial_"} & set(flat)


@pytest.mark.parametrize(
    ("configs", "expected"),
    [
        ([strategy("Random"), strategy("Evolution", population=50)], ["Random", "Evolution"]),
        ([strategy(population=10), strategy(population=50)],
         ["Evolution population=10", "Evolution population=50"]),
        ([strategy("Random"), strategy(population=10), strategy(population=50)],
         ["Random", "Evolution population=10", "Evolution population=50"]),
        # the size tells three apart, the tournament only two: one setting is enough
        ([strategy(tournament=t, population=p) for t, p in ((1, 1), (2, 2), (2, 3))],
         ["Evolution population=1", "Evolution population=2", "Evolution population=3"]),
        # neither is enough alone
        ([strategy(a=a, b=b) for a in (1, 2) for b in (True, None)],
         ["Evolution a=1 b=true", "Evolution a=1 b=null",
          "Evolution a=2 b=true", "Evolution a=2 b=null"]),
        ([{"budget": {"trials": 20}}, {"budget": {"trials": 40}}],
         ["Evolution budget.trials=20", "Evolution budget.trials=40"]),
        # the same method, asked for twice, has one name
        ([strategy(a=1), strategy(a=1), strategy(a=2)],
         ["Evolution a=1", "Evolution a=1", "Evolution a=2"]),
    ],
)  # fmt: skip
def test_labels_are_the_least_that_tells_apart(configs, expected):
    found = methods(*(config(**one) for one in configs))
    assert settings.labels(found) == expected


def problem(*, trained=False, **changed):
    flat = settings.settings(config(**changed), {})
    return settings.split(flat, trained=trained)[0]


def test_runs_of_one_problem_pass():
    same = {"a": problem(), "b": problem(**strategy("Random"), seed=2)}
    settings.same_problem(same)


def test_what_differs_is_said():
    other = {"_target_": "x.Table", "dataset": "cifar100"}
    problems = {
        "a": problem(),
        "b": problem(),
        "c": problem(estimator=other, objectives={"flops": "min"}),
    }
    with pytest.raises(Fault) as caught:
        settings.same_problem(problems)
    head, *lines = str(caught.value).splitlines()
    assert head == (
        "these runs are not on the same problem, so their results do not compare; name those that "
        "are, or give what is to be compared a folder of its own (outputs=FOLDER):"
    )
    assert "  estimator.dataset is cifar10 in 'a' (and 1 more), cifar100 in 'c'" in lines
    assert "  objectives.accuracy is max in 'a' (and 1 more), null in 'c'" in lines
    assert "  objectives.flops is null in 'a' (and 1 more), min in 'c'" in lines
    assert len(lines) == 3


def test_of_another_component_its_settings_are_not_listed():
    other = problem(space={"_target_": "x.Other", "width": 3})
    with pytest.raises(Fault) as caught:
        settings.same_problem({"a": problem(), "b": other})
    assert str(caught.value).splitlines()[1:] == ["  space is Space in 'a', Other in 'b'"]


def test_a_recipe_belongs_to_the_problem_where_networks_are_trained():
    longer = {"_target_": "x.Recipe", "epochs": 9}
    settings.same_problem({"a": problem(), "b": problem(training=longer)})
    trained = {n: problem(trained=True, training=t)
               for n, t in (("a", config()["training"]), ("b", longer))}  # fmt: skip
    with pytest.raises(Fault, match="training.epochs is 4 in 'a', 9 in 'b'"):
        settings.same_problem(trained)


def test_a_device_belongs_to_the_problem_where_latency_counts():
    faster = {"_target_": "x.Cpu", "threads": 8}
    settings.same_problem({"a": problem(), "b": problem(device=faster)})
    bound = {"constraints": {"latency_ms": 5}}
    with pytest.raises(Fault, match="device.threads is 1 in 'a', 8 in 'b'"):
        settings.same_problem({"a": problem(**bound), "b": problem(**bound, device=faster)})
