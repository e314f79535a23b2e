"""What the devices that run networks themselves share: modules timed in the same rounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from nascli.core.device import Latency
from nascli.devices.settings import Limits

if TYPE_CHECKING:
    from torch import nn

    Case = tuple[nn.Module, tuple[int, ...]]


class Timer(ABC):
    """A device that times forward passes over (batch, *input_shape); networks stay as they are."""

    _limits: Limits

    @abstractmethod
    def conditions(self) -> dict[str, str | int]:
        """What its times depend on besides the network, as it stands now."""

    @abstractmethod
    def passes(self, cases: Sequence[Case]) -> AbstractContextManager[list[Callable[[], float]]]:
        """A pass of each, which gives its own milliseconds; to be called within the context.

        Raises:
            Fault: a network cannot be run here, or the hardware is not there.
        """

    def latency(self, network: nn.Module, input_shape: tuple[int, ...]) -> Latency:
        """The latency of one forward pass; raises as `passes` does."""
        return self.latencies([(network, input_shape)])[0]

    def latencies(self, cases: Sequence[Case]) -> list[Latency]:
        """The same for many modules, in interleaved rounds."""
        return self._timed(cases, parts=False)

    def parts(self, cases: Sequence[Case]) -> list[Latency]:
        """See `nascli.core.device.Adding`."""
        return self._timed(cases, parts=True)

    def _timed(self, cases: Sequence[Case], *, parts: bool) -> list[Latency]:
        from nascli.devices.measuring import timed

        with self.passes(cases) as passes:
            return timed(passes, self._limits, self.conditions(), parts=parts)
