"""A device that is not measured: its latencies come from a `nas profile` of before, or a CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nascli.core.device import Latency, adds_up
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer
from nascli.core.regular import is_there
from nascli.core.space import Planned, SearchSpace
from nascli.core.surrogate import Surrogate
from nascli.costs import latency_profile, latency_table
from nascli.costs.conditions import words
from nascli.costs.latency_choice import fitted, models
from nascli.costs.latency_models import Example, Fitted, Sum
from nascli.costs.layer_counts import counts_of
from nascli.costs.plans import PlanCounter

if TYPE_CHECKING:
    from torch import nn

TABLE = "latency_table.csv"


class LatencyTable:
    """Predicts latencies by what `nas profile` has measured, or adds up the rows of a CSV.

    A profile was fitted and checked by `nas profile`; it is fitted again here. Rows of a CSV may
    come from any machine; they are refused where its runtime fuses layers.

    Args:
        path: the run folder of a profile, or a CSV.
        scale: how many times what is recorded networks take now; None: as its anchors say, where
            the device is this machine's, or else 1.
        surrogate: makes what corrects predictions, for profiles that were best predicted so.

    Raises:
        Fault: there is no such file, or it is damaged; the scale is not positive.
    """

    name = "latency_table"

    _space: Planned
    _fitted: Fitted

    def __init__(
        self,
        path: str,
        scale: float | None = None,
        surrogate: Callable[[SearchSpace, int], Surrogate] | None = None,
    ) -> None:
        if scale is not None and not 0 < scale < 1e6:
            raise Fault(f"device.scale is {scale}; it must be above 0, or null")
        self.path, self.scale, self._surrogate = path, scale, surrogate
        place = Path(path)
        folder = is_there(path) and place.is_dir()
        self.profile = latency_profile.read(place) if folder else None
        file = place / TABLE if folder else place
        if folder and self.profile is None and not file.is_file():
            raise Fault(f"'{path:.200}' holds no profile: give the run folder of a nas profile")
        self._table = None
        if self.profile is None or file.is_file():
            self._table = latency_table.LatencyTable.from_csv(file)
        if not self.profile and self._table and not adds_up(self._table.conditions):
            raise Fault(
                f"'{file}' holds times of layers under {words(self._table.conditions)}, which runs "
                "layers fused with each other: they do not add up. Give a nas profile of it"
            )

    @property
    def anchors(self) -> Sequence[tuple[Genotype, float]]:
        """See `nascli.core.device.Predicting`."""
        found = self.profile.anchors if self.profile else []
        return [(one.genotype, one.latency.ms) for one in found]

    @property
    def how(self) -> str:
        """See `nascli.core.device.Predicting`."""
        return self.profile.model if self.profile else "sum of the layers' rows"

    def conditions(self) -> Mapping[str, str | int]:
        """See `nascli.core.device.Predicting`."""
        if self.profile:
            return self.profile.conditions
        assert self._table is not None
        return self._table.conditions

    @property
    def notice(self) -> str:
        """See `nascli.core.device.LooksUp`."""
        return ""

    def doubt(self, genotype: Genotype) -> str:
        """See `nascli.core.device.LooksUp`."""
        del genotype
        return ""

    def fits(self, space: SearchSpace) -> None:
        """Fits the model of the profile anew; see `nascli.core.device.LooksUp`."""
        if not isinstance(space, Planned):
            raise Fault(f"device=latency_table needs plans, and space '{space.name}' gives none")
        self._space = space
        counter = PlanCounter(space)
        if self.profile is None:
            assert self._table is not None
            _check_rows(self._table, space, self.path)
            self._fitted = Sum(self._table, calibrated=False).fit([])
            return
        examples = self._examples(self.profile, space, counter)
        table = None
        if adds_up(self.profile.conditions):
            table = self._table
            if table is None:
                raise Fault(f"'{self.path}' lacks its {TABLE}: make another with nas profile")
            _check_rows(table, space, self.path)
        traced = any(example.kernels for example in examples)
        several = models(space, counter.layer, table, self._surrogate, traced=traced)
        try:
            self._fitted = fitted(several, self.profile.model, examples)
        except Fault as fault:
            raise Fault(f"'{self.path}': {fault}") from fault

    def latency_ms(self, genotype: Genotype) -> float:
        """See `nascli.core.device.LooksUp`."""
        counts = counts_of(self._space.plan(genotype), pruned=self._pruned)
        return (self.scale or 1.0) * self._fitted(genotype, counts)

    @property
    def _pruned(self) -> bool:
        """Whether what a network's result does not depend on takes no time."""
        return not adds_up(self.conditions())

    def constant_ms(self) -> float:
        """See `nascli.core.device.Predicting`."""
        return (self.scale or 1.0) * self._fitted.constant

    def layer_ms(self, layer: Layer) -> float:
        """See `nascli.core.device.Predicting`."""
        return (self.scale or 1.0) * self._fitted.layer_ms(layer)

    def latency(self, network: nn.Module, input_shape: tuple[int, ...]) -> Latency:
        """Raises a Fault: it measures nothing."""
        del network, input_shape
        raise Fault("device=latency_table looks networks up and measures nothing; take device=cpu")

    def latencies(self, cases: Sequence[tuple[nn.Module, tuple[int, ...]]]) -> list[Latency]:
        """Raises a Fault: it measures nothing."""
        return [self.latency(*case) for case in cases]

    def _examples(
        self, profile: latency_profile.Profile, space: Planned, counter: PlanCounter
    ) -> list[Example]:
        other = f"'{self.path}' is a profile of space '{profile.space}', networks for "
        other += f"{profile.networks}; this search builds others"
        if profile.space != space.name:
            raise Fault(f"{other}, of space '{space.name}'")
        found = []
        for one in profile.of(latency_profile.FIT):
            try:
                plan = space.plan(one.genotype)
            except Fault as fault:
                raise Fault(f"{other}: {fault}") from fault
            macs = counter.of(plan).macs
            if macs != one.macs:
                said = f"{one.macs:,.0f} multiply-adds there and {macs:,.0f} here"
                raise Fault(f"{other}: the same genotype has {said}")
            found.append(
                Example(
                    one.genotype,
                    counts_of(plan, pruned=self._pruned),
                    one.latency.ms,
                    one.kernels,
                )
            )
        return found


def _check_rows(table: latency_table.LatencyTable, space: Planned, path: str) -> None:
    """Raises a Fault if some network of the space has a layer without a row."""
    try:
        layers = space.plan().candidates()
    except Fault:  # sizes are decided too: what is missing shows in the network that has it
        return
    try:
        table.sum_of(layers)
    except Fault as fault:
        raise Fault(f"'{path}': {fault}") from fault
