"""What a shell offers for `genotype=` and `resume=`: run folders, and published names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_KEYS = ("genotype", "resume", "supernet")
_PLACES = ("*/*", "*/*/*")  # runs, and those of a multirun
_MOST = 50  # run folders, the newest


def candidates(words: Sequence[str], last: str) -> list[str] | None:
    """What the word `last` of a command line may become; None where Hydra knows better."""
    key, equals, begun = last.partition("=")
    if not equals or key not in _KEYS:
        return None
    outputs = next((w.partition("=")[2] for w in words if w.startswith("outputs=")), "outputs")
    holds = "genotype.json" if key == "genotype" else "history.jsonl"
    found = [file for place in _PLACES for file in Path(outputs).glob(f"{place}/{holds}")]
    newest = sorted(found, key=lambda file: -file.stat().st_mtime)[:_MOST]
    names = [str(file.parent) for file in newest]
    if key == "genotype":
        from nascli.genotypes import published

        names += published()
    return [f"{key}={name}" for name in names if name.startswith(begun)]
