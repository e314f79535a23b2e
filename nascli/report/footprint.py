"""What a network takes on a microcontroller, as tables: header and rows, in KiB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nascli.report.units import readable, words

Table = tuple[Sequence[str], list[list[str]]]
_VENDORS = (0.76, 1.30)  # times the bound, over the published networks of docs/microcontrollers.md


def places(report: Mapping[str, Any]) -> Table:
    """Flash of every place, and the RAM that is held while it is computed."""
    most = max(row["held_kib"] for row in report["places"])
    rows = [
        [
            row["place"],
            row["steps"],
            f"{row['flash_kib']:.2f}",
            f"{row['held_kib']:.2f}{' <- most' if row['held_kib'] == most else ''}",
        ]
        for row in report["places"]
    ]
    return ("layer", "steps", "flash", "RAM held"), rows


def totals(report: Mapping[str, Any]) -> list[list[str]]:
    """Costs, and RAM by its three names."""
    ram, costs = report["ram"], report["costs"]
    bound = ram["bound_kib"]
    order = "best order" if ram["certain"] else "order as it is"
    low, high = (f"{factor * bound:.4g}" for factor in _VENDORS)
    shown = ("params", "macs", "flash_kib")
    return [
        *([words(name), readable(name, costs[name])] for name in shown),
        [f"RAM: lifetime bound ({order})", f"{bound:.4g} KiB"],
        ["RAM: arena of TensorFlow Lite Micro", f"{ram['arena_kib']:.4g} KiB"],
        ["RAM: allowance for the runtime", f"{ram['allowance_kib']:.4g} KiB"],
        ["RAM: arena and allowance (ram_kib)", f"{costs['ram_kib']:.4g} KiB"],
        ["RAM: what vendors' tools report", f"{low} to {high} KiB, going by published networks"],
    ]


def chips(report: Mapping[str, Any]) -> Table:
    """The chips, and whether the network fits."""
    keys = ("chip", "core", "flash_kib", "ram_kib")
    rows = [
        [*(str(row[key]) for key in keys), "yes" if row["fits"] else "no"]
        for row in report["chips"]
    ]
    return ("chip", "core", "flash", "RAM", "fits"), rows
