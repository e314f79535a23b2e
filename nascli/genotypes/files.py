"""Genotypes as files, and the one way to name a genotype on the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.genotypes import nasbench201

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
    """The genotype of a run folder, a genotype.json, a published name or a NAS-Bench-201 string.

    A published name goes before a file or folder of that name; `./name` is always a path. Nothing
    is checked against the space.

    Raises:
        Fault: there is no such thing, or it holds no genotype.
    """
    if reference.startswith("|"):
        return nasbench201.parse(reference)
    known = published()
    path = known.get(reference) or Path(reference).expanduser()
    try:
        if path.is_dir():
            path /= FILE
            if not path.exists():
                raise Fault(f"folder '{reference}' has no {FILE}; a run that found one writes it")
        found = path.exists()
    except OSError:  # no path at all: a name too long, or a loop of links
        found = False
    if not found:
        name = unknown("genotype", f"{reference:.200}", known)
        raise Fault(f"there is no file or run folder '{reference:.200}', and {name}")
    return _genotype(_read(path), path)


def dump(genotype: Genotype, **extra: object) -> str:
    """The text of a genotype.json; readers ignore what is in `extra`."""
    data = {"format": FORMAT, **genotype.to_json(), **extra}
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _read(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise Fault(f"'{path}' holds more than {_LARGEST:,} bytes; that is no genotype")
        data = json.loads(content)
    except OSError as error:
        raise Fault(f"cannot read '{path}': {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Fault(f"'{path}' is not a genotype: it is no JSON ({error})") from error
    if not isinstance(data, Mapping):
        raise Fault(f"'{path}' is not a genotype: it holds {data!r:.80}, not an object")
    return data


def _genotype(data: Mapping[str, object], path: Path) -> Genotype:
    if data.get("format") != FORMAT:
        has = f"format {data['format']!r:.80}" if "format" in data else "no format"
        raise Fault(f"'{path}' is not a genotype that can be read: it has {has}, not '{FORMAT}'")
    try:
        return Genotype.from_json(data)
    except Fault as fault:
        raise Fault(f"'{path}': {fault}") from fault
