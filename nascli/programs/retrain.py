"""Trains a genotype from scratch and scores it once on the test split."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from nascli.core.budget import Budget
from nascli.core.device import Counting
from nascli.core.evaluation import Evaluation
from nascli.core.genotype import Genotype
from nascli.core.goal import Goal, Objective
from nascli.core.listed import Listed
from nascli.core.loop import Search
from nascli.core.problem import Problem
from nascli.core.space import SearchSpace
from nascli.core.traits import traits_of
from nascli.core.trial import Open, Proposal, Trial
from nascli.core.words import command
from nascli.core.workers import Evaluate, Workers
from nascli.data.task import Task
from nascli.programs import baselines, images, quantised, retrained
from nascli.programs.apart import Apart
from nascli.programs.baselines import SCORES, Networks
from nascli.programs.from_scratch import FromScratch
from nascli.programs.networks import costs_of, network_of
from nascli.programs.recording import Hire, kept_by, looped
from nascli.programs.reporting import Then, write_report
from nascli.programs.tested import tested
from nascli.programs.threads import computing_with
from nascli.programs.trained import card_of
from nascli.report import baselines as words
from nascli.runs import card as cards
from nascli.runs.folder import WEIGHTS, Run
from nascli.training.together import ALONE, Together
from nascli.workers.serial import Serial


def serial(evaluation: Evaluate, _path: Path) -> Workers:
    """Trainings one after another, in this process."""
    return Serial(lambda: evaluation)


@dataclass(frozen=True)
class Parts:
    """All that a training from scratch is made of; `settings` is its config as plain data.

    `seeds`, `baselines` and `known` are as in `nascli.programs.baselines.Networks`. `sizes` are
    those of the network in the search that found it, and now; None without such a search. `then`
    gives the command line of another verb for what comes of this one. `weights` gives what the
    network starts from; None: from scratch. `workers` are where trainings run;
    `together` the processes that train each network.
    """

    problem: Problem
    genotype: Genotype
    threads: int | None
    settings: Mapping[str, Any]
    seeds: int = 1
    baselines: Mapping[str, Genotype] = field(default_factory=dict)
    known: SearchSpace | None = None
    sizes: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None
    then: Then = command
    weights: Callable[[], Mapping[str, Any]] | None = None
    workers: Hire = serial
    together: Together = ALONE

    @property
    def networks(self) -> Networks:
        """All that is trained."""
        problem = trained(self.problem)
        return Networks(problem, self.genotype, self.seeds, self.baselines, self.known)


def trained(problem: Problem) -> Problem:
    """That of a training: nothing is chosen, so any split may say how good a network is."""
    return replace(problem, goal=Goal((Objective("train_accuracy", "max"),)), fidelity=1.0)


def retrain(run: Run, parts: Parts) -> dict[str, Any]:
    """Trains, or goes on with the training that is in the folder; gives the report.

    Raises:
        Fault: the folder is of another training, or the disk takes no more.
        RuntimeError: the training failed.
    """
    start, genotype, networks = time.monotonic(), parts.genotype, parts.networks
    images.record(run, parts.problem, tested=True)
    _write_card(run, parts.problem, genotype)
    problem, listed = networks.problem, networks.trainings
    here = FromScratch(run, networks, parts.weights, parts.together)
    training: FromScratch | Apart = here
    evaluation = Evaluation(problem, [here], kept_by(run))
    seeds = [{} if networks.alone else {"seed": seed} for _, seed in listed]
    strategy = Listed(problem, [one for one, _ in listed], seeds)
    for said in [] if networks.alone else networks.plan():
        problem.listener.warn(said)

    def keep(trial: Trial) -> bool:
        """A training that failed is taken up again."""
        return trial.error is None and training.finished(trial)

    def on_record(trial: Trial) -> None:
        if isinstance(training, Apart):
            training.recorded(trial)
        if trial.number == 0 and trial.error is not None and not networks.alone:
            raise RuntimeError(
                "the first training failed, without which there is nothing to compare: "
                f"{trial.error} (see log.txt in {run.path})"
            )

    def older(state: dict[str, Any]) -> dict[str, Any]:
        """What was saved before trainings were trials."""
        if "training" not in state:
            return state
        waiting = {0: Open(Proposal(genotype)).to_json()}
        trained = {"genotype": genotype.to_json(), "training": state["training"]}
        before = {"trials": 0, "number": 1, "open": waiting, "strategy": {"next": 1}}
        return {**before, "estimators": [trained]}

    with computing_with(parts.threads, problem):
        with closing(parts.workers(evaluation, run.place)) as workers:
            if traits_of(workers).own_processes:
                evaluation = apart(run, networks)
                training = cast(Apart, evaluation.estimators[0])
            loop = Search(strategy, evaluation, workers, Budget(), what="trainings")
            looped(
                run, loop,
                keep=keep, older=older, budgeted=False, spaces=networks.others, on_record=on_record,
            )  # fmt: skip
        parts.together.leave()
        trials = sorted(loop.history, key=lambda trial: trial.number)
        if (error := trials[0].error) is not None:
            raise RuntimeError(f"the training failed: {error} (see log.txt in {run.path})")
        seconds = round(time.monotonic() - start, 3)
        report = baselines.report(networks, trials, training.first, seconds)
        network = network_of(problem, genotype)
        network.load_state_dict(run.load(WEIGHTS))
        report["test"] = tested(problem, network)
        if isinstance(problem.device, Counting):
            quantised.add(report, problem, genotype, network)
        if parts.sizes is not None and not networks.alone:
            report["sizes"] = words.compared(*parts.sizes)
        write_report(run, retrained.content(run, parts, report, trials))
        return report


def apart(run: Run, networks: Networks) -> Evaluation:
    """Trains in processes of their own; each of them makes one of these."""
    return Evaluation(networks.problem, [Apart(run, networks)], kept_by(run))


def told(parts: Parts, trial: Trial) -> str:
    """How a training ended, in a line."""
    name, seed = parts.networks.name(trial.genotype), trial.metrics.get("seed", parts.problem.seed)
    said = trial.error or f"test accuracy {trial.metrics[SCORES[-1]]:.2f} %"
    return f"{name}, seed {seed:g}: {said}"


def _write_card(run: Run, problem: Problem, genotype: Genotype) -> None:
    """What somebody must know who uses the network without these data."""
    task = cast(Task, problem.task)
    known = costs_of(replace(problem, device=None), genotype)  # timed once, by the trial
    description = problem.space.describe(genotype)
    card = card_of(task.split("train"), description, task.name, task.class_names, known)
    run.write_json(cards.FILE, card.to_json())
