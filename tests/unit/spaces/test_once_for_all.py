"""The once-for-all space: counts by an independent formula, what is equal, what is refused."""

import random

import pytest
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core import space as moves
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.costs.extremes import extremes
from nascli.costs.plans import PlanCounter

IMAGENET = ToyTask(input_shape=(3, 224, 224), classes=1000)


def space(task=IMAGENET, name="once_for_all", **options):
    return instantiate(composed(f"space={name}").space, _partial_=True)(task, **options)


def counted(choices, classes=1000):
    """Params and MACs of a network as published, straight from its choices; biases count in both.

    Stem, first block, five stages, final expansion, mean, hidden layer with a bias, classifier.
    """
    params = macs = 0
    side = int(choices["resolution"])

    def conv(inside, outside, kernel, stride, groups=1, norm=True):
        nonlocal params, macs, side
        side = (side + stride - 1) // stride
        weights = outside * inside // groups * kernel**2
        params += weights + 2 * outside * norm
        macs += weights * side**2

    def linear(inside, outside):
        nonlocal params, macs
        params += (inside + 1) * outside
        macs += (inside + 1) * outside

    conv(3, 16, 3, 2)
    conv(16, 16, 3, 1, groups=16)
    conv(16, 16, 1, 1)
    given = 16
    for stage, (width, stride, squeeze) in enumerate(
        [(24, 2, 0), (40, 2, 1), (80, 2, 0), (112, 1, 1), (160, 2, 1)], start=1
    ):
        for number in range(1, int(choices[f"{stage}/depth"]) + 1):
            inside = given * int(choices[f"{stage}/{number}/expansion"])
            kernel = int(choices[f"{stage}/{number}/kernel"])
            conv(given, inside, 1, 1)
            conv(inside, inside, kernel, stride if number == 1 else 1, groups=inside)
            if squeeze:
                narrow = max(8, int(inside // 4 + 4) // 8 * 8)  # make_divisible of published code
                narrow += 8 * (narrow < 0.9 * (inside // 4))
                linear(inside, narrow)
                linear(narrow, inside)
            conv(inside, width, 1, 1)
            given = width
    conv(160, 960, 1, 1)
    linear(960, 1280)
    linear(1280, classes)
    return params, macs


def test_counts_are_those_of_an_independent_formula():
    made = space()
    count, rng = PlanCounter(made), random.Random(0)
    for genotype in [*moves.ends(made), *(moves.sample(made, rng) for _ in range(20))]:
        found = count(genotype)
        assert (found.params, found.macs) == counted(genotype.choices)


def test_sizes_are_those_published():
    decisions = space().decisions
    assert decisions["resolution"] == tuple(map(str, range(128, 225, 4)))
    kinds = {key.rpartition("/")[2] for key in decisions}
    assert kinds == {"resolution", "width", "depth", "kernel", "expansion"}
    assert decisions["3/depth"] == ("2", "3", "4")
    assert decisions["3/4/kernel"] == ("3", "5", "7")
    assert decisions["3/4/expansion"] == ("3", "4", "6")
    assert [key for key in decisions if key.endswith("depth")] == [
        f"{n}/depth" for n in range(1, 6)
    ]


def test_networks_are_as_many_as_distinct_sizes_make():
    """As published: a stage of depth d has 9^d networks, so there are (sum of 9^d)^5."""
    options = {"widths": [8], "strides": [1, 2], "activations": ["relu"], "squeezes": ["none"]}
    options |= {"depths": [1, 2], "kernels": [3, 5], "resolutions": [16, 32]}
    made = space(ToyTask(input_shape=(3, 32, 32)), **options)
    every = [moves.at(made, number) for number in range(moves.size(made))]
    forms = {made.canonical(genotype) for genotype in every}
    assert len(forms) == 2 * ((2 * 3) + (2 * 3) ** 2)
    assert len({made.plan(form) for form in forms}) == len(forms)
    assert all(made.plan(made.canonical(genotype)) == made.plan(genotype) for genotype in every)

    whole = space().decisions  # of each stage, whatever the rest
    stages = []
    for stage in range(1, 6):
        blocks = [
            len(whole[f"{stage}/{n}/kernel"]) * len(whole[f"{stage}/{n}/expansion"])
            for n in range(1, 5)
        ]
        assert blocks == [9] * 4
        stages.append(sum(9 ** int(depth) for depth in whole[f"{stage}/depth"]))
    total = stages[0] ** 5
    assert set(stages) == {9**2 + 9**3 + 9**4}
    assert 2e19 < total < 2.5e19  # the paper, section 3.2: "roughly 2 x 10^19"


def test_it_shrinks_in_the_published_order():
    made = space(multipliers=[1.0, 0.75])
    stages = made.shrinking
    assert [stage.name for stage in stages] == ["kernel", "depth", "expansion", "width"]
    assert [stage.sorts for stage in stages] == [False, False, True, True]
    some = ("resolution", "1/1/kernel", "1/depth", "1/1/expansion", "width")
    sides = tuple(map(str, range(224, 127, -4)))
    full = (sides, ("7", "5", "3"), ("4", "3", "2"), ("6", "4", "3"), ("1", "0.75"))
    for number, stage in enumerate(stages):
        want = (sides, *(o if number >= n else o[:1] for n, o in enumerate(full[1:])))
        assert tuple(stage.options[key] for key in some) == want
        assert list(stage.options) == list(made.decisions)


def test_where_resolutions_alone_are_elastic_they_are_a_stage():
    (stage,) = space(kernels=[3], depths=[2], expansions=[4]).shrinking
    assert (stage.name, stage.sorts) == ("resolution", False)
    assert stage.options["resolution"][0] == "224" and len(stage.options["resolution"]) == 25


def test_the_ends_have_the_least_and_the_largest_costs():
    made = space()
    count, rng = PlanCounter(made), random.Random(1)
    least, largest = (count(genotype) for genotype in moves.ends(made))
    assert set(extremes(made, count)) == {"params", "macs", "flops"}
    for found in (count(moves.sample(made, rng)) for _ in range(50)):
        assert least.params <= found.params <= largest.params
        assert least.macs <= found.macs <= largest.macs


def test_resolutions_above_the_images_own_are_left_out():
    made = space(ToyTask(input_shape=(3, 150, 200)))
    assert made.decisions["resolution"] == tuple(map(str, range(128, 149, 4)))
    plan = made.plan(moves.at(made, 0))
    assert plan.input_shape == (3, 150, 200)
    assert plan.places[0].shape == (3, 128, round(200 * 128 / 150))
    own = space(ToyTask(input_shape=(3, 128, 128)))
    assert own.plan(moves.at(own, 0)).places[0].name == "stem"  # nothing to resize


def test_widths_are_rounded_to_eight():
    made = space(multipliers=[0.5, 1.2])
    for number, (first, width) in enumerate(((8, 16), (24, 32))):  # 8, 12 -> 16; 19.2 -> 24, 28.8
        genotype = Genotype.of(
            made.name, {**moves.ends(made)[1].choices, "width": made.decisions["width"][number]}
        )
        places = {place.name: place for place in made.plan(genotype).places}
        assert places["first"].layer.out_channels == first
        assert places["stages.0.3"].layer.out_channels == width
        assert places["classifier"].layer.operation == f"hidden_{(640, 1536)[number]}_hswish"


def fault(task=IMAGENET, **options):
    with pytest.raises(Fault) as caught:
        space(task, **options)
    return str(caught.value).splitlines()


def test_everything_wrong_is_said_at_once():
    assert fault(
        kernels=[3, 4],
        depths=[],
        expansions=[0, 1_000_000],
        activations=["relu", "rely", "hswish", "hswish", "hswish"],
        stem="conv",
        classifier="big",
    ) == [
        "space.depths is []; it must list at least one value",
        "space.kernels has 4; each must be an odd number of pixels up to 99",
        "space.expansions has 0; each must be a number from 0.001 to 1000",
        "space.expansions has 1000000; each must be a number from 0.001 to 1000",
        "space.activations, stage 2: 'rely' is not known; allowed: hswish, relu, relu6, swish; "
        "did you mean 'relu'?",
        "space.stem is 'conv'; it must look like conv_3x3 or conv_1x1_hswish",
        "space.classifier is 'big'; it must be linear or look like hidden_1280_hswish",
    ]


def test_lists_of_stages_have_to_fit():
    found = fault(widths=[16, 24], strides=[2, 2, 2], squeezes=["none"] * 2)
    assert found == [
        "space.activations is ['relu', 'relu', 'hswish', 'hswish', 'hswish']; it must have one for "
        "each of the 2 stages that space.widths lists"
    ]
    assert fault(widths=[16, 24], resolutions=[0], expansions=[0], multipliers=[2.0, 2.0]) == [
        "space.resolutions has 0; each must be a whole number from 1 to 65,536",
        "space.expansions has 0; each must be a number from 0.001 to 1000",
        "space.multipliers has 2.0 twice",
        *(
            f"space.{key} is {values}; it must have one for {each} of the 2 stages that "
            "space.widths lists"
            for key, values, each in (
                ("activations", ["relu", "relu", "hswish", "hswish", "hswish"], "each"),
                ("squeezes", ["none", "se8", "none", "se8", "se8"], "each"),
                ("strides", [2, 2, 2, 2, 1, 2], "the stem and each"),
            )
        ),
    ]
    assert fault(ToyTask(input_shape=(3, 32, 32)), widths=[0] * 5, depths=[]) == [
        "space.widths has 0; each must be a whole number from 1 to 65,536",
    ] * 5 + [
        "space.depths is []; it must list at least one value",
        "space.resolutions start at 128, and the images are of 32x32 pixels; give "
        "space.resolutions up to 32, or take space=once_for_all_small",
    ]
    assert fault(multipliers=[1.0, 1.001]) == [
        "space.multipliers 1 and 1.001 give the same channels, [16, 24, 40, 80, 112, 160, 960]"
    ]
    assert fault(kernels=[3, 3]) == ["space.kernels has 3 twice"]


def test_images_have_to_be_large_enough():
    small = ToyTask(input_shape=(3, 32, 32))
    assert fault(small) == [
        "space.resolutions start at 128, and the images are of 32x32 pixels; give "
        "space.resolutions up to 32, or take space=once_for_all_small"
    ]
    assert fault(small, resolutions=[16, 24, 32]) == [
        "space.resolutions 16, 24 are too small for the strides [2, 2, 2, 2, 1, 2]; the smallest "
        "allowed is 32"
    ]


def test_a_genotype_of_other_sizes_is_refused_with_all_that_is_wrong():
    made = space()
    choices = {**moves.at(made, 0).choices, "1/2/kernel": "9", "2/depth": "5", "6/depth": "2"}
    del choices["width"]
    with pytest.raises(Fault) as caught:
        made.plan(Genotype.of(made.name, choices))
    known = ", ".join(sorted(made.decisions))
    first, *rest = str(caught.value).splitlines()
    assert first.startswith(
        f"decision of space once_for_all '6/depth' is not known; allowed: {known}"
    )
    assert rest == [
        "the genotype does not say what to take at width",
        "option of 1/2/kernel '9' is not known; allowed: 3, 5, 7",
        "option of 2/depth '5' is not known; allowed: 2, 3, 4",
    ]


def test_it_has_no_open_plan():
    assert moves.open_plan(space()) is None


def test_it_is_described_in_a_line_a_stage():
    made = space()
    choices = {**moves.at(made, 0).choices, "1/depth": "2", "1/2/kernel": "7", "1/2/expansion": "6"}
    lines = made.describe(Genotype.of(made.name, choices)).splitlines()
    assert lines[:2] == ["128 pixels a side, width 1", "stage 1    24 channels: 3x3 e3, 7x7 e6"]
    assert [line[:8] for line in lines[1:]] == [f"stage {stage} " for stage in range(1, 6)]
