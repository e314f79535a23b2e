"""Optimizers without torch's compiler are torch's own in all else."""

import pytest
import torch

from nascli.training import optimizers

KINDS = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True, "fused": True},
    "Adam": {"lr": 0.1, "betas": (0.5, 0.9), "weight_decay": 0.1},
    "AdamW": {"lr": 0.1, "weight_decay": 0.1},
}


@pytest.mark.parametrize("name", KINDS)
def test_steps_and_states_are_those_of_torch(name):
    found = []
    for kind in (getattr(optimizers, name), getattr(torch.optim, name)):
        draws = torch.Generator().manual_seed(0)
        weights = [torch.randn(3, 2, generator=draws).requires_grad_() for _ in range(2)]
        optimizer = kind(weights, **KINDS[name])
        for _ in range(3):
            optimizer.zero_grad()
            assert all(weight.grad is None for weight in weights)
            for weight in weights:
                weight.grad = torch.randn(3, 2, generator=draws)
            optimizer.step()
        state = optimizer.state_dict()
        optimizer.load_state_dict(state)
        found.append((weights, state))
    (ours, our_state), (theirs, their_state) = found
    assert all(map(torch.equal, ours, theirs))
    assert our_state["param_groups"] == their_state["param_groups"]
    for number, kept in their_state["state"].items():
        assert kept.keys() == our_state["state"][number].keys()
        assert all(torch.equal(our_state["state"][number][key], kept[key]) for key in kept)
