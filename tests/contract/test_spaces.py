"""What every space keeps to; the YAML folder says which there are."""

import random

import pytest
import torch
from fixtures import TINY, TINY_SPACE, build, composed, options

from nascli.core import space as moves
from nascli.core.space import Relaxable, SearchSpace

SHAPES = ["1x8x8", "1x28x28", "3x32x32", "3x64x64"]


def problem_of(name, *overrides):
    config = composed("strategy=random", f"space={name}", *TINY, *TINY_SPACE[name], *overrides)
    faults = build.Faults()
    made = build.problem(config, faults)
    faults.check()
    return made


@pytest.fixture(params=options("space"))
def space(request):
    return problem_of(request.param).space


def samples(space, count, seed=0):
    rng = random.Random(seed)
    return [moves.sample(space, rng) for _ in range(count)]


def test_is_a_space_named_as_its_file(space):
    assert isinstance(space, SearchSpace)
    assert space.name in options("space")
    assert all(len(set(o)) == len(o) > 0 for o in space.decisions.values())
    assert list(space.decisions) == list(space.decisions)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", options("space"))
def test_networks_follow_the_data(name, shape):
    channels, height, width = map(int, shape.split("x"))
    task = [f"data.channels={channels}", f"data.size={height}", "data.classes=7"]
    space = problem_of(name, *task).space
    for genotype in samples(space, 2):
        network = space.network(genotype).eval()
        with torch.no_grad():
            logits = network(torch.randn(2, channels, height, width))
        assert logits.shape == (2, 7)


def test_canonical_stays_in_the_space_and_settles(space):
    for genotype in samples(space, 50):
        form = space.canonical(genotype)
        assert moves.check(space, form) == form
        assert space.canonical(form) == form


def test_layers_cover_every_network(space):
    from nascli.devices.latency_table import layers_of

    layers = space.layers()
    shape = (3, 32, 32) if not hasattr(space, "task") else space.task.input_shape
    for genotype in samples(space, 10):
        missing = set(layers_of(space.network(genotype), shape)) - set(layers)
        assert not missing


def test_describes_a_genotype_in_a_few_lines(space):
    for genotype in samples(space, 5):
        lines = space.describe(genotype).splitlines()
        assert 1 <= len(lines) <= 16
        assert all(len(line) <= 100 for line in lines)


def test_a_path_of_the_supernet_is_derived_back(space):
    if not isinstance(space, Relaxable):
        pytest.skip("no supernet")
    supernet = space.supernet()
    for genotype in samples(space, 20):
        mixture = supernet.path(genotype)
        assert mixture.weights.shape[0] == len(supernet.edges)
        assert supernet.derive(mixture.weights) == genotype


def test_a_path_costs_only_what_is_on_it(space):
    if not isinstance(space, Relaxable):
        pytest.skip("no supernet")
    supernet = space.supernet().train()
    genotype = samples(space, 1)[0]
    shape = space.task.input_shape
    supernet(torch.randn(2, *shape), supernet.path(genotype)).sum().backward()
    reached = sum(p.grad is not None for p in supernet.parameters())
    assert 0 < reached < sum(1 for _ in supernet.parameters())
