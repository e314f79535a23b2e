"""`nas search`: runs the loop and keeps everything in a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nascli import ui
from nascli.commands import build, images, settings
from nascli.commands.evaluation import Remade, keep_trace
from nascli.commands.feasibility import settle
from nascli.commands.outcome import conclude
from nascli.commands.resume import recorded_config, stoppable
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.loop import Evaluation, Open, Search
from nascli.core.space import size
from nascli.core.traits import traits_of
from nascli.core.trial import Trial
from nascli.runs.environment import initial_files
from nascli.runs.folder import Checkpoint, Run

check = build.search


def main(config: DictConfig, choices: dict[str, str], overrides: Sequence[str]) -> None:
    """Searches, or goes on with the search in `config.resume`; prints the folder's path.

    Raises:
        Fault: the input is wrong, or the disk takes no more.
        KeyboardInterrupt: the user has stopped it; everything is saved.
    """
    if config.resume:
        run = Run.open(Path(config.resume))
        config = recorded_config(run.path, config, overrides)
        parts = build.search(config)
    else:
        parts = build.search(config)
        settle(parts, config)
        label = "_".join(choices[key] for key in ("strategy", "space") if key in choices)
        files = initial_files(config, choices, overrides)
        run = Run.claim(Path(config.outputs), "search", label, files)
    settings.set_threads(config, parts.problem)
    with ui.logging_to(run):
        _search(run, parts, config)
    ui.path(run.path)


def _search(run: Run, parts: build.Parts, config: DictConfig) -> None:
    """The search itself, from wherever the run folder says that it stands."""
    problem, budget, strategy = parts.problem, parts.budget, parts.strategy
    evaluation = Evaluation(problem, parts.estimators, keep_trace)
    remote = traits_of(parts.workers.func).own_processes  # type: ignore[attr-defined]
    with closing(
        parts.workers(Remade.of(config, run.path) if remote else lambda: evaluation)
    ) as workers:
        search = Search(strategy, evaluation, workers, budget)
        genotype = _searched(run, parts, search)
    conclude(run, parts, config, search.history, genotype)


def _searched(run: Run, parts: build.Parts, search: Search) -> Genotype | None:
    """The answer, from wherever the run folder says that the search stands."""
    problem, budget, strategy = parts.problem, parts.budget, parts.strategy
    images.recorded(run, problem.task, tested=False)
    recorded = run.history()
    state = run.load_state("trials", "strategy", "open", "number")
    search.recorded = {trial.number: trial for trial in recorded}
    if state is not None:
        _restore(search, state, recorded, run.path)
    worked = sum(trial.seconds for trial in recorded)
    budget.start(max(worked, state.get("seconds", 0.0) if state else 0.0))
    ui.say(f"searching {problem.space.name} ({size(problem.space):,} genotypes) in {run.path}")
    if recorded:
        ui.say(f"resuming after {len(recorded)} trials")
    checkpoint = Checkpoint(run)

    def state_now() -> dict[str, Any]:
        return {
            "trials": len(search.history),
            "number": search.number,
            "open": {number: waiting.to_json() for number, waiting in search.open.items()},
            "strategy": strategy.state_dict(),
            "seconds": budget.elapsed,
        }

    with (
        _Display(parts, search.history.best(problem.goal)) as display,
        stoppable("search", run.path),
    ):
        problem.listener = ui.Heard(display.step)
        remaining = set(search.recorded)

        def ended(trial: Trial) -> None:
            if trial.number in remaining:
                remaining.discard(trial.number)
            else:
                run.append(trial, used=round(budget.used, 6), elapsed=round(budget.elapsed, 6))
            checkpoint.maybe(state_now)
            display.trial(trial)

        return search.run(ended)


def _restore(search: Search, state: dict[str, Any], recorded: list[Trial], path: Path) -> None:
    """Puts the search back to the checkpoint."""
    told = state["trials"]
    if not isinstance(told, int) or not 0 <= told <= len(recorded):
        ui.say(f"the history has lost trials that state.pt knows of ({len(recorded)} of {told}):")
        ui.say("leaving state.pt aside and taking the search's steps again from the start")
        return
    waiting = {number: Open.from_json(data) for number, data in state["open"].items()}
    search.recorded = {trial.number: trial for trial in recorded[told:]}
    search.restore(recorded[:told], waiting, state["number"])
    try:
        search.strategy.load_state_dict(state["strategy"])
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        text = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise Fault(
            f"state.pt in '{path}' does not belong to this search ({text}); "
            "delete it to resume from the history alone"
        ) from error


class _Display:
    """What the person sees while the search goes on."""

    def __init__(self, parts: build.Parts, best: Trial | None) -> None:
        self._parts = parts
        ends = traits_of(parts.strategy).trials
        limits = [limit for limit in (parts.budget.trials, ends) if limit is not None]
        self._total = min(limits, default=None)
        self._best = best
        self._failed = 0
        self._step = ""

    def __enter__(self) -> _Display:
        self._bar = ui.Progress("trial", self._total)
        self._bar.__enter__()
        return self

    def __exit__(self, *caught: object) -> None:
        self._bar.__exit__(*caught)

    def step(self, done: float, text: str) -> None:
        """How far a long proposal is."""
        self._step = text
        self._bar.update(self._parts.budget.used + min(done, 0.99), self._text)

    def trial(self, trial: Trial) -> None:
        """One more has ended."""
        problem, best = self._parts.problem, self._best
        if best is None or (-trial.fidelity, problem.goal.rank(trial)) < (
            -best.fidelity,
            problem.goal.rank(best),
        ):
            self._best = trial
        self._failed += trial.error is not None
        self._bar.update(self._parts.budget.used, self._text)

    def _text(self) -> str:
        metric = self._parts.problem.goal.objectives[0].metric
        words = [self._step] if self._step else []
        if self._best is not None and metric in self._best.metrics:
            words.append(f"best {metric} {self._best.metrics[metric]:.2f}")
            words += [cost(self._best.metrics)] if "params" in self._best.metrics else []
        words += [f"{self._failed} failed"] if self._failed else []
        return ", ".join(words)


def cost(metrics: Any) -> str:
    """The costs in a few characters."""
    text = f"{metrics['params'] / 1e6:.2f} M params"
    if "latency_ms" in metrics:
        text += f", {metrics['latency_ms']:.2f} ms"
    return text
