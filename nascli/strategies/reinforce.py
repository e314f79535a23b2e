"""REINFORCE: a recurrent policy draws genotypes and learns from their rewards.

Zoph and Le, Neural Architecture Search with Reinforcement Learning, ICLR 2017 (arXiv 1611.01578);
Zoph et al., Learning Transferable Architectures, CVPR 2018 (arXiv 1707.07012); temperature, tanh
constant and the entropy in the reward as in Pham et al., ENAS, ICML 2018 (arXiv 1802.03268).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.randomness import generator
from nascli.core.trial import History, Proposal, Trial

if TYPE_CHECKING:
    from nascli.strategies.policy import Learner

Choice = tuple[int, ...]  # the number of the option at every decision

_STATISTICS = ("count", "baseline", "square", "worst", "seen", "keeping")
_ENOUGH = 0.01  # of the draws keep the constraints: no need to learn more of them


class Reinforce:
    """A policy proposes; each full batch of trials moves it towards what was rewarded.

    The reward is -loss less a moving average (the baseline), in deviations: its scale is the root
    mean square of such distances over all trials so far. So accuracy in percent, milliseconds and
    scalarised losses weigh the same against the entropy bonus, and since the scale does not shrink
    as the policy narrows, the bonus keeps the policy from collapsing onto what it has seen. What
    differs by more than `clip` deviations counts as `clip`. A failed trial has the worst loss that
    a good one has had; before there is one it teaches nothing. So has an infeasible one while fewer
    than one draw in a hundred keeps the constraints (a moving average). Where more do, it teaches
    nothing either: it costs nothing to draw again, and a policy that shuns whatever lies behind a
    bound soon shuns what lies just before it, where the best often are.

    Departures: the standardised reward; one layer of 32 units for the papers' two of 35 (or one of
    100), plain REINFORCE for NASNet's proximal policy optimisation, and a learning rate for
    hundreds of trials, not tens of thousands. With several workers a few trials of a batch may have
    been drawn before the last step.

    Args:
        problem: what is searched for.
        batch: trials that make one step of the policy.
        learning_rate: Adam's.
        entropy: weight of the entropy bonus; the higher, the longer the policy explores.
        decay: of the baseline, a trial.
        clip: the largest standardised reward, in deviations.
        hidden: units of the LSTM.
        temperature: divides the logits.
        tanh_constant: bounds the logits; None: unbounded.
    """

    def __init__(
        self,
        problem: Problem,
        batch: int = 8,
        learning_rate: float = 0.02,
        entropy: float = 0.2,
        decay: float = 0.95,
        clip: float = 3.0,
        hidden: int = 32,
        temperature: float = 1.0,
        tanh_constant: float | None = None,
    ) -> None:
        above = {"learning_rate": learning_rate, "clip": clip, "temperature": temperature}
        if tanh_constant is not None:
            above["tanh_constant"] = tanh_constant
        for name, value in above.items():
            if not 0 < value < math.inf:
                raise Fault(f"{name} is {value}; it must be above 0")
        for name, value in {"batch": batch, "hidden": hidden}.items():
            if value < 1:
                raise Fault(f"{name} is {value}; it must be at least 1")
        if not 0 <= entropy < math.inf:
            raise Fault(f"entropy is {entropy}; it must be 0 or more")
        if not 0 <= decay < 1:
            raise Fault(f"decay is {decay}; it must be from 0 to below 1")
        self._problem, self._batch = problem, batch
        self._rewards = Rewards(decay, clip)
        self._shape: dict[str, Any] = {
            "hidden": hidden,
            "temperature": temperature,
            "tanh_constant": tanh_constant,
        }
        self._step = {"learning_rate": learning_rate, "entropy": entropy, "decay": decay}
        self._drawn: deque[Choice] = deque()
        self._told: list[tuple[Choice, float]] = []

    @cached_property
    def _learner(self) -> Learner:
        from nascli.strategies.policy import Learner, Policy

        space = self._problem.space
        widths = [len(options) for options in space.decisions.values()]
        seed = generator(self._problem.seed, "reinforce").getrandbits(63)
        return Learner(Policy(widths, seed=seed, **self._shape), **self._step)

    def ask(self, limit: int) -> Sequence[Proposal]:
        """The next draws; a whole batch is drawn at a time."""
        while len(self._drawn) < limit:
            self._drawn.extend(self._learner.draw(self._batch))
        taken = [self._drawn.popleft() for _ in range(limit)]
        return [Proposal(self._genotype(choice), self._problem.fidelity) for choice in taken]

    def _genotype(self, choice: Choice) -> Genotype:
        space = self._problem.space
        pairs = zip(space.decisions.values(), choice, strict=True)
        return Genotype(space.name, tuple(space.decisions), tuple(o[i] for o, i in pairs))

    def tell(self, trials: Sequence[Trial]) -> None:
        """Keeps the rewards; a step of the policy for each full batch."""
        decisions = self._problem.space.decisions.values()
        for trial in trials:
            self._rewards.count_draw(keeps=trial.infeasible is None)
            if trial.infeasible is not None and self._rewards.keeping >= _ENOUGH:
                continue
            reward = self._rewards.of(self._problem.goal.loss(trial))
            if reward is None:
                continue
            pairs = zip(decisions, trial.genotype.options, strict=True)
            self._told.append((tuple(o.index(option) for o, option in pairs), reward))
            if len(self._told) == self._batch:
                self._learner.step(self._told)
                self._told = []

    def recommend(self, history: History) -> Genotype | None:
        """The best trial's genotype, whatever the policy prefers now."""
        return history.answer(self._problem.goal)

    def state_dict(self) -> dict[str, Any]:
        """Policy, optimizer and draws, the baseline, and what is drawn or told but not yet used."""
        return {
            "learner": self._learner.state_dict(),
            "rewards": self._rewards.state_dict(),
            "drawn": list(self._drawn),
            "told": list(self._told),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._learner.load_state_dict(state["learner"])
        self._rewards.load_state_dict(state["rewards"])
        self._drawn = deque(tuple(choice) for choice in state["drawn"])
        self._told = [(tuple(choice), float(reward)) for choice, reward in state["told"]]


class Rewards:
    """Losses as standardised rewards.

    r = clip((b - loss) / sqrt(v)) with the baseline b, a moving average of weight 1 - decay a trial
    (a plain mean while that weighs the newest trial more), and v, the mean of (b - loss)^2 over all
    trials so far; b and v from before the trial. `keeping` is such an average too: the share of the
    draws that keep the constraints.
    """

    def __init__(self, decay: float, clip: float) -> None:
        self.decay, self.clip = decay, clip
        self.count = 0
        self.baseline, self.square, self.worst = 0.0, 0.0, -math.inf
        self.seen, self.keeping = 0, 1.0

    def count_draw(self, keeps: bool) -> None:
        """Books whether a draw kept the constraints."""
        self.seen += 1
        self.keeping += max(1 - self.decay, 1 / self.seen) * (keeps - self.keeping)

    def of(self, loss: float) -> float | None:
        """The reward of the next trial's loss; None if there is nothing to learn from it."""
        if loss == math.inf:
            if not self.count:
                return None
            loss = self.worst
        self.worst = max(self.worst, loss)
        distance = loss - self.baseline if self.count else 0.0
        scale = math.sqrt(self.square) or abs(distance) or 1.0
        if not self.count:
            self.baseline = loss
        else:
            self.square += (distance**2 - self.square) / self.count
        self.count += 1
        self.baseline += max(1 - self.decay, 1 / self.count) * distance
        return min(self.clip, max(-self.clip, -distance / scale))

    def state_dict(self) -> dict[str, Any]:
        """The statistics."""
        return {name: getattr(self, name) for name in _STATISTICS}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        for name in _STATISTICS:
            setattr(self, name, state.get(name, getattr(self, name)))  # 0.1.0 had four of them
