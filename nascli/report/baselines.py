"""How a network compares with its baselines, in words: before its trainings, and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nascli.analysis.baselines import Versus, genotypes_for, least_p
from nascli.analysis.significance import LEVEL
from nascli.core.words import counted
from nascli.report.chart import Bar, Bars, Figures
from nascli.report.tabulation import p_value
from nascli.report.units import readable, words

Row = Mapping[str, Any]


def plan(
    trainings: int, seeds: int, genotypes: int, networks: Sequence[str], epochs: int
) -> list[str]:
    """What so many trainings can show, of random genotypes and of these networks."""
    said = [f"{counted(trainings, 'training')} of {counted(epochs, 'epoch')}"]
    said[0] += f", {counted(seeds, 'seed')} each"
    units = ["a random genotype"] * bool(genotypes) + ["a seed of a known network"] * bool(networks)
    said[0] += f"; what is compared: {' and '.join(units)}" if units else ""
    if genotypes:
        low = p_value(least_p(genotypes))
        line = f"{counted(genotypes, 'random genotype')}: the smallest p that ranks can reach is "
        line += low
        if genotypes < genotypes_for(1):
            line += f"; {LEVEL:g} takes random_genotypes={genotypes_for(1)}"
        tests = 1 + (len(networks) if seeds > 1 else 0)
        if tests > 1 and genotypes < genotypes_for(tests):
            line += (
                f" ({genotypes_for(tests)} whatever comes of the others: Holm corrects for "
                f"{tests} baselines)"
            )
        said.append(line)
    if seeds == 1 and (genotypes or networks):
        said.append(
            "one seed each: chance in training is not known, so there is no interval"
            + (" and no test against known networks" if networks else "")
            + "; seeds=3 gives both"
        )
    return said


def lines(found: Sequence[Versus], rows: Sequence[Row]) -> list[str]:
    """The verdict, a sentence a baseline, and what failed."""
    seeds = {row["network"]: row["seeds"] for row in rows}
    said = [(_against_random if one.genotypes else _against_network)(one, seeds) for one in found]
    failed = [row for row in rows if row["failed"]]
    said += [
        f"{row['network']}: {counted(row['failed'], 'training')} failed (log.txt), left out here"
        for row in failed
    ]
    return said


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Header and rows for the terminal."""
    header = ["", "parameters", "MACs", "test accuracy (%)", "each seed"]
    return header, [_cells(row) for row in rows]


def figures(rows: Sequence[Row]) -> Figures:
    """The accuracies of all networks: a small dot for every seed, and the means."""
    good = [row for row in rows if row["mean_test_accuracy"] is not None]
    if len(good) < 2:
        return {}
    title = "test accuracy (%): mean, and each seed"
    bars = [_bar(row) for row in good]
    return {"accuracies": Bars(title, bars)}


def _bar(row: Row) -> Bar:
    mean = row["mean_test_accuracy"]
    scores = row["test_accuracies"]
    return Bar(row["network"], mean, f"{mean:.2f} %", (min(scores), max(scores)), scores)


def compared(searched: Row, now: Row) -> list[dict[str, str]]:
    """A row for every size of a network: what it was in the search, and what it is now."""
    return [
        {
            "size": words(name),
            "searched": _size(name, searched),
            "retrained": _size(name, now),
        }
        for name in dict.fromkeys([*searched, *now])
    ]


def _size(name: str, sizes: Row) -> str:
    value = sizes.get(name, "–")
    return readable(name, value) if isinstance(value, (int, float)) else str(value)


def _cells(row: Row) -> list[str]:
    costs = [readable(name, row[name]) if row[name] else "–" for name in ("params", "macs")]
    mean, spread = row["mean_test_accuracy"], row["std_test_accuracy"]
    shown = "failed" if mean is None else f"{mean:.2f}"
    shown += "" if spread is None else f" ± {spread:.2f}"
    return [row["network"], *costs, shown, " ".join(f"{one:.2f}" for one in row["test_accuracies"])]


def _against_random(one: Versus, seeds: Mapping[str, int]) -> str:
    of = f"{one.beaten} of {counted(one.genotypes, 'random genotype')}"
    sure = _interval(one, _lacking(one, seeds))
    if one.better:
        return f"better than {of}, by {_points(one.difference)} ({sure}{_tested(one)})"
    far = f"{_points(one.difference, signed=True)} to their mean"
    if one.worse:
        return f"worse than random: better than {of}, {far} ({sure})"
    said = f"not shown to be better than random: better than {of}, {far} "
    return f"{said}({sure}{_tested(one)}){_more(one)}"


def _more(one: Versus) -> str:
    """What would show more."""
    if one.low is None:
        return ""
    if one.more is None:
        return "; more seeds, not more random genotypes, would settle a difference of 1 point"
    if one.more == 0:
        return "; these would have shown a difference of 1 point"
    number = counted(one.more, "random genotype")
    return f"; {number} more would settle a difference of 1 point"


def _against_network(one: Versus, seeds: Mapping[str, int]) -> str:
    shown = f"{_interval(one, _lacking(one, seeds))}{_tested(one)}"
    if one.better or one.worse:
        side = "better" if one.better else "worse"
        return f"{side} than {one.baseline}, by {_points(abs(one.difference))} ({shown})"
    far = _points(one.difference, signed=True)
    return f"no difference shown from {one.baseline}: {far} ({shown})"


def _interval(one: Versus, lacking: str) -> str:
    if one.low is None:
        return f"no interval: {lacking}"
    return f"95 % interval {one.low:.1f} to {one.high:.1f}"


def _lacking(one: Versus, seeds: Mapping[str, int]) -> str:
    """Why there is no interval."""
    if one.genotypes == 1:
        return "one genotype only"
    own, *others = seeds.values()
    few = max(own, *others) if one.genotypes else min(own, seeds[one.baseline])
    return "one seed each" if few < 2 else "all score the same"


def _tested(one: Versus) -> str:
    if one.p is None or one.corrected is None:
        return ""
    holm = f", Holm-corrected {p_value(one.corrected)}" if one.corrected != one.p else ""
    return f"; p = {p_value(one.p)}{holm}"


def _points(value: float, *, signed: bool = False) -> str:
    shown = f"{value:+.1f}" if signed else f"{value:.1f}"
    return f"{shown} points"
