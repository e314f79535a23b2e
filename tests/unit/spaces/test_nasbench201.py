from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections import Counter
from functools import cache

import pytest
import torch
from fixtures import ToyTask, composed, environment
from hydra.utils import instantiate
from torch import nn

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer
from nascli.core.space import at, sample, size
from nascli.core.supernet import Mixture

CONFIG = composed("space=nasbench201").space
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ("1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2")
CELLS = list(itertools.product(OPERATIONS, repeat=6))


def nasbench201(shape=(3, 8, 8), config=CONFIG, classes=10, **settings):
    return instantiate(config, _partial_=True)(ToyTask("toy", shape, classes), **settings)


def genotype(*options):
    return Genotype("nasbench201", EDGES, options)


def test_decisions_are_the_edges():
    space = nasbench201()
    assert size(space) == 15_625
    assert dict(space.decisions) == dict.fromkeys(EDGES, OPERATIONS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": 0}, "space.channels is 0; it must be a whole number from 1 to 65,536"),
        (
            {"cells_per_stage": 0},
            "space.cells_per_stage is 0; it must be a whole number from 1 to 500",
        ),
        ({"operations": {}}, "space.operations is empty; it needs at least one operation"),
        (
            {"shape": (1, 8, 3)},
            "images of 8x3 pixels are too small for space 'nasbench201'; "
            "the smallest allowed is 4x4",
        ),
    ],
)
def test_settings_that_make_no_sense_are_named(settings, message):
    with pytest.raises(Fault) as fault:
        nasbench201(**settings)
    assert str(fault.value) == message


def test_a_genotype_of_another_space_is_refused():
    with pytest.raises(Fault, match="of space 'toy', not of space 'nasbench201'"):
        nasbench201().network(Genotype.of("toy", {"a": "0"}))


@pytest.mark.parametrize("side", [4, 7, 28])
def test_cells_of_nothing_still_classify(side):
    space = nasbench201((1, side, side), channels=2, cells_per_stage=1)
    network = space.network(genotype(*["none"] * 6)).eval()
    logits = network(torch.randn(3, 1, side, side))
    # The reductions get zeros, so every image gets the same logits.
    assert torch.equal(logits, logits[:1].expand(3, 10))
    supernet = space.supernet().eval()
    assert supernet(torch.randn(3, 1, side, side), Mixture(torch.rand(6, 5))).shape == (3, 10)


def test_dead_operations_are_computed_as_in_the_benchmark():
    space = nasbench201(channels=2, cells_per_stage=1)
    dead = genotype("nor_conv_3x3", "none", "none", "skip_connect", "none", "none")
    network = space.network(dead).eval()
    calls = []
    for module in network.modules():
        if getattr(module, "operation", "") == "nor_conv_3x3":
            module.register_forward_hook(lambda *_: calls.append(1))
    network(torch.randn(1, 3, 8, 8))
    assert len(calls) == 3


def test_networks_are_built_without_memory():
    space = nasbench201()
    with torch.device("meta"):
        modules = space.network(at(space, 15_000)), space.supernet()
    assert {p.device.type for module in modules for p in module.parameters()} == {"meta"}


def tagged(network):
    return {name: m for name, m in network.named_modules() if hasattr(m, "operation")}


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 9, 7), (3, 64, 64), (3, 224, 224)])
def test_tagged_layers_cover_the_network_once_and_are_all_in_layers(shape):
    space = nasbench201(shape)
    layers, rng, found = space.layers(), random.Random(0), set()
    for chosen in [sample(space, rng) for _ in range(8)]:
        with torch.device("meta"):
            network = space.network(chosen).eval()
        names = tagged(network)
        for name, module in network.named_modules():
            inside = [n for n in names if name == n or name.startswith(n + ".")]
            leaf = not list(module.children()) and not isinstance(module, nn.ModuleList)
            assert len(inside) == 1 if leaf else len(inside) <= 1
        found |= met(network, shape)
        assert found <= set(layers)
        if found == set(layers):
            break
    assert found == set(layers)


def met(network, shape):
    """Every tagged layer that a forward pass meets."""
    found = set()

    def note(module, inputs, _output):
        names = ("operation", "in_channels", "out_channels", "stride")
        found.add(Layer(*(getattr(module, n) for n in names), *inputs[0].shape[2:]))

    for module in tagged(network).values():
        module.register_forward_hook(note)
    with torch.no_grad():
        network(torch.zeros(1, *shape, device="meta"))
    return found


def test_layers_are_built_ready_to_run():
    for layer, make in nasbench201((3, 9, 9), channels=4).layers().items():
        module = make()
        assert not module.training
        out = module(torch.randn(2, layer.in_channels, layer.height, layer.width))
        assert out.shape[:2] == (2, layer.out_channels)
        if layer.operation != "classifier":
            assert out.shape[2:] == (-(-layer.height // layer.stride),) * 2
        norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
        assert all(norm.affine for norm in norms)


# Canonical forms against a second way to tell cells apart: the output as a formula in which every
# convolution bears its edge's number, made independent of the numbers by trying all renamings.


def formula(cell):
    """The output: {term: how often}, a term (operation, edge or None, formula)."""
    nodes = [Counter({"x": 1})]
    for target in (1, 2, 3):
        total = Counter()
        for source in range(target):
            edge = target * (target - 1) // 2 + source
            operation, state = cell[edge], nodes[source]
            if operation == "skip_connect":
                total.update(state)
            elif operation == "avg_pool_3x3" and state:
                total[(operation, None, frozenset(state.items()))] += 1
            elif operation != "none" and state:
                total[(operation, edge, frozenset(state.items()))] += 1
        nodes.append(total)
    return frozenset(nodes[3].items())


def numbered(output):
    """The edges of the convolutions in a formula."""
    found = set()
    for term, _ in output:
        if term != "x":
            found |= {term[1]} - {None} | numbered(term[2])
    return found


def written(output, names):
    terms = []
    for term, times in output:
        if term == "x":
            terms.append(f"{times}x")
        else:
            operation, edge, state = term
            terms.append(f"{times}{operation}{names.get(edge, '')}({written(state, names)})")
    return "+".join(sorted(terms))


@cache
def fingerprint(output):
    edges = sorted(numbered(output))
    orders = itertools.permutations(range(len(edges)))
    return min(written(output, dict(zip(edges, order, strict=True))) for order in orders)


def published_string(cell):
    """How the benchmark tells cells apart (to_unique_str of its code, zeros considered)."""
    edges, nodes = iter(cell), ["0"]
    for target in (1, 2, 3):
        terms = []
        for source in range(target):
            operation = next(edges)
            if operation == "none" or nodes[source] == "#":
                terms.append("#")
            elif operation == "skip_connect":
                terms.append(nodes[source])
            else:
                terms.append(f"({nodes[source]})@{operation}")
        nodes.append("+".join(sorted(terms)))
    return nodes[3]


def test_canonical_merges_exactly_the_cells_of_equal_formula():
    space = nasbench201()
    forms = {cell: space.canonical(genotype(*cell)).options for cell in CELLS}
    prints = {cell: fingerprint(formula(cell)) for cell in CELLS}
    pairs = {(prints[cell], forms[cell]) for cell in CELLS}
    assert len(pairs) == len(set(forms.values())) == len(set(prints.values()))
    assert all(forms[form] == form for form in forms.values())
    # The smallest of each class by the numbers of the options; CELLS is in that order.
    first = {}
    for cell in CELLS:
        if forms[cell] == cell:
            first.setdefault(prints[cell], cell)
    assert all(forms[cell] == first[prints[cell]] for cell in CELLS)


def test_the_published_merging_is_finer_and_coarser():
    assert len({published_string(cell) for cell in CELLS}) == 6_466  # of the paper
    space = nasbench201()

    def form(*cell):
        return space.canonical(genotype(*cell))

    none, skip, conv = "none", "skip_connect", "nor_conv_3x3"
    # Twice one convolution, and the sum of two.
    same, other = (conv, none, skip, none, skip, skip), (none, conv, none, conv, none, skip)
    assert published_string(same) == published_string(other)
    assert form(*same) != form(*other)
    # A convolution of nothing.
    nothing, fed = (none, none, none, skip, none, none), (none, none, conv, skip, none, conv)
    assert published_string(nothing) != published_string(fed)
    assert form(*nothing) == form(*fed)


def test_canonical_works_with_other_operations():
    names = ("none", "skip_connect", "a", "b", "c", "d", "max_pool_3x3")
    space = nasbench201(operations=dict.fromkeys(names, lambda *_: nn.Identity()))
    rng = random.Random(0)
    for chosen in [sample(space, rng) for _ in range(100)]:
        cell = tuple("avg_pool_3x3" if "pool" in o else o for o in chosen.options)
        form = space.canonical(chosen)
        renamed = tuple("avg_pool_3x3" if "pool" in o else o for o in form.options)
        assert fingerprint(formula(cell)) == fingerprint(formula(renamed))
        assert space.canonical(form) == form
    weighted = nasbench201(operations=dict.fromkeys(("a", "b"), lambda *_: nn.Identity()))
    for chosen in [at(weighted, index) for index in range(64)]:
        assert set(weighted.canonical(chosen).options) <= {"a", "b"}


def test_canonical_reads_decisions_in_any_order():
    chosen = genotype(*CELLS[12_345])
    shuffled = Genotype.of("nasbench201", dict(reversed(chosen.choices.items())))
    assert nasbench201().canonical(shuffled) == nasbench201().canonical(chosen)


def test_derived_is_the_strongest_option_of_every_edge_but_none():
    supernet = nasbench201(channels=2, cells_per_stage=1).supernet()
    numbers = [4, 1, 2, 3, 4, 0]
    strengths = torch.rand(6, 5) / 2
    for row, number in enumerate(numbers):
        strengths[row, number] = 0.9
    strengths[:, 0] = 0.95  # `none`
    strengths[5, 1:] = 0  # all that is left
    assert supernet.derive(strengths).options == tuple(OPERATIONS[n] for n in numbers)


def test_describes_the_string_and_a_node_a_line():
    text = nasbench201().describe(
        genotype("nor_conv_3x3", "none", "avg_pool_3x3", "skip_connect", "none", "nor_conv_1x1")
    )
    assert text.splitlines() == [
        "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|",
        "node 1 = nor_conv_3x3(0)",
        "node 2 = avg_pool_3x3(1)",
        "node 3 = skip_connect(0) + nor_conv_1x1(2)",
    ]
    nothing = nasbench201().describe(genotype(*["none"] * 6))
    assert nothing.splitlines()[1] == "node 1 = 0"


def test_operations_are_replaced_on_the_command_line():
    override = "operation@space.operations=[none,sep_conv_3x3]"
    space = nasbench201(config=composed("space=nasbench201", override).space, channels=2)
    assert size(space) == 64
    network = space.network(at(space, 63))
    assert network(torch.randn(2, 3, 8, 8)).shape == (2, 10)


def test_a_space_needs_no_torch_before_its_networks():
    code = (
        "import sys\n"
        "from hydra.utils import instantiate\n"
        "from fixtures import ToyTask, composed\n"
        "from nascli.core.space import at\n"
        "space = instantiate(composed('space=nasbench201').space, _partial_=True)(ToyTask())\n"
        "genotype = at(space, 4321)\n"
        "space.canonical(genotype), space.describe(genotype)\n"
        "sys.exit('torch' in sys.modules)"
    )
    path, tests = environment()["PYTHONPATH"], __file__.partition("unit")[0]
    env = {**environment(), "PYTHONPATH": f"{path}:{tests}"}
    assert subprocess.run([sys.executable, "-c", code], env=env).returncode == 0
