"""A training from scratch, from its first weights to its scores."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, cast

from torch import nn

from nascli.core.estimator import COSTS
from nascli.core.fault import Stopped
from nascli.core.genotype import Genotype
from nascli.core.listener import HearsEpochs
from nascli.core.problem import Problem
from nascli.core.provenance import given
from nascli.core.traits import Traits
from nascli.core.trial import Proposal, Trial
from nascli.core.words import counted
from nascli.data.task import Task
from nascli.programs import baselines
from nascli.programs.baselines import SCORES, Networks
from nascli.programs.networks import costs_of, network_of
from nascli.programs.together import whole
from nascli.report.units import readable
from nascli.runs.folder import WEIGHTS, Run
from nascli.training import divergence
from nascli.training.divergence import DivergedError
from nascli.training.fit import fit
from nascli.training.scoring import score
from nascli.training.together import ALONE, Together
from nascli.training.under_way import Epoch, State, best_of, line, over, row

_ROUNDING = 0.2  # percent: a GPU may add up in another order


class FromScratch:
    """Trains a network with the whole recipe and scores the weights as their file gives them back.

    It is an estimator of costs and accuracies whose state is that of the training under way, saved
    after every epoch. The seed is what a proposal knows of itself (`seed`), or else the problem's:
    first weights and the order of the images follow from it. The test split is read here only,
    once the training is over.
    """

    metrics = (*COSTS, *SCORES)
    meaning = ""
    traits = Traits(repeatable=False)

    def __init__(
        self,
        run: Run,
        networks: Networks,
        weights: Callable[[], Mapping[str, Any]] | None = None,
        together: Together = ALONE,
    ) -> None:
        self._weights, self._together = weights, together
        self._run, self._networks, self._problem = run, networks, networks.problem
        self._save: Callable[[], None] = lambda: None
        self._genotype: Genotype | None = None
        self._seed = self._problem.seed
        self._training: State | None = None
        self._scale = 1.0  # of the learning rate
        self._first: list[dict[str, float]] = []  # epochs of the first training, once it is over

    def prepare(self, save: Callable[[], None]) -> None:
        """Nothing is to be done before the first network; `save` is called after every epoch."""
        self._save = save

    def estimate(self, proposal: Proposal) -> Mapping[str, float]:
        """The network's costs, and percent of each split.

        Raises:
            Stopped: the training diverges, with a tenth of the step too.
            RuntimeError: the file does not hold the network that was trained.
        """
        genotype, seed = proposal.genotype, self._seed_of(proposal.metrics)
        if (self._genotype, self._seed) != (genotype, seed):
            self._first = self.first
            self._genotype, self._seed = genotype, seed
            self._training, self._scale = None, 1.0
        problem = self._networks.problem_of(genotype, seed)
        costs = costs_of(problem, genotype)
        size = readable("params", costs["params"])
        begun = "" if self._weights is None else ", from its weights in the supernet,"
        problem.listener.warn(
            f"{self._label()}training a network for {given(problem)} with {size} parameters{begun} "
            f"on {counted(len(cast(Task, problem.task).split('train')), 'image')} for "
            f"{counted(problem.recipe.epochs, 'epoch')} in {self._run.path}"
        )
        while True:
            try:
                network = network_of(problem, genotype)
                if self._weights is not None and self._training is None:
                    network.load_state_dict(self._weights())
                self._train(problem, network)
                break
            except DivergedError as error:
                self._go_back(error)
        return {**costs, **self._scores(problem, network)}

    @property
    def epochs(self) -> list[dict[str, float]]:
        """A row of the report for every epoch there was."""
        return [row(epoch) for epoch in (self._training or {}).get("history", [])]

    @property
    def first(self) -> list[dict[str, float]]:
        """Those of the first training, whose weights are the answer."""
        return self.epochs if self._is_first() else self._first

    def finished(self, trial: Trial) -> bool:
        """Whether what is to be kept of this training is there: its weights, the first's epochs."""
        file = self._networks.weights(trial.genotype, self._seed_of(trial.metrics))
        if file == WEIGHTS and not over(self.first, self._problem.recipe):
            return False
        return file is None or (self._run.place / file).is_file()

    def state_dict(self) -> dict[str, Any]:
        """Which network is being trained, and how far it is."""
        genotype = self._genotype.to_json() if self._genotype else None
        state = {"genotype": genotype, "training": self._training, "scale": self._scale}
        return state if self._networks.alone else {**state, "seed": self._seed, "first": self.first}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on with that training."""
        genotype, self._training = state["genotype"], state["training"]
        if not isinstance(self._training, (dict, type(None))):
            raise TypeError(f"training is {self._training!r:.80}; it must be a mapping")
        self._scale = float(state.get("scale", 1.0))
        self._genotype = Genotype.from_json(genotype) if genotype else None
        self._seed = int(state.get("seed", self._problem.seed))
        self._first = [dict(row) for row in state.get("first", ())]

    def _seed_of(self, known: Mapping[str, float]) -> int:
        return int(known.get("seed", self._problem.seed))

    def _is_first(self) -> bool:
        return (self._genotype, self._seed) == (self._networks.genotype, self._problem.seed)

    def _label(self) -> str:
        """Which training it is, where there are several."""
        if self._networks.alone or self._genotype is None:
            return ""
        return f"{self._networks.name(self._genotype)}, seed {self._seed}: "

    def _go_back(self, error: DivergedError) -> None:
        """To the last good epoch, once, with a tenth of the step."""
        epochs, recipe = len(self.epochs), self._problem.recipe
        if self._scale < 1.0:
            if not self._is_first():
                raise error  # one of several that failed
            raise Stopped(divergence.again(epochs, error, recipe)) from error
        self._scale = divergence.TENTH
        self._save()
        self._problem.listener.warn(divergence.back(epochs, error))

    def _train(self, problem: Problem, network: nn.Module) -> None:
        """All epochs that are left; weights that are kept are in the run folder afterwards."""
        task, recipe, hear = cast(Task, problem.task), problem.recipe, problem.listener.progress
        train, valid, told = task.split("train"), task.split("valid"), ""

        def ended(epoch: Epoch, checkpoint: State) -> None:
            nonlocal told
            self._training = copy.deepcopy(checkpoint)  # its tensors go on being trained
            self._save()
            told = self._label() + line(epoch)
            self._run.log(told)
            if isinstance(problem.listener, HearsEpochs):
                name = self._label().removesuffix(": ") or "training"
                problem.listener.epoch(name, self.epochs[-1])
            hear(epoch.number / recipe.epochs, told)

        with whole(self._together, self._run.path):
            self._together.tell({**self.state_dict(), "seed": problem.seed})
            fit(
                network,
                train,
                valid if len(valid) else None,
                recipe,
                accelerator=problem.accelerator,
                seed=problem.seed,
                on_epoch=ended,
                progress=lambda done, _text: hear(done, told),
                state=self._training,
                scale=self._scale,
                together=self._together,
            )
        rows = self.epochs
        if len(rows) < recipe.epochs:
            best = best_of([row["valid_accuracy"] for row in rows]) + 1
            problem.listener.warn(
                f"{self._label()}ended after {counted(len(rows), 'epoch')}: none of the last "
                f"{recipe.patience} was better than epoch {best}, whose weights are kept"
            )
        if (file := self._file()) is not None:
            self._run.save(file, network.state_dict())

    def _file(self) -> str | None:
        """Where the weights of this training are kept."""
        assert self._genotype is not None
        return self._networks.weights(self._genotype, self._seed)

    def _scores(self, problem: Problem, network: nn.Module) -> dict[str, float]:
        """The accuracies of the weights, as their file gives them back if they are kept."""
        task, accelerator = cast(Task, problem.task), problem.accelerator
        validated = [row["valid_accuracy"] for row in self.epochs if "valid_accuracy" in row]
        if validated:
            trained = validated[best_of(validated) if problem.recipe.patience else -1]
        else:  # what the epochs say of the training split is of other weights
            trained = score(network, task.split("train"), accelerator).accuracy
        if self._genotype is not None and (file := self._file()) is not None:
            network = network_of(problem, self._genotype)
            network.load_state_dict(self._run.load(file))
        found = {
            f"{name}_accuracy": score(network, task.split(name), accelerator).accuracy
            for name in baselines.there(task)
        }
        reloaded = found.get("valid_accuracy", found["train_accuracy"])
        if abs(reloaded - trained) > _ROUNDING:
            raise RuntimeError(
                f"the reloaded weights score {reloaded} %, the trained ones {trained} %"
            )
        return found
