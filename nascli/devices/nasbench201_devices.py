"""The devices of NAS-Bench-201's published latencies: looked up, nothing is measured.

Lee et al., HELP, NeurIPS 2021 (arXiv 2106.08630), with measurements of HW-NAS-Bench (Li et al.,
ICLR 2021, arXiv 2103.10584).
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nascli.core.device import Latency
from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.provenance import Provenance
from nascli.core.space import SearchSpace
from nascli.devices.nasbench201_samples import predicted
from nascli.tables.nasbench201 import SIZES, shipped

if TYPE_CHECKING:
    from torch import nn

_FAR = 20  # times below the median: the 273 cells of pixel3 and 284 of raspi4, and no others


class NASBench201Devices:
    """One of 27 settings: a phone, a processor, a GPU at a batch size, an accelerator.

    Milliseconds are those of the benchmark's own networks (CIFAR-10, 16 channels, 15 cells),
    whatever sizes a search works on. Some phones are rounded to whole ms; of `pixel3` and `raspi4`
    some hundred rows lie so far below the median that they can only be glitches of the measurement.

    With `path`, it is a device of the user's own, of which some cells are measured, such as ten;
    all others are predicted from them and the 27 settings (`nascli.costs.few_samples`).

    Args:
        setting: which one.
        path: a CSV of measured cells, with the columns `genotype`, as the benchmark spells cells,
            and `latency_ms`.

    Raises:
        Fault: neither is given, or both; there is no such setting, or the CSV is none.
    """

    name = "nasbench201_devices"

    def __init__(self, setting: str | None = None, path: str | None = None) -> None:
        self._rows = rows = shipped()
        if setting is None and path is None:
            raise Fault(
                f"device.setting is missing; take one of: {', '.join(rows.settings)}; or give "
                "measured cells of another device with device.path=CSV"
            )
        if setting is not None and path is not None:
            raise Fault("device.setting and device.path name two devices; leave one of them out")
        if setting is not None and setting not in rows.settings:
            raise Fault(unknown("device.setting", setting, rows.settings))
        self.setting = setting or str(path)
        self._predicted = None if path is None else predicted(path)

    @classmethod
    def provenance(cls, settings: Mapping[str, Any]) -> Provenance | None:
        """The benchmark's networks; None for cells of the user's, whose sizes are not on record."""
        measured = settings.get("path") is not None
        return None if measured else Provenance("cifar10", (3, 32, 32), 10, SIZES)

    @cached_property
    def _ms(self) -> list[float]:
        return self._predicted or self._rows.latencies(self.setting)

    @cached_property
    def _floor(self) -> float:
        return statistics.median(self._ms) / _FAR

    def fits(self, space: SearchSpace) -> None:
        """See `nascli.core.device.LooksUp`."""
        if not self._rows.holds(space.decisions):
            raise Fault(
                f"device=nasbench201_devices knows NAS-Bench-201 only, not space '{space.name}'; "
                "take space=nasbench201 with its own five operations, or device=cpu"
            )

    def latency_ms(self, genotype: Genotype) -> float:
        """See `nascli.core.device.LooksUp`."""
        return self._ms[self._rows.number(genotype.options)]

    @cached_property  # a protocol's isinstance reads every property
    def notice(self) -> str:
        """See `nascli.core.device.LooksUp`."""
        glitches = sum(ms < self._floor for ms in self._ms)
        if not glitches:
            return ""
        return (
            f"{glitches} of {len(self._ms):,} latencies on {self.setting} are below a {_FAR}th of "
            "the median, which no network can reach: glitches of the measurement"
        )

    def doubt(self, genotype: Genotype) -> str:
        """See `nascli.core.device.LooksUp`."""
        ms = self.latency_ms(genotype)
        if ms >= self._floor:
            return ""
        return (
            f"{ms:.3g} ms on {self.setting} are below a {_FAR}th of the median: a glitch of the "
            "measurement, not a latency"
        )

    def latency(self, network: nn.Module, input_shape: tuple[int, ...]) -> Latency:
        """Raises a Fault: it measures nothing."""
        del network, input_shape
        raise Fault(
            "device=nasbench201_devices looks cells up and measures nothing; take device=cpu"
        )

    def latencies(self, cases: Sequence[tuple[nn.Module, tuple[int, ...]]]) -> list[Latency]:
        """Raises a Fault: it measures nothing."""
        return [self.latency(*case) for case in cases]
