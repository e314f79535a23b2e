"""What the keys of every verb's config hold, checked once it is composed and before it is used."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from nascli.config import kinds
from nascli.core.budget import Budget
from nascli.core.fault import Fault, unknown


class Keys:
    """Every key that is no component, of whatever verb, and what it holds."""

    accelerator: str
    threads: int | Literal["auto"]
    kernels: Literal["auto", "native", "torch"]
    seed: int
    outputs: str
    resume: str | None
    logger: str | None
    genotype: str | None
    supernet: str | None
    init: str
    fidelity: float
    objectives: Mapping[str, Literal["max", "min"]] | None
    constraints: Mapping[str, Any] | None
    deploy: Mapping[str, Any] | None
    budget: Budget
    trust: int
    rounding: int
    depth_rounding: str
    seeds: int
    baselines: Sequence[str]
    random_genotypes: int | None
    networks: int
    check: int
    genotypes: str
    resamples: int
    runs: Sequence[str]
    images: Sequence[str]
    top: int
    x: str
    at: float | None
    log_x: bool
    paired: bool
    front: bool
    svg: str | None
    reference: Mapping[str, float] | None
    ideal: Mapping[str, float] | None


_PARTS: Mapping[str, Sequence[str]] = {
    "search": ("space", "data", "training", "estimator", "strategy"),
    "audit": ("space", "data", "training", "estimator", "reference"),
    "retrain": ("space", "data", "training"),
    "profile": ("space", "data", "training"),
    "show": ("space", "data", "training"),
    "scale": ("space", "data", "training", "scaling", "estimator"),
    "export": ("format",),
}
"""Verb -> the components that it cannot do without."""
_OPTIONAL = ("device", "scalarisation", "workers", "surrogate")
_VALUES: Mapping[str, Sequence[str]] = {
    "search": ("resume", "budget"),
    "audit": ("resume", "networks", "genotypes", "supernet", "resamples"),
    "retrain": ("resume", "genotype"),
    "profile": ("genotype", "networks", "check"),
    "show": ("genotype", "front", "svg"),
    "scale": ("genotype", "rounding", "depth_rounding", "resume", "budget"),
    "export": ("genotype",),
    "predict": ("genotype", "images", "top"),
    "compare": ("runs", "x", "at", "log_x", "paired", "reference", "ideal"),
}
_COMMON = ("accelerator", "threads", "seed", "outputs")
_HYDRA: Mapping[str, Any] = {
    "_target_": str,
    "_partial_": bool,
    "_recursive_": bool,
    "_convert_": Literal["none", "partial", "object", "all"],
}


def check(verb: str, config: Mapping[str, Any]) -> None:
    """Whether the config of `nas verb`, as plain data, holds what is read from it.

    Raises:
        Fault: everything that is missing, or of another kind.
    """
    parts = _PARTS.get(verb, ())
    missing = [key for key in (*parts, *_COMMON, *_VALUES[verb]) if key not in config]
    found = [f"{key} is missing; nas {verb} needs it: give {key}=..." for key in missing]
    for key, value in config.items():
        if key in parts or (key in _OPTIONAL and value is not None and value != {}):
            found += _part(value, key)
        else:
            found += _value(kinds.field(Keys, key), value, key)
    folder = ("genotype",) if verb in ("export", "predict") else ()  # there it is always one
    paths = _paths(config, ("outputs", "resume", "supernet", *folder))
    found += [line for key, text in paths for line in _path(key, text)]
    for key in ("resume", "genotype", "supernet"):
        if config.get(key) == "":
            found.append(f"{key} is empty; give a run folder, or leave it out")
    if found:
        raise Fault("\n".join(dict.fromkeys(found)))


def _part(node: object, key: str) -> Iterator[str]:
    """What is wrong with a component's config, and those of its parts."""
    if not isinstance(node, Mapping) or not node.get("_target_"):
        said = "empty" if not node else f"{node!r:.80}"
        group = "estimator" if key == "reference" else key
        yield f"{key} is {said}; it must be one of those that nas list {group} shows"
    else:
        yield from _nested(node, key)


def _nested(node: object, where: str) -> Iterator[str]:
    """What is wrong with the words of Hydra's own, at any depth."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in _HYDRA and (expected := kinds.wanted(_HYDRA[key], value)):
                yield f"{where}.{key} is {value!r:.80}; it must be {expected}"
            yield from _nested(value, f"{where}.{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _nested(value, f"{where}[{number}]")


def _value(annotation: Any, value: object, key: str) -> Iterator[str]:
    """What is wrong with a value, and those inside of it."""
    expected = kinds.wanted(annotation, value)
    if value == "???":
        yield f"{key} is '???', which stands for what is missing; give it, or leave it out"
    elif expected:
        yield f"{key} is {kinds.written(value)}; it must be {expected}"
    elif isinstance(value, Mapping):
        fields = getattr(annotation, "__dataclass_fields__", {})
        limits = [name for name, field in fields.items() if field.init]
        for name, inner in value.items():
            if fields and name not in limits:
                yield unknown(f"key of {key}", name, limits)
            yield from _value(kinds.field(annotation, name), inner, f"{key}.{name}")


def _paths(
    node: Mapping[str, Any], named: Sequence[str] = (), above: str = ""
) -> Iterator[tuple[str, object]]:
    """Every path that a config names, with its key: those `named`, and whatever is a `path`."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _paths(value, above=f"{above}{key}.")
        elif key == "path" or key in named:
            yield f"{above}{key}", value
        elif not above and key in ("runs", "images") and isinstance(value, list):
            yield from ((key, entry) for entry in value)


def _path(key: str, text: object) -> Iterator[str]:
    """What is wrong with a path before anything is looked for there."""
    try:
        os.lstat(str(text))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        yield f"{key} is {str(text)!r:.80}; that is no possible path: {reason}"
