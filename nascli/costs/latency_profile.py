"""What `nas profile` leaves for searches: networks that were measured, and how others are told.

Only measurements are kept. Whoever reads them fits the model anew, which takes a moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from nascli.core import plain
from nascli.core.device import Kernel, Latency
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype

FILE = "profile.json"
FIT, CHECK = "fit", "check"
_FORMAT, _MOST_BYTES = 1, 100_000_000
_ANCHORS = 5
_LEAST_MS, _MOST_MS = 1e-6, 1e9  # of a network, be the clock what it will


@dataclass(frozen=True)
class Measured:
    """A network that was measured; `use` is FIT or CHECK. `macs` tell its size.

    `kernels` are what the runtime says of its own, if it does; nobody asks those of a check.
    """

    genotype: Genotype
    latency: Latency
    macs: float
    use: str
    kernels: tuple[Kernel, ...] = ()


@dataclass(frozen=True)
class Profile:
    """A space on a device.

    Args:
        space: its name.
        networks: data and size of its networks, in words.
        device: the name of the device.
        conditions: under which everything was measured.
        measured: networks of random genotypes.
        model: the name of the model that predicts others.
        errors: model -> cross-validated error, as a share; the simplest first.
        check: how well the model does on networks that it was not fitted to.
    """

    space: str
    networks: str
    device: str
    conditions: Mapping[str, str | int]
    measured: tuple[Measured, ...]
    model: str
    errors: Mapping[str, float]
    check: Mapping[str, Any]

    def of(self, use: str) -> list[Measured]:
        """Those measured for a use."""
        return [one for one in self.measured if one.use == use]

    @property
    def anchors(self) -> list[Measured]:
        """Networks to measure again before predictions are used: the fastest to the slowest."""
        ranked = sorted(self.of(FIT), key=lambda one: one.latency.ms)
        last = len(ranked) - 1
        places = sorted({round(n * last / (_ANCHORS - 1)) for n in range(_ANCHORS)})
        return [ranked[place] for place in places]

    def to_json(self) -> dict[str, Any]:
        """Plain data, which `read` understands."""
        rows = [
            {
                "genotype": one.genotype.to_json(),
                "use": one.use,
                "macs": one.macs,
                "lower_quartile_ms": one.latency.ms,
                "median_ms": one.latency.median_ms,
                "p10_ms": one.latency.p10_ms,
                "p90_ms": one.latency.p90_ms,
                "repeats": one.latency.repeats,
                **({"kernels": [astuple(kernel) for kernel in one.kernels]} if one.kernels else {}),
            }
            for one in self.measured
        ]
        return {
            "format": _FORMAT,
            "space": self.space,
            "networks": self.networks,
            "device": self.device,
            "conditions": dict(self.conditions),
            "model": self.model,
            "errors": dict(self.errors),
            "check": dict(self.check),
            "measured": rows,
        }


def read(folder: Path) -> Profile | None:
    """The profile in a run folder; None if it has none.

    Raises:
        Fault: it is damaged, or of a later version.
    """
    file = folder / FILE
    try:
        data = plain.json_object(file, _MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if type(later := data.get("format")) is int and later > _FORMAT:
        raise Fault(f"a later version of nascli has written '{file}': take that version")
    try:
        plain.whole(data, "format")
        texts = {name: _text(data, name) for name in ("space", "networks", "device", "model")}
        conditions = _object(data, "conditions")
        for name, value in conditions.items():
            if type(value) not in (str, int):
                raise Fault(f"conditions.{name:.80} is {value!r:.80}; it must be text or a number")
        rows = data["measured"]
        if not isinstance(rows, list) or not rows:
            raise Fault(f"measured is {rows!r:.80}; it must be a list of networks")
        measured = tuple(_measured(row, conditions) for row in rows)
        if not any(one.use == FIT for one in measured):
            raise Fault("it has no network to predict others from")
        return Profile(
            **texts,
            conditions=conditions,
            measured=measured,
            errors=plain.numbers(data, "errors"),
            check=_object(data, "check"),
        )
    except KeyError as error:
        raise Fault(f"'{file}' is damaged: {error.args[0]} is missing") from error
    except Fault as fault:
        raise Fault(f"'{file}' is damaged: {fault}") from fault


def _measured(row: object, conditions: Mapping[str, str | int]) -> Measured:
    if not isinstance(row, Mapping):
        raise Fault(f"measured has {row!r:.80}; each must be an object")
    p10, quartile, median, p90 = (
        plain.amount(row, f"{name}_ms") for name in ("p10", "lower_quartile", "median", "p90")
    )
    latency = Latency(median, p10, p90, plain.whole(row, "repeats"), conditions, quartile)
    if not (min(p10, quartile) >= _LEAST_MS and p90 <= _MOST_MS and latency.in_order):
        raise Fault(
            f"measured has {p10:g}, {quartile:g}, {median:g}, {p90:g} ms: out of order, or no times"
        )
    if row["use"] not in (FIT, CHECK):
        raise Fault(f"use is {row['use']!r:.80}; it must be {FIT} or {CHECK}")
    genotype, macs = Genotype.from_json(row["genotype"]), plain.amount(row, "macs")
    return Measured(genotype, latency, macs, row["use"], _kernels(row.get("kernels", [])))


def _kernels(rows: object) -> tuple[Kernel, ...]:
    found = []
    for row in rows if isinstance(rows, list) else [rows]:
        match row:
            case [str(name), [_, _, _] as inside, [_, _, _] as shape, float(share)] if (
                all(type(n) is int and n > 0 for n in (*inside, *shape)) and 0 <= share <= 1
            ):
                found.append(Kernel(name, tuple(inside), tuple(shape), share))
            case _:
                raise Fault(f"kernels has {row!r:.80}; each must be a name, two shapes, a share")
    return tuple(found)


def _text(data: Mapping[str, Any], key: str) -> str:
    value = plain.text(data, key)
    if not value:
        raise Fault(f"{key} is empty")
    return value


def _object(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data[key]
    if not isinstance(value, dict):
        raise Fault(f"{key} is {value!r:.80}; it must be an object")
    return value
