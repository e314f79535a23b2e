"""A latency table: how long each layer that a space can ask for takes on a device.

Summing rows to estimate a network's latency: Cai et al. 2019, ProxylessNAS, arXiv 1812.00332.
"""

from __future__ import annotations

import copy
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascli.core.device import Adding, Device, Latency, Stated, adds_up, measures, unsteady
from nascli.core.fault import Fault
from nascli.core.plan import Layer, Plan
from nascli.core.problem import Problem
from nascli.core.space import SearchSpace
from nascli.core.words import counted
from nascli.costs import table_file
from nascli.costs.table_file import lacking

if TYPE_CHECKING:
    from torch import Tensor, nn

_AT_ONCE = 256  # layers timed in the same rounds
_REFERENCES = 5  # layers of the first rounds that are timed in all others, too


class LatencyTable(Mapping[Layer, Latency]):
    """Layer -> measured latency, all under the same conditions."""

    def __init__(self, rows: Mapping[Layer, Latency]) -> None:
        self._rows = dict(rows)

    def __getitem__(self, layer: Layer) -> Latency:
        return self._rows[layer]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def to_csv(self) -> str:
        """One row a layer, which `from_csv` reads back unchanged."""
        return table_file.written(self._rows)

    @classmethod
    def from_csv(cls, source: str | Path) -> LatencyTable:
        """Reads what `to_csv` gave: its text, or the path of a file that holds it.

        Raises:
            Fault: the file cannot be read, or it is not such a table; names the line and column.
        """
        return cls(table_file.read(source))

    @property
    def conditions(self) -> Mapping[str, str | int]:
        """Under which all rows were measured; empty for a table without rows."""
        return next((latency.conditions for latency in self._rows.values()), {})

    def sum_ms(self, network: Plan | nn.Module, input_shape: tuple[int, ...] = ()) -> float:
        """What all layers take that a network runs on one image, added up.

        `network` is its plan, or a module, which has to be run on an image of `input_shape` to see
        its layers. The sum ignores what lies between the layers, and it misleads for a runtime that
        fuses layers.

        Raises:
            Fault: the table has no row for some layer.
        """
        if isinstance(network, Plan):
            layers = list(network.layers())
        else:
            layers = layers_of(network, input_shape)
        return self.sum_of(layers)

    def sum_of(self, layers: Sequence[Layer]) -> float:
        """What these layers take, repeats included, added up.

        Raises:
            Fault: the table has no row for some layer.
        """
        missing = sorted({layer for layer in layers if layer not in self._rows})
        if missing:
            raise lacking(missing)
        return math.fsum(self._rows[layer].ms for layer in layers)


def measure(
    space: SearchSpace,
    device: Device,
    on_progress: Callable[[int, int], None] | None = None,
    further: Mapping[Layer, Callable[[], nn.Module]] | None = None,
) -> LatencyTable:
    """Times every layer that the space can ask for, and `further` ones with their builders.

    Calls `on_progress(done, all)` under way.

    Layers are built one lot at a time, each lot a stride through all of them. Some of the first lot
    are timed with every other one, and tell how fast the machine is by then.
    """
    import torch

    build = {**space.layers(), **(further or {})}
    lots = math.ceil(len(build) / _AT_ONCE)
    measured: dict[Layer, Latency] = {}
    timed = device.parts if isinstance(device, Adding) else device.latencies
    for start in range(lots):
        lot = list(islice(build, start, None, lots))
        known = list(measured)[:: math.ceil(_AT_ONCE / _REFERENCES)][:_REFERENCES]
        with torch.random.fork_rng(devices=[]):
            cases = [(build[n](), (n.in_channels, n.height, n.width)) for n in (*lot, *known)]
        found = timed(cases)
        again = zip(known, found[len(lot) :], strict=True)
        ratios = [measured[layer].ms / max(latency.ms, 1e-9) for layer, latency in again]
        if ratios:
            faster = statistics.median(ratios)
            found = [latency.times(faster) for latency in found]
        measured.update(zip(lot, found, strict=False))
        if on_progress:
            on_progress(len(measured), len(build))
    return LatencyTable({layer: measured[layer] for layer in build})


def measured(
    problem: Problem, further: Mapping[Layer, Callable[[], nn.Module]] | None = None
) -> LatencyTable:
    """The table of the problem's space on its device: timed by the first who asks, for all others.

    `further` layers are those of a network that the space may not search. The listener hears of
    progress, and of rows that other work has spoilt.

    Raises:
        Fault: the device's runtime fuses layers.
    """
    found, hear, device = problem.latencies, problem.listener.progress, problem.device
    assert device is not None
    check_layered(device)

    def timed(done: int, total: int) -> None:
        hear(done / total, f"{done} of {counted(total, 'layer')} timed")

    if not found.rows or not set(further or ()) <= found.rows.keys():
        found.rows.update(measure(problem.as_deployed.space, device, timed, further))
        found.keep(found.rows)
        spoilt = unsteady(list(found.rows.values()), "layer")
        if spoilt:
            problem.listener.warn(f"warning: {spoilt}")
    return LatencyTable(found.rows)


def layered(device: Device | None) -> bool:
    """Whether layers can be timed on a device, and add up to what a network takes."""
    if not measures(device):
        return False
    return adds_up(device.conditions() if isinstance(device, Stated) else {})


def check_layered(device: Device | None) -> None:
    """Raises a Fault if it measures networks, and its runtime fuses their layers."""
    if device is not None and measures(device) and not layered(device):
        raise Fault(
            f"device '{device.name}' runs layers fused with each other, so their times say nothing "
            f"of a network's: measure networks (nas profile device={device.name}) and search with "
            "device=latency_table device.path=THAT_RUN"
        )


def layers_of(network: nn.Module, input_shape: tuple[int, ...]) -> list[Layer]:
    """The layers that `network` runs on one image of `input_shape`, in order, repeats included.

    A layer is a module with the attributes `operation`, `in_channels`, `out_channels` and
    `stride`; one inside another is part of it. Works on shapes alone; `network` stays as it is.
    """
    import torch

    network = copy.deepcopy(network).to("meta").eval()
    found: list[Layer] = []

    def note(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        found.append(_layer(module, inputs[0]))

    for module in _outermost(network):
        module.register_forward_pre_hook(note)
    with torch.no_grad(), torch.device("meta"):
        network(torch.zeros(1, *input_shape))
    return found


def _outermost(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(getattr(module, "operation", None), str):
        yield module
        return
    for child in module.children():
        yield from _outermost(child)


def _layer(module: Any, images: Tensor) -> Layer:
    height, width = images.shape[2:]  # (B, C, H, W)
    return Layer(
        module.operation,
        module.in_channels,
        module.out_channels,
        module.stride,
        height,
        width,
        getattr(module, "layer_settings", ()),
    )
