"""int8 networks of plans: published sizes, the weights of the modules themselves, what is fused."""

import random

import microcontrollers as published
import pytest
from fixtures import build, composed, options
from omegaconf import OmegaConf
from torch import nn

from nascli.core.fault import Fault
from nascli.core.plan import IMAGES, Layer
from nascli.core.space import sample
from nascli.costs.int8 import Writer
from nascli.costs.int8_layers import int8_network, of_layer
from nascli.networks.building import FIXED
from nascli.networks.fixed import NormRelu

# ST's stm32ai-modelzoo and its report in mlcommons/tiny, in KiB.
MOBILENETS = [
    (0.25, 5, 3, "214.69"), (0.5, 5, 3, "812.61"), (0.25, 5, 1, "214.55"),
    (0.25, 1000, 3, "467.33"), (0.5, 1000, 3, "1314.00"), (1.0, 1000, 3, "4157.09"),
]  # fmt: skip
SPACES = [
    ["space=cell", "space.channels=6", "data=synthetic", "data.size=12"],
    ["space=nasbench201", "data=synthetic", "data.size=10"],
    ["space=chain", "data=synthetic", "data.size=9"],
    ["space=chain", "operation@space.operations=[conv_3x3,conv_1x1,dsconv_3x3,dsconv_5x5]",
     "space.options=[dsconv_3x3,dsconv_5x5]", "data=synthetic"],
    ["space=shufflenet", "data=synthetic", "data.size=32"],
    ["space=nasbench_macro", "data=synthetic", "data.size=8"],
    ["space=once_for_all_small", "data=synthetic", "data.size=40"],
    ["space=mobile", "space.squeezes=[se,se8]", "space.activations=[swish,hswish]",
     "space.classifier=hidden_24_hswish", "space.widths=[8,8,8,8,8,8,8]"],
]  # fmt: skip


@pytest.mark.parametrize(("width", "classes", "channels", "kib"), MOBILENETS)
def test_mobilenets_take_the_flash_that_is_published(width, classes, channels, kib):
    network = published.mobilenet(width, classes, 224, channels)
    assert f"{network.flash_bytes / 1024:.2f}" == kib


def test_plans_of_residual_networks_take_the_flash_that_is_published():
    small = int8_network(published.resnet([1, 1, 1], 10), published.CONVOLUTIONS)
    large = int8_network(published.resnet([5, 5, 5], 100), published.CONVOLUTIONS)
    assert small.flash_bytes == 78_744
    assert f"{large.flash_bytes / 1024:.2f}" == "464.38"


def test_other_networks_of_the_benchmark_take_the_flash_that_is_published():
    assert published.wake_word().flash_bytes == 49_412
    assert published.keywords().flash_bytes == 24_368
    assert published.mobilenet(0.25, 2, 96).flash_bytes == 219_064


@pytest.mark.parametrize("words", SPACES, ids=lambda words: words[0])
def test_has_the_weights_of_the_modules_that_its_plan_builds(words):
    space = build.stated(composed(*words)).space
    for seed in range(6):
        genotype = sample(space, random.Random(seed))
        whole = {  # nothing is dead
            key: "nor_conv_3x3" if option == "none" else option
            for key, option in genotype.choices.items()
        }
        genotype = type(genotype).of(space.name, whole)
        modules = list(space.network(genotype).modules())
        folded = [m for m in modules if isinstance(m, (nn.Conv2d, nn.Linear))]
        flash = sum(m.weight.numel() + 4 * m.weight.shape[0] for m in folded)
        alone = [m.norm for m in modules if isinstance(m, NormRelu)]
        flash += sum(5 * norm.num_features for norm in alone)  # a depthwise convolution of 1x1
        assert int8_network(space.plan(genotype), space.operations).flash_bytes == flash


def test_a_relu_is_fused_where_nothing_else_reads_what_it_reads():
    write = Writer((2, 4, 4))
    first = write.conv(IMAGES, 3, 3)
    second = write.conv(write.relu(first), 4, 1)
    third = write.conv(write.relu(second), 4, 1)
    network = write.network(write.add(second, third))
    assert [step.kind for step in network.steps] == ["conv", "conv", "relu", "conv", "add"]
    assert network.steps[1].inputs == (first,)
    assert network.steps[4].inputs == (second, third)


def test_one_relu_serves_all_who_read_the_same():
    write = Writer((2, 4, 4))
    state = write.pool(IMAGES, 1)
    network = write.network(write.add(write.relu(state), write.conv(write.relu(state), 2, 1)))
    assert [step.kind for step in network.steps] == ["pool", "conv", "add"]


def test_a_sigmoid_is_a_step_of_its_own_and_images_are_not_rectified_in_place():
    write = Writer((2, 4, 4))
    network = write.network(write.gate(write.conv(write.relu(IMAGES), 2, 1)))
    assert [step.kind for step in network.steps] == ["relu", "conv", "gate"]


def test_what_the_result_does_not_need_is_left_out():
    write = Writer((2, 4, 4))
    write.conv(IMAGES, 50, 3)
    network = write.network(write.conv(IMAGES, 1, 1))
    assert [step.weights for step in network.steps] == [2]


@pytest.mark.parametrize(("size", "stride", "side"), [(7, 2, 4), (8, 2, 4), (8, 1, 8)])
def test_same_padding_rounds_up_and_valid_padding_cuts(size, stride, side):
    write = Writer((1, size, size))
    assert write.shapes[write.conv(IMAGES, 2, 3, stride)] == (2, side, side)
    assert write.shapes[write.depthwise(IMAGES, (3, 1), valid=True)] == (1, size - 2, size)


def test_an_odd_factorized_reduction_pads_its_second_half():
    operations = {"skip": {"_target_": "nascli.operations.skip.skip_connect"}}
    write = Writer((4, 5, 5))
    out = of_layer(write, Layer("skip", 4, 6, 2, 5, 5), IMAGES, operations)
    network = write.network(out)
    assert [(step.kind, step.shape) for step in network.steps] == [
        ("relu", (4, 5, 5)), ("conv", (3, 3, 3)), ("slice", (4, 4, 4)), ("pad", (4, 5, 5)),
        ("conv", (3, 3, 3)), ("concatenate", (6, 3, 3)),
    ]  # fmt: skip


def test_every_shipped_operation_and_fixed_layer_is_known():
    names = options("operation")
    config = composed(f"operation@space.operations=[{','.join(names)}]").space.operations
    operations = OmegaConf.to_container(config)
    for name in names:
        assert of_layer(Writer((4, 8, 8)), Layer(name, 4, 4, 2, 8, 8), IMAGES, operations)
    size = (("to_height", 4), ("to_width", 4))
    for name in FIXED.keys() - {"auxiliary_head"}:
        of_layer(Writer((4, 8, 8)), Layer(name, 4, 4, 2, 8, 8, size), IMAGES, {})


def test_an_operation_of_the_users_own_is_named():
    with pytest.raises(Fault, match="operation 'mine' .fixtures.build. is on a microcontroller"):
        of_layer(Writer((1, 4, 4)), Layer("mine", 1, 1, 1, 4, 4), IMAGES, {"mine": build})
