"""Devices: the hardware that a network is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from nascli.core.plan import Layer, Plan, Shape

if TYPE_CHECKING:
    from torch import nn

    from nascli.core.genotype import Genotype
    from nascli.core.space import Planned, SearchSpace

EAGER = "eager"
"""The runtime that computes a network layer by layer, so that times of layers add up."""

_ADDING = (EAGER, "cuda graphs")
_UNSTEADY = 2.0  # times the lower quartile, beyond which a 90th percentile says: not alone here
_FAR = 10.0  # times what a pass took, which at no speed of a machine it would take beside others
_JITTER_MS = 0.02  # what clock and scheduler add to the shortest of passes


@dataclass(frozen=True, slots=True)
class Latency:
    """Measured milliseconds of one forward pass, and under which conditions.

    `conditions` holds threads, dtype, batch, runtime and the runtime's version.
    `lower_quartile_ms` is None where it was not recorded; where several networks were timed in the
    same rounds, it is that of the machine's states (see `nascli.devices.measuring.levelled`), which
    can lie outside of the pass's own quantiles. `half_width` is half of its 95 % interval, as a
    share of it, beside what was measured with it; None where that is not known.
    """

    median_ms: float
    p10_ms: float
    p90_ms: float
    repeats: int
    conditions: Mapping[str, str | int] = field(default_factory=dict)
    lower_quartile_ms: float | None = None
    half_width: float | None = None

    @property
    def ms(self) -> float:
        """What stands for it: the lower quartile, since whatever else runs only ever adds time."""
        return self.median_ms if self.lower_quartile_ms is None else self.lower_quartile_ms

    def times(self, factor: float) -> Latency:
        """The same at another speed of the machine."""
        return replace(
            self,
            median_ms=factor * self.median_ms,
            p10_ms=factor * self.p10_ms,
            p90_ms=factor * self.p90_ms,
            lower_quartile_ms=factor * self.ms,
        )

    @property
    def in_order(self) -> bool:
        """Whether these can be figures of one pass."""
        least, most = self.p10_ms / _FAR - _JITTER_MS, _FAR * self.p90_ms + _JITTER_MS
        return self.p10_ms <= self.median_ms <= self.p90_ms and least <= self.ms <= most

    @property
    def steady(self) -> bool:
        """Whether its passes agree; if not, other work was in the way of most of them."""
        return self.p90_ms <= _UNSTEADY * self.ms + _JITTER_MS


@dataclass(frozen=True, slots=True)
class Kernel:
    """What a runtime says of one convolution of a network that it runs.

    Args:
        name: "conv 3x3" or "depthwise 3x3", which has a filter for each channel.
        inside: (channels, height, width) of what it reads.
        shape: the same of its result. Runtimes fill channels up to multiples of a vector.
        share: of the time that all kernels of the network take.
    """

    name: str
    inside: Shape
    shape: Shape
    share: float


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
class Adding(Protocol):
    """A device that can time layers of one network, of which the sum has to be known."""

    def parts(self, cases: Sequence[tuple[nn.Module, tuple[int, ...]]]) -> list[Latency]:
        """As `Device.latencies`, but no longer than until the sum of all is known well enough."""


@runtime_checkable
class Tracing(Protocol):
    """A device whose runtime tells what the kernels of a network take."""

    def traced(
        self, cases: Sequence[tuple[nn.Module, tuple[int, ...]]]
    ) -> tuple[list[Latency], list[tuple[Kernel, ...]]]:
        """As `Device.latencies`, and the convolutions of each network."""


@runtime_checkable
class Stated(Protocol):
    """A device that knows without measuring what its times depend on."""

    def conditions(self) -> Mapping[str, str | int]:
        """Those of a `Latency` that it would measure now."""


@runtime_checkable
class Metered(Protocol):
    """A device that can tell the energy of a pass, by a counter of what its hardware uses."""

    @property
    def energy(self) -> bool:
        """Whether it is asked to."""

    def energy_mj(self, network: nn.Module, input_shape: tuple[int, ...]) -> float:
        """Millijoules of one forward pass over (batch, *input_shape), all of the hardware's.

        Raises:
            Fault: the counter cannot be read.
        """


def adds_up(conditions: Mapping[str, object]) -> bool:
    """Whether times of layers add up to that of a network; not where a runtime fuses layers.

    A sum was 89 % off on onnxruntime (median over networks of NAS-Bench-201).
    """
    return conditions.get("runtime", EAGER) in _ADDING


@runtime_checkable
class Located(Protocol):
    """A device that can tell whether its hardware is within reach."""

    def check(self) -> None:
        """Raises a Fault if it is not."""


@runtime_checkable
class LooksUp(Protocol):
    """A device whose latencies are known of genotypes; it measures nothing, and needs no torch."""

    @property
    def name(self) -> str:
        """The config's name of the device."""

    @property
    def notice(self) -> str:
        """What its readers must know of all its latencies; empty for nothing."""

    def fits(self, space: SearchSpace) -> None:
        """Raises a Fault if it does not know the networks of `space`."""

    def latency_ms(self, genotype: Genotype) -> float:
        """The latency of the genotype's network."""

    def doubt(self, genotype: Genotype) -> str:
        """Why that is not to be believed; empty if it is."""


@runtime_checkable
class Predicting(LooksUp, Protocol):
    """One whose latencies come from networks or layers that were measured before, somewhere."""

    @property
    def how(self) -> str:
        """How it tells what networks take, in words."""

    @property
    def scale(self) -> float | None:
        """How many times what was measured then networks take now; None: that is not known yet."""

    @property
    def anchors(self) -> Sequence[tuple[Genotype, float]]:
        """Networks to measure again, to find that out, with the milliseconds that they took."""

    def conditions(self) -> Mapping[str, str | int]:
        """Under which everything was measured."""

    def constant_ms(self) -> float:
        """What every network takes, whatever its layers; `fits` comes first."""

    def layer_ms(self, layer: Layer) -> float:
        """What a layer adds to that, or an addition or a concatenation; `fits` comes first."""


@runtime_checkable
class Counting(Protocol):
    """A device that times nothing: what networks cost on it follows from their plans."""

    @property
    def name(self) -> str:
        """The config's name of the device."""

    @property
    def counts(self) -> tuple[str, ...]:
        """The costs that it tells."""

    @property
    def limits(self) -> Mapping[str, float]:
        """Cost -> the most that the hardware has, of those where it is known."""

    def fits(self, space: SearchSpace) -> None:
        """Raises a Fault if it cannot count the networks of `space`."""

    def count(self, space: Planned, plan: Plan) -> Mapping[str, float]:
        """What the network of a genotype's `plan` costs.

        Raises:
            Fault: it is not known of one of its operations.
        """

    def least(self, space: Planned) -> Mapping[str, tuple[float, str]]:
        """Cost -> a bound that no network of the space is below, and why; only what is proved."""

    def details(self, space: Planned, plan: Plan) -> Mapping[str, Any]:
        """All of that place by place, as plain data for a report."""

    def reason(self, cost: str, space: Planned, plan: Plan) -> str:
        """What in the network of `plan` costs so much; empty if there is no one thing."""


def times(device: Device | None) -> bool:
    """Whether there is a device that has a latency to tell."""
    return device is not None and not isinstance(device, Counting)


def measures(device: Device | None) -> bool:
    """Whether there is a device that times networks."""
    return times(device) and not isinstance(device, LooksUp)


def metered(device: Device | None) -> Metered | None:
    """The device, if it is asked for the energy of networks."""
    return device if isinstance(device, Metered) and device.energy else None


def available(device: object) -> None:
    """Whether what is to be measured with is there, as far as it can tell.

    Raises:
        Fault: it is not.
    """
    if isinstance(device, Located):
        device.check()


def unsteady(latencies: Sequence[Latency], what: str) -> str | None:
    """What to say of measurements in which other work was in the way; None if there are none.

    `what` names one of them: "layer", "network".
    """
    bad = [latency for latency in latencies if not latency.steady]
    if not bad:
        return None
    worst = max(bad, key=lambda latency: latency.p90_ms / max(latency.ms, 1e-9))
    which = f"this {what}" if len(latencies) == 1 else f"{len(bad)} of {len(latencies)} {what}s"
    return (
        f"the latency of {which} is uncertain: one pass in ten took {worst.p90_ms:.3g} ms or more "
        f"where the lower quartile is {worst.ms:.3g} ms, after every repeat; other work is running "
        "on the device"
    )
