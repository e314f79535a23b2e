"""The mobile space: what its settings make, which genotypes it knows, and what it refuses."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.device import Latencies, Latency
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.listener import SILENT
from nascli.core.space import check, known, neighbours, open_plan, sample, size
from nascli.costs.extremes import extremes
from nascli.costs.latency_table import measured
from nascli.costs.plans import PlanCounter
from nascli.genotypes import load
from nascli.programs.networks import own_layers

SMALL = {
    "widths": [4, 6, 8],
    "depths": [1, 3, 2],
    "kernels": [3, 5],
    "stem_width": 4,
    "head_width": 10,
}


def space(shape=(3, 16, 16), **settings):
    make = instantiate(composed("space=mobile").space, _partial_=True)
    return make(ToyTask("toy", shape, 7), **{**SMALL, **settings})


def changed(genotype, **choices):
    given = {key.replace("_", "/"): option for key, option in choices.items()}
    return Genotype.of(genotype.space, {**genotype.choices, **given})


def params(genotype, colours, classes):
    """Counted by hand from the words: weights, and scale and shift of every batch norm."""
    choices = genotype.choices
    total, given = 0, int(choices["stem/width"])
    total += 9 * colours * given + 2 * given  # a 3x3 stem
    for stage in range(1, 8):
        for number in range(1, 20):
            word = choices.get(f"{stage}/{number}", "skip_connect").split("_")
            if word[0] != "mbconv":
                continue
            out, kernel = int(choices[f"{stage}/width"]), int(word[1][0])
            expansion = float(word[2][1:])
            inside = int(given * expansion + 0.5)
            if expansion != 1 or "keep" in word:
                total += given * inside + 2 * inside
            total += kernel * kernel * inside + 2 * inside
            squeeze = 0
            if word[-1] == "se":
                squeeze = max(1, given // 4)
            elif word[-1] == "se8":
                quarter = inside // 4
                squeeze = max(8, (quarter + 4) // 8 * 8)
                squeeze += 8 if squeeze < 0.9 * quarter else 0
            total += 2 * inside * squeeze + (inside + squeeze if squeeze else 0)
            total += inside * out + 2 * out
            given = out
    if choices["head"] != "skip_connect":
        given, before = int(choices["head/width"]), given
        total += before * given + 2 * given
    if choices["classifier"] != "linear":
        hidden = int(choices["classifier"].split("_")[1])
        total += (given + 1) * hidden
        given = hidden
    return total + (given + 1) * classes


SETTINGS = [
    {},
    {"kernels": [3, 7], "expansions": [1, "1_keep", 2.5, 6], "squeezes": ["none", "se", "se8"]},
    {"first": ["mbconv_3x3_e1_relu", "mbconv_5x5_e1_keep_swish_se"], "activations": ["hswish"]},
    {"head": "skip_connect", "classifier": "hidden_12_hswish", "widths": [5, [7, 9], 24]},
    {"stem_width": [4, 8], "head_width": [8, 16], "widths": [[4, 6], 8, [8, 12]]},
    {"head": "conv_1x1_hswish", "classifier": "hidden_12_relu", "widths": [40, 48, 136]},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_parameters_are_those_counted_by_hand(settings):
    made, rng = space(**settings), random.Random(0)
    counter = PlanCounter(made)
    for genotype in (sample(made, rng) for _ in range(60)):
        assert counter(genotype).params == params(genotype, 3, 7)


def test_every_setting_makes_options():
    decisions = space(**SETTINGS[1]).decisions
    assert decisions["1/1"] == ("mbconv_3x3_e1",)
    assert len(decisions["2/1"]) == 2 * 4 * 3
    assert decisions["2/2"] == decisions["2/3"] == (*decisions["2/1"], "skip_connect")
    assert {"mbconv_7x7_e1_keep_se8", "mbconv_3x3_e2.5", "mbconv_3x3_e6_se"} <= set(
        decisions["3/2"]
    )
    assert size(space(widths=[4, [6, 8], [8, 12, 16]])) == 6 * size(space())


@pytest.mark.parametrize(
    ("side", "strides"),
    [
        (224, (2, 1, 2, 2, 2, 1, 2, 1)),
        (64, (2, 1, 2, 2, 2, 1, 2, 1)),
        (63, (1, 1, 2, 2, 2, 1, 2, 1)),
        (32, (1, 1, 1, 2, 2, 1, 2, 1)),
        (28, (1, 1, 1, 2, 2, 1, 2, 1)),
        (16, (1, 1, 1, 1, 2, 1, 2, 1)),
        (8, (1, 1, 1, 1, 1, 1, 2, 1)),
        (3, (1, 1, 1, 1, 1, 1, 1, 1)),
    ],
)
def test_small_images_are_halved_less_often(side, strides):
    made = instantiate(composed("space=mobile").space, _partial_=True)
    made = made(ToyTask("toy", (1, side, side), 3))
    assert made.strides == strides
    last = made.plan(load("mobilenet_v2")).places[-1].layer
    assert last.height == -(-side // torch.tensor(strides).prod().item())


def test_a_skipped_block_comes_last_in_its_stage():
    made = space()
    genotype = changed(sample(made, random.Random(0)), **{"2_2": "skip_connect"})
    genotype = changed(genotype, **{"2_3": "mbconv_3x3_e3", "3_2": "skip_connect"})
    form = made.canonical(genotype)
    assert form == changed(genotype, **{"2_2": "mbconv_3x3_e3", "2_3": "skip_connect"})
    weights = made.network(genotype).double().eval()
    other = made.network(form).double().eval()
    state = dict(zip(other.state_dict(), weights.state_dict().values(), strict=True))
    other.load_state_dict(state)
    images = torch.randn(2, 3, 16, 16).double()
    assert torch.equal(weights(images), other(images))


def test_a_network_with_its_weights_is_a_path_of_the_supernet():
    """A network taken out of the supernet, with its weights, computes what the path does."""
    made = space(epsilon=0.01, squeezes=["se"])
    supernet = made.supernet().double()
    supernet.train()
    for genotype in (sample(made, random.Random(n)) for n in range(3)):
        network = made.network(genotype).double()
        for place in made.plan(genotype).places:
            inside = supernet.get_submodule(place.name)
            if hasattr(inside, "weighted"):
                options = {**inside.weighted[0], **inside.free[0]}
                inside = options[place.layer.operation]
            network.get_submodule(place.name).load_state_dict(inside.state_dict(), strict=False)
        images = torch.randn(4, 3, 16, 16).double()
        difference = network(images) - supernet(images, supernet.path(genotype))
        assert difference.abs().max() < 1e-12


def test_widths_to_choose_from_leave_no_open_plan():
    made = space(widths=[4, [6, 8], 8])
    assert open_plan(made) is None and extremes(made, PlanCounter(made)) == {}
    text = (
        "space 'mobile' has no supernet and no open plan while 2/width is a choice (6, 8); "
        "give space.widths one number for each stage"
    )
    for ask in (made.plan, made.supernet):
        with pytest.raises(Fault) as fault:
            ask()
        assert str(fault.value) == text
    rng = random.Random(0)
    layers = set(made.layers())
    for genotype in (sample(made, rng) for _ in range(20)):
        assert set(made.plan(genotype).layers()) <= layers
        assert check(made, genotype) == genotype
    # as many as the pairs of widths ask for and no more: none of a width that is not chosen
    assert {layer.out_channels for layer in layers} == {4, 6, 8, 10, 7}


def test_kernel_expansion_skip_squeeze_activation_width_and_depth_are_all_decided():
    """What the space is said to search; a depth is how many blocks are not skipped."""
    made = space(
        widths=[4, [6, 8], 8], stem_width=[4, 8], head_width=[8, 16], kernels=[3, 5],
        expansions=[2, 3], squeezes=["none", "se"], activations=["relu", "hswish"],
    )  # fmt: skip
    kinds = [f"{a}{s}" for a in ("_relu", "_hswish") for s in ("", "_se")]
    words = {f"mbconv_{k}x{k}_e{e}{kind}" for k in (3, 5) for e in (2, 3) for kind in kinds}
    assert set(made.decisions["2/2"]) == words | {"skip_connect"}
    several = {key: options for key, options in made.decisions.items() if "width" in key}
    assert several["stem/width"] == ("4", "8") and several["head/width"] == ("8", "16")
    assert several["2/width"] == ("6", "8") and several["1/width"] == ("4",)
    with pytest.raises(Fault, match="while stem/width is a choice .*; give space.stem_width one"):
        made.supernet()


def test_networks_that_are_not_searched_are_known():
    made = space()
    for name in ("mobilenet_v3_small", "proxyless_gpu"):
        assert known(made, load(name)) == load(name)
        assert name.split("_")[0] and made.describe(load(name))
        with pytest.raises(Fault):
            made.taken(load(name))  # nothing of it is in the supernet
    deeper = {**load("mobilenet_v2").choices, "7/2": "mbconv_7x7_e4_keep", "stem/width": "33"}
    genotype = Genotype.of("mobile", deeper)
    assert PlanCounter(made)(genotype).params == params(genotype, 3, 7)
    assert all(len(line) <= 100 for line in made.describe(load("mobilenet_v3_large")).splitlines())


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"2/1": "mbconv_4x4_e6"}, "2/1 is 'mbconv_4x4_e6'; blocks look like mbconv_3x3_e6"),
        ({"2/1": "mbconv_3x5_e6"}, "2/1 is 'mbconv_3x5_e6'"),
        ({"2/1": "mbconv_3x3_e0"}, "2/1 is 'mbconv_3x3_e0'"),
        ({"2/1": "mbconv_3x3_e0.0_se"}, "2/1 is 'mbconv_3x3_e0.0_se'"),
        ({"2/1": "conv_3x3"}, "2/1 is 'conv_3x3'"),
        ({"2/width": "0"}, "2/width is '0'; it must be a number of channels"),
        ({"2/width": "six"}, "2/width is 'six'; it must be a number of channels"),
        ({"head": "mbconv_3x3_e6"}, "head is 'mbconv_3x3_e6'; it must look like conv_3x3"),
        ({"classifier": "hidden_0"}, "classifier is 'hidden_0'; it must be linear or look like"),
        ({"epsilon": "0"}, "epsilon is '0'; it must be a number above 0"),
        ({"8/1": "mbconv_3x3_e6"}, "8/1 is of a stage that there is not: strides are for 7"),
        ({"2/9": "mbconv_3x3_e6"}, "it does not say what to take at 2/3"),
        ({"2/1": "skip_connect"}, "2/1 is 'skip_connect'; the first block of a stage makes its"),
        ({"2/1": None}, "it does not say what to take at 2/1"),
        ({"stem": None}, "it does not say what to take at stem"),
        ({"2/width": None}, "it does not say what to take at 2/width"),
        ({"2/kernel": "3"}, "decision of space mobile '2/kernel' is not known"),
    ],
)
def test_what_is_no_network_is_named(choices, says):
    genotype = {**load("mobilenet_v2").choices, **choices}
    left = {key: option for key, option in genotype.items() if option is not None}
    with pytest.raises(Fault) as fault:
        space().known(Genotype.of("mobile", left))
    assert f"the genotype is no network: {says}" in str(fault.value)


def test_everything_wrong_with_the_settings_is_said_at_once():
    with pytest.raises(Fault) as fault:
        space(kernels=[], depths=[1, 0, 2], strides=[2, 2, 3])
    assert str(fault.value).splitlines() == [
        "space.kernels is empty",
        "space.depths is [1, 0, 2]; it must have a whole number from 1 up for each of the 3 "
        "stages, 500 together at most",
        "space.strides is [2, 2, 3]; it must have 1 or 2 for the stem and for each of the 3 stages",
    ]
    with pytest.raises(Fault) as fault:
        space(
            kernels=[4, 3, 3], squeezes=["sa"], activations=["relu", "rely"],
            stem="conv", widths=[4, 0, 8], epsilon=-1,
        )  # fmt: skip
    said = str(fault.value)
    for words in (
        "space.kernels has 4; each must be an odd number of pixels up to 99",
        "space.activations: 'rely' is not known",
        "space.squeezes: 'sa' is not known",
        "2/1 has an option twice",
        "stem is 'conv'",
        "2/width is '0'",
    ):
        assert said.count(words) == 1
    assert "epsilon is '-1'" in said
    with pytest.raises(Fault, match="images of 7x16 pixels are too small .* allowed is 8x8"):
        space((3, 7, 16), strides=[2, 1, 2, 2])
    with pytest.raises(Fault, match="8 stages are more than 7"):
        space(widths=[8] * 8, depths=[1] * 8)


def test_neighbours_differ_in_one_block():
    made = space()
    genotype = sample(made, random.Random(0))
    ways = sum(len(options) - 1 for options in made.decisions.values())
    assert len(set(neighbours(made, genotype))) == ways == 3 + 2 * 4 + 3 + 4


def test_a_genotype_grows():
    """Channels to the nearest multiple, blocks up; more of them are like the last real one."""
    made = space()
    blocks = {"1/1": "mbconv_3x3_e1", "3/width": "40"}
    blocks |= {"3/1": "mbconv_3x3_e6", "3/2": "mbconv_5x5_e3_se", "3/3": "skip_connect"}
    fixed = {"stem": "conv_3x3", "stem/width": "20", "1/width": "16", "epsilon": "0.001"}
    head = {"head": "conv_1x1", "head/width": "100", "classifier": "hidden_12_relu"}
    genotype = Genotype.of("mobile", {**fixed, **blocks, **head})
    wider = made.scaled(genotype, 1.1, 2.2)
    assert known(made, wider) == wider
    assert {
        key: option for key, option in wider.choices.items() if key not in genotype.choices
    } == {
        "1/2": "mbconv_3x3_e1",
        "1/3": "mbconv_3x3_e1",
        "3/4": "mbconv_5x5_e3_se",
        "3/5": "mbconv_5x5_e3_se",
    }
    assert wider["3/3"] == "mbconv_5x5_e3_se"  # 2 blocks x 2.2 = 4.4, so 5
    # 22 -> 24, 17.6 -> 16, 44 -> 48 (40 would be right too, but halves go up), 110 -> 112
    widths = [wider[f"{name}/width"] for name in ("stem", "1", "3", "head")]
    assert widths == ["24", "16", "48", "112"]
    assert made.scaled(genotype, 1.1, 1, step=1)["3/width"] == "44"
    assert "3/2" not in made.scaled(genotype, 1, 0.5).choices
    assert made.scaled(genotype, 1, 1).choices == {  # not even rounded
        key: option for key, option in genotype.choices.items() if key != "3/3"
    }


class Counting:
    """A device on which every layer takes as many milliseconds as it has parameters."""

    def latencies(self, cases):
        sizes = [float(sum(p.numel() for p in module.parameters())) for module, _ in cases]
        return [Latency(size, size, size, 1, {}) for size in sizes]


def test_a_latency_table_has_the_layers_of_a_network_that_is_not_searched():
    made, genotype = space(), load("mobilenet_v3_small")
    problem = SimpleNamespace(
        space=made, device=Counting(), listener=SILENT, seed=0, latencies=Latencies()
    )
    problem.as_deployed = problem
    table = measured(problem, own_layers(problem, genotype))
    assert set(made.layers()) < set(table)
    assert table.sum_ms(made.plan(genotype)) == params(genotype, 3, 7)
