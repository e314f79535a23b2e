"""Trainings in processes of their own, each of which keeps how far it is in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping

from nascli.core.estimator import COSTS
from nascli.core.genotype import Genotype
from nascli.core.traits import Traits
from nascli.core.trial import Proposal, Trial
from nascli.programs.baselines import SCORES, Networks
from nascli.programs.from_scratch import FromScratch
from nascli.runs.folder import Run


class Apart:
    """Trains as `FromScratch` does, saving every training under `trainings/` in the run folder.

    So whatever ends such a process, whoever takes the training up again goes on at its last whole
    epoch. The first training's file stays when it is over: its epochs are those of the report.
    """

    metrics = (*COSTS, *SCORES)
    meaning = ""
    traits = Traits(repeatable=False)

    def __init__(self, run: Run, networks: Networks) -> None:
        self._run, self._networks = run, networks

    def estimate(self, proposal: Proposal) -> Mapping[str, float]:
        """The network's costs, and percent of each split; raises as `FromScratch` does."""
        training = self._gone_on_with(proposal.genotype, proposal.metrics)
        file = self._file(proposal.genotype, proposal.metrics)
        training.prepare(lambda: self._run.save_state(training.state_dict(), file))
        return training.estimate(proposal)

    @property
    def first(self) -> list[dict[str, float]]:
        """A row of the report for every epoch of the first training."""
        networks = self._networks
        return self._gone_on_with(networks.genotype, {"seed": networks.problem.seed}).first

    def finished(self, trial: Trial) -> bool:
        """Whether what is to be kept of this training is there."""
        return self._gone_on_with(trial.genotype, trial.metrics).finished(trial)

    def recorded(self, trial: Trial) -> None:
        """Drops what is only needed to go on with a training that is on record by now."""
        if trial.number and trial.error is None:
            self._run.remove(self._file(trial.genotype, trial.metrics))

    def _gone_on_with(self, genotype: Genotype, known: Mapping[str, float]) -> FromScratch:
        """The training of a network, at its last whole epoch."""
        training = FromScratch(self._run, self._networks)
        state = self._run.load_state("genotype", "training", name=self._file(genotype, known))
        if state is not None:
            training.load_state_dict(state)
        return training

    def _file(self, genotype: Genotype, known: Mapping[str, float]) -> str:
        seed = int(known.get("seed", self._networks.problem.seed))
        return f"trainings/{self._networks.trainings.index((genotype, seed))}.pt"
