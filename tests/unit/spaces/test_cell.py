from __future__ import annotations

import itertools
import random
import subprocess
import sys

import pytest
import torch
from fixtures import ToyTask, composed, environment
from hydra.utils import instantiate
from plain_plan import interpreted
from torch import nn

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer
from nascli.core.space import at, check, sample, size
from nascli.genotypes import load

CONFIG = composed("space=cell").space
OPERATIONS = ("max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3")
OPERATIONS += ("sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")


def cell(shape=(1, 8, 8), config=CONFIG, classes=10, **settings):
    return instantiate(config, _partial_=True)(ToyTask("toy", shape, classes), **settings)


def samples(space, count, seed=0):
    rng = random.Random(seed)
    return [sample(space, rng) for _ in range(count)]


def test_decisions_are_a_pair_of_inputs_and_two_operations_a_node():
    space = cell()
    assert size(space) == (1 * 3 * 6 * 10 * 7**8) ** 2
    assert len(space.decisions) == 24
    assert list(space.decisions)[:4] == [
        "normal/2/inputs",
        "normal/2/first",
        "normal/2/second",
        "normal/3/inputs",
    ]
    assert space.decisions["normal/2/inputs"] == ("0+1",)
    assert space.decisions["reduction/4/inputs"] == ("0+1", "0+2", "0+3", "1+2", "1+3", "2+3")
    assert space.decisions["reduction/5/second"] == OPERATIONS
    assert size(cell(nodes=1)) == 7**4
    assert size(cell(nodes=2)) == (3 * 7**4) ** 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cells": 0}, "space.cells is 0; it must be a whole number from 1 to 500"),
        ({"nodes": 0}, "space.nodes is 0; it must be a whole number from 1 to 20"),
        ({"channels": 1}, "space.channels is 1; it must be a whole number from 2 to 65,536"),
        (
            {"stem": "imagnet"},
            "space.stem 'imagnet' is not known; allowed: auto, cifar, imagenet; "
            "did you mean 'imagenet'?",
        ),
        (
            {"operations": {"none": {}}},
            "space.operations needs an operation besides 'none'; it has none",
        ),
        (
            {"operations": {}},
            "space.operations needs an operation besides 'none'; it has nothing",
        ),
        (
            {"shape": (1, 3, 9)},
            "images of 3x9 pixels are too small for space 'cell' with stem 'cifar'; "
            "the smallest allowed is 4x4",
        ),
        (
            {"shape": (3, 31, 31), "stem": "imagenet"},
            "images of 31x31 pixels are too small for space 'cell' with stem 'imagenet'; "
            "the smallest allowed is 32x32",
        ),
        (
            {"shape": (3, 1, 1), "cells": 1},
            "images of 1x1 pixels are too small for space 'cell' with stem 'cifar'; "
            "the smallest allowed is 2x2",
        ),
    ],
)
def test_settings_that_make_no_sense_are_named(settings, message):
    with pytest.raises(Fault) as fault:
        cell(**settings)
    assert str(fault.value) == message


@pytest.mark.parametrize(
    ("shape", "stem", "settings"),
    [((1, 4, 4), "cifar", {}), ((3, 32, 32), "imagenet", {}), ((3, 2, 2), "cifar", {"cells": 1})],
)
def test_the_smallest_images_work(shape, stem, settings):
    space = cell(shape, stem=stem, channels=2, **settings)
    images = torch.randn(3, *shape)
    assert space.network(samples(space, 1)[0])(images).shape == (3, 10)
    supernet = space.supernet()
    assert supernet(images, supernet.path(samples(space, 1)[0])).shape == (3, 10)


@pytest.mark.parametrize("side", [64, 127, 128])
def test_the_stem_follows_the_image(side):
    space = cell((3, side, side))
    stems = [layer.operation for layer in space.layers() if "stem" in layer.operation]
    assert stems == (["stem0", "stem1"] if side >= 128 else ["stem"])


@pytest.mark.parametrize("cells", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("nodes", [1, 5])
def test_any_number_of_cells_and_nodes(cells, nodes):
    space = cell(cells=cells, nodes=nodes, channels=2)
    for genotype in samples(space, 2):
        assert space.network(genotype)(torch.randn(2, 1, 8, 8)).shape == (2, 10)
    supernet = space.supernet()
    weights = torch.full((len(supernet.choices), 8), 0.1)
    genotype = supernet.derive(weights)
    assert check(space, genotype) == genotype
    assert supernet(torch.randn(2, 1, 8, 8), supernet.path(genotype)).shape == (2, 10)


def test_a_genotype_of_another_space_is_refused():
    with pytest.raises(Fault, match="of space 'toy', not of space 'cell'"):
        cell().network(Genotype.of("toy", {"a": "0"}))


def test_networks_are_built_without_memory():
    space = cell((3, 224, 224), auxiliary=True)
    with torch.device("meta"):
        network = space.network(load("darts_v1"))
        supernet = space.supernet()
    for module in (network, supernet):
        assert {p.device.type for p in module.parameters()} == {"meta"}


@pytest.mark.parametrize("auxiliary", [True, False])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (3, 128, 128)])
def test_the_auxiliary_head_speaks_in_training_mode_only(shape, auxiliary):
    space = cell(shape, channels=2, cells=3, auxiliary=auxiliary, classes=5)
    network = space.network(samples(space, 1)[0])
    images = torch.randn(2, *shape)
    logits = network.train()(images)
    assert [o.shape for o in (logits if auxiliary else [logits])] == [(2, 5)] * (1 + auxiliary)
    assert network.eval()(images).shape == (2, 5)
    named = {name.split(".")[0] for name, _ in network.named_parameters()}
    assert ("auxiliary" in named) is auxiliary


def test_drop_path_changes_training_only():
    torch.manual_seed(0)
    space = cell(channels=2)
    network = space.network(load("darts_v1"))
    images = torch.randn(4, 1, 8, 8)
    assert network.drop_path == 0
    network.train()
    assert torch.equal(network(images), network(images))
    network.drop_path = 0.3
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


def tagged(network):
    return {name: m for name, m in network.named_modules() if hasattr(m, "operation")}


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (3, 224, 224)])
def test_tagged_layers_cover_the_network_once_and_are_all_in_layers(shape):
    space = cell(shape, nodes=4)
    layers = space.layers()
    for genotype in (load("darts_v1"), load("darts_v2"), *samples(space, 1)):
        with torch.device("meta"):
            network = space.network(genotype).eval()
        names = tagged(network)
        for name, module in network.named_modules():
            inside = [n for n in names if name == n or name.startswith(n + ".")]
            leaf = not list(module.children())
            assert len(inside) == 1 if leaf else len(inside) <= 1
        assert met(network, shape) <= set(layers)


def met(network, shape):
    """Every tagged layer that a forward pass meets."""
    found = set()

    def note(module, inputs, _output):
        names = ("operation", "in_channels", "out_channels", "stride")
        found.add(Layer(*(getattr(module, n) for n in names), *inputs[0].shape[2:]))

    hooks = [m.register_forward_hook(note) for m in tagged(network).values()]
    with torch.no_grad():
        network(torch.zeros(1, *shape, device="meta"))
    for hook in hooks:
        hook.remove()
    return found


def test_layers_has_nothing_that_no_network_contains():
    operations = {name: CONFIG.operations[name] for name in OPERATIONS[2:4]}
    space = cell((1, 9, 9), nodes=2, operations=operations, channels=2)
    found, layers = set(), set(space.layers())
    for genotype in samples(space, 30):
        with torch.device("meta"):
            found |= met(space.network(genotype).eval(), (1, 9, 9))
        assert found <= layers
        if found == layers:
            break
    assert found == layers


def test_layers_are_built_ready_to_run():
    layers = cell((3, 9, 9), channels=4, cells=3).layers()
    for layer, make in layers.items():
        module = make()
        assert not module.training
        out = module(torch.randn(2, layer.in_channels, layer.height, layer.width))
        assert out.shape[:2] == (2, layer.out_channels)
        if layer.operation != "classifier":
            assert out.shape[2:] == (-(-layer.height // layer.stride),) * 2
        norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
        assert all(norm.affine for norm in norms)


def smallest_by_force(space, genotype):
    """Over all orders of both cells' nodes, the smallest genotype by the options' numbers."""
    options = [list(o) for o in space.decisions.values()]
    nodes = len(genotype.options) // 6
    halves = []
    for group in ("normal", "reduction"):
        found = []
        for order in itertools.permutations(range(2, nodes + 2)):
            number = {0: 0, 1: 1, **{old: new for new, old in enumerate(order, start=2)}}
            lines = []
            for old in order:
                inputs = genotype[f"{group}/{old}/inputs"].split("+")
                places = ("first", "second")
                edges = [
                    (number[int(i)], genotype[f"{group}/{old}/{place}"])
                    for i, place in zip(inputs, places, strict=True)
                ]
                (low, first), (high, second) = sorted(edges)
                lines += [f"{low}+{high}", first, second]
            allowed = options[: len(lines)] if group == "normal" else options[len(lines) :]
            if all(line in those for line, those in zip(lines, allowed, strict=True)):
                ranks = [those.index(line) for line, those in zip(lines, allowed, strict=True)]
                found.append((ranks, lines))
        halves += min(found)[1]
    return tuple(halves)


@pytest.mark.parametrize("nodes", [1, 2, 3, 4, 5])
def test_canonical_is_the_smallest_of_all_orders_of_the_nodes(nodes):
    few = {name: CONFIG.operations[name] for name in OPERATIONS[2:4]}  # so that nodes tie
    for operations in (CONFIG.operations, few):
        space = cell(nodes=nodes, operations=dict(operations))
        for genotype in samples(space, 15):
            form = space.canonical(genotype)
            assert form.options == smallest_by_force(space, genotype)
            assert form.decisions == tuple(space.decisions)


def test_canonical_of_every_small_genotype():
    operations = {name: CONFIG.operations[name] for name in OPERATIONS[2:4]}
    space = cell(nodes=2, operations=operations)
    for index in range(0, size(space), 7):
        genotype = at(space, index)
        assert space.canonical(genotype).options == smallest_by_force(space, genotype)


def test_canonical_keeps_what_the_nodes_compute():
    operations = {name: CONFIG.operations[name] for name in OPERATIONS[:3]}
    space = cell(operations=operations)
    inputs = torch.randn(2, 1, 16, 8, 8, dtype=torch.double)
    known = dict(zip((f"blocks.0.preprocess.{number}" for number in range(2)), inputs, strict=True))

    def nodes(genotype):
        network = space.network(genotype)  # block 0 is a normal cell: no operation has weights
        places = [p for p in space.plan(genotype).places if p.cell == "blocks.0.graph"]
        results = interpreted(places, network.get_submodule, known)
        sums = [results[place.name] for place in places if place.kind == "add"]
        return sorted(float(state.square().sum()) for state in sums)

    changed = 0
    for genotype in samples(space, 10):
        form = space.canonical(genotype)
        changed += form != genotype
        assert nodes(form) == pytest.approx(nodes(genotype), rel=1e-12)
    assert changed > 5


def test_canonical_forgets_the_cell_that_is_not_there():
    space = cell(cells=2)
    forms = {space.canonical(genotype).options[:12] for genotype in samples(space, 10)}
    assert forms == {tuple(options[0] for options in list(space.decisions.values())[:12])}
    assert len({space.canonical(genotype) for genotype in samples(space, 10)}) == 10


def test_canonical_reads_decisions_in_any_order():
    space = cell()
    genotype = samples(space, 1)[0]
    shuffled = Genotype.of("cell", dict(reversed(genotype.choices.items())))
    assert space.canonical(shuffled) == space.canonical(genotype)


def test_supernet_edges():
    edges = cell().supernet().choices
    assert len(edges) == 2 * (2 + 3 + 4 + 5)
    assert edges[0].name == "normal/2<-0"
    assert (edges[-1].name, edges[-1].group) == ("reduction/5<-4", "reduction")
    assert edges[0].options == ("none", *OPERATIONS)


def strengths(supernet, strong):
    """Nothing has any strength but (edge, option): strength."""
    rows = torch.zeros(len(supernet.choices), 8)
    names = [edge.name for edge in supernet.choices]
    for (edge, option), value in strong.items():
        rows[names.index(edge), supernet.choices[0].options.index(option)] = value
    return rows


def test_derived_are_the_two_inputs_whose_best_operation_is_strongest():
    supernet = cell(channels=2, cells=3).supernet()
    genotype = supernet.derive(
        strengths(
            supernet,
            {
                ("normal/4<-3", "sep_conv_3x3"): 0.4,
                ("normal/4<-1", "dil_conv_5x5"): 0.5,
                ("normal/4<-1", "skip_connect"): 0.45,
                ("normal/4<-0", "max_pool_3x3"): 0.3,
                ("normal/4<-2", "none"): 0.9,
                ("normal/4<-1", "none"): 0.8,
            },
        )
    )
    assert genotype["normal/4/inputs"] == "1+3"
    assert genotype["normal/4/first"] == "dil_conv_5x5"
    assert genotype["normal/4/second"] == "sep_conv_3x3"
    assert genotype["normal/5/inputs"] == "0+1"  # of equals, the first
    assert genotype["normal/5/first"] == "max_pool_3x3"


def test_describes_a_node_a_line():
    lines = cell().describe(load("darts_v2")).splitlines()
    assert len(lines) == 8
    assert lines[0] == "normal     2 = sep_conv_3x3(0) + sep_conv_3x3(1)"
    assert lines[7] == "reduction  5 = max_pool_3x3(1) + skip_connect(2)"


def test_operations_are_replaced_on_the_command_line(tmp_path):
    folder = tmp_path / "operation"
    folder.mkdir()
    own = "# Mine.\nmy_op: {_target_: nascli.operations.convolution.ReluConvNorm, kernel: 5}\n"
    (folder / "my_op.yaml").write_text(own)
    config = composed(
        "space=cell",
        "operation@space.operations=[none,skip_connect,my_op]",
        f"hydra.searchpath=[file://{tmp_path}]",
    ).space
    space = cell(config=config, channels=2)
    assert space.decisions["normal/2/first"] == ("skip_connect", "my_op")
    network = space.network(samples(space, 1)[0])
    kernels = {m.kernel_size for m in network.modules() if isinstance(m, nn.Conv2d)}
    assert (5, 5) in kernels
    supernet = space.supernet()
    assert supernet.choices[0].options == ("none", "skip_connect", "my_op")
    path = supernet.path(samples(space, 1)[0])
    assert supernet(torch.randn(2, 1, 8, 8), path).shape == (2, 10)


def test_an_operation_s_settings_can_be_changed_alone():
    config = composed("space=cell", "space.operations.sep_conv_3x3.kernel=9").space
    network = cell(config=config, channels=2).network(load("darts_v1"))
    kernels = {m.kernel_size for m in network.modules() if isinstance(m, nn.Conv2d)}
    assert (9, 9) in kernels


def test_a_broken_operation_is_named_when_it_is_needed():
    config = composed("space=cell", "space.operations.sep_conv_3x3._target_=mine.Op").space
    space = cell(config=config)
    assert space.canonical(load("darts_v1"))
    with pytest.raises(Fault, match="operation 'sep_conv_3x3': _target_ 'mine.Op' cannot be used"):
        space.network(load("darts_v1"))


def test_a_space_needs_no_torch_before_its_networks():
    code = (
        "import sys\n"
        "from hydra.utils import instantiate\n"
        "from fixtures import ToyTask, composed\n"
        "from nascli.genotypes import load\n"
        "space = instantiate(composed('space=cell').space, _partial_=True)(ToyTask())\n"
        "genotype = load('darts_v1')\n"
        "space.canonical(genotype), space.decisions, space.describe(genotype)\n"
        "sys.exit('torch' in sys.modules)"
    )
    path = environment()["PYTHONPATH"]
    tests = __file__.partition("unit")[0]
    env = {**environment(), "PYTHONPATH": f"{path}:{tests}"}
    assert subprocess.run([sys.executable, "-c", code], env=env).returncode == 0
