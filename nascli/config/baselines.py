"""What is trained beside a network to say how good it is: random genotypes and known networks."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from omegaconf import DictConfig

from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.space import SearchSpace, at, mutate, sample, size
from nascli.core.trial import Proposal
from nascli.estimators.costs import Costs
from nascli.networks.known import NAMES, Known

RANDOM = "random"
_FEW = 5
WITHIN = 0.1  # of the network's parameters
_WALKED = 20_000  # genotypes: spaces up to this size are looked at whole
_PLANNED, _BUILT = 5_000, 500  # that are looked at of others: by their plans, or each one built
_STEPS = 20  # of a walk, for every decision


@dataclass(frozen=True)
class Named:
    """Which baselines are asked for, and how many trainings each gets."""

    seeds: int
    random: int
    networks: tuple[str, ...]


def named(config: DictConfig) -> Named:
    """What a config asks for; one of an earlier version asks for nothing.

    Raises:
        Fault: all that is wrong with it.
    """
    few, names = config.get("random_genotypes"), list(config.get("baselines", ()))
    numbers = {"seeds": config.get("seeds", 1), "random_genotypes": _FEW if few is None else few}
    faults = [
        f"{key} is {value}; it must be a whole number of at least 1"
        for key, value in numbers.items()
        if value < 1
    ]
    allowed = (RANDOM, *NAMES)
    faults += [unknown("baseline", name, allowed) for name in names if name not in allowed]
    if few is not None and RANDOM not in names:
        faults.append(f"random_genotypes is {few}, but no baseline is: baselines=[{RANDOM}]")
    twice = sorted({name for name in names if names.count(name) > 1})
    faults += [f"baselines has {name} more than once; name each a single time" for name in twice]
    if faults:
        raise Fault("\n".join(faults))
    drawn = numbers["random_genotypes"] if RANDOM in names else 0
    return Named(numbers["seeds"], drawn, tuple(name for name in names if name != RANDOM))


def known(problem: Problem) -> Known:
    """The space of known networks, for the problem's images."""
    return Known(problem.task)


def genotypes(asked: Named, problem: Problem, genotype: Genotype) -> dict[str, Genotype]:
    """Name -> genotype of every baseline; random ones follow from the problem's seed.

    The problem's listener hears of it if there are fewer random ones than were asked for.

    Raises:
        Fault: a network cannot take the images, or no random genotype is of this size.
    """
    space, found, faults = known(problem), dict[str, Genotype](), []
    if asked.random:
        drawn = _drawn(problem, genotype, asked.random)
        found = {f"{RANDOM} {number}": one for number, one in enumerate(drawn, start=1)}
    for name in asked.networks:
        found[name] = space.genotype(name)
        try:
            space.check(found[name], min(2, problem.recipe.batch_size))
        except Fault as fault:
            faults.append(str(fault))
    if faults:
        raise Fault("\n".join(faults))
    return found


def _drawn(problem: Problem, genotype: Genotype, number: int) -> list[Genotype]:
    """So many other genotypes of about as many parameters, of different functions.

    Random ones are taken where they are of this size. In a large space in which they are too rare,
    random walks find others: mutations that come no farther from the band of sizes, and then any
    that stay in it (Metropolis et al., 1953, for the uniform distribution over the band).
    """
    space, costs = problem.space, Costs(replace(problem, device=None))
    whole = costs.cheap and size(space) <= _WALKED
    tries = size(space) if whole else _PLANNED if costs.cheap else _BUILT
    rng, taken = random.Random(f"{problem.seed}/baselines"), {space.canonical(genotype)}
    found: list[Genotype] = []

    def params(one: Genotype) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of operations that have no multiply-adds
            return costs.estimate(Proposal(one))["params"]

    wanted = params(genotype)

    def beyond(one: Genotype) -> float:
        """By how many parameters it is too large or too small."""
        return max(0.0, abs(params(one) - wanted) - WITHIN * wanted)

    def walked() -> Genotype:
        one = sample(space, rng)
        far = beyond(one)
        for _ in range(_STEPS * len(space.decisions)):
            other = mutate(space, one, rng)
            if (there := beyond(other)) <= far:
                one, far = other, there
        return one

    def take(candidates: Iterable[Genotype]) -> None:
        for one in candidates:
            if (alike := space.canonical(one)) not in taken and not beyond(one):
                taken.add(alike)
                found.append(one)
                if len(found) == number:
                    return

    take(_candidates(space, rng, tries))
    if len(found) < number and costs.cheap and not whole:
        take(walked() for _ in range(2 * (number - len(found))))
    looked = "in all of the space" if whole else f"among {tries} drawn"
    few = (
        f"other genotypes of space {space.name} within {WITHIN:.0%} of its {wanted:,.0f} parameters"
    )
    if not found:
        raise Fault(f"baselines: there are no {few} {looked}; leave random out")
    if len(found) < number:
        warn = problem.listener.warn
        warn(f"{len(found)} {few} {looked}, not {number}: these are the baselines")
    return found


def _candidates(space: SearchSpace, rng: random.Random, tries: int) -> Iterator[Genotype]:
    """Random genotypes: all of a space that is no larger, each once."""
    there = size(space)
    if there <= tries:
        return (at(space, number) for number in rng.sample(range(there), there))
    return (sample(space, rng) for _ in range(tries))
