"""Devices: the hardware that a network is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from nascli.core.plan import Layer, Plan

if TYPE_CHECKING:
    from torch import nn

    from nascli.core.space import Planned


@dataclass(frozen=True, slots=True)
class Latency:
    """Measured milliseconds of one forward pass, and under which conditions.

    `conditions` holds threads, dtype, batch and the runtime's version.
    """

    median_ms: float
    p10_ms: float
    p90_ms: float
    repeats: int
    conditions: Mapping[str, str | int] = field(default_factory=dict)


@dataclass
class Latencies:
    """What every layer of a space takes on a device: measured once a search, for all who ask.

    `keep` is called with the rows as soon as they are measured.
    """

    rows: dict[Layer, Latency] = field(default_factory=dict)
    keep: Callable[[Mapping[Layer, Latency]], None] = lambda _rows: None


class Device(Protocol):
    """Hardware on which a network's forward pass can be timed."""

    @property
    def name(self) -> str:
        """The config's name of the device."""

    def latency(self, network: nn.Module, input_shape: tuple[int, ...]) -> Latency:
        """The latency of one forward pass over (batch, *input_shape); the batch is the device's."""

    def latencies(self, cases: Sequence[tuple[nn.Module, tuple[int, ...]]]) -> list[Latency]:
        """The same for many modules, in interleaved rounds so that drift hits all alike."""


@runtime_checkable
class Located(Protocol):
    """A device that can tell whether its hardware is within reach."""

    def check(self) -> None:
        """Raises a Fault if it is not."""


@runtime_checkable
class Counting(Protocol):
    """A device that times nothing: what networks cost on it follows from their plans."""

    @property
    def counts(self) -> tuple[str, ...]:
        """The costs that it tells."""

    @property
    def limits(self) -> Mapping[str, float]:
        """Cost -> the most that the hardware has, of those where it is known."""

    def count(self, space: Planned, plan: Plan) -> Mapping[str, float]:
        """What the network of a genotype's `plan` costs.

        Raises:
            Fault: it is not known of one of its operations.
        """

    def least(self, space: Planned) -> Mapping[str, tuple[float, str]]:
        """Cost -> a bound that no network of the space is below, and why; only what is proved."""

    def reason(self, cost: str, space: Planned, plan: Plan) -> str:
        """What in the network of `plan` costs so much; empty if there is no one thing."""


def times(device: Device | None) -> bool:
    """Whether there is a device that has a latency to tell."""
    return device is not None and not isinstance(device, Counting)


def available(device: Device | None) -> None:
    """Whether what is to be measured with is there, as far as it can tell.

    Raises:
        Fault: it is not.
    """
    if isinstance(device, Located):
        device.check()
