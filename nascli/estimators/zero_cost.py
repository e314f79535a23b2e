"""Scores of untrained networks, in place of training them.

Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021 (arXiv 2101.08134).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, cast

from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.goal import Objective
from nascli.core.problem import Problem
from nascli.core.randomness import generator
from nascli.core.space import Planned, sample
from nascli.core.traits import Traits
from nascli.core.trial import Proposal
from nascli.core.words import counted
from nascli.costs.live import live_counts
from nascli.costs.plans import PlanCounter
from nascli.data.task import Task
from nascli.zero_cost import FEATURES, IMAGES, SCORES, score
from nascli.zero_cost.ranks import RANKED, Ranks
from nascli.zero_cost.vote import Vote

if TYPE_CHECKING:
    from nascli.data.batches import Batch

_COUNTED = ("params", "macs")  # reported by the costs before this estimator
_LIVE = ("live_params", "live_macs")
_VOTE = "vote"
_DRAWS = 10  # genotypes looked at for each one of the reference, at most


class ZeroCost:
    """Scores networks at their first weights; no score is an accuracy.

    Reports every score by its name, higher being better in all, and the first one once more as
    `score`, which is what a search maximises. The names are those of `nascli.zero_cost.SCORES`
    (each says what it is), the baselines `params` and `macs`, which stand among the costs already,
    `live_params` and `live_macs`, which count layers on a path from the images to the output alone,
    and what joins several: `vote` (see `nascli.zero_cost.vote.Vote`) and the sums of ranks in
    `nascli.zero_cost.ranks.RANKED`.

    First weights follow from the problem's seed and are drawn anew for every genotype, as the
    training estimator does. Images are minibatches of the training split, normalised and not
    augmented, drawn by the seed and the same for all; scores that need none do not read the data.
    A score that is not finite is an error of the trial: nearly always the network ignores its
    images. Equivalent genotypes count as one, with the scores of the first of them.

    Args:
        problem: its task needs images if a score does.
        scores: names; the first is the objective.
        batch_size: images a minibatch, at least 2.
        vote: the scores that vote.
        reference: how many random genotypes the vote and the sums of ranks compare with; they are
            scored once, before the first genotype, those with a score that is not finite left out.
        swap_millions: parameters of the networks that `swap_regular` prefers, in millions.

    Raises:
        Fault: an unknown score, too few images, or the task's images cannot be read.
    """

    traits = Traits(objective=Objective("score", "max"), fidelities=False)
    meaning = ""

    def __init__(
        self,
        problem: Problem,
        scores: Sequence[str] = ("vote", "synflow", "jacob_cov", "snip"),
        batch_size: int = 64,
        vote: Sequence[str] = ("synflow", "jacob_cov", "snip"),
        reference: int = 64,
        swap_millions: float = 1.5,
    ) -> None:
        self._problem = problem
        self._scores, self._vote = tuple(dict.fromkeys(scores)), tuple(dict.fromkeys(vote))
        self._reference, self._millions = reference, swap_millions
        self._check(batch_size, reference)
        joining = {**RANKED, _VOTE: self._vote}
        self._joined = {name: joining[name] for name in self._scores if name in joining}
        alone = [name for name in self._scores if name not in joining]
        self._needed = tuple(dict.fromkeys([*alone, *itertools.chain(*self._joined.values())]))
        if {*_LIVE, *FEATURES} & set(self._needed):
            self._planned  # noqa: B018 - so that its fault comes first
        self._batches = self._minibatches(batch_size)
        self.metrics = ("score", *(name for name in self._scores if name not in _COUNTED))

    def estimate(self, proposal: Proposal) -> Mapping[str, float]:
        """The scores, whatever the fidelity.

        Raises:
            ArithmeticError: a score is not finite.
        """
        found = self.scores(proposal.genotype)
        for name, value in found.items():
            if not math.isfinite(value):
                raise ArithmeticError(
                    f"score {name} is {value}, as for a network that ignores its images or "
                    "does not change them"
                )
        found |= {name: self._joiners[name](found) for name in self._joined}
        found["score"] = found[self._scores[0]]
        return {name: found[name] for name in self.metrics}

    def scores(self, genotype: Genotype) -> dict[str, float]:
        """The scores that the metrics need, finite or not; without what joins them."""
        import torch

        from nascli.costs.count import count
        from nascli.zero_cost.probe import Probe

        problem = self._problem
        cuda = [torch.cuda.current_device()] if problem.accelerator != "cpu" else []
        with torch.random.fork_rng(devices=cuda):
            torch.manual_seed(problem.seed)
            network = problem.space.network(genotype)
            found = {}
            if set(_COUNTED) & set(self._needed):
                counts = count(network, problem.task.input_shape)
                found = {"params": float(counts.params), "macs": float(counts.macs)}
            if set(_LIVE) & set(self._needed):
                there = live_counts(self._counter, self._planned.plan(genotype))
                found |= {"live_params": float(there.params), "live_macs": float(there.macs)}
            network.to(problem.accelerator, memory_format=torch.channels_last)  # type: ignore[call-overload]
            shape = problem.task.input_shape
            probe = Probe(
                network,
                self._batches,
                shape,
                problem.seed,
                self._needed,
                self._blocks(genotype),
                self._millions,
            )
            return {
                name: found[name] if name in found else score(name)(probe) for name in self._needed
            }

    def _blocks(self, genotype: Genotype) -> tuple[str, ...]:
        if not set(FEATURES) & set(self._needed):
            return ()
        from nascli.zero_cost.blocks import block_ends

        return block_ends(self._planned.plan(genotype))

    @property
    def _planned(self) -> Planned:
        """The space, which says what its networks are.

        Raises:
            Fault: it does not.
        """
        space = self._problem.space
        if not isinstance(space, Planned):
            raise Fault(
                f"{', '.join([*_LIVE, *FEATURES])} follow the plan of a network, and space "
                f"'{space.name}' has none: take other scores"
            )
        return space

    @cached_property
    def _counter(self) -> PlanCounter:
        return PlanCounter(self._planned)

    @cached_property
    def _joiners(self) -> Mapping[str, Vote | Ranks]:
        """The vote and sums of ranks, with the reference scored: it follows from the seed.

        Raises:
            Fault: hardly any genotype of the space has finite scores.
        """
        rng = generator(self._problem.seed, "zero_cost", "reference")
        seen: list[dict[str, float]] = []
        joiners: dict[str, Vote | Ranks] = {}
        for name, scores in self._joined.items():
            rows: list[list[float]] = []
            for number in range(_DRAWS * self._reference):
                if number == len(seen):
                    share = len(rows) / self._reference
                    self._problem.listener.progress(share, f"scoring the {name}'s reference")
                    seen.append(self.scores(sample(self._problem.space, rng)))
                row = [seen[number][one] for one in scores]
                if all(map(math.isfinite, row)):
                    rows.append(row)
                if len(rows) == self._reference:
                    break
            else:
                raise Fault(
                    f"{name} joins {', '.join(scores)}; of {_DRAWS * self._reference} random "
                    f"genotypes only {len(rows)} have finite ones, which is too few to compare "
                    "with; take other scores"
                )
            columns = map(list, zip(*rows, strict=True))
            kind = Vote if name == _VOTE else Ranks
            joiners[name] = kind(dict(zip(scores, columns, strict=True)))
        return joiners

    def _minibatches(self, batch_size: int) -> list[Batch]:
        """As many as the scores look at."""
        from nascli.data.batches import batches, seeded  # torch, which a wrong name does without

        wanted = max((IMAGES.get(name, 0) for name in self._needed), default=0)
        if not wanted:
            return []
        split = cast(Task, self._problem.task).split("train")
        if len(split) < wanted * batch_size:
            raise Fault(
                f"estimator.batch_size is {batch_size}; for {', '.join(self._needed)} it may be at "
                f"most {len(split) // wanted}, because the training split has "
                f"{counted(len(split), 'image')}"
            )
        generator = seeded(self._problem.seed, "zero_cost")
        accelerator = self._problem.accelerator
        return list(batches(split, batch_size, accelerator, generator=generator, limit=wanted))

    def _check(self, batch_size: int, reference: int) -> None:
        known = [*SCORES, *_COUNTED, *_LIVE]
        for key, names, allowed in (
            ("scores", self._scores, [*known, *RANKED, _VOTE]),
            ("vote", self._vote, known),
        ):
            if not names:
                raise Fault(f"estimator.{key} is empty; it may hold {', '.join(allowed)}")
            for name in names:
                if name not in allowed:
                    raise Fault(unknown(f"score in estimator.{key}", name, allowed))
        for key, value in (("batch_size", batch_size), ("reference", reference)):
            if value < 2:
                raise Fault(f"estimator.{key} is {value}; it must be at least 2")
        if not 0 < self._millions < math.inf:
            raise Fault(f"estimator.swap_millions is {self._millions:g}; it must be above 0")
