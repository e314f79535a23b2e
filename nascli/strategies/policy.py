"""A policy over genotypes: an LSTM that takes one decision after another.

Zoph and Le, Neural Architecture Search with Reinforcement Learning, ICLR 2017 (arXiv 1611.01578),
section 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nascli.core.fault import Stopped
from nascli.training.optimizers import Adam

_LARGEST = 1e6  # no policy that learns anything comes to such weights
_INITIAL = (
    0.08  # the paper's: weights start uniform in +- 0.08, so the policy starts nearly uniform
)


class Policy(nn.Module):
    """p(x) = prod_d softmax(W_d h_d + b_d)[x_d], h_d from an LSTM that has read x_1 .. x_(d-1).

    Args:
        widths: how many options each of the D decisions has.
        hidden: units of the LSTM, and length of an option's embedding.
        temperature: divides the logits (ENAS: 5); above 1 the policy is flatter.
        tanh_constant: c of c * tanh(logits) (ENAS: 2.5), which bounds them; None: unbounded.
        seed: of the initial weights and of the draws.
    """

    def __init__(
        self,
        widths: Sequence[int],
        hidden: int = 32,
        temperature: float = 1.0,
        tanh_constant: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self._temperature, self._tanh_constant = temperature, tanh_constant
        self.generator = torch.Generator().manual_seed(seed)
        # row 0 stands for the beginning; then come the options, decision by decision
        self._first_row = torch.tensor([1 + sum(widths[:place]) for place in range(len(widths))])
        self.embedding = nn.Embedding(1 + sum(widths), hidden)
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.heads = nn.Parameter(torch.empty(len(widths), max(widths), hidden))
        self.biases = nn.Parameter(torch.empty(len(widths), max(widths)))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -_INITIAL, _INITIAL, generator=self.generator)
        absent = torch.arange(max(widths)) >= torch.tensor(widths)[:, None]  # (D, options)
        self._mask = torch.zeros(absent.shape).masked_fill(absent, -math.inf)

    def log_probability(self, choices: Tensor) -> Tensor:
        """log p of each genotype: option numbers (B, D) -> (B,)."""
        rows = torch.nn.functional.pad(choices + self._first_row, (1, -1))  # what was read before
        states, _ = self.lstm(self.embedding(rows))  # (B, D, hidden)
        logits = torch.einsum("bdh,doh->bdo", states, self.heads) + self.biases
        logs = self._bounded(logits).add(self._mask).log_softmax(2)
        return logs.gather(2, choices[..., None]).sum((1, 2))

    @torch.no_grad()
    def draw(self, count: int) -> Tensor:
        """`count` genotypes from p, as option numbers (count, D)."""
        rows, state, taken = torch.zeros(count, dtype=torch.long), None, []
        for place in range(len(self.heads)):
            output, state = self.lstm(self.embedding(rows[:, None]), state)
            logits = output[:, 0] @ self.heads[place].T + self.biases[place]
            chances = self._bounded(logits).add(self._mask[place]).softmax(1)
            taken.append(torch.multinomial(chances, 1, generator=self.generator)[:, 0])
            rows = taken[-1] + self._first_row[place]
        return torch.stack(taken, 1)

    def _bounded(self, logits: Tensor) -> Tensor:
        logits = logits / self._temperature
        if self._tanh_constant is not None:  # Bello et al. 2016 (arXiv 1611.09940), appendix
            logits = self._tanh_constant * logits.tanh()
        return logits


def surrogate(logs: Tensor, rewards: Tensor) -> Tensor:
    """What to descend: at draws x from p its gradient is on average that of -E[reward(x)].

    REINFORCE (Williams 1992): grad E[r(x)] = E[(r(x) - b) grad log p(x)] for any b that does not
    depend on x.

    Args:
        logs: log p(x) of the draws, (B,).
        rewards: r(x) - b, (B,); no gradient flows through them.
    """
    # Zoph and Le, section 3.2: 1/m sum_k sum_t grad log P(a_t | a_(t-1):1) (R_k - b)
    return -(rewards.detach() * logs).mean()


class Learner:
    """A policy with its optimizer (Adam).

    A step ascends E[reward] + entropy * H(p). H(p) = -E[log p(x)], so -entropy * log p(x) joins the
    reward, with a baseline of its own: the moving average of log p(x).

    Args:
        policy: what learns.
        learning_rate: Adam's.
        entropy: the weight of H.
        decay: of the moving average, a trial.
    """

    def __init__(self, policy: Policy, learning_rate: float, entropy: float, decay: float) -> None:
        self._policy, self._entropy, self._decay = policy, entropy, decay
        self._rate = learning_rate
        self._optimizer = Adam(policy.parameters(), lr=learning_rate, fused=True)
        self._surprise = 0.0  # the baseline of -log p(x)
        self._steps = 0

    def draw(self, count: int) -> list[tuple[int, ...]]:
        """`count` draws, as option numbers.

        Raises:
            Stopped: the weights are no longer numbers, or beyond all bounds.
        """
        largest = float(
            torch.stack([p.detach().abs().max() for p in self._policy.parameters()]).max()
        )
        if not largest <= _LARGEST:
            raise Stopped(
                f"the policy diverged (its largest weight is {largest:g}): start a new run with a "
                f"smaller strategy.learning_rate (it is {self._rate:g})"
            )
        return [tuple(choice) for choice in self._policy.draw(count).tolist()]

    def step(self, told: Sequence[tuple[tuple[int, ...], float]]) -> None:
        """One step on draws and their rewards, from which the baseline is already taken."""
        choices = torch.tensor([choice for choice, _ in told])
        logs = self._policy.log_probability(choices)
        surprise = -logs.detach()
        mean = float(surprise.mean())
        if not self._steps:
            self._surprise = mean
        rewards = torch.tensor([reward for _, reward in told])
        rewards = rewards + self._entropy * (surprise - self._surprise)
        self._optimizer.zero_grad()
        surrogate(logs, rewards).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._steps += 1
        self._surprise += (1 - self._decay ** len(told)) * (mean - self._surprise)

    def state_dict(self) -> dict[str, Any]:
        """Weights, Adam's moments, the baseline of the entropy, and the state of the draws."""
        return {
            "policy": self._policy.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "generator": self._policy.generator.get_state(),
            "surprise": self._surprise,
            "steps": self._steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._policy.load_state_dict(state["policy"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._policy.generator.set_state(state["generator"])
        self._surprise, self._steps = float(state["surprise"]), int(state["steps"])
