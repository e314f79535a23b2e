from __future__ import annotations

import pytest
import torch

from nascli.gradient.curvature import largest_eigenvalue


def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("size", [1, 5, 12])
def test_a_quadratic_has_the_largest_eigenvalue_of_its_matrix(size):
    drawn = torch.randn(size, size, generator=generator(), dtype=torch.double)
    matrix = drawn + drawn.T
    x = torch.randn(size, generator=generator(), dtype=torch.double).requires_grad_()
    first, second = x[: size // 2].detach().requires_grad_(), x[size // 2 :].detach()
    second = second.requires_grad_()
    joined = torch.cat([first, second])
    inputs = [part for part in (first, second) if part.numel()]
    found = largest_eigenvalue(joined @ matrix @ joined / 2, inputs, generator())
    assert found == pytest.approx(float(torch.linalg.eigvalsh(matrix)[-1]), rel=1e-6)


def test_a_large_matrix_needs_few_steps_and_is_never_overestimated():
    values = torch.cat([torch.linspace(-1, 1, 199), torch.tensor([2.0])]).double()
    x = torch.ones(200, dtype=torch.double, requires_grad=True)
    found = largest_eigenvalue((values * x * x).sum() / 2, [x], generator())
    assert 1.98 < found <= 2.0 + 1e-9


def test_a_negative_definite_one_has_a_negative_eigenvalue():
    x = torch.ones(3, dtype=torch.double, requires_grad=True)
    loss = -(x * x * torch.tensor([1.0, 2.0, 3.0])).sum()
    assert largest_eigenvalue(loss, [x], generator()) == pytest.approx(-2.0)


def test_a_slope_that_only_others_move_has_no_curvature():
    """As where alpha weighs what no other alpha meets: the slope has a graph, of weights alone."""
    x, weight = (torch.ones(3, requires_grad=True) for _ in range(2))
    assert largest_eigenvalue((weight * x).sum(), [x], generator()) == 0.0


def test_a_linear_function_has_none():
    x = torch.ones(3, requires_grad=True)
    assert largest_eigenvalue(x.sum(), [x], generator()) == 0.0
