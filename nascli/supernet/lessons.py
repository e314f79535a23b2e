"""What the paths of a step learn from: labels, and what the largest network says.

Yu et al., BigNAS, ECCV 2020 (arXiv 2003.11142), section 3.1: in-place distillation; Cai et al.,
Once-for-All, ICLR 2020 (arXiv 1908.09791), section 3.2: distillation from the largest network.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nascli.core.genotype import Genotype
from nascli.core.supernet import Elastic, Sampler, Staged, Supernet
from nascli.core.traits import traits_of
from nascli.data.batches import Batch
from nascli.supernet.training import WeightTraining


class Lessons:
    """The losses of a step's paths, by the sampler's trait `distils`.

    Where the sampler is `Staged` it notices a change of stage: from the first on the largest
    network as it was then is the teacher, and before a stage of widths channels are sorted.

    Args:
        sampler: draws the paths.
        training: trains the supernet.
        supernet: what is trained.
    """

    def __init__(self, sampler: Sampler, training: WeightTraining, supernet: Supernet) -> None:
        self._sampler, self._training, self._supernet = sampler, training, supernet
        self._distils = traits_of(sampler).distils
        self._stage = ""  # the name of the one that was entered last
        self._teacher: Supernet | None = None

    def losses(self, batch: Batch, progress: float) -> Iterator[Tensor]:
        """The loss of every path of the step at `progress`, in turn."""
        self._enter(progress)
        paths = self._sampler.paths(progress)
        return self._first(batch, paths) if self._distils == "first" else self._all(batch, paths)

    def _enter(self, progress: float) -> None:
        """Does what a new stage asks for."""
        stage = self._sampler.stage(progress) if isinstance(self._sampler, Staged) else None
        if stage is None or stage.name == self._stage:
            return
        self._stage = stage.name
        if self._distils == "largest" and self._teacher is None:
            self._teacher = copy.deepcopy(self._supernet)
        if stage.sorts and isinstance(self._supernet, Elastic):
            self._supernet.sort_channels()
            self._training.forget()

    def _first(self, batch: Batch, paths: Sequence[Genotype]) -> Iterator[Tensor]:
        """Labels for the first path; for the others what it said of the same images."""
        logits, loss = self._evaluated(batch, paths[0])
        soft = _exact(logits.detach()).softmax(1)  # (B, classes)
        yield loss
        for genotype in paths[1:]:
            logits, _ = self._evaluated(batch, genotype)
            yield cross_entropy(_exact(logits), soft)

    def _all(self, batch: Batch, paths: Sequence[Genotype]) -> Iterator[Tensor]:
        """Labels for all of them; where there is a teacher, what it says counts as much."""
        soft = None if self._teacher is None else self._said(batch, self._teacher)
        for genotype in paths:
            logits, loss = self._evaluated(batch, genotype)
            yield loss if soft is None else loss + cross_entropy(_exact(logits), soft)

    def _evaluated(self, batch: Batch, genotype: Genotype) -> tuple[Tensor, Tensor]:
        return self._training.loss(batch, [self._supernet.path(genotype)])

    def _said(self, batch: Batch, teacher: Supernet) -> Tensor:
        """The teacher's soft labels (B, classes), by the statistics of the batch itself."""
        assert isinstance(teacher, Elastic)
        path = teacher.path(teacher.largest())
        with torch.no_grad():
            return _exact(self._training.loss(batch, [path], teacher)[0]).softmax(1)

    def state_dict(self) -> dict[str, Any]:
        """The stage, and the teacher if there is one."""
        teacher = {} if self._teacher is None else {"teacher": self._teacher.state_dict()}
        return {"stage": self._stage, **teacher}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave; nothing, if an earlier version has saved it."""
        self._stage = str(state.get("stage", ""))
        self._teacher = None
        if "teacher" in state:
            self._teacher = copy.deepcopy(self._supernet)
            self._teacher.load_state_dict(state["teacher"])


def _exact(logits: Tensor) -> Tensor:
    """What was computed in bfloat16 in float32."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
