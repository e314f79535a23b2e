from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from nascli.zero_cost.probe import Probe
from nascli.zero_cost.synflow import synflow

SHAPE = (1, 2, 3)


def chain(*factors: float, norm: bool = False, bias: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Flatten()]
    for number, factor in enumerate(factors):
        linear = nn.Linear(6 if number == 0 else 5, 5, bias=bias)
        linear.weight.data *= factor
        layers += [linear, nn.BatchNorm1d(5) if norm else nn.Identity(), nn.ReLU()]
    return nn.Sequential(*layers)


def score(made: nn.Module) -> float:
    return synflow(Probe(made, [], SHAPE))


@pytest.mark.parametrize("norm", [True, False])
def test_closed_form_of_a_chain(norm: bool) -> None:
    # R = 1' |W_n| ... |W_1| 1, and for every layer the sum of w * dR/dw is R itself.
    made = chain(1, 1, 1, norm=norm)
    product = torch.ones(6, dtype=torch.float64)
    for layer in made:
        if isinstance(layer, nn.Linear):
            product = layer.weight.detach().double().abs() @ product
    assert score(made) == pytest.approx(math.log(3 * float(product.sum())), rel=1e-12)


def test_biases_flow_but_are_not_summed_over() -> None:
    # One layer: R = sum of |W| 1 + |b|, and dR/dw is 1; two: b reaches the second layer's weights.
    first, second = nn.Linear(6, 5), nn.Linear(5, 4)
    hidden = first.weight.detach().double().abs().sum(1)
    flow = second.weight.detach().double().abs()
    through_first = float((flow @ hidden).sum())
    through_second = float((flow @ (hidden + first.bias.detach().double().abs())).sum())
    expected = math.log(through_first + through_second)
    made = nn.Sequential(nn.Flatten(), first, nn.ReLU(), second)
    assert score(made) == pytest.approx(expected, rel=1e-12)


def test_signs_do_not_matter_and_scale_is_a_summand() -> None:
    plain = score(chain(1, 1))
    assert score(chain(-1, 1)) == plain
    assert score(chain(10, 1)) == pytest.approx(plain + math.log(10), rel=1e-6)


def test_nothing_passes_or_too_much() -> None:
    assert score(chain(1, 0, 1)) == -math.inf
    deep = nn.Sequential(nn.Flatten(), *[nn.Linear(6, 6) for _ in range(12)])
    for parameter in deep.parameters():
        parameter.data.fill_(1e30)  # 12 * 30 > 308
    assert not math.isfinite(score(deep))


def test_the_network_stays_as_it_was() -> None:
    made = chain(-1, 1, norm=True)
    before = {name: value.clone() for name, value in made.state_dict().items()}
    score(made)
    assert made.training
    for name, value in made.state_dict().items():
        assert torch.equal(value, before[name]) and value.dtype == before[name].dtype


def test_dropout_takes_no_part() -> None:
    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.chain, self.drop = chain(1, 1), nn.Dropout(0.9)

        def forward(self, images: Tensor) -> Tensor:
            dropped: Tensor = self.drop(self.chain(images))
            return dropped

    assert score(Dropping()) == score(chain(1, 1))
