from __future__ import annotations

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.space import at
from nascli.core.supernet import Mixture
from nascli.supernet.recalibration import preserved, recalibrate


def make():
    torch.manual_seed(0)
    space = instantiate(composed("space=nasbench201").space, _partial_=True)(
        ToyTask(), channels=3, cells_per_stage=1
    )
    supernet = space.supernet()
    supernet.train()
    supernet(torch.randn(4, 1, 8, 8) * 7, Mixture(torch.rand(6, 5)))  # statistics of something else
    return space, supernet


def test_statistics_are_the_mean_over_the_batches():
    space, supernet = make()
    batches = [torch.randn(5, 1, 8, 8) for _ in range(3)]
    with torch.no_grad():
        states = [supernet.stem.steps[0](images) for images in batches]
    recalibrate(supernet, supernet.path(at(space, 15_000)), batches)
    norm = supernet.stem.steps[1]
    means = torch.stack([state.mean((0, 2, 3)) for state in states]).mean(0)
    variances = torch.stack([state.var((0, 2, 3)) for state in states]).mean(0)
    assert torch.allclose(norm.running_mean, means, atol=1e-6)
    assert torch.allclose(norm.running_var, variances, atol=1e-5)
    assert norm.momentum == 0.1
    assert not any(module.training for module in supernet.modules())


def test_what_the_path_does_not_reach_is_reset():
    space, supernet = make()
    recalibrate(supernet, supernet.path(at(space, 0)), [torch.randn(5, 1, 8, 8)])
    norms = [m.norm for m in supernet.stages.modules() if hasattr(m, "after_relu")]
    assert norms
    for norm in norms:
        assert not norm.running_mean.any()
        assert (norm.running_var == 1).all()


@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_put_back(fails):
    space, supernet = make()
    supernet.stem.eval()
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    modes = [module.training for module in supernet.modules()]
    try:
        with preserved(supernet):
            recalibrate(supernet, supernet.path(at(space, 9_000)), [torch.randn(5, 1, 8, 8)])
            changed = supernet.state_dict()
            assert any(not torch.equal(changed[name], before[name]) for name in before)
            if fails:
                raise KeyError
    except KeyError:
        assert fails
    after = supernet.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert [module.training for module in supernet.modules()] == modes


def test_buffers_that_a_pass_replaces_are_put_back_too(monkeypatch):
    """Side by side, as on a GPU, batch norms get new buffers at the first pass."""
    space = instantiate(composed("space=nasbench201").space, _partial_=True)(
        ToyTask(), channels=3, cells_per_stage=1
    )
    supernet = space.supernet()
    monkeypatch.setattr("nascli.supernet.graph.stacks", lambda _images: True)
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    replaced = [id(buffer) for buffer in supernet.buffers()]
    with preserved(supernet):
        supernet(torch.randn(4, 1, 8, 8), Mixture(torch.rand(6, 5)))
        assert [id(buffer) for buffer in supernet.buffers()] != replaced
        changed = supernet.state_dict()
        assert any(not torch.equal(changed[name], before[name]) for name in before)
    after = supernet.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_a_batch_that_fails_leaves_the_momentum_alone():
    space, supernet = make()
    with pytest.raises(RuntimeError):
        recalibrate(
            supernet, supernet.path(at(space, 0)), [torch.randn(4, 1, 8, 8), torch.zeros(3)]
        )
    assert supernet.stem.steps[1].momentum == 0.1
