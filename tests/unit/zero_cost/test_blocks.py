"""AZ-NAS's scores against plain second computations, and in cases with a closed form."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from fixtures import TINY, TINY_SPACE, build, composed
from torch import Tensor, nn

from nascli.core.fault import Fault
from nascli.core.plan import Layer, Place, Plan
from nascli.core.space import at
from nascli.zero_cost.blocks import block_ends, expressivity, progressivity, trainability
from nascli.zero_cost.probe import Probe

SHAPE = (3, 8, 8)
SIZE = 6


class Blocks(nn.Module):
    """Keeps what each of its layers gives, as networks of plans do, by the number of the layer."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.kept: dict[str, Tensor | None] = {}
        self.last = nn.LazyLinear(3)

    def forward(self, state: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            state = layer(state)
            if str(number) in self.kept:
                self.kept[str(number)] = state
        logits: Tensor = self.last(state.flatten(1))
        return logits


def images(size: int = SIZE) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(size, *SHAPE, generator=generator)


def probe(*layers: nn.Module, data: Tensor | None = None) -> Probe:
    torch.manual_seed(0)
    data = images() if data is None else data
    made = Blocks(*layers)
    made(data)
    batch = data, torch.zeros(len(data), dtype=torch.long)
    return Probe(made, [batch], SHAPE, blocks=[str(n) for n in range(len(layers))])


def block(into: int, out: int, stride: int = 1) -> nn.Module:
    convolution = nn.Conv2d(into, out, 3, stride, 1, bias=False)
    return nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(out))


def chain() -> Probe:
    torch.manual_seed(0)
    return probe(nn.Conv2d(3, 4, 1), block(4, 4), block(4, 8, 2))


def entropy(features: Tensor) -> float:
    rows = features.detach().double().permute(0, 2, 3, 1).reshape(-1, features.shape[1]).numpy()
    values = np.linalg.svd(rows - rows.mean(0), compute_uv=False) ** 2  # unlike the product's code
    shares = values / values.sum()
    return float(-(shares * np.log(shares + 1e-8)).sum())


def test_expressivity_and_progressivity_are_of_the_entropies_of_principal_components() -> None:
    probed = chain()
    entropies = [entropy(features) for features in probed.first.features]
    assert len(entropies) == 3
    assert probed.network.kept == {}  # nothing holds on to features but the pass
    assert expressivity(probed) == pytest.approx(sum(entropies), rel=1e-5)
    growth = min(entropies[1] - entropies[0], entropies[2] - entropies[1])
    assert progressivity(probed) == pytest.approx(growth, abs=1e-5)


def test_uncorrelated_channels_are_as_expressive_as_can_be() -> None:
    # Four images that are 1 in another channel each: three equal components, a fourth is 0.
    data = torch.zeros(4, 4, 2, 2)
    for number in range(4):
        data[number, number] = 1
    probed = probe(nn.Identity(), nn.ReLU(), data=data)
    assert expressivity(probed) == pytest.approx(2 * math.log(3), rel=1e-5)
    assert progressivity(probed) == pytest.approx(0, abs=1e-6)


def test_trainability_is_that_of_the_mean_product_of_gradients() -> None:
    probed = chain()
    found = trainability(probed)
    from nascli.data.batches import seeded

    generator, scores = seeded(0, "trainability"), []
    features = probed.first.features
    for before, after in pairwise(features):
        signs = torch.randint(0, 2, after.shape, generator=generator) * 2.0 - 1
        (gradient,) = torch.autograd.grad(after, before, signs, retain_graph=True)
        stride = before.shape[2] // after.shape[2]
        matrix = np.zeros((before.shape[1] * stride**2, after.shape[1]))
        count, _, height, width = after.shape
        for n in range(count):
            for y in range(height):
                for x in range(width):
                    patch = gradient[n, :, stride * y : stride * y + stride]
                    patch = patch[:, :, stride * x : stride * x + stride]
                    matrix += np.outer(patch.flatten().numpy(), signs[n, :, y, x].numpy())
        norm = np.linalg.svd(matrix / (count * height * width), compute_uv=False)[0]
        scores.append(2 - norm - 1 / (norm + 1e-6))
    assert found == pytest.approx(sum(scores) / 2, rel=1e-4)


@pytest.mark.parametrize(("factor", "expected"), [(2.0, -0.5), (-1.0, 0.0), (0.5, -0.5)])
def test_trainability_of_a_block_that_scales(factor: float, expected: float) -> None:
    # g_in = f g_out, so the matrix is f E[g g^T]: f times nearly the identity, with 6,144 rows
    class Scale(nn.Module):
        def forward(self, state: Tensor) -> Tensor:
            return factor * state

    probed = probe(nn.Identity(), Scale(), data=images(96))
    assert trainability(probed) == pytest.approx(expected, abs=0.1)


def test_blocks_that_pass_gradients_on_as_they_are_are_not_trainable() -> None:
    assert trainability(probe(nn.Conv2d(3, 4, 1), nn.Identity())) == -math.inf


def test_a_block_of_one_value_has_no_expressivity() -> None:
    class Nothing(nn.Module):
        def forward(self, state: Tensor) -> Tensor:
            return torch.zeros_like(state)

    dead = probe(nn.Conv2d(3, 4, 1), Nothing())
    assert expressivity(dead) == progressivity(dead) == trainability(dead) == -math.inf


def test_an_odd_size_may_be_halved() -> None:
    odd = nn.Conv2d(3, 4, 4)  # 8 pixels become 5, and 3
    assert math.isfinite(trainability(probe(odd, block(4, 4, 2))))


def test_blocks_are_the_stem_every_cell_and_every_reduction() -> None:
    sizes = "training.network.nasbench201.cells_per_stage=2"
    overrides = ["space=nasbench201", *TINY, *TINY_SPACE["nasbench201"], sizes]
    space = build.stated(composed(*overrides)).space
    plan = space.plan(at(space, 5**6 // 2))  # type: ignore[attr-defined]
    stages = [[f"stages.{stage}.{number}.nodes.3" for number in range(2)] for stage in range(3)]
    cells = [*stages[0], "reductions.0", *stages[1], "reductions.1", *stages[2]]
    assert block_ends(plan) == ("stem", *cells)


def test_what_a_chain_skips_is_no_block() -> None:
    def place(name: str, read: str, operation: str) -> Place:
        layer = Layer(operation, 4, 4, 1, 8, 8)
        return Place("layer", name, (read,), layer.shape, layer)

    operations = ("conv_3x3", "skip_connect", "conv_3x3", "norm_relu", "classifier")
    places = [place(str(n), str(n - 1), operation) for n, operation in enumerate(operations)]
    assert block_ends(Plan((4, 8, 8), tuple(places), "4")) == ("0", "2")


def test_a_network_without_a_plan_has_no_blocks() -> None:
    batch = images(), torch.zeros(SIZE, dtype=torch.long)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    with pytest.raises(Fault, match="score trainability needs the features between the blocks"):
        trainability(Probe(plain, [batch], SHAPE))
