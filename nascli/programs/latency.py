"""A network on a device: measured now, beside what was predicted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nascli.core.device import Device, Latency, LooksUp, Predicting, unsteady
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.space import Planned
from nascli.costs.conditions import scale
from nascli.costs.latency_table import layered, measured
from nascli.programs.networks import network_of

if TYPE_CHECKING:
    from torch import nn


class Built(Sequence[Any]):
    """The networks of genotypes with the shape of an image, each built when a device asks for it.

    What a device does to make a network ready may take seconds; `each` hears how many are done.
    """

    def __init__(
        self,
        problem: Problem,
        genotypes: Sequence[Genotype],
        each: Callable[[int], None] = lambda _number: None,
    ) -> None:
        self._problem, self._genotypes, self._each = problem, genotypes, each
        self._made: dict[int, nn.Module] = {}

    def __len__(self) -> int:
        return len(self._genotypes)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[n] for n in range(len(self))[number]]
        genotype = self._genotypes[number]
        if number not in self._made:
            self._each(number)
            self._made[number] = network_of(self._problem, genotype).eval()
        return self._made[number], self._problem.task.input_shape

    def __iter__(self) -> Iterator[Any]:
        return (self[number] for number in range(len(self)))


def beside(
    problem: Problem, genotype: Genotype, device: Device | None, told: float | None
) -> dict[str, Any]:
    """What the network takes on `device` now, as it is deployed, and was said to; for the report.

    `told` is the latency that the search went by. Where it was measured, the sum of the layers'
    rows is beside it, if they add up; where it was predicted, that is it. Anchors are measured in
    the same rounds once more: how fast the machine is may have changed since the search began.
    Empty where nothing can be measured and nothing was told.
    """
    found: dict[str, Any] = {}
    problem = problem.as_deployed
    source = problem.device
    if isinstance(source, LooksUp):
        how = source.how if isinstance(source, Predicting) else f"device={source.name}"
        predicted = told
    else:
        predicted, how = _sum(problem, genotype), "sum of the layers' rows"
        found |= {} if told is None else {"in_search_ms": told}
    if device is not None:
        latency, slower = _timed(problem, genotype, device)
        if slower is not None and predicted is not None:
            found["predicted_now_ms"] = predicted * slower
        found |= {
            "measured_ms": latency.ms,
            "median_ms": latency.median_ms,
            "p10_ms": latency.p10_ms,
            "p90_ms": latency.p90_ms,
            "repeats": latency.repeats,
            "device": device.name,
        }
        spoilt = unsteady([latency], "network")
        found |= {"uncertain": spoilt} if spoilt else {}
    if predicted is not None:
        found |= {"predicted_ms": predicted, "predicted_by": how}
    if predicted is not None and device is not None:
        found["error"] = predicted / found["measured_ms"] - 1
    if "predicted_now_ms" in found:
        found["error_now"] = found["predicted_now_ms"] / found["measured_ms"] - 1
    return found


def _timed(problem: Problem, genotype: Genotype, device: Device) -> tuple[Latency, float | None]:
    """The network's latency, and how many times as slow as predictions say the machine is now.

    Anchors in the same rounds tell; None where there are none, or they disagree.
    """
    source = problem.device
    if not isinstance(source, Predicting) or not (anchors := source.anchors):
        return device.latency(*Built(problem, [genotype])[0]), None
    again = device.latencies(Built(problem, [genotype, *(anchor for anchor, _ in anchors)]))
    try:
        now, _ = scale([ms for _, ms in anchors], again[1:])
    except Fault:
        return again[0], None
    return again[0], now / (source.scale or 1.0)


def _sum(problem: Problem, genotype: Genotype) -> float | None:
    """The sum of the layers' rows, where they add up and the network has a plan."""
    if not layered(problem.device) or not isinstance(problem.space, Planned):
        return None
    try:
        return measured(problem).sum_ms(problem.space.plan(genotype))
    except Fault:  # a layer of a network that the space knows besides those it searches
        return None
