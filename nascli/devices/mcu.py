"""A microcontroller: flash and RAM that a network needs there, counted; nothing is timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nascli.core.device import Latency
from nascli.core.fault import Fault, unknown
from nascli.core.plan import Plan
from nascli.core.space import Planned, open_plan
from nascli.costs.arena import arena, bound, tail
from nascli.costs.footprint import Least, blocking, by_place, network_of, operations_of
from nascli.costs.int8 import KIB, Int8Network
from nascli.costs.int8_layers import check
from nascli.devices.chips import CHIPS, Chip

if TYPE_CHECKING:
    from torch import nn

    from nascli.core.space import SearchSpace

FLASH, RAM = "flash_kib", "ram_kib"


class Mcu:
    """Counts int8 networks as TensorFlow Lite Micro runs them (docs/microcontrollers.md).

    `flash_kib` is that of weights and biases, `ram_kib` the head of the arena and what is allowed
    for the runtime beside it.

    Args:
        chip: one of `nascli.devices.chips`: its flash and its RAM are bounds of a search that
            states none; None for no bounds.
        allowance_kib: what the runtime keeps for itself; None for as much as TensorFlow Lite
            Micro's interpreter keeps for the steps of each network.

    Raises:
        Fault: there is no such chip, or the allowance is negative.
    """

    name = "mcu"
    counts = (FLASH, RAM)

    def __init__(self, chip: str | None = None, allowance_kib: float | None = None) -> None:
        if chip is not None and chip not in CHIPS:
            raise Fault(unknown("device.chip", chip, CHIPS))
        if allowance_kib is not None and not 0 <= allowance_kib < float("inf"):
            raise Fault(f"device.allowance_kib is {allowance_kib}; it must be 0 or above, or null")
        self._allowance = allowance_kib
        self.chip: Chip | None = CHIPS[chip] if chip is not None else None

    @property
    def limits(self) -> Mapping[str, float]:
        """Those of the chip, if there is one."""
        if self.chip is None:
            return {}
        return {FLASH: float(self.chip.flash_kib), RAM: float(self.chip.ram_kib)}

    def fits(self, space: SearchSpace) -> None:
        """See `Counting.fits`."""
        if not isinstance(space, Planned):
            raise Fault(f"device=mcu counts over plans, and space '{space.name}' has none")
        operations, plan = operations_of(space), open_plan(space)
        if plan is not None:
            used = {layer.operation for layer in plan.candidates()}
            operations = {name: made for name, made in operations.items() if name in used}
        check(operations)

    def count(self, space: Planned, plan: Plan) -> Mapping[str, float]:
        """See `Counting.count`."""
        network = network_of(space, plan)
        return {
            FLASH: network.flash_bytes / KIB,
            RAM: arena(network) / KIB + self.allowance(network),
        }

    def allowance(self, network: Int8Network) -> float:
        """KiB for the runtime, beside the head of the arena."""
        return tail(network) / KIB if self._allowance is None else self._allowance

    def least(self, space: Planned) -> Mapping[str, tuple[float, str]]:
        """See `Counting.least`."""
        found: dict[str, tuple[float, str]] = {}
        least = Least(space)
        flash, ram = least.flash(), least.ram()
        if flash is not None:
            found[FLASH] = flash, "the weights of the least options"
        if ram is not None:
            found[RAM] = ram[0] + (self._allowance or 0), ram[1]
        return found

    def details(self, space: Planned, plan: Plan) -> Mapping[str, Any]:
        """Flash and RAM by place, RAM by its three names, and the chips that have as much.

        - `places`: see `nascli.costs.footprint.by_place`
        - `ram`: `bound_kib` (best order; `certain` says whether it was found), `arena_kib`,
          `allowance_kib`
        - `blocking`: the moment at which most is held, in words
        - `chips`: a row each: `chip`, `core`, `flash_kib`, `ram_kib`, and whether it `fits`
        """
        network = network_of(space, plan)
        least, certain = bound(network)
        told = self.count(space, plan)
        return {
            "places": by_place(network),
            "ram": {
                "bound_kib": least / KIB,
                "certain": certain,
                "arena_kib": arena(network) / KIB,
                "allowance_kib": self.allowance(network),
            },
            "blocking": blocking(network),
            "chips": [
                {
                    "chip": name,
                    "core": chip.core,
                    "flash_kib": chip.flash_kib,
                    "ram_kib": chip.ram_kib,
                    "fits": told[FLASH] <= chip.flash_kib and told[RAM] <= chip.ram_kib,
                }
                for name, chip in CHIPS.items()
            ],
        }

    def reason(self, cost: str, space: Planned, plan: Plan) -> str:
        """See `Counting.reason`."""
        if cost != RAM:
            return ""
        network = network_of(space, plan)
        return f"{blocking(network)}; {self.allowance(network):.4g} KiB are for the runtime"

    def latency(self, network: nn.Module, input_shape: tuple[int, ...]) -> Latency:
        """There is none.

        Raises:
            Fault: always.
        """
        return self.latencies([(network, input_shape)])[0]

    def latencies(self, cases: Sequence[tuple[nn.Module, tuple[int, ...]]]) -> list[Latency]:
        """There are none.

        Raises:
            Fault: there is something to time.
        """
        if cases:
            raise Fault(
                "device=mcu counts flash and RAM and times nothing; latency_ms needs a device that "
                "measures, such as device=cpu"
            )
        return []
