"""Costs of the network that is deployed, where another size is searched on."""

from dataclasses import replace

import pytest
from fixtures import TINY, TINY_SPACE, build, composed
from omegaconf import OmegaConf

from nascli import genotypes
from nascli.config import building, command_line, deployment, show
from nascli.config import profile as profiling
from nascli.core.device import Latency
from nascli.core.fault import Fault
from nascli.core.space import at
from nascli.core.trial import Proposal
from nascli.costs.plans import PlanCounter
from nascli.costs.within import Within
from nascli.estimators.costs import Costs
from nascli.gradient.additive import AdditiveCost
from nascli.programs import profile as profiled
from nascli.programs import search as program
from nascli.programs.profile import Parts, profile
from nascli.runs.folder import Run

WORDS = ("space=nasbench201", *TINY, *TINY_SPACE["nasbench201"])
DEPLOY = "deploy={channels: 8, cells_per_stage: 3, image: 20}"
ADDED = ("+deploy.channels=8", "+deploy.cells_per_stage=3", "+deploy.image=20")


def as_deployed():
    """The same space at the sizes of DEPLOY, made by hand."""
    words = ("space=nasbench201", *TINY, "training.network.nasbench201.channels=8")
    words += ("training.network.nasbench201.cells_per_stage=3", "data.size=20")
    return build.stated(composed(*words)).space


def test_costs_constraints_and_pressures_are_of_the_deployed_network():
    stated = build.stated(composed(*WORDS, *ADDED, "+constraints.macs=1"))
    there, here = as_deployed(), stated.space
    assert here.plan().input_shape[1:] == (8, 8) and there.plan().input_shape[1:] == (20, 20)
    for number in (0, 5_000, 15_624):
        genotype = at(here, number)
        right, small = PlanCounter(there)(genotype), PlanCounter(here)(genotype)
        found = Costs(stated).estimate(Proposal(genotype))
        assert (found["params"], found["macs"]) == (right.params, right.macs)
        assert found["peak_memory_mb"] == right.peak_memory_mb
        assert small.macs < right.macs
        assert Within(stated)._excess(genotype) == pytest.approx(right.macs - 1)
    bare = PlanCounter(there)(at(there, 0)).macs  # all edges are `none`
    assert AdditiveCost(stated, "macs", "me").fixed == bare


def test_predicted_latencies_are_of_the_deployed_network_and_a_profile_of_it_is_what_fits(tmp_path):
    """A clock takes a microsecond for every thousand weights; one profile of each size."""
    paths = {}
    for name, deploy in (("small", ()), ("deployed", ADDED)):
        problem = build.stated(composed(*WORDS, *deploy)).as_deployed
        run = Run.claim(tmp_path, "profile", name, {})
        profile(run, Parts(replace(problem, device=Clock()), None, networks=24, check=4))
        run.close()
        paths[name] = str(run.path)
    by = ("device=latency_table", "device.scale=1.0")
    stated = build.stated(composed(*WORDS, *ADDED, *by, f"device.path={paths['deployed']}"))
    there, genotype = as_deployed(), at(stated.space, 15_000)
    weights = sum(p.numel() for p in there.network(genotype).parameters())
    found = Costs(stated).estimate(Proposal(genotype))
    assert found["latency_ms"] == pytest.approx(weights / 1000, rel=0.05)
    for path, deploy in ((paths["small"], ADDED), (paths["deployed"], ())):
        with pytest.raises(Fault, match="the same genotype has .* multiply-adds there"):
            build.stated(composed(*WORDS, *deploy, *by, f"device.path={path}"))


class Clock:
    name = "clock"

    def latencies(self, cases):
        sizes = [sum(p.numel() for p in network.parameters()) / 1000 for network, _ in cases]
        return [Latency(ms, ms, ms, 9, self.conditions(), ms) for ms in sizes]

    def latency(self, network, shape):
        return self.latencies([(network, shape)])[0]

    def conditions(self):
        how = {"threads": 1, "dtype": "float32", "batch": 1, "layout": "contiguous"}
        return {**how, "torch": "2", "device": "a clock", "runtime": "eager"}


def test_a_search_says_both_sizes_and_the_next_command_trains_the_deployed_one(nas, tmp_path):
    words = (*WORDS, "strategy=random", "estimator=zero_cost", "estimator.scores=[synflow]")
    done = nas("search", *words, "budget.trials=2", "data.images=96", DEPLOY)
    assert done.code == 0, done.stderr
    assert "channels 8, cells per stage 3" in done.stderr
    assert "searched on smaller networks, for synthetic (3x8x8" in done.stderr
    (following,) = [line for line in done.stderr.splitlines() if line.startswith("next:")]
    sizes = "space.channels=8 space.cells_per_stage=3"
    assert following.endswith(sizes)
    page = (tmp_path / done.stdout.strip() / "report.html").read_text("utf-8")
    assert f"{sizes} seeds=3" in page


def test_the_page_is_of_the_deployed_network_and_says_that_smaller_ones_were_searched(
    tmp_path, monkeypatch
):
    words = (*WORDS, *ADDED, "strategy=random", "estimator=zero_cost", "estimator.scores=[synflow]")
    parts = build.search(composed(*words, "budget.trials=1", "data.images=96", "device=none"))
    pages = []
    monkeypatch.setattr(program, "write_report", lambda _run, content: pages.append(content))
    environment = {"environment.json": '{"choices": {}, "overrides": []}'}
    report = program.search(Run.claim(tmp_path, "search", "small", environment), parts)
    (page,) = pages
    assert page.layers[0]["channels"] == "3 → 8" and page.layers[0]["pixels"] == "20 x 20"
    assert sum(row["params"] for row in page.layers) == report["costs"]["params"]
    assert page.notes[0] == (
        "searched on smaller networks, for synthetic (3x8x8, 4 classes, channels 4, "
        "cells per stage 1)"
    )


@pytest.fixture
def searched(tmp_path):
    """The folder of a search with ADDED that has ended, and the answer's costs as deployed."""
    genotype = at(as_deployed(), 15_000)
    config = composed(*WORDS, *ADDED)
    choices = {"space": "nasbench201", "data": "synthetic", "training": "quick"}
    run = Run.claim(tmp_path, "search", "small", {"config.yaml": OmegaConf.to_yaml(config)})
    said = {"choices": choices, "overrides": ["space=nasbench201", "space.channels=4"]}
    run.write_json("environment.json", said)
    run.write("genotype.json", genotypes.dump(genotype))
    run.write("front/3.json", genotypes.dump(genotype))
    run.close()
    return run.path


@pytest.mark.parametrize(
    ("words", "sizes"),
    [
        ((), (8, 3, 20)),
        (("space.channels=4",), (4, 3, 20)),
        (("data.size=12",), (8, 3, 12)),
        (("deploy={}",), (4, 1, 8)),  # as it was searched
        (("deploy={channels: 16}",), (16, 1, 8)),
    ],
)
def test_the_answer_is_shown_and_timed_as_it_is_deployed(words, sizes, searched):
    named = {show: searched, profiling: searched / "front" / "3.json"}
    for verb, place in named.items():
        name = verb.__name__.rpartition(".")[2]
        made = verb.build(command_line.asked_for(name, [f"genotype={place}", *words], [])).problem
        assert (*made.space.sizes.values(), made.task.input_shape[1]) == sizes
        assert made.space.plan().input_shape[1] == sizes[2]


def test_a_recipe_may_say_at_which_size_a_network_is_shown():
    words = ["genotype=darts_v2", "training=quick", "deploy={training: darts_cifar10, image: 64}"]
    made = show.build(command_line.asked_for("show", words, [])).problem
    assert made.space.sizes == {"channels": 36, "cells": 20}
    assert made.task.input_shape == (3, 64, 64)
    with pytest.raises(Fault, match=r"deploy.training 'none' is not .*\nsize in deploy 'x' is not"):
        show.build(
            command_line.asked_for("show", [*words[:2], "deploy={training: none, x: 1}"], [])
        )


def test_after_a_profile_the_network_is_trained_at_the_size_that_was_timed(searched):
    asked = command_line.asked_for("profile", [f"genotype={searched}", "device=cpu"], [])
    following = profiled.following(None, profiling.build(asked))
    sizes = "space.channels=8 space.cells_per_stage=3"
    assert following == f"nas retrain genotype={searched} {sizes}"


def test_a_recipe_stands_for_the_sizes_that_it_trains():
    words = ("space=cell", *TINY, *TINY_SPACE["cell"], "data.classes=10", "strategy=random")
    words += ("estimator=zero_cost", "+deploy.training=darts_cifar10")
    config = composed(*words)
    parts = build.search(config)
    made = parts.problem
    assert config.deploy == {"training": "darts_cifar10", "channels": 36, "cells": 20}
    assert made.space.plan().input_shape == (3, 8, 8)
    costs = Costs(made).estimate(Proposal(building.genotype("darts_v2")))
    assert costs["params"] == 3_349_342  # as published for 36 channels, 20 cells and 10 classes
    assert program.deployed(parts)[0] == "training=darts_cifar10"
    stated = composed(*words, "+deploy.cells=8")
    build.search(stated)
    assert stated.deploy == {"training": "darts_cifar10", "channels": 36, "cells": 8}


def test_a_recipe_is_read_where_it_stands_and_not_again_on_a_resume(tmp_path):
    (tmp_path / "training").mkdir()
    recipe = tmp_path / "training" / "ours.yaml"
    recipe.write_text("defaults: [darts_cifar10, _self_]\nnetwork: {cell: {channels: 12}}\n")
    config = composed("space=cell", "+deploy.training=ours")
    with pytest.raises(
        Fault, match="recipe in deploy.training 'ours' is not known; allowed: .*dar"
    ):
        deployment.by_recipe(config)
    deployment.by_recipe(config, [tmp_path])
    assert config.deploy == {"training": "ours", "channels": 12, "cells": 20}
    recipe.unlink()
    config.resume = "a run"
    deployment.by_recipe(config, [tmp_path])
    assert config.deploy == {"training": "ours", "channels": 12, "cells": 20}


def test_a_recipe_that_sizes_other_spaces_is_refused():
    config = composed("space=cell", "+deploy.training=nasbench201")
    says = (
        r"of space 'cell' open \(it sizes those of nasbench201\): state it, as in deploy={channels"
    )
    with pytest.raises(Fault, match=says):
        deployment.by_recipe(config)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("+deploy.chanels=8",),
            "size in deploy 'chanels' is not known; .* did you mean 'channels'",
        ),
        (("+deploy.channels=0",), "deploy.channels is 0; it must be a whole number above 0"),
        (("+deploy.image=big",), "deploy.image is 'big'; it must be a whole number above 0"),
        (
            ("+deploy.channels=8", "estimator=table"),
            "the estimator tells costs of its own networks; leave deploy",
        ),
        (
            ("+deploy.channels=8", "device=nasbench201_devices", "device.setting=fpga"),
            "the device tells costs of its own networks; leave deploy",
        ),
    ],
)
def test_sizes_that_are_none_are_faults(words, says):
    with pytest.raises(Fault, match=says):
        build.stated(composed(*WORDS, *words))


def test_all_that_is_wrong_with_the_sizes_is_said_at_once():
    with pytest.raises(Fault) as caught:
        build.stated(
            composed(*WORDS, "+deploy.chanels=4", "+deploy.image=-3", "+deploy.channels=x")
        )
    begins = [line.partition(";")[0] for line in str(caught.value).splitlines()]
    assert sorted(begins) == [
        "deploy.channels is 'x'",
        "deploy.image is -3",
        "size in deploy 'chanels' is not known",
    ]
