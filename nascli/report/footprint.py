"""What a network takes on a microcontroller, as tables: header and rows, in KiB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nascli.report.units import readable, words

Table = tuple[Sequence[str], list[list[str]]]
_VENDORS = (0.76, 1.30)  # times the bound, over the published networks of docs/microcontrollers.md


def places(network: Mapping[str, Any]) -> Table:
    """Flash of every place, and the RAM that is held while it is computed."""
    most = max(row["held_kib"] for row in network["places"])
    rows = [
        [
            row["place"],
            row["steps"],
            f"{row['flash_kib']:.2f}",
            f"{row['held_kib']:.2f}{' <- most' if row['held_kib'] == most else ''}",
        ]
        for row in network["places"]
    ]
    return ("layer", "steps", "flash", "RAM held"), rows


def totals(network: Mapping[str, Any]) -> list[list[str]]:
    """Costs, and RAM by its three names."""
    ram, costs = network["ram"], network["costs"]
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


def chips(network: Mapping[str, Any]) -> Table:
    """The chips, and whether the network fits."""
    rows = [
        [
            name,
            chip["core"],
            str(chip["flash_kib"]),
            str(chip["ram_kib"]),
            "yes" if chip["fits"] else "no",
        ]
        for name, chip in network["chips"].items()
    ]
    return ("chip", "core", "flash", "RAM", "fits"), rows
