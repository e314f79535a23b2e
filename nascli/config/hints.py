"""What somebody meant who wrote a key that is not known: by its meaning, not by its letters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nascli.config.files import root
from nascli.core.fault import unknown

_MEANT = {
    "lr": "learning_rate",
    "bs": "batch_size",
    "batch": "batch_size",
    "wd": "weight_decay",
    "clip": "gradient_clip",
    "grad_clip": "gradient_clip",
    "dropout": "drop_path",
    "layers": "cells",
    "width": "channels",
    "ops": "operations",
    "dataset": "data",
    "data_path": "path",
    "data_dir": "path",
    "root": "path",
    "image_dir": "path",
    "n_trials": "trials",
    "max_trials": "trials",
    "iterations": "trials",
    "samples": "trials",
    "time": "seconds",
    "timeout": "seconds",
    "max_time": "seconds",
    "output": "outputs",
    "out": "outputs",
    "output_dir": "outputs",
    "save_dir": "outputs",
    "gpu": "accelerator",
    "gpus": "accelerator",
    "use_gpu": "accelerator",
    "hardware": "device",
    "random_seed": "seed",
    "arch": "genotype",
    "architecture": "genotype",
    "model": "genotype",
    "checkpoint": "resume",
    "algorithm": "strategy",
    "method": "strategy",
    "searcher": "strategy",
    "optimizer": "strategy",
    "search_space": "space",
    "evaluator": "estimator",
    "objective": "objectives",
    "metric": "objectives",
    "constraint": "constraints",
    "num_workers": "workers",
    "jobs": "workers",
    "params": "constraints.params",
    "macs": "constraints.macs",
    "flops": "constraints.flops",
    "latency_ms": "constraints.latency_ms",
    "latency": "constraints.latency_ms",
    "energy_mj": "constraints.energy_mj",
    "flash_kib": "constraints.flash_kib",
    "flash": "constraints.flash_kib",
    "ram_kib": "constraints.ram_kib",
    "ram": "constraints.ram_kib",
}
"""What others call a key -> the last part of ours, or all of it."""


def unknown_key(
    parts: Sequence[str], owner: object, config: Mapping[str, Any], directories: Sequence[Path]
) -> str:
    """Says that the key at `parts` is not known, lists what is there, and names what was meant.

    Args:
        parts: of the key, as far as its first unknown one.
        owner: what has no such key.
        config: composed, without the values that are being looked at.
        directories: the user's own config folders.
    """
    *above, name = parts
    allowed = [str(key) for key in owner if key[0] != "_"] if isinstance(owner, Mapping) else []
    names = [".".join([*above, key]) for key in allowed]
    others = _of_options(config, directories)
    meant = _MEANT.get(name, name)
    keys = sorted(_keys(config), key=lambda key: (key.count("."), not key.startswith("training.")))
    same = [key for key in keys if meant in (key, key.rpartition(".")[2])]
    if above:
        there = others.get(".".join(parts), [])
        nearest = ".".join([*above, meant]) if meant in allowed else same[0] if same else None
        text = unknown("key", ".".join(parts), names, meant="" if there else nearest)
        return f"{text}; {_key_of(above[0], there)}" if there else text
    if same or meant.partition(".")[0] in config:
        return unknown("key", name, names, meant=[*same, meant][0])
    for key, options in others.items():
        if key.rpartition(".")[2] == meant:
            text = unknown("key", name, names, meant=key)
            return f"{text} ({_key_of(key.partition('.')[0], options)})"
    others_have = ", ".join(verbs(meant.partition(".")[0]))
    text = unknown("key", name, names, meant="" if others_have else None)
    it = "it" if meant == name else meant
    return f"{text}; {it} is a key of {others_have}" if others_have else text


def verbs(key: str) -> list[str]:
    """The verbs that have such a key, or such a group."""
    line = re.compile(rf"^(  - )?(?!defaults){re.escape(key)}:", re.MULTILINE)
    files = sorted(root().glob("*.yaml"))
    return [f"nas {file.stem}" for file in files if line.search(file.read_text("utf-8"))]


def _key_of(group: str, options: Sequence[str]) -> str:
    return f"it is a key of {', '.join(f'{group}={option}' for option in options)}"


def _keys(node: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Every key of a config, with dots."""
    for key, value in node.items():
        if key[0] != "_":
            yield f"{above}{key}"
            if isinstance(value, Mapping):
                yield from _keys(value, f"{above}{key}.")


def _of_options(config: Mapping[str, Any], directories: Sequence[Path]) -> dict[str, list[str]]:
    """Key of a component, with its group -> the options of that group that have it."""
    found: dict[str, list[str]] = {}
    for base in (root(), *directories):
        for file in sorted(base.glob("*/*.yaml")):
            group, text = file.parent.name, file.read_text("utf-8", "replace")
            if group not in config:
                continue
            if text.startswith("# @package _global_"):
                text = "".join(re.findall(rf"^{group}:\n((?:  .*\n|\n)*)", text, re.MULTILINE))
            for key in re.findall(r"^(?:  )?([a-z]\w*):", text, re.MULTILINE):
                if key != "defaults":
                    found.setdefault(f"{group}.{key}", []).append(file.stem)
    return found
