"""Before a search: what the networks of its space cost, and whether its constraints can be met."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from nascli.config import own_data, values
from nascli.config.building import Faults
from nascli.core.device import Counting, Device, measures
from nascli.core.estimator import COSTS, MEASURED, Estimator
from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.goal import Constraint
from nascli.core.problem import Problem
from nascli.core.space import Planned
from nascli.core.survey import Survey, survey
from nascli.core.traits import traits_of
from nascli.core.trial import Proposal
from nascli.core.words import counted
from nascli.costs.live import ignores_images
from nascli.report.units import readable, words

_FEW, _MANY = 12, 48  # random networks looked at: to be shown, to judge constraints by
_MOST_BUILT, _MOST_TIMED = 250, 60  # at most, where networks are built, or timed besides
_PLANS, _MOST = 1_000, 4_000  # the same where no network is built: random ones, and at most
_ALL = 20_000  # genotypes of which every one is looked up
_COUNTED, _MOST_COUNTED = 250, 1_000  # where a device counts over plans too
_FAR = 4  # times a bound on a latency that is measured, from which none is looked for
_SEED = 0  # of the random ones: what a percentage comes to is not to depend on the search's seed

if TYPE_CHECKING:
    from nascli.estimators.costs import Costs as Counted

Reason = Callable[[str, Genotype], str]
"""Cost, genotype -> what in its network costs so much; empty if that is not known."""


@dataclass(frozen=True)
class Table:
    """What networks cost, in words."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str | None = None


def with_numbers(
    config: DictConfig,
    problem: Problem,
    estimators: Sequence[Estimator],
    surveyed: Callable[[Table], None],
) -> Problem:
    """The problem with numbers for percentages, which the config gets too.

    Raises:
        Fault: a constraint cannot be met, or is a percentage of something unknown.
    """
    shares = values.shares(config)
    wanted = {*shares, *problem.goal.metrics}
    source = _source(estimators, problem, wanted)
    if source is None:
        if shares:
            bad, known = next(iter(shares)), "no costs without training"
            raise Fault(f"constraints.{bad} is a percentage, but the estimator tells {known}")
        return problem
    try:
        found = _survey(problem, source, wanted, alone=len(estimators) == 1, shares=shares)
    except Fault:
        raise
    except Exception as error:  # a table has no row for it, or a network of the user's is broken
        if isinstance(problem.space, Planned) and not isinstance(error, LookupError):
            raise
        said = f"costs are not known beforehand: {error}"
        if shares:
            raise Fault(f"constraints.{next(iter(shares))} is a percentage, but {said}") from error
        problem.listener.warn(said)
        return problem
    metrics = [metric for metric in COSTS if metric in next(iter(found.looked.values()))]
    lacking = [unknown("cost in constraints", m, metrics) for m in shares if m not in metrics]
    if lacking:
        raise Fault("\n".join(lacking))
    for metric, share in shares.items():
        config.constraints[metric] = share * found.range(metric)[2]
    bounds = values.constraints(config)
    networks = own_data.networks(config, problem, estimators)
    table = _table(found, metrics, bounds, networks)
    notes = [*([table.note] if table.note else [])]
    notes += [_percentage(found, metric, share) for metric, share in shares.items()]
    surveyed(replace(table, note="\n".join(notes) or None))
    _check(found, [c for c in bounds if c.metric in metrics], _reason(problem))
    _warn_of_ignoring(problem, found, bounds)
    return replace(problem, goal=replace(problem.goal, constraints=bounds)) if shares else problem


def _warn_of_ignoring(problem: Problem, found: Survey, bounds: Sequence[Constraint]) -> None:
    """Says so if most of what keeps the bounds are networks that ignore their images."""
    keeping = [g for g in list(found.looked)[: found.random] if found.keeps(g, bounds)]
    ignoring = sum(ignores_images(problem.space, genotype) for genotype in keeping)
    if bounds and 2 * ignoring > len(keeping):
        problem.listener.warn(
            f"warning: {ignoring} of the {counted(len(keeping), 'random network')} that keep the "
            "constraints ignore their images, for no path of operations leads to their output: "
            "those cannot be better than chance; raise the bounds"
        )


def refuse(config: DictConfig, problem: Problem, faults: Faults) -> None:
    """Refuses a bound that is proved to be below every network, before anything is built.

    It needs no torch. Where the estimator may tell costs of its own, nothing is proved.

    Raises:
        Fault: there is such a bound; with what is wrong besides, as far as that is known.
    """
    if faults.found_by(lambda: _refuse_counted(problem)):
        faults.check()
    estimator = values.estimator_class(config)
    if not problem.goal.constraints or estimator is None or traits_of(estimator).immediate:
        return
    declared = vars(estimator).get("metrics")  # known without an instance, or else not at all
    if not isinstance(declared, tuple) or set(COSTS) & set(declared):
        return
    from nascli.estimators.costs import Costs as Counted

    source = Counted(replace(problem, device=_untimed(problem)))
    proved = source.extremes() if source.cheap else {}
    bounds = [c for c in problem.goal.constraints if c.metric in proved]
    found = Survey(problem.space, _told(source), proved=proved)
    for constraint in bounds:
        found.look(proved[constraint.metric][0])
    if faults.found_by(lambda: _check(found, [b for b in bounds if found.impossible(b)])):
        faults.check()


def _counting(problem: Problem) -> Counting | None:
    """The device, if what it tells needs nothing but plans."""
    return problem.device if isinstance(problem.device, Counting) else None


def _untimed(problem: Problem) -> Device | None:
    """The device, unless it times networks."""
    return None if measures(problem.device) else problem.device


def _refuse_counted(problem: Problem) -> None:
    """Raises a Fault if a bound on what a device counts is proved to be below every network."""
    counting, space = _counting(problem), problem.space
    bounds = [c for c in problem.goal.constraints if counting and c.metric in counting.counts]
    if counting is None or not bounds or not isinstance(space, Planned):
        return
    proved = counting.least(space)
    lines = []
    for bound in bounds:
        least, why = proved.get(bound.metric, (0.0, ""))
        if least > bound.maximum:
            given, needed = (readable(bound.metric, v) for v in (bound.maximum, least))
            lines.append(
                f"constraints.{bound.metric} is {given}, but no network is below {needed} "
                f"(this is certain): {why}; raise the bound, or take a smaller space"
            )
    if lines:
        raise Fault("\n".join(lines))


def _reason(problem: Problem) -> Reason:
    """Why a genotype's network costs so much, if its device knows."""
    counting, space = _counting(problem), problem.space
    if counting is None or not isinstance(space, Planned):
        return lambda _metric, _genotype: ""
    return lambda metric, genotype: counting.reason(metric, space, space.plan(genotype))


def _told(source: Estimator) -> Callable[[Genotype], Mapping[str, float]]:
    """Genotype -> what it costs."""

    def costs(genotype: Genotype) -> Mapping[str, float]:
        told = source.estimate(Proposal(genotype))
        return {metric: told[metric] for metric in COSTS if metric in told}

    return costs


def _source(
    estimators: Sequence[Estimator], problem: Problem, wanted: set[str]
) -> Estimator | None:
    """What tells the costs of a genotype without training it; measures only what is wanted."""
    first = estimators[0]
    if not traits_of(first).immediate:
        return None
    if len(estimators) == 1:
        return first
    from nascli.estimators.costs import Costs as Counted

    device = problem.device if wanted & {*MEASURED} else _untimed(problem)
    return Counted(replace(problem, device=device, goal=replace(problem.goal, constraints=())))


def _survey(
    problem: Problem,
    source: Estimator,
    wanted: set[str],
    *,
    alone: bool,
    shares: Mapping[str, float],
) -> Survey:
    """Looks at as many genotypes as a second or so allows; at all of them in a table `alone`."""
    from nascli.estimators.costs import Costs as Counted

    costs = cache(_told(source))
    if isinstance(source, Counted) and not source.cheap:
        _refuse_far(problem, source, costs)
    if isinstance(source, Counted) and source.cheap:
        proved = source.extremes()
        counted = _counting(problem) is not None
        few, most = (_COUNTED, _MOST_COUNTED) if counted else (_PLANS, _MOST)
        return survey(problem.space, costs, _SEED, samples=few, exact=few, most=most, proved=proved)
    constrained, timed = bool(shares or problem.goal.constraints), bool(wanted & {*MEASURED})
    samples = _MANY if constrained and not timed else _FEW
    exact = _ALL if alone else 0
    most = _MOST_TIMED if timed and measures(problem.device) else _MOST_BUILT
    return survey(problem.space, costs, _SEED, samples=samples, exact=exact, most=most)


def _refuse_far(
    problem: Problem, source: Counted, costs: Callable[[Genotype], Mapping[str, float]]
) -> None:
    """Refuses a bound that one measurement shows to be out of reach, before many are made.

    Raises:
        Fault: the network of the fewest multiply-adds takes many times as long.
    """
    for bound in problem.goal.constraints:
        least = source.extremes().get("macs") if bound.metric == "latency_ms" else None
        latency = costs(least[0]).get("latency_ms", 0.0) if least else 0.0
        if latency > _FAR * bound.maximum:
            given, needed = (readable("latency_ms", ms) for ms in (bound.maximum, latency))
            raise Fault(
                f"constraints.latency_ms is {given}, but the network of the fewest multiply-adds "
                f"takes {needed} (measured; no other was looked at): raise the bound"
            )


def _percentage(found: Survey, metric: str, share: float) -> str:
    """What a percentage of a metric came to, and of what it is one."""
    largest = found.range(metric)[2]
    looked = (
        f"the largest of {len(found.looked):,} networks looked at, the same ones for every seed"
    )
    whose = "the largest there is" if found.certain(metric) else looked
    value, of = readable(metric, share * largest), readable(metric, largest)
    return f"constraints.{metric}={100 * share:g}% is {value}, a share of {of}: {whose}"


def _table(
    found: Survey, metrics: Sequence[str], constraints: Sequence[Constraint], networks: str
) -> Table:
    """Per cost least, median and largest, and how many genotypes keep the constraints."""
    bounds = {constraint.metric: constraint.maximum for constraint in constraints}
    header = ["", "least", "median", "largest"] + ["constraint"] * bool(bounds)
    rows = [[words(m), *(readable(m, value) for value in found.range(m))] for m in metrics]
    for metric, row in zip(metrics, rows, strict=True):
        row += [readable(metric, bounds[metric]) if metric in bounds else ""] * bool(bounds)
    looked = "all" if found.exact else str(len(found.looked))
    proved = [words(m) for m in metrics if found.certain(m)] if not found.exact else []
    certain = f"; least and largest {', '.join(proved)} are certain" if proved else ""
    title = f"what networks for {networks} cost; {looked} looked at{certain}"
    known = [c for c in constraints if c.metric in metrics]
    if not known:
        return Table(title, header, rows)
    share, of = found.keep(known), "all" if found.exact else f"{found.random} random ones"
    return Table(title, header, rows, f"{share:.2%} of {of} keep the constraints")


def _check(
    found: Survey,
    constraints: Sequence[Constraint],
    reason: Reason = lambda _metric, _genotype: "",
) -> None:
    """Raises a Fault if no genotype keeps the constraints."""
    if not constraints or found.nearest(constraints)[0] == 0:
        return
    lines = []
    for constraint in constraints:
        excess, genotype = found.nearest([constraint])
        if excess > 0:
            least = readable(constraint.metric, found.look(genotype)[constraint.metric])
            bound = readable(constraint.metric, constraint.maximum)
            certain = found.exact or found.impossible(constraint)
            none = "no network" if certain else "none of those looked at"
            line = f"constraints.{constraint.metric} is {bound}, but {none} is below {least}"
            why = reason(constraint.metric, genotype)
            lines.append(f"{line}: {why}" if why else line)
    if not lines:
        costs = found.look(found.nearest(constraints)[1])
        near = ", ".join(f"{c.metric} {readable(c.metric, costs[c.metric])}" for c in constraints)
        lines.append(f"constraints can be kept each alone but not all at once; nearest: {near}")
    if found.exact:
        lines[-1] += " (all were looked at)"
    elif any(map(found.impossible, constraints)):
        lines[-1] += " (this is certain)"
    else:
        lines[-1] += f" ({len(found.looked)} were looked at, not all)"
    lines[-1] += "; raise the bound"
    raise Fault("\n".join(lines))
