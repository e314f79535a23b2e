"""Every score against a slow second computation of its formula, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from nascli.zero_cost.gradients import fisher, grad_norm, grasp, l2_norm, snip, zico
from nascli.zero_cost.probe import Probe

SHAPE = (3, 6, 6)
SCORES = {"snip": snip, "grasp": grasp, "fisher": fisher, "grad_norm": grad_norm, "zico": zico}


def network(activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        activation(),
        nn.Conv2d(4, 5, 3, stride=2, bias=False),
        activation(),
        nn.Flatten(),
        nn.Linear(20, 4),
    ).double()


def batch(seed: int = 1, size: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(size, *SHAPE, generator=generator, dtype=torch.float64)
    return images, torch.arange(size) % 4


def probe(made: nn.Module, *batches: tuple[Tensor, Tensor]) -> Probe:
    return Probe(made, batches or [batch()], SHAPE, wanted=list(SCORES))


def weights(made: nn.Module) -> dict[str, Tensor]:
    kinds = (nn.Conv2d, nn.Linear)
    return {
        f"{n}.weight": m.weight.detach() for n, m in made.named_modules() if isinstance(m, kinds)
    }


def gradients(made: nn.Module, at: dict[str, Tensor], data: Any = None) -> dict[str, Tensor]:
    """The loss's gradients with these weights in place of the network's own."""
    images, labels = data or batch()
    leaves = {name: weight.clone().requires_grad_() for name, weight in at.items()}
    cross_entropy(functional_call(made, leaves, (images,)), labels).backward()
    return {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}


def test_snip_is_the_gradient_of_a_mask_of_ones() -> None:
    made = network()
    kept = weights(made)
    masks = {name: torch.ones_like(weight, requires_grad=True) for name, weight in kept.items()}
    images, labels = batch()
    masked = {name: kept[name] * mask for name, mask in masks.items()}
    cross_entropy(functional_call(made, masked, (images,)), labels).backward()
    expected = sum(float(mask.grad.abs().sum()) for mask in masks.values())  # type: ignore[union-attr]
    assert snip(probe(made)) == pytest.approx(expected, rel=1e-12)


def test_grad_norm_adds_one_norm_a_layer() -> None:
    made = network()
    found = gradients(made, weights(made))
    assert len(found) == 3
    expected = sum(math.sqrt(float((g * g).sum())) for g in found.values())
    assert grad_norm(probe(made)) == pytest.approx(expected, rel=1e-12)


def test_grasp_against_finite_differences_of_the_gradient() -> None:
    made = network(nn.Tanh)
    at, step = weights(made), 1e-5
    g = gradients(made, at)
    ahead = gradients(made, {n: w + step * g[n] for n, w in at.items()})
    behind = gradients(made, {n: w - step * g[n] for n, w in at.items()})
    product = {n: (ahead[n] - behind[n]) / (2 * step) for n in at}  # H g
    expected = -sum(float((w * product[n]).sum()) for n, w in at.items())
    assert abs(expected) > 1e-3
    assert grasp(probe(made)) == pytest.approx(expected, rel=1e-6)


def test_fisher_is_the_square_of_what_each_channel_s_mask_feels() -> None:
    made = network()
    masks: list[tuple[nn.Module, Tensor]] = []

    def masked(layer: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        ones = output.new_ones(output.shape[:2] + (1,) * (output.dim() - 2), requires_grad=True)
        masks.append((layer, ones))
        return output * ones

    images, labels = batch()
    layers = [m for m in made if isinstance(m, (nn.Conv2d, nn.Linear))]  # type: ignore[attr-defined]
    hooks = [layer.register_forward_hook(masked) for layer in layers]
    cross_entropy(made(images), labels).backward()
    for hook in hooks:
        hook.remove()
    expected = 0.0
    for layer, mask in masks:
        felt = mask.grad.flatten(1)  # type: ignore[union-attr]
        per_channel = layer.weight[0].numel()  # type: ignore[operator, index]
        for image in felt:
            expected += per_channel * float((image**2).sum()) / 2 / len(felt)
    assert len(masks) == 3
    assert fisher(probe(made)) == pytest.approx(expected, rel=1e-12)


def test_zico_weight_by_weight() -> None:
    made = network()
    pair = batch(1), batch(2)
    first, second = (gradients(made, weights(made), data) for data in pair)
    expected = 0.0
    for name in first:
        values = zip(first[name].flatten().tolist(), second[name].flatten().tolist(), strict=True)
        # Of two numbers the mean is (|a| + |b|) / 2 and the standard deviation |a - b| / 2.
        ratios = [(abs(a) + abs(b)) / abs(a - b) for a, b in values if a != b]
        expected += math.log(sum(ratios))
    assert zico(probe(made, *pair)) == pytest.approx(expected, rel=1e-9)


def test_zico_leaves_out_gradients_that_do_not_vary() -> None:
    assert zico(probe(network(), batch(), batch())) == 0


def test_closed_form_of_one_layer() -> None:
    # L = -log softmax(W x)[y] of one image: dL/dW = (p - y) x'
    layer = nn.Linear(3, 4, bias=False).double()
    weight = torch.tensor([[1.0, -2, 0.5], [0, 1, 1], [2, 0, -1], [-1, 1, 0]], dtype=torch.float64)
    layer.weight.data.copy_(weight)
    x = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    error = torch.softmax(weight @ x, 0) - torch.tensor([0, 0, 1.0, 0])
    alone = Probe(layer, [(x[None], torch.tensor([2]))], (3, 1, 1), wanted=["fisher"])
    assert snip(alone) == pytest.approx(float((weight * torch.outer(error, x)).abs().sum()))
    assert grad_norm(alone) == pytest.approx(float(error.norm() * x.norm()))
    assert fisher(alone) == pytest.approx(3 / 2 * float(((weight @ x) * error).square().sum()))
    assert l2_norm(alone) == pytest.approx(math.sqrt(1 + 4 + 0.25 + 1 + 1 + 4 + 1 + 1 + 1))


def test_l2_norm_adds_one_norm_a_layer_and_needs_no_images() -> None:
    made = network()
    expected = sum(math.sqrt(float((w * w).sum())) for w in weights(made).values())
    assert l2_norm(Probe(made, [], SHAPE)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["snip", "fisher"])
def test_the_scale_before_a_batch_norm_is_no_matter(name: str) -> None:
    made = network()
    made[1].eps = 1e-15  # type: ignore[index]
    before = SCORES[name](probe(made))
    made[0].weight.data *= 10  # type: ignore[index]
    made[0].bias.data *= 10  # type: ignore[index]
    assert SCORES[name](probe(made)) == pytest.approx(before, rel=1e-9)


class Branching(nn.Module):
    """A second convolution that the logits do not hang on, and an auxiliary head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.used, self.dead = nn.Conv2d(3, 2, 3), nn.Conv2d(3, 2, 3)
        self.last, self.auxiliary = nn.Linear(32, 4), nn.Linear(32, 4)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.dead(images)
        state = self.used(images).relu().flatten(1)
        return self.last(state), self.auxiliary(state)


def test_what_the_logits_do_not_hang_on_counts_nothing() -> None:
    made = Branching().double()
    alone = nn.Sequential(made.used, nn.ReLU(), nn.Flatten(), made.last)
    for name, score in SCORES.items():
        pair = batch(1), batch(2)
        assert score(probe(made, *pair)) == pytest.approx(score(probe(alone, *pair))), name
    assert l2_norm(probe(made)) == pytest.approx(
        sum(float(layer.weight.detach().norm()) for layer in (made.used, made.dead, made.last))
    )


@pytest.mark.parametrize("name", ["snip", "grasp", "grad_norm", "zico"])
def test_a_network_that_ignores_its_images_scores_nothing(name: str) -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(3, 2, 1), nn.Linear(2, 4)

        def forward(self, images: Tensor) -> Tensor:
            return self.last((0 * self.first(images)).mean((2, 3)))

    assert abs(SCORES[name](probe(Constant().double(), batch(1), batch(2)))) == 0
