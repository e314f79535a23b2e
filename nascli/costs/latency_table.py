"""A latency table: how long each layer that a space can ask for takes on a device.

Summing rows to estimate a network's latency: Cai et al. 2019, ProxylessNAS, arXiv 1812.00332.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascli.core import plain
from nascli.core.device import Device, Latency
from nascli.core.fault import Fault
from nascli.core.plan import Layer, Plan, Setting
from nascli.core.problem import Problem
from nascli.core.regular import contents
from nascli.core.space import SearchSpace
from nascli.core.words import counted

if TYPE_CHECKING:
    from torch import Tensor, nn

_KEYS = ("operation", "in_channels", "out_channels", "stride", "height", "width")
_TIMES = ("median_ms", "p10_ms", "p90_ms")
_CONDITIONS = ("threads", "dtype", "batch", "layout", "torch", "device")
COLUMNS = (*_KEYS, *_TIMES, "repeats", *_CONDITIONS)
SETTINGS = "settings"
"""A further column of tables in which some layer has any: a JSON object."""
_TEXTS = {"operation", "dtype", "layout", "torch", "device"}
_PLAIN = (str, int, float, bool)
_MOST_BYTES = 10**9
_AT_ONCE = 64  # layers timed in the same rounds


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
        """One row a layer, under the heads `COLUMNS`; `from_csv` reads it back unchanged.

        `SETTINGS` is one more column where some layer has settings.
        """
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        some = any(layer.settings for layer in self)
        rows.writerow((*COLUMNS, SETTINGS) if some else COLUMNS)
        for layer, latency in self.items():
            key = [getattr(layer, name) for name in _KEYS]
            times = [getattr(latency, name) for name in (*_TIMES, "repeats")]
            conditions = [latency.conditions.get(name) for name in _CONDITIONS]
            further = [json.dumps(dict(layer.settings))] if some else []
            rows.writerow([*key, *times, *conditions, *further])
        return text.getvalue()

    @classmethod
    def from_csv(cls, source: str | Path) -> LatencyTable:
        """Reads what `to_csv` gave: its text, or the path of a file that holds it.

        Raises:
            Fault: the file cannot be read, or it is not such a table; names the line and column.
        """
        where = f"latency table '{source}'" if isinstance(source, Path) else "the latency table"
        rows = csv.reader(io.StringIO(_text(source)), strict=True)
        table: dict[Layer, Latency] = {}
        try:
            columns = _checked_head(next(rows, []), where)
            for cells in rows:
                at = f"{where}, line {rows.line_num}"
                layer, latency = _row(cells, columns, at)
                _check_row(layer, latency, table, at)
                table[layer] = latency
        except csv.Error as error:
            raise Fault(f"{where}, line {rows.line_num}: not a CSV row ({error})") from error
        if not table:
            raise Fault(f"{where} has no rows; measure one with `nas profile`")
        return cls(table)

    def sum_ms(self, network: Plan | nn.Module, input_shape: tuple[int, ...] = ()) -> float:
        """The medians of all layers that a network runs on one image, added up.

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
        """The medians of these layers, repeats included, added up.

        Raises:
            Fault: the table has no row for some layer.
        """
        missing = sorted({layer for layer in layers if layer not in self._rows})
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise Fault(
                f"the latency table has no row for {'; '.join(map(_words, missing[:3]))}{more}; "
                "it belongs to another space or image size: measure one with `nas profile`"
            )
        return math.fsum(self._rows[layer].median_ms for layer in layers)


def measure(
    space: SearchSpace,
    device: Device,
    on_progress: Callable[[int, int], None] | None = None,
    further: Mapping[Layer, Callable[[], nn.Module]] | None = None,
) -> LatencyTable:
    """Times every layer that the space can ask for, and `further` ones with their builders.

    Calls `on_progress(done, all)` under way.

    Layers are built one lot at a time, each lot a stride through all of them, so that a drift of
    the machine does not single out one operation or resolution.
    """
    import torch

    build = {**space.layers(), **(further or {})}
    lots = math.ceil(len(build) / _AT_ONCE)
    measured: dict[Layer, Latency] = {}
    for start in range(lots):
        lot = list(islice(build, start, None, lots))
        with torch.random.fork_rng(devices=[]):
            cases = [(build[n](), (n.in_channels, n.height, n.width)) for n in lot]
        measured.update(zip(lot, device.latencies(cases), strict=True))
        if on_progress:
            on_progress(len(measured), len(build))
    return LatencyTable({layer: measured[layer] for layer in build})


def measured(
    problem: Problem, further: Mapping[Layer, Callable[[], nn.Module]] | None = None
) -> LatencyTable:
    """The table of the problem's space on its device: timed by the first who asks, for all others.

    `further` layers are those of a network that the space may not search. The listener hears of
    progress.
    """
    found, hear = problem.latencies, problem.listener.progress

    def timed(done: int, total: int) -> None:
        hear(done / total, f"{done} of {counted(total, 'layer')} timed")

    if not found.rows or not set(further or ()) <= found.rows.keys():
        assert problem.device is not None
        found.rows.update(measure(problem.space, problem.device, timed, further))
        found.keep(found.rows)
    return LatencyTable(found.rows)


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


def _words(layer: Layer) -> str:
    settings = "".join(f", {name}={value}" for name, value in layer.settings)
    return (
        f"{layer.operation} {layer.in_channels}->{layer.out_channels} channels, "
        f"stride {layer.stride}, {layer.height}x{layer.width}{settings}"
    )


def _text(source: str | Path) -> str:
    if isinstance(source, str):
        return source
    try:
        return contents(source, _MOST_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise Fault(f"cannot read the latency table '{source}': {reason}") from error


def _checked_head(head: list[str], where: str) -> tuple[str, ...]:
    """The columns of a table with that first line."""
    columns = (*COLUMNS, SETTINGS) if len(head) > len(COLUMNS) else COLUMNS
    for number, (name, want) in enumerate(zip(head, columns, strict=False), 1):
        if name != want:
            raise Fault(f"{where}, line 1, column {number}: '{name:.40}' should be '{want}'")
    if len(head) != len(columns):
        raise Fault(f"{where}, line 1: {len(head)} columns, not {len(COLUMNS)}")
    return columns


def _row(cells: list[str], columns: tuple[str, ...], at: str) -> tuple[Layer, Latency]:
    if len(cells) != len(columns):
        raise Fault(f"{at}: {len(cells)} columns, not {len(columns)}")
    values: dict[str, Any] = {}
    for name, cell in zip(columns, cells, strict=True):
        values[name] = _settings(cell, at) if name == SETTINGS else _value(name, cell, at)
    conditions = {name: values[name] for name in _CONDITIONS}
    times = {name: values[name] for name in (*_TIMES, "repeats")}
    key = {name: values[name] for name in _KEYS}
    layer = Layer(**key, settings=values.get(SETTINGS, ()))
    return layer, Latency(**times, conditions=conditions)


def _settings(cell: str, at: str) -> tuple[tuple[str, Setting], ...]:
    try:
        found = plain.parsed(cell)
    except ValueError:
        found = None
    if not isinstance(found, dict) or any(type(v) not in _PLAIN for v in found.values()):
        raise Fault(f"{at}, column {SETTINGS}: '{cell:.40}' is not a JSON object of plain values")
    return tuple(sorted(found.items()))


def _value(name: str, cell: str, at: str) -> str | int | float:
    if name in _TEXTS:
        if cell:
            return cell
        raise Fault(f"{at}, column {name}: empty")
    try:
        value = float(cell) if name in _TIMES else int(cell)
    except ValueError:
        value = math.nan
    if not (0 <= value < math.inf if name in _TIMES else value >= 1):
        kind = "a time in milliseconds" if name in _TIMES else "a whole number from 1 up"
        raise Fault(f"{at}, column {name}: '{cell:.40}' is not {kind}")
    return value


def _check_row(layer: Layer, latency: Latency, table: Mapping[Layer, Latency], at: str) -> None:
    if layer in table:
        raise Fault(f"{at}: a second row for {_words(layer)}")
    if not latency.p10_ms <= latency.median_ms <= latency.p90_ms:
        raise Fault(f"{at}, column median_ms: {latency.median_ms} lies outside p10_ms to p90_ms")
    first = next(iter(table.values()), latency).conditions
    for name, value in latency.conditions.items():
        if value != first[name]:
            raise Fault(f"{at}, column {name}: '{value}', but the rows above have '{first[name]}'")
