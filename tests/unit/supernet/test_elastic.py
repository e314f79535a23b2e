"""The elastic supernet against a second implementation, and the networks taken out of it."""

import copy
import random
from contextlib import nullcontext

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate
from torch.nn import functional as F

from nascli.core import space as moves
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.supernet import Elastic, Inherits, Mixture, Stepwise
from nascli.kernels import expansion
from nascli.kernels.native import library
from nascli.supernet.recalibration import recalibrate

SMALL = {
    "resolutions": [6, 8],
    "multipliers": [1.0, 2.0],
    "widths": [8, 16],
    "depths": [1, 2],
    "kernels": [3, 5, 7],
    "expansions": [1, 2],
    "activations": ["relu", "hswish"],
    "squeezes": ["none", "se8"],
    "strides": [1, 1, 2],
    "stem_width": 8,
    "head_width": 16,
    "classifier": "hidden_6_relu",
}


def space_of(**options):
    make = instantiate(composed("space=once_for_all").space, _partial_=True)
    return make(ToyTask(input_shape=(3, 8, 8), classes=4), **{**SMALL, **options})


def supernet_of(space):
    """Its weights are far from where they begin: batch norms and transforms too."""
    torch.manual_seed(0)
    supernet = space.supernet().double()
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return supernet


@pytest.fixture
def space():
    return space_of()


@pytest.fixture
def supernet(space):
    return supernet_of(space)


def images(count=6):
    torch.manual_seed(1)
    return torch.randn(count, 3, 8, 8).double()


def genotypes(space, count=6):
    rng, ends = random.Random(0), moves.ends(space)
    one_smaller = Genotype.of(space.name, {**ends[1].choices, "1/1/kernel": "3"})
    return [*ends, one_smaller, *(moves.sample(space, rng) for _ in range(count))]


def plainly(supernet, choices, images):
    """A path as the paper says it, by slices of the largest network's tensors, in training mode."""
    tensors = dict(supernet.whole.named_parameters())
    width, bigger = float(choices["width"]), supernet.transforms

    def norm(state, name):
        count = state.shape[1]
        scale, shift = (tensors[f"{name}.{kind}"][:count] for kind in ("weight", "bias"))
        return F.batch_norm(state, None, None, scale, shift, training=True)

    def pointwise(state, name, out):
        return F.conv2d(state, tensors[f"{name}.weight"][:out, : state.shape[1]])

    def depthwise(state, path, name, side, stride):
        weight = tensors[f"{name}.weight"][: state.shape[1]]
        matrices = list(bigger.get_submodule(path).matrices) if path != "first" else []
        while weight.shape[-1] > side:
            weight = weight[:, :, 1:-1, 1:-1]
            rows = weight.reshape(len(weight), -1)
            weight = (rows @ matrices.pop(0).T).reshape(weight.shape)
        return F.conv2d(state, weight, None, stride, weight.shape[-1] // 2, 1, len(weight))

    def block(state, path, out, side, expansion, stride, act, squeeze, keep=True):
        names = iter(range(99))
        given, name = state, f"{path}.steps"
        if keep:
            state = pointwise(state, f"{name}.{next(names)}", int(given.shape[1] * expansion))
            state = act(norm(state, f"{name}.{next(names)}"))
            next(names)
        state = depthwise(state, path, f"{name}.{next(names)}", side, stride)
        state = act(norm(state, f"{name}.{next(names)}"))
        next(names)
        if squeeze:
            scale, inner = f"{name}.{next(names)}.scale", state.shape[1]
            narrow = max(8, (inner // 4 + 4) // 8 * 8)
            mean = state.mean((2, 3))
            first = tensors[f"{scale}.1.weight"][:narrow, :inner, 0, 0]
            second = tensors[f"{scale}.3.weight"][:inner, :narrow, 0, 0]
            hidden = F.relu(mean @ first.T + tensors[f"{scale}.1.bias"][:narrow])
            gates = F.hardsigmoid(hidden @ second.T + tensors[f"{scale}.3.bias"][:inner])
            state = state * gates[:, :, None, None]
        state = pointwise(state, f"{name}.{next(names)}", out)
        state = norm(state, f"{name}.{next(names)}")
        return state + given if state.shape == given.shape and stride == 1 else state

    side = int(choices["resolution"])
    if side < images.shape[-1]:
        images = F.interpolate(images, (side, side), mode="bilinear", align_corners=False)
    wide = int(8 * width)
    state = F.conv2d(images, tensors["stem.0.weight"][:wide], padding=1)
    state = F.hardswish(norm(state, "stem.1"))
    state = block(state, "first", wide, 3, 1, 1, F.relu, False, keep=False)
    for stage, (out, act, squeeze, stride) in enumerate(
        [(8, F.relu, False, 1), (16, F.hardswish, True, 2)], start=1
    ):
        for number in range(1, int(choices[f"{stage}/depth"]) + 1):
            name = f"{stage}/{number}"
            kernel, times = int(choices[f"{name}/kernel"]), int(choices[f"{name}/expansion"])
            state = block(
                state, f"stages.{stage - 1}.{number - 1}", int(out * width), kernel, times,
                stride if number == 1 else 1, act, squeeze,
            )  # fmt: skip
    state = F.hardswish(norm(pointwise(state, "head.0", int(16 * width)), "head.1"))
    many = {1.0: 6, 2.0: 16}[float(width)]  # 2 x 6, rounded to eight
    hidden = tensors["classifier.steps.2.weight"][:many, : state.shape[1]]
    hidden = F.relu(state.mean((2, 3)) @ hidden.T + tensors["classifier.steps.2.bias"][:many])
    last = tensors["classifier.steps.4.weight"][:, :many]
    return hidden @ last.T + tensors["classifier.steps.4.bias"]


def test_it_keeps_its_protocols(supernet):
    assert isinstance(supernet, Elastic)
    assert isinstance(supernet, Inherits)


@pytest.mark.parametrize("how", ["native", "folded", "plain"])
def test_paths_compute_what_slices_of_the_largest_network_do(monkeypatch, space, supernet, how):
    monkeypatch.setattr(expansion, "_CACHED", 0 if how == "folded" else 10**12)
    for genotype in genotypes(space):
        batch, found = images(), []
        with nullcontext() if how == "native" else library.without():
            logits = supernet(batch, supernet.path(genotype))
        plain = plainly(supernet, genotype.choices, batch)
        assert torch.allclose(logits, plain, rtol=0, atol=1e-10)
        for result in (logits, plain):
            inputs = list(supernet.parameters())
            found.append(torch.autograd.grad(result.square().sum(), inputs, allow_unused=True))
        for ours, others in zip(*found, strict=True):
            assert (ours is None) == (others is None)
            assert ours is None or torch.allclose(ours, others, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("transforms", [True, False])
def test_a_network_that_is_taken_out_scores_as_its_path(transforms):
    space = space_of(kernel_transforms=transforms)
    supernet = supernet_of(space)
    assert any(True for _ in supernet.transforms.parameters()) == transforms
    batches = [images(4), images(6).flip(3)]
    for genotype in genotypes(space):
        path = supernet.path(genotype)
        bare = supernet.network(genotype)
        recalibrate(supernet, path, batches)
        network = supernet.network(genotype)
        assert not network.training
        with torch.no_grad():
            inside = supernet(images(), path)
            assert torch.allclose(network(images()), inside, rtol=0, atol=1e-10)
            # Recalibrated by itself, it comes to the same statistics.
            recalibrate(Alone(bare), path, batches)
            assert torch.allclose(bare(images()), inside, rtol=0, atol=1e-10)
        assert type(network) is type(space.network(genotype))
        assert {p.data_ptr() for p in network.parameters()}.isdisjoint(
            {p.data_ptr() for p in supernet.parameters()}
        )


class Alone(torch.nn.Module):
    """A network that takes a mixture and does not look at it."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images, _mixture):
        return self.network(images)


def test_without_transforms_smaller_kernels_are_the_middle():
    space = space_of(kernel_transforms=False)
    supernet = supernet_of(space)
    genotype = moves.ends(space)[0]
    kernel = supernet.network(genotype).stages[0][0].steps[3].weight
    whole = supernet.whole.stages[0][0].steps[3].weight
    assert kernel.shape == (8, 1, 3, 3)
    assert torch.equal(kernel, whole[:8, :, 2:5, 2:5])


def test_transforms_begin_as_the_middle(space):
    torch.manual_seed(0)
    supernet = space.supernet()
    kernel = supernet.network(moves.ends(space)[0]).stages[0][0].steps[3].weight
    whole = supernet.whole.stages[0][0].steps[3].weight
    assert torch.equal(kernel, whole[:8, :, 2:5, 2:5])


def test_statistics_of_a_path_are_those_of_its_channels(space, supernet):
    genotype = moves.ends(space)[0]
    norm = supernet.whole.stages[0][0].steps[1]
    supernet.train()
    supernet(images(), supernet.path(genotype))
    inside = 8  # a width of 8 times an expansion of 1
    assert not torch.any(norm.running_mean[:inside] == 0)
    assert torch.all(norm.running_mean[inside:] == 0)
    assert norm.num_batches_tracked == 1


def test_sorting_channels_keeps_what_the_largest_network_computes(space, supernet):
    largest = supernet.path(moves.ends(space)[1])
    recalibrate(supernet, largest, [images(8)])
    with torch.no_grad():
        before = supernet(images(), largest)
        supernet.sort_channels()
        after = supernet(images(), largest)
        assert torch.allclose(before, after, rtol=0, atol=1e-10)
        assert not torch.equal(before, after)  # for sums are taken in another order
    blocks = [block for stage in supernet.whole.stages for block in stage]
    readers = [[m for m in block.steps if isinstance(m, torch.nn.Conv2d)][-1] for block in blocks]
    readers += [blocks[-1].steps[6].scale[3], supernet.whole.classifier.steps[2]]
    assert len(blocks) == 4
    for weight in (reader.weight for reader in readers):
        norms = weight.abs().transpose(0, 1).flatten(1).sum(1)
        assert torch.all(norms[:-1] >= norms[1:])
    # What the second stage makes is read by its second block and by the head.
    both = [blocks[3].steps[0].weight, supernet.whole.head[0].weight]
    norms = sum(weight.abs().sum((0, 2, 3)) for weight in both)
    assert torch.all(norms[:-1] >= norms[1:])


def test_only_elastic_widths_are_sorted():
    supernet = supernet_of(space_of(multipliers=[1.0]))
    before = copy.deepcopy(supernet.whole.state_dict())
    supernet.sort_channels()
    after = supernet.whole.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert "stages.0.0.steps.0.weight" in moved  # the channels inside a block
    assert not {name for name in moved if name.startswith(("stem", "first", "head", "classifier"))}
    assert "stages.0.0.steps.7.bias" not in moved  # what the block makes


def test_a_path_has_one_option_of_every_choice(space, supernet):
    path = supernet.path(moves.ends(space)[0])
    assert all(len(options) == 1 for options in path.active)
    whole = Mixture(path.weights, tuple((0, 1) for _ in path.active))
    for wrong in (Mixture(path.weights), whole):
        with pytest.raises(ValueError, match="sizes do not mix"):
            supernet(images(), wrong)


def test_a_genotype_of_another_supernet_is_refused(space, supernet):
    other = space_of(kernels=[3, 9], name="other")
    wrong = Genotype.of(space.name, moves.ends(other)[1].choices)
    for ask in (supernet.path, supernet.network):
        with pytest.raises(Fault, match=r"option of 1/1/kernel '9' is not known; allowed: 3, 5, 7"):
            ask(wrong)
        with pytest.raises(Fault, match="of space 'other', not of space 'once_for_all'"):
            ask(moves.ends(other)[1])


def test_steps_are_those_of_the_path_and_equal_beginnings_have_equal_keys(space, supernet):
    genotype = moves.ends(space)[0]
    changed = Genotype.of(space.name, {**genotype.choices, "2/1/kernel": "5"})
    paths = [supernet.path(one) for one in (genotype, changed)]
    assert isinstance(supernet, Stepwise)
    steps = [supernet.steps(path) for path in paths]
    for path, own in zip(paths, steps, strict=True):
        recalibrate(supernet, path, [images()])
        with torch.no_grad():
            state = images()
            for step in own:
                state = step.run(state)
            assert torch.equal(state, supernet(images(), path))
    alike = [one.key == other.key for one, other in zip(*steps, strict=True)]
    places = [place.name for place in space.plan(genotype).places]
    assert [place for place, same in zip(places, alike, strict=True) if not same] == ["stages.1.0"]
    norms = [norm for step in steps[0] for norm in step.norms]
    whole = [m for m in supernet.whole.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    skipped = [m for s in supernet.whole.stages for m in s[1].modules() if m in whole]
    assert norms == [norm for norm in whole if norm not in skipped]


def test_alike_layers_of_two_places_have_two_keys():
    """Without a block, that of the next stage comes sooner; it may look the same."""
    kinds = {"activations": ["relu"] * 2, "squeezes": ["none"] * 2, "strides": [1, 1, 1]}
    space = space_of(widths=[8, 8], **kinds)
    supernet, choices = space.supernet(), moves.ends(space)[0].choices
    deeper = {**choices, "1/depth": "2"}
    paths = [supernet.path(Genotype.of(space.name, taken)) for taken in (choices, deeper)]
    keys = [[step.key for step in supernet.steps(path)] for path in paths]
    (short, long), at = keys, 4  # behind resize, stem, first and the first block
    assert short[:at] == long[:at]
    assert short[at][0] == "stages.1.0"
    assert short[at][1] == long[at][1]
    assert short[at] != long[at]


def test_a_copy_is_independent(space, supernet):
    path = supernet.path(moves.ends(space)[0])
    supernet(images(), path)
    twin = copy.deepcopy(supernet)
    with torch.no_grad():
        before = twin(images(), path)
        for parameter in supernet.parameters():
            parameter.zero_()
        assert torch.equal(twin(images(), path), before)


def test_torchs_random_numbers_are_left_alone(space, supernet):
    state = torch.get_rng_state()
    supernet.network(moves.ends(space)[0])
    assert torch.equal(torch.get_rng_state(), state)
