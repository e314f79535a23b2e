"""Chains of layers: what YAML states is what is built, and what cannot be is named."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
import torch
from fixtures import CHECKOUT, ToyTask, composed
from hydra.utils import instantiate
from torch import nn

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.space import at, sample, size
from nascli.costs.count import count
from nascli.costs.plans import PlanCounter
from nascli.operations.shuffle import ShuffleBlock


def chain(name="chain", shape=(3, 32, 32), classes=10, **settings):
    make = instantiate(composed(f"space={name}").space, _partial_=True)
    return make(ToyTask("toy", shape, classes), **settings)


def convolution(given, made, kernel):
    """Weights, and scale and shift of a batch norm."""
    return given * made * kernel**2 + 2 * made


def macro_block(option, given, made, stride):
    """Parameters of NAS-Bench-Macro's choices, as its authors' code builds them."""
    if option == "identity":
        return 0 if stride == 1 and given == made else convolution(given, made, 1)
    kernel, expansion = (3, 3) if option == "mbconv_3x3_e3_relu" else (5, 6)
    inside = given * expansion
    narrow = convolution(inside, made, 1)
    return convolution(given, inside, 1) + convolution(1, inside, kernel) + narrow


def test_every_network_of_nasbench_macro_has_the_published_structure():
    """Stages of 2, 3 and 3 layers, of which the first halves the image and doubles the channels."""
    space = chain("nasbench_macro")
    assert size(space) == 3**8 == 6561
    counter = PlanCounter(space)
    for index in (0, 6560, *random.Random(0).sample(range(6561), 300)):
        genotype = at(space, index)
        options, total, given = list(genotype.options), convolution(3, 32, 3), 32
        for stage, layers in enumerate((2, 3, 3)):
            for layer in range(layers):
                made, stride = 64 * 2**stage, 1 if layer else 2
                total += macro_block(options.pop(0), given, made, stride)
                given = made
        total += convolution(256, 1280, 1) + 1281 * 10
        assert counter(genotype).params == total


def shuffle(given, made, stride, option):
    """Parameters of SPOS's blocks, as its authors' code builds them."""
    kernel, inside = {"x": 3}.get(option[8]) or int(option[8]), made // 2
    into = given if stride == 2 else given // 2
    out = made - into
    if option == "shuffle_xception":
        pairs = [(into, inside), (inside, inside), (inside, out)]
        main = sum(convolution(1, a, 3) + convolution(a, b, 1) for a, b in pairs)
    else:
        main = convolution(into, inside, 1) + convolution(1, inside, kernel)
        main += convolution(inside, out, 1)
    other = convolution(1, given, kernel) + convolution(given, given, 1) if stride == 2 else 0
    return main + other


def test_the_shufflenet_preset_has_the_published_structure():
    """20 blocks in stages of 4, 4, 8 and 4."""
    space, rng = chain("shufflenet", (3, 224, 224), 1000), random.Random(0)
    assert size(space) == 4**20
    counter = PlanCounter(space)
    for genotype in (sample(space, rng) for _ in range(20)):
        options, total, given = list(genotype.options), convolution(3, 16, 3), 16
        for layers, made in ((4, 64), (4, 160), (8, 320), (4, 640)):
            for layer in range(layers):
                total += shuffle(given, made, 1 if layer else 2, options.pop(0))
                given = made
        total += convolution(640, 1024, 1) + 1025 * 1000
        assert counter(genotype).params == total


def test_a_shuffle_block_lets_the_even_channels_pass():
    block = ShuffleBlock(8, 8, 1, False, kernel=5).eval()
    images = torch.randn(2, 8, 5, 5)
    changed = images.clone()
    changed[:, 1::2] += 1  # what goes through the main branch
    first, second = block(images), block(changed)
    assert torch.equal(first[:, :4], images[:, ::2]) and torch.equal(second[:, :4], first[:, :4])
    assert (second[:, 4:] != first[:, 4:]).any()


LAYERS = [
    {"options": ["conv_3x3"], "channels": 6},
    {"name": "wide", "channels": 12, "stride": 2, "repeats": 2},
    {"options": ["identity", "avg_pool_3x3", "max_pool_3x3", "mbconv_3x3_e3"], "channels": 10},
    {"options": ["identity", "skip_connect"], "channels": 10, "stride": 2},
]
OPERATIONS = "conv_3x3,identity,skip_connect,avg_pool_3x3,max_pool_3x3,mbconv_3x3_e3"


def mixed(shape=(3, 9, 7), layers=LAYERS, **settings):
    config = composed("space=chain", f"operation@space.operations=[{OPERATIONS}]").space
    make = instantiate(config, _partial_=True)
    options = ["identity", "avg_pool_3x3", "skip_connect"]
    return make(ToyTask("toy", shape, 7), **{"layers": layers, "options": options, **settings})


def test_decisions_are_the_layers_with_several_options():
    assert dict(mixed().decisions) == {
        "wide/1": ("identity", "avg_pool_3x3", "skip_connect"),
        "wide/2": ("identity", "avg_pool_3x3", "skip_connect"),
        "layer3": ("identity", "avg_pool_3x3", "max_pool_3x3", "mbconv_3x3_e3"),
        "layer4": ("identity", "skip_connect"),
    }


def test_what_passes_its_input_on_projects_where_shapes_change():
    space = mixed()
    counter = PlanCounter(space)
    images = torch.randn(2, 3, 9, 7)
    for index in range(size(space)):
        genotype = at(space, index)
        network = space.network(genotype).eval()
        assert network(images).shape == (2, 7)
        if index % 5 == 0:
            assert counter(genotype) == count(network, (3, 9, 7))


def test_a_width_multiplies_channels_and_rounds_them_to_8():
    space = mixed(width=2.1)
    widths = [place.shape[0] for place in space.plan().places]
    assert widths == [16, 24, 24, 24, 24, 7]  # 12.6 -> 16 (8 were below 90 %), 25.2 and 21 -> 24


def test_the_identity_comes_last_among_equal_layers():
    """In a run of alike layers, where the identity stands does not matter."""
    layers = [
        {"options": ["conv_3x3"], "channels": 6},
        {"name": "a", "channels": 6, "repeats": 3},
        {"name": "b", "channels": 6, "repeats": 2, "stride": 2},
    ]
    space = mixed(layers=layers)
    i, s, p = "identity", "skip_connect", "avg_pool_3x3"

    def form(*options):
        return space.canonical(Genotype("chain", tuple(space.decisions), options)).options

    assert form(i, p, s, i, p) == (p, i, i, i, p)  # "b/1" halves the image: no identity
    assert form(i, p, s, s, s) == (p, i, i, s, i)
    assert form(p, p, p, p, p) == (p, p, p, p, p)
    names = {space.canonical(at(space, n)) for n in range(size(space))}
    # a: how many pools of 3; b/1: 3 options; b/2: pool or not
    assert len(names) == 4 * 3 * 2


def test_what_projects_stays_where_it_stands():
    wide = {"name": "b", "channels": 12}
    layers = [{"options": ["conv_3x3"], "channels": 6}, {"name": "a", "channels": 6}, wide]
    space = mixed(layers=layers)
    for genotype in (at(space, n) for n in range(size(space))):
        assert space.canonical(genotype).choices["b"] == genotype["b"]


def test_a_network_with_its_weights_is_a_path_of_the_supernet():
    space = chain(shape=(3, 16, 16), width=0.5)
    supernet = space.supernet().double()
    for genotype in (sample(space, random.Random(n)) for n in range(3)):
        network = space.network(genotype).double()
        for place in space.plan(genotype).places:
            inside = supernet.get_submodule(place.name)
            if hasattr(inside, "weighted"):
                inside = {**inside.weighted[0], **inside.free[0]}[place.layer.operation]
            network.get_submodule(place.name).load_state_dict(inside.state_dict(), strict=False)
        images = torch.randn(4, 3, 16, 16).double()
        difference = network(images) - supernet(images, supernet.path(genotype))
        assert difference.abs().max() < 1e-12


def wrong(**settings):
    with pytest.raises(Fault) as fault:
        mixed(**settings)
    return str(fault.value).splitlines()


def test_everything_wrong_with_layers_is_said_at_once():
    layers = [
        {"options": ["conv_3x3"], "channels": 0},
        {"name": "a b", "stride": 3, "repeats": 0, "options": []},
        {"channels": 8, "options": ["mbconv_3x3_e4", "identity", "identity"], "strides": 2},
        "conv_3x3",
        {"channels": 8, "options": "identity"},
    ]
    said = wrong(layers=layers)
    assert said == [
        "layer 1 (layer1): channels is 0; it must be a whole number from 1 to 65,536",
        "layer 2 (a b): it has no channels",
        "layer 2 (a b): repeats is 0; it must be a whole number from 1 to 500",
        "layer 2 (a b): stride is 3; it must be 1 or 2",
        "layer 2 (a b): its name must be a letter, then letters, digits or _",
        "layer 2 (a b): options is []; it must list at least one operation",
        "layer 3 (layer3): its key 'strides' is not known; allowed: channels, name, options, "
        "repeats, stride; did you mean 'stride'?",
        "layer 3 (layer3): option 'mbconv_3x3_e4' is not known; allowed: avg_pool_3x3, conv_3x3, "
        "identity, max_pool_3x3, mbconv_3x3_e3, skip_connect; did you mean 'mbconv_3x3_e3'?",
        "layer 3 (layer3): it has the option 'identity' twice",
        "layer 4 is 'conv_3x3'; it must have channels, name, options, repeats, stride",
        "layer 5 (layer5): options is 'identity'; it must list at least one operation",
    ]


def test_settings_of_operations_are_looked_at_with_the_layers():
    block = "nascli.operations.inverted.InvertedResidual"
    operations = {
        "classifier": {"_target_": "nascli.operations.inverted.identity"},
        "even": {"_target_": "nascli.operations.pool.max_pool", "kernel": 4},
        "deep": {"_target_": "nascli.operations.separable.SeparableConv"},
        "wide": {"_target_": block, "expansion": 0, "squeeze": "foo", "kernal": 3},
        "loud": {"_target_": block, "activation": "bar", "keep": "yes", "kernel": 5},
        "same": {"_target_": "nascli.operations.inverted.identity", "kernel": 3},
        "own": {"_target_": "mine.own", "kernel": 4},
    }
    layers = [{"channels": 0, "options": ["even", "deep"]}]
    assert wrong(operations=operations, layers=layers, width=-1) == [
        "operation 'classifier' has the name of a fixed layer; give it another one (taken: stem, "
        "stem0, stem1, preprocess, residual_reduction, norm_relu, resize, classifier, "
        "auxiliary_head)",
        "operation 'even': kernel is 4; it is an odd number of pixels up to 99",
        "operation 'deep' needs a kernel: it is an odd number of pixels up to 99",
        "operation 'wide': expansion is 0; it is a number above 0",
        "operation 'wide': squeeze is 'foo'; it is one of none, se, se8",
        "operation 'wide': setting 'kernal' is not known; allowed: activation, expansion, keep, "
        "kernel, squeeze; did you mean 'kernel'?",
        "operation 'loud': activation is 'bar'; it is one of relu, relu6, swish, hswish, linear",
        "operation 'loud': keep is 'yes'; it is true or false",
        "operation 'same' has no settings; leave out kernel",
        "space.width is -1; it must be above 0",
        "layer 1 (layer1): channels is 0; it must be a whole number from 1 to 65,536",
    ]


FOUR = {"channels": 4}
SMALL = "images of 3x9 pixels are too small for the strides of space 'chain'"
SMALL += "; the smallest allowed is 4x4"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"layers": []}, "space.layers is []; it must list at least one layer"),
        ({"layers": [FOUR, {**FOUR, "name": "layer1"}]}, "two layers have the name 'layer1'"),
        ({"layers": [{**FOUR, "options": ["conv_3x3"]}]}, "no layer has several options"),
        ({"layers": [FOUR], "options": []}, "layer 1 (layer1): options is []"),
        ({"width": 0}, "space.width is 0; it must be above 0"),
        ({"width": "x"}, "space.width is x; it must be above 0"),
        (
            {"layers": [FOUR, {"name": "b", "channels": 1, "stride": 2}]},
            "layer b: 'skip_connect' makes two halves of its channels, so it needs at least 2; it "
            "has 1",
        ),
        ({"shape": (3, 3, 9)}, SMALL),
    ],
)
def test_what_makes_no_chain_is_named(settings, says):
    assert says in wrong(**settings)[0]


def narrow(in_channels, out_channels, stride, shared):
    return nn.Conv2d(in_channels, 5, 1, stride)


def grouped(in_channels, out_channels, stride, shared):
    return nn.Conv2d(in_channels, out_channels, 1, stride, groups=4)


def test_operations_that_do_not_join_are_named():
    layers = [
        {"name": "stem", "options": ["grouped"], "channels": 8},
        {
            "name": "body",
            "options": ["narrow", "grouped"],
            "channels": 8,
            "repeats": 2,
            "stride": 2,
        },
        {"name": "last", "options": ["narrow", "none"], "channels": 5},
    ]
    operations = {"narrow": narrow, "grouped": grouped, "none": narrow}
    make = instantiate(composed("space=chain").space, _partial_=True)
    task = ToyTask("toy", (3, 8, 8), 7)
    with pytest.raises(Fault) as fault:
        make(task, operations=operations, layers=layers)
    assert str(fault.value) == (
        "layer 3 (last): its option 'none' lets nothing through to the layers behind"
    )
    counter = PlanCounter(make(task, operations=operations, layers=layers[:2]))
    with pytest.raises(Fault) as fault:
        counter.check()
    said = str(fault.value)
    assert "'grouped' cannot be built" in said and "in_channels must be divisible" in said
    assert "narrow" in said and "gives 5x4x4; it must give 8x4x4" in said
    places = [line.rpartition(" (")[2] for line in said.splitlines()]
    assert places == ["layer body.0)", "choice body/2)"]


def test_a_plan_needs_no_torch():
    code = (
        "import sys\n"
        "from nascli.spaces.chain import Chain\n"
        "from nascli.costs.plans import PlanCounter\n"
        "from nascli.core.space import at\n"
        "task = type('Task', (), {'input_shape': (3, 32, 32), 'classes': 10})\n"
        "conv = {'_target_': 'nascli.operations.inverted.ConvNorm'}\n"
        "layers = [{'channels': 8, 'options': ['conv', 'same'], 'repeats': 3}]\n"
        "same = {'_target_': 'nascli.operations.inverted.identity'}\n"
        "space = Chain(task, {'conv': conv, 'same': same}, layers)\n"
        "PlanCounter(space)(at(space, 5))\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT).returncode == 0
