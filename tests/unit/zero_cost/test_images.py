from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nascli.zero_cost.images import jacob_cov, naswot, swap, swap_regular
from nascli.zero_cost.probe import Probe

SHAPE = (2, 4, 4)
K = 1e-5


def images(size: int = 6) -> Tensor:
    return torch.randn(
        size, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(3)
    )


def probe(made: nn.Module, data: Tensor | None = None) -> Probe:
    data = images() if data is None else data
    return Probe(made.double(), [(data, torch.zeros(len(data), dtype=torch.long))], SHAPE)


def network(*, norm: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 5, 3)]
    layers += [nn.BatchNorm2d(5)] if norm else []
    return nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.Linear(20, 3)).double()


@pytest.mark.parametrize("norm", [True, False])
def test_jacob_cov_from_the_whole_jacobian(norm: bool) -> None:
    made, data = network(norm=norm), images()
    whole = torch.autograd.functional.jacobian(made, data)  # (B, classes, B, C, H, W)
    rows = whole.sum((0, 1)).flatten(1).numpy()
    centred = rows - rows.mean(1, keepdims=True)
    unit = centred / np.sqrt((centred**2).sum(1, keepdims=True))
    values = np.linalg.eigvalsh(unit @ unit.T)
    expected = -sum(math.log(v + K) + 1 / (v + K) for v in values)
    # 1 / (v + k) magnifies rounding where v is nearly 0
    assert jacob_cov(probe(made)) == pytest.approx(expected, rel=1e-6)


def test_without_batch_norm_each_image_has_its_own_jacobian() -> None:
    made, data = network(norm=False), images()
    rows = []
    for image in data:
        alone = image[None].clone().requires_grad_()
        made(alone).sum().backward()
        assert alone.grad is not None
        rows.append(alone.grad.flatten().numpy())
    values = np.linalg.eigvalsh(np.corrcoef(np.stack(rows)))
    expected = -np.sum(np.log(values + K) + 1 / (values + K))
    assert jacob_cov(probe(made)) == pytest.approx(expected, rel=1e-6)


def test_jacob_cov_of_a_linear_network_is_the_least_there_is() -> None:
    # All Jacobians are equal: one eigenvalue is B, the others are 0.
    made, size = nn.Sequential(nn.Flatten(), nn.Linear(32, 3)), 6
    rest = (size - 1) * (math.log(K) + 1 / K)
    expected = -(math.log(size + K) + 1 / (size + K) + rest)
    assert jacob_cov(probe(made)) == pytest.approx(expected, rel=1e-6)


def test_jacob_cov_of_uncorrelated_jacobians_is_the_most_there_is() -> None:
    class Own(nn.Module):
        """The logit of image number n is its pixel n."""

        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Linear(1, 1)

        def forward(self, data: Tensor) -> Tensor:
            rows = torch.zeros(4, 32, dtype=data.dtype)
            rows[0, ::2], rows[0, 1::2] = 1, -1
            rows[1, 0::4] = rows[1, 1::4] = 1
            rows[1, 2::4] = rows[1, 3::4] = -1
            rows[2] = rows[0] * rows[1]
            rows[3, :16], rows[3, 16:] = 1, -1
            return (rows * data.flatten(1)).sum(1, keepdim=True) + 0 * self.scale.weight

    assert jacob_cov(probe(Own(), images(4))) == pytest.approx(-4 * (math.log(1 + K) + 1 / (1 + K)))


def test_a_network_that_ignores_its_images_has_no_jacob_cov() -> None:
    class Deaf(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(2, 3)

        def forward(self, data: Tensor) -> Tensor:
            return self.last(0 * data.mean((2, 3)))

    assert math.isnan(jacob_cov(probe(Deaf())))
    assert naswot(probe(Deaf())) == -math.inf


def patterns(made: nn.Sequential, data: Tensor) -> list[list[bool]]:
    """Every image's activation pattern, from the inputs of the ReLUs."""
    found: list[list[bool]] = [[] for _ in data]
    state = data
    for layer in made.train():
        if isinstance(layer, nn.ReLU):
            for image, code in zip(state, found, strict=True):
                code += [value > 0 for value in image.flatten().tolist()]
        state = layer(state)
    return found


def test_naswot_from_hamming_distances() -> None:
    made, data = network(), images()
    codes = patterns(made, data)
    kernel = [
        [len(a) - sum(x != y for x, y in zip(a, b, strict=True)) for b in codes] for a in codes
    ]
    assert len(codes[0]) == 5 * 16 + 5 * 4
    sign, expected = np.linalg.slogdet(np.array(kernel, dtype=float))
    assert sign == 1
    assert naswot(probe(made)) == pytest.approx(expected, rel=1e-12)


def test_naswot_leaves_out_what_the_logits_do_not_hang_on() -> None:
    class Side(nn.Module):
        def __init__(self, body: nn.Module) -> None:
            super().__init__()
            self.body, self.side = body, nn.Conv2d(2, 7, 3)

        def forward(self, data: Tensor) -> Tensor:
            torch.relu(self.side(data))
            logits: Tensor = self.body(data)
            return logits

    assert naswot(probe(Side(network()))) == naswot(probe(network()))


@pytest.mark.parametrize("activation", [nn.ReLU6, nn.Hardswish, nn.SiLU, nn.GELU, nn.LeakyReLU])
def test_naswot_counts_any_activation_that_changes_with_the_sign(activation: type) -> None:
    def one(kind: type) -> float:
        torch.manual_seed(0)
        return naswot(probe(nn.Sequential(nn.Flatten(), nn.Linear(32, 9), kind(), nn.Linear(9, 3))))

    assert math.isfinite(one(nn.ReLU))
    assert one(activation) == one(nn.ReLU)


def test_naswot_works_with_activations_in_place() -> None:
    made = network()
    made[1], made[4] = nn.ReLU(inplace=True), nn.ReLU(inplace=True)
    assert naswot(probe(made)) == naswot(probe(network()))


def test_equal_patterns_have_no_volume() -> None:
    same = images(1).repeat(3, 1, 1, 1)
    assert naswot(probe(network(norm=False), same)) == -math.inf


def test_swap_counts_different_columns_of_activations() -> None:
    made, data = network(), images()
    columns = set()
    state = data
    for layer in made.train():
        if isinstance(layer, nn.ReLU):
            columns |= set(
                zip(*(map(bool, (x > 0).flatten().tolist()) for x in state), strict=True)
            )
        state = layer(state)
    assert 10 < len(columns) < 2 ** len(data)
    assert swap(probe(made)) == len(columns)


def test_swap_looks_at_sixteen_images_and_at_activations_with_pixels() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(32, 9), nn.ReLU(), nn.Linear(9, 3))
    assert swap(probe(flat)) == 0
    made = network(norm=False)
    found = swap(probe(made, images(20)))
    assert swap(probe(made, images(20)[:8])) < found == swap(probe(made, images(20)[:16]))


def test_regular_swap_prefers_a_size() -> None:
    made = network()
    count = sum(parameter.numel() for parameter in made.parameters())
    data = [(images(), torch.zeros(6, dtype=torch.long))]
    for millions in (count / 1e6, 2 * count / 1e6):
        probed = Probe(made, data, SHAPE, millions=millions)
        factor = math.exp(-((count / 1e6 - millions) ** 2) / millions)
        assert swap_regular(probed) == pytest.approx(swap(probed) * factor)
    one = Probe(made, data, SHAPE, millions=1)
    assert swap_regular(one) == pytest.approx(swap(one) * math.exp(-((1 - count / 1e6) ** 2)))
