"""Genotypes as files, and the one way to name a genotype on the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from nascli.core import plain
from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.regular import is_there
from nascli.core.words import command
from nascli.genotypes import namedtuple, nasbench201

FORMAT = "nascli-genotype-1"
FILE = "genotype.json"  # what a run folder calls it
_LARGEST = 1_000_000  # bytes; a genotype has a few hundred


def published() -> dict[str, Path]:
    """Name -> file of every genotype that comes with the package."""
    return {file.stem: file for file in sorted(Path(__file__).parent.glob("*.json"))}


def descriptions() -> dict[str, str]:
    """Name -> one line on every published genotype."""
    return {name: str(_read(file).get("about", "")) for name, file in published().items()}


def load(reference: str) -> Genotype:
    """The genotype of a run folder, a genotype.json, a published name or a string.

    Strings are NAS-Bench-201's, and what papers' code calls `Genotype(...)`. A published name goes
    before a file or folder of that name, in other letters (DARTS_V2) behind it; `./name` is always
    a path. Nothing is checked against the space.

    Raises:
        Fault: there is no such thing, or it holds no genotype.
    """
    if reference.startswith("|"):
        return nasbench201.parse(reference)
    if namedtuple.looks_like(reference):
        return namedtuple.parse(reference)
    known = published()
    path = known.get(reference) or Path(reference).expanduser()
    try:
        if path.is_dir():
            path /= FILE
            if not path.exists():
                raise Fault(f"folder '{reference}' has no {FILE}; {_unanswered(path.parent)}")
        found = path.exists()
    except OSError:  # no path at all: a name too long, or a loop of links
        found = False
    alike = known.get(reference.lower().replace("-", "_"))
    if not found and alike is not None:
        return _genotype(_read(alike), alike)
    if not found:
        name = unknown("genotype", f"{reference:.200}", known)
        raise Fault(f"there is no file or run folder '{reference:.200}', and {name}")
    return _genotype(_read(path), path)


def _unanswered(folder: Path) -> str:
    """Why no genotype is in a folder, and what there is to do."""
    if not (folder / "config.yaml").exists():
        return "it is no run folder"
    if (folder / "report.json").exists():
        return "its run has ended without one (log.txt says how)"
    go_on = command("search", f"resume={folder}")
    return f"its run has not ended; a search that was stopped goes on with: {go_on}"


def sizes(reference: str) -> Mapping[str, object]:
    """Settings of the space whose network it is, as files of nas scale have them; {} for others.

    Raises:
        Fault: the file cannot be read.
    """
    if reference in published() or not is_there(reference) or Path(reference).is_dir():
        return {}
    scale = _read(Path(reference).expanduser()).get("scale")
    found = scale.get("space") if isinstance(scale, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def dump(genotype: Genotype, **extra: object) -> str:
    """The text of a genotype.json; of `extra` readers know what `sizes` gives."""
    data = {"format": FORMAT, **genotype.to_json(), **extra}
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _read(path: Path) -> Mapping[str, object]:
    return plain.json_object(path, _LARGEST, "a genotype")


def _genotype(data: Mapping[str, object], path: Path) -> Genotype:
    if data.get("format") != FORMAT:
        has = f"format {data['format']!r:.80}" if "format" in data else "no format"
        raise Fault(f"'{path}' is not a genotype that can be read: it has {has}, not '{FORMAT}'")
    try:
        return Genotype.from_json(data)
    except Fault as fault:
        raise Fault(f"'{path}': {fault}") from fault
