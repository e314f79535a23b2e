"""Settings of runs: which runs differ by their seed alone, what distinguishes the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nascli.core.fault import Fault

Settings = Mapping[str, Any]
_PROBLEM = ("space", "data", "estimator", "objectives", "constraints", "fidelity", "scalarisation")
_PLACE = ("seed", "outputs", "resume", "accelerator", "threads", "kernels")
"""No result depends on these."""


def settings(config: Mapping[str, Any], choices: Mapping[str, str]) -> dict[str, Any]:
    """Every setting of a run, `strategy.population` -> 50; a component goes by its option's name.

    Args:
        config: the composed config.
        choices: config group -> option, as environment.json has recorded them; a component that is
            not among them goes by its class's name.
    """
    names = {str(key).rpartition("@")[2]: str(name) for key, name in choices.items()}
    flat: dict[str, Any] = {}
    for key, value in _flat(config, ""):
        node, _, last = key.rpartition(".")
        if last == "_target_":
            flat[node] = names.get(node, str(value).rpartition(".")[2])
        elif key.partition(".")[0] not in _PLACE and not last.startswith("_"):
            whole = isinstance(value, float) and value.is_integer()
            flat[key] = int(value) if whole else value  # 1 and 1.0 are the same setting
    return flat


def split(config: Settings, *, trained: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings that state the problem, and those that say how it is solved.

    The training recipe belongs to the problem where networks are `trained`, and
    to neither half elsewhere; so does the device where the problem speaks of latency.
    """
    groups = set(_PROBLEM) | ({"training"} if trained else set())
    if any("latency" in f"{k} {v}" for k, v in config.items() if _group(k) in _PROBLEM and v):
        groups.add("device")
    stated = {key: value for key, value in config.items() if _group(key) in groups}
    neither = {*groups, "training", "device"}
    return stated, {key: value for key, value in config.items() if _group(key) not in neither}


def same_problem(problems: Mapping[str, Settings]) -> None:
    """Raises a Fault that says what differs if the runs are not on the same problem."""
    lines = []
    keys = _differing(list(problems.values()))
    for key in [key for key in keys if not any(key.startswith(f"{other}.") for other in keys)]:
        where: dict[str, list[str]] = {}
        for run, problem in problems.items():
            where.setdefault(written(problem.get(key)), []).append(run)
        told = ", ".join(f"{value} in {_several(runs)}" for value, runs in where.items())
        lines.append(f"  {key} is {told}")
    if lines:
        head = (
            "these runs are not on the same problem, so their results do not compare; name those "
            "that are, or give what is to be compared a folder of its own (outputs=FOLDER):"
        )
        raise Fault("\n".join([head, *lines]))


def labels(methods: Sequence[Settings]) -> list[str]:
    """A name for each of several different methods: its strategy, and what else it takes.

    Where a strategy occurs more than once, settings are added one by one, always that which tells
    most of them apart, until no two names are the same.
    """
    found = [written(method.get("strategy")) for method in methods]
    for strategy in dict.fromkeys(found):
        alike = [place for place, name in enumerate(found) if name == strategy]
        keys = _telling([methods[place] for place in alike])
        for place in alike:
            method = methods[place]
            parts = [f"{_short(key)}={written(method.get(key))}" for key in keys]
            found[place] = " ".join([strategy, *parts])
    return found


def _telling(methods: Sequence[Settings]) -> list[str]:
    """Few settings that tell apart all of these methods that differ."""
    left, keys = _differing(methods), list[str]()
    left.sort(key=lambda key: (key.count("."), _group(key) != "strategy"))
    kinds = len(_values(methods, left))
    while len(_values(methods, keys)) < kinds:
        keys.append(max(left, key=lambda key: len(_values(methods, [*keys, key]))))
    return keys


def _values(methods: Sequence[Settings], keys: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(written(method.get(key)) for key in keys) for method in methods}


def _differing(several: Sequence[Settings]) -> list[str]:
    """The settings that are not the same in all."""
    keys = dict.fromkeys(key for one in several for key in one)
    return [key for key in keys if len({written(one.get(key)) for one in several}) > 1]


def written(value: Any) -> str:
    """A setting as the command line has it."""
    if isinstance(value, bool) or value is None:
        return str(value).lower().replace("none", "null")
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    return str(value)


def _flat(node: Any, before: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(node, Mapping) or not node:
        yield before, node if node != {} else None
        return
    for key, value in node.items():
        yield from _flat(value, f"{before}.{key}" if before else str(key))


def _group(key: str) -> str:
    return key.partition(".")[0]


def _short(key: str) -> str:
    return key.removeprefix("strategy.")


def _several(runs: Sequence[str]) -> str:
    more = f" (and {len(runs) - 1} more)" if len(runs) > 1 else ""
    return f"'{runs[0]}'{more}"
