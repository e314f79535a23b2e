"""The second-order gradient against finite differences of the bilevel objective."""

from __future__ import annotations

import pytest
import torch

from nascli.gradient.unrolled import Unrolled, moved


def problem(seed=0):
    """Two smooth losses of weights w, v and inputs a: nothing in them is linear or quadratic."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.double)  # noqa: E731
    w, v, a = draw(4).requires_grad_(), draw(2, 3).requires_grad_(), draw(3).requires_grad_()
    mix, other = draw(4, 3), draw(3, 2)

    def train():
        return (w.tanh() @ mix @ a.sin()) + ((v @ a) ** 3).sum() + 0.3 * (w**4).sum()

    def valid():
        return ((w * (mix @ a)).sigmoid()).sum() + (v @ a.exp()).square().sum() + (v @ other).sum()

    return [w, v], a, train, valid


RATE, MOMENTUM, DECAY = 0.05, 0.9, 0.03


def objective(weights, a, train, valid, momenta, point):
    """L_val(w - rate * (momentum * m + dL_train(w, a) + decay * w), a) at a = point."""
    with torch.no_grad():
        before = a.clone()
        a.copy_(point)
    gradients = torch.autograd.grad(train(), weights)
    steps = [
        -RATE * (MOMENTUM * m + g + DECAY * w.detach())
        for w, m, g in zip(weights, momenta, gradients, strict=True)
    ]
    with torch.no_grad(), moved(weights, steps, 1.0):
        value = float(valid())
    with torch.no_grad():
        a.copy_(before)
    return value


@pytest.mark.parametrize(("product", "error"), [("exact", 1e-7), ("finite_difference", 1e-4)])
def test_it_is_the_derivative_of_the_bilevel_objective(product, error):
    weights, a, train, valid = problem()
    momenta = [torch.randn_like(w) * 0.1 for w in weights]
    unrolled = Unrolled(weights, momenta, RATE, MOMENTUM, DECAY, product)
    loss, (found,) = unrolled.gradients(train, valid, [a])
    at = a.detach().clone()
    args = (weights, a, train, valid, momenta)
    assert float(loss) == pytest.approx(objective(*args, at), abs=1e-12)
    for index in range(3):
        step = torch.zeros(3, dtype=torch.double)
        step[index] = 1e-5
        slope = (objective(*args, at + step) - objective(*args, at - step)) / 2e-5
        assert float(found[index]) == pytest.approx(slope, abs=error)
    (first_order,) = torch.autograd.grad(valid(), [a])
    assert (first_order - found).abs().max() > 100 * error  # else the test says nothing


def test_weights_end_exactly_where_they_were_and_hold_no_gradient():
    weights, a, train, valid = problem()
    before = [w.detach().clone() for w in weights]
    for product in ("exact", "finite_difference"):
        Unrolled(weights, [None, None], RATE, MOMENTUM, DECAY, product).gradients(train, valid, [a])
    assert all(torch.equal(w, b) for w, b in zip(weights, before, strict=True))
    assert all(w.grad is None for w in weights)


def test_weights_come_back_after_an_error():
    weight = torch.ones(3)
    with pytest.raises(RuntimeError), moved([weight], [torch.ones(3)], 0.1):
        assert weight[0] == 1.1
        raise RuntimeError
    assert torch.equal(weight, torch.ones(3))


def test_what_takes_no_part_has_a_zero_gradient():
    weights, a, train, valid = problem()
    idle = torch.ones(2, dtype=torch.double, requires_grad=True)
    lone = torch.ones(1, dtype=torch.double, requires_grad=True)
    unrolled = Unrolled([*weights, idle], [None] * 3, RATE, 0.0, 0.0, "exact")
    _, (found, nothing) = unrolled.gradients(train, valid, [a, lone])
    _, (same,) = Unrolled(weights, [None] * 2, RATE, 0.0, 0.0, "exact").gradients(train, valid, [a])
    assert torch.equal(found, same)
    assert not nothing.any()
