"""What every space keeps to; the YAML folder says which there are."""

import copy
import random
from collections import Counter
from functools import cache

import pytest
import torch
from fixtures import TINY, TINY_SPACE, build, composed, options
from plain_plan import interpreted

from nascli.config.overrides import written
from nascli.core import space as moves
from nascli.core.genotype import Genotype
from nascli.core.plan import IMAGES
from nascli.core.space import Derivable, Planned, Relaxable, Resizable, Scalable, SearchSpace
from nascli.costs.count import count
from nascli.supernet.recalibration import recalibrate

SHAPES = ["1x8x8", "1x28x28", "3x32x32", "3x64x64"]


@cache
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


def test_a_factor_of_one_leaves_a_network_as_it_is(space):
    """The first member of a family is the network itself, whatever its channels are."""
    (genotype,) = samples(space, 1)
    same, its = space, genotype
    if isinstance(space, Scalable):
        its = space.scaled(genotype, 1, 1, 8)
    elif isinstance(space, Resizable):
        settings, its = space.resized(genotype, 1, 1, 8)
        words = [f"space.{key}={written(value)}" for key, value in settings.items()]
        same = problem_of(space.name, *words).space
    shapes = [
        [weight.shape for weight in place.network(one).parameters()]
        for place, one in ((same, its), (space, genotype))
    ]
    assert shapes[0] == shapes[1]


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
    from nascli.costs.latency_table import layers_of

    layers = space.layers()
    shape = (3, 32, 32) if not hasattr(space, "task") else space.task.input_shape
    for genotype in samples(space, 4):
        missing = set(layers_of(space.network(genotype), shape)) - set(layers)
        assert not missing


def test_describes_a_genotype(space):
    for genotype in samples(space, 5):
        assert space.describe(genotype).strip()
        assert space.describe(genotype) == space.describe(genotype)


@pytest.fixture
def planned(space):
    if not isinstance(space, Planned):
        pytest.skip("no plan")
    return space


def networks(space, count=4):
    """Genotype, plan and network; one with every option 0, one with every last option."""
    last = moves.size(space) - 1
    for genotype in (moves.at(space, 0), moves.at(space, last), *samples(space, count)):
        yield genotype, space.plan(genotype), space.network(genotype)


def test_places_of_a_plan_fit_together(planned):
    whole = moves.open_plan(planned)
    plans = [planned.plan(genotype) for genotype in samples(planned, 5)]
    for plan in [*plans, *([whole] if whole else [])]:
        assert plan.input_shape == tuple(planned.task.input_shape)
        shapes = {IMAGES: plan.input_shape}
        for place in plan.places:
            read = [shapes[name] for name in place.inputs]  # each comes before its readers
            layers = [layer for layer in (place.layer, *place.options) if layer is not None]
            if place.kind in ("layer", "choice"):
                assert len(read) == 1
                assert (place.layer is None) == (place.kind == "choice") == bool(place.options)
            for layer in layers:
                assert (layer.in_channels, layer.height, layer.width) == read[0]
                heads = place.name in (plan.output, plan.auxiliary)
                assert place.shape == ((layer.out_channels, 1, 1) if heads else layer.shape)
            if place.kind == "choice":
                assert len(place.options) == len(place.choice.options)
            if place.kind == "add":
                assert set(read) <= {place.shape}
            if place.kind == "concatenate":
                assert place.shape == (sum(shape[0] for shape in read), *read[0][1:])
            assert place.name not in shapes
            assert place.name.startswith(place.cell)
            shapes[place.name] = place.shape
        assert shapes[plan.output] == (planned.task.classes, 1, 1)
        made = [p.name for p in plan.places if p.kind in ("layer", "choice")]
        assert sorted(plan.made or made) == sorted(made)
    assert whole is None or {place.kind for place in whole.places} >= {"choice"}
    assert not any(place.kind == "choice" for plan in plans for place in plan.places)


def test_a_network_runs_the_layers_of_its_plan(planned):
    from nascli.costs.latency_table import layers_of

    for _, plan, network in networks(planned):
        found = layers_of(network, plan.input_shape)
        assert found == list(plan.layers())


@pytest.mark.parametrize("training", [False, True])
def test_a_network_computes_what_a_plain_reading_of_its_plan_does(planned, training):
    for _, plan, network in networks(planned):
        network.double().train(training)
        twin = copy.deepcopy(network)
        images = torch.randn(3, *plan.input_shape).double()
        with torch.no_grad():
            output = network(images)
            results = interpreted(plan.places, twin.get_submodule, {IMAGES: images})
        logits, *second = output if isinstance(output, tuple) else (output,)
        assert torch.equal(logits, results[plan.output])
        if training and plan.auxiliary is not None:
            assert torch.equal(second[0], results[plan.auxiliary])
        assert len(second) == (training and plan.auxiliary is not None)


def test_a_network_costs_the_sum_over_its_layers(planned):
    build, known = planned.layers(), {}
    for _, plan, network in networks(planned, count=2):
        whole = count(network, plan.input_shape)
        for layer in set(plan.layers()) - set(known):
            known[layer] = count(build[layer](), (layer.in_channels, layer.height, layer.width))
        alone = [known[layer] for layer in plan.layers()]
        assert whole.params == sum(each.params for each in alone)
        assert whole.macs == sum(each.macs for each in alone)


def test_the_open_plan_covers_every_network(planned):
    """A network has the fixed layers, and at every place of a choice the option that it takes.

    Of places that not every network has, those that its options say.
    """
    whole = moves.open_plan(planned)
    if whole is None:
        pytest.skip("sizes leave no open plan")
    options = {choice.name: choice for choice in whole.choices}
    assert len(options) == len(whole.choices)
    for genotype, plan, _ in networks(planned):
        taken = planned.taken(genotype)
        here = [
            place.when is None
            or taken[place.when.choice.name]
            in {place.when.choice.options[number] for number in place.when.numbers}
            for place in whole.places
        ]
        fixed = Counter(p.layer for p, there in zip(whole.places, here, strict=True) if there)
        chosen = Counter(
            place.options[place.choice.options.index(taken[place.choice.name])]
            for place, there in zip(whole.places, here, strict=True)
            if there and place.kind == "choice" and place.choice.name in taken
        )
        assert set(taken) <= set(options)
        assert Counter(plan.layers()) == Counter({k: v for k, v in (fixed + chosen).items() if k})
    assert set(planned.layers()) == set(whole.candidates())


def test_what_a_genotype_takes_is_derived_back(space):
    if not isinstance(space, Derivable):
        pytest.skip("derives no genotypes")
    choices = space.plan().choices
    for genotype in samples(space, 20):
        taken = space.taken(genotype)
        rows = [[float(taken.get(c.name) == option) for option in c.options] for c in choices]
        assert space.canonical(space.derive(rows)) == space.canonical(genotype)


def test_a_path_of_the_supernet_is_derived_back(space):
    """Up to decisions that do not matter."""
    if not isinstance(space, Relaxable):
        pytest.skip("no supernet")
    supernet = space.supernet()
    for genotype in samples(space, 20):
        mixture = supernet.path(genotype)
        assert mixture.weights.shape[0] == len(supernet.choices)
        assert space.canonical(supernet.derive(mixture.weights)) == space.canonical(genotype)


def test_a_network_with_inherited_weights_scores_as_its_path(space):
    if not isinstance(space, Relaxable):
        pytest.skip("no supernet")
    torch.manual_seed(0)
    supernet = space.supernet().double()
    rng, images = random.Random(0), torch.randn(8, *space.task.input_shape).double()
    for _ in range(3):
        # A batch norm of the supernet's own follows pools in the DARTS space (see below).
        kept = {k: [o for o in opts if "pool" not in o] for k, opts in space.decisions.items()}
        choices = {key: rng.choice(options) for key, options in kept.items()}
        genotype = Genotype.of(space.name, choices)
        path = supernet.path(genotype)
        recalibrate(supernet, path, [images[:5], images[2:]])
        network = supernet.network(genotype)
        with torch.no_grad():
            inside = supernet(images, path)
            assert inside.std(0).max() > 1e-6
            assert torch.allclose(network(images), inside, rtol=0, atol=1e-10)


def test_a_path_costs_only_what_is_on_it(space):
    if not isinstance(space, Relaxable):
        pytest.skip("no supernet")
    supernet = space.supernet().train()
    genotype = samples(space, 1)[0]
    shape = space.task.input_shape
    supernet(torch.randn(2, *shape), supernet.path(genotype)).sum().backward()
    reached = sum(p.grad is not None for p in supernet.parameters())
    assert 0 < reached < sum(1 for _ in supernet.parameters())
