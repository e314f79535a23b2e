"""Plans of the spaces of the package, beyond what every space keeps to."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from fixtures import ToyTask, composed, environment
from hydra.utils import instantiate

from nascli.core.choice import NONE, Edge
from nascli.core.fault import Fault
from nascli.core.space import Derivable, Planned, at, sample
from nascli.genotypes import load


def space_of(name, shape=(3, 32, 32), classes=10, **settings):
    make = instantiate(composed(f"space={name}").space, _partial_=True)
    return make(ToyTask("toy", shape, classes), **settings)


@pytest.mark.parametrize("name", ["cell", "nasbench201"])
def test_both_spaces_keep_to_the_protocols(name):
    assert isinstance(space_of(name), Planned)
    assert isinstance(space_of(name), Derivable)


def test_the_plan_of_a_cell_network():
    plan = space_of("cell", channels=16, cells=3).plan(load("darts_v2"))
    places = {place.name: place for place in plan.places}
    assert list(places)[:5] == [
        "stems.0", "blocks.0.preprocess.0", "blocks.0.preprocess.1",
        "blocks.0.graph.operations.0", "blocks.0.graph.operations.1",
    ]  # fmt: skip
    assert places["stems.0"].shape == (48, 32, 32)
    assert places["blocks.0"].shape == (4 * 16, 32, 32)
    assert places["blocks.2"].shape == (4 * 64, 8, 8)
    # darts_v2, normal: node 5 = skip_connect(0) + dil_conv_3x3(2)
    five = places["blocks.0.graph.nodes.5"]
    first, second = (places[name] for name in five.inputs)
    assert first.layer.operation == "skip_connect" and second.layer.operation == "dil_conv_3x3"
    assert first.inputs == ("blocks.0.preprocess.0",)
    assert second.inputs == ("blocks.0.graph.nodes.2",)
    assert places["blocks.1.preprocess.0"].inputs == ("stems.0",)
    assert places["blocks.1.preprocess.1"].inputs == ("blocks.0",)
    assert places["blocks.2.preprocess.0"].layer.stride == 2  # block 1 has halved
    assert places["blocks.2.preprocess.1"].layer.stride == 1
    assert plan.output == "classifier" and places["classifier"].shape == (10, 1, 1)


def test_the_auxiliary_head_is_no_layer_of_an_evaluation():
    space = space_of("cell", channels=4, cells=6, auxiliary=True)
    plan = space.plan(load("darts_v2"))
    (head,) = (place for place in plan.places if place.name == plan.auxiliary)
    assert head.inputs == ("blocks.4",)  # behind the second reduction cell
    assert "auxiliary_head" not in {layer.operation for layer in plan.layers()}
    assert space.plan().auxiliary is None


def test_none_is_left_out_of_a_plan():
    plan = space_of("nasbench201", cells_per_stage=1).plan(at(space_of("nasbench201"), 0))
    assert [layer.operation for layer in plan.layers()] == [
        "stem", "residual_reduction", "residual_reduction", "norm_relu", "classifier",
    ]  # fmt: skip
    assert [place.inputs for place in plan.places if place.kind == "add"] == [()] * 9


@pytest.mark.parametrize(("cells", "groups"), [(1, 1), (2, 1), (3, 2), (8, 2)])
def test_the_open_plan_of_a_cell_network(cells, groups):
    space = space_of("cell", channels=4, cells=cells)
    plan = space.plan()
    assert len(plan.choices) == 2 * (2 + 3 + 4 + 5)  # of both kinds, even where one is not there
    assert all(isinstance(choice, Edge) for choice in plan.choices)
    counts = {c.group: len(plan.by_choice[c]) for c in plan.choices}
    reductions = len({cells // 3, 2 * cells // 3})
    assert counts == {"normal": cells - reductions, "reduction": reductions}
    assert len({p.choice.group for p in plan.places if p.choice}) == groups
    for place in plan.places:
        if place.kind == "choice":
            none, *others = place.options
            assert none is None and place.choice.options[0] == NONE
            assert [layer.operation for layer in others] == list(place.choice.options[1:])
        assert place.keep == (2 if place.kind == "add" else None)


def test_deeper_plans():
    space = space_of("cell", cells=5)
    assert sum(p.kind == "concatenate" for p in space.plan(depth=2.2).places) == 11
    assert space.plan(depth=1.0) is space.plan()
    space = space_of("nasbench201", cells_per_stage=2)
    assert sum(p.kind == "add" for p in space.plan(depth=1.5).places) == 3 * 3 * 3


def test_taken_are_the_two_edges_of_every_node():
    for cells in (1, 8):
        taken = space_of("cell", cells=cells).taken(load("darts_v2"))
        assert len(taken) == 16
        assert taken["normal/5<-2"] == "dil_conv_3x3"
        assert taken["reduction/2<-0"] == "max_pool_3x3"


@pytest.mark.parametrize("name", ["cell", "nasbench201"])
def test_what_a_genotype_takes_is_derived_back_exactly(name):
    space, rng = space_of(name), random.Random(0)
    choices = space.plan().choices
    for genotype in [sample(space, rng) for _ in range(20)]:
        taken = space.taken(genotype)
        rows = [[float(taken.get(c.name) == option) for option in c.options] for c in choices]
        assert space.derive(rows) == genotype


@pytest.mark.parametrize("name", ["cell", "nasbench201"])
def test_plans_follow_decisions_in_any_order_and_refuse_other_spaces(name):
    space = space_of(name)
    genotype = sample(space, random.Random(0))
    shuffled = type(genotype).of(name, dict(reversed(genotype.choices.items())))
    assert space.plan(shuffled).places == space.plan(genotype).places
    with pytest.raises(Fault, match=f"of space 'toy', not of space '{name}'"):
        space.plan(type(genotype).of("toy", {"a": "0"}))


def test_operations_may_not_have_the_names_of_fixed_layers():
    for name in ("cell", "nasbench201"):
        with pytest.raises(Fault, match="operation 'preprocess' has the name of a fixed layer"):
            space_of(name, operations={"none": {}, "preprocess": {}})


def test_plans_need_no_torch():
    code = (
        "import sys\n"
        "from hydra.utils import instantiate\n"
        "from fixtures import ToyTask, composed\n"
        "from nascli.core.space import at\n"
        "for name in ('cell', 'nasbench201'):\n"
        "    space = instantiate(composed(f'space={name}').space, _partial_=True)(ToyTask())\n"
        "    genotype = at(space, 4321)\n"
        "    space.plan(), space.plan(genotype), space.taken(genotype), space.describe(genotype)\n"
        "    choices = space.plan().choices\n"
        "    space.derive([[1.0] * len(choice.options) for choice in choices])\n"
        "sys.exit('torch' in sys.modules)"
    )
    path, tests = environment()["PYTHONPATH"], __file__.partition("unit")[0]
    env = {**environment(), "PYTHONPATH": f"{path}:{tests}"}
    assert subprocess.run([sys.executable, "-c", code], env=env).returncode == 0
