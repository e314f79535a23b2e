"""`nas list [group]`: every component that the configs offer, with one line on each."""

from __future__ import annotations

from collections.abc import Sequence

from nascli import ui
from nascli.config import catalogue, overrides
from nascli.core.fault import Fault, unknown


def main(arguments: Sequence[str]) -> int:
    """Prints the groups named, or all of them, and the published genotypes."""
    flags, names = overrides.split(arguments, ("-cd", "--config-dir"))
    if {"-h", "--help"} & set(flags):
        ui.out("nas list [group ...] [--config-dir DIR]: the components to choose from")
        return 0
    groups = catalogue(overrides.directories(flags))
    from nascli.genotypes import descriptions

    groups["genotype"] = descriptions()
    bad = [unknown("group", name, groups) for name in names if name not in groups]
    if bad:
        raise Fault("\n".join(bad))
    for group in names or sorted(groups):
        ui.out(f"{group}:")
        width = max(map(len, groups[group]), default=0)
        for option, words in groups[group].items():
            ui.out(f"  {option:<{width}}  {words}")
    return 0
