"""Operations side by side against the same ones on their own."""

import copy

import torch
from torch import nn

from nascli.operations.blocks import Normed
from nascli.operations.separable import SeparableConv
from nascli.supernet.stacked import mixed, side_by_side

IMAGES = torch.randn(4, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def alone(modules, images, weights):
    pairs = zip(modules, weights, strict=True)
    return torch.cat([getattr(m, "after_relu", m)(images) * w for m, w in pairs], 1)


def separable(count):
    torch.manual_seed(1)
    return nn.ModuleList(SeparableConv(3, 5, 2, True, kernel=3) for _ in range(count)).double()


def compare(modules, twins, numbers):
    weights = torch.rand(len(numbers), dtype=torch.float64)
    ours = side_by_side([modules[n] for n in numbers], IMAGES, weights)
    theirs = alone([twins[n] for n in numbers], IMAGES, weights)
    assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-10)


def test_running_statistics_are_each_one_s_own_whoever_stands_beside_it():
    modules = separable(3)
    twins = copy.deepcopy(modules)
    for numbers in ([0, 1, 2], [0, 2], [1], [2, 1], [0, 1, 2]):
        compare(modules, twins, numbers)
    copied = copy.deepcopy(modules)
    copied.load_state_dict(modules.state_dict())
    for mine, other, again in zip(
        modules.buffers(), twins.buffers(), copied.buffers(), strict=True
    ):
        assert torch.allclose(mine.double(), other.double(), rtol=1e-10)
        assert torch.equal(mine, again)
    modules.eval(), twins.eval()
    compare(modules, twins, [0, 1, 2])


def test_statistics_follow_when_the_first_pass_is_of_some_only():
    modules = separable(3)
    twins = copy.deepcopy(modules)
    for numbers in ([0, 1], [1, 2], [0, 1, 2], [0, 1, 2]):
        compare(modules, twins, numbers)
    for mine, other in zip(modules.buffers(), twins.buffers(), strict=True):
        assert torch.allclose(mine.double(), other.double(), rtol=1e-10)


class Twice(nn.Module):
    """A layer of which the product knows nothing."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.rand(1, dtype=torch.float64))

    def forward(self, images):
        return images * self.factor


def test_what_is_not_known_is_evaluated_on_its_own():
    for kind in (lambda: Normed(Twice(), 3), lambda: nn.Conv2d(3, 3, 1).double()):
        modules = nn.ModuleList(kind() for _ in range(3)).double()
        compare(modules, copy.deepcopy(modules), [0, 1, 2])


def test_sums_of_shared_results():
    results = [IMAGES, IMAGES.square()]
    weights = torch.tensor([[1.0, 2.0], [0.5, 0.0], [3.0, -1.0]], dtype=torch.float64)
    sums = mixed(results, weights)
    for row, found in zip(weights.tolist(), sums, strict=True):
        assert torch.allclose(found, row[0] * results[0] + row[1] * results[1])
