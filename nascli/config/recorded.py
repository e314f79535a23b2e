"""Run folders and configs: a new folder keeps its config, and an old one's config is data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nascli.config import kinds, shapes
from nascli.config.compose import Asked
from nascli.config.files import OWN, grouped_targets
from nascli.config.overrides import key_of, written
from nascli.core.fault import Fault, unknown
from nascli.data import membership
from nascli.runs import aliases, environment, reading, yaml_file
from nascli.runs.folder import CONFIG, Run

_MARKS = {
    "audit": "reference",
    "search": "strategy",
    "scale": "depth_rounding",
    "retrain": "genotype",
}
"""Verb that can be resumed -> a key that of these its config alone has."""
_CHANGEABLE = (
    *("budget.", "accelerator", "kernels", "outputs", "resume", "data.path", "estimator.path"),
    "device.command",
)


def claimed(asked: Asked, *groups: str, files: Mapping[str, str] | None = None) -> Run:
    """A new run folder, called after the options that were chosen for these groups.

    `files` (name -> text) are there from the beginning.

    Raises:
        Fault: it cannot be made.
    """
    label = "_".join(asked.choices[group] for group in groups if group in asked.choices)
    return named(asked, label, files)


def named(asked: Asked, label: str, files: Mapping[str, str] | None = None) -> Run:
    """A new run folder with this label.

    Raises:
        Fault: it cannot be made.
    """
    begun = {**_initial_files(asked), **(files or {})}
    return Run.claim(Path(asked.config.outputs), asked.verb, label, begun)


def _initial_files(asked: Asked) -> dict[str, str]:
    """Name -> text of the files that every run folder starts with: all it takes to run it again."""
    overrides = [_absolute(override, asked.config) for override in asked.overrides]
    return environment.initial_files(
        OmegaConf.to_yaml(_settled(asked.config)),
        command=asked.command,
        choices=asked.choices,
        overrides=overrides,
        seed=asked.config.seed,
    )


def _settled(config: DictConfig) -> DictConfig:
    """The config with values in place of what only this machine can look up: `${oc.env:HOME}`."""

    def settle(node: Any, found: Any) -> Any:
        if isinstance(node, dict):
            return {key: settle(child, found[key]) for key, child in node.items()}
        if isinstance(node, list):
            return [settle(child, value) for child, value in zip(node, found, strict=True)]
        return found if isinstance(node, str) and not yaml_file.own(node) else node

    plain = (OmegaConf.to_container(config, resolve=resolve) for resolve in (False, True))
    settled: DictConfig = OmegaConf.create(settle(*plain))
    return settled


def opened(asked: Asked) -> tuple[Run, Asked]:
    """The run folder to go on with, and what its own config asks for.

    The budget, and where it runs, are as the command line now says.

    Raises:
        Fault: it is none, something else is to be changed, or its config names code that no config
            here names.
    """
    run = Run.open(Path(asked.config.resume))
    with freed(run):
        return run, _going_on(run, asked)


def _going_on(run: Run, asked: Asked) -> Asked:
    """What the run's own config asks for, as far as the command line may not change it."""
    by_hand = [text for text in asked.overrides if "=${space." not in text]  # see rewritten
    keys = [key_of(text) for text in by_hand]
    plain = reading.config(run.path)  # what is told of it alone is told without importing torch
    _check_verb(run, verb_of(plain), asked)
    for place in {key.partition(".")[0] for key in keys if "." in key}:
        target = OmegaConf.select(asked.config, f"{place}._target_")
        before = plain.get(place)
        if target and isinstance(before, Mapping) and target == before.get("_target_"):
            keys = [k for k in keys if k.rpartition("@")[2] != place]  # see following.carried
    bad = [key for key in keys if not key.startswith(_CHANGEABLE)]
    if asked.verb != "search":  # which alone looks whether it answers as before
        bad += [key for key in keys if key.startswith("estimator.")]
    if bad:
        raise Fault(
            f"{', '.join(bad)} cannot change when a run is resumed; only budget.*, accelerator, "
            "kernels, data.path (of the same images) and estimator.path (of the same answers) can: "
            "for anything else start a new run"
        )
    config = load(run.path, asked.directories)
    if "data.path" in keys and not (run.path / membership.FILE).is_file():
        raise Fault(
            f"'{run.path}' has no record of its images ({membership.FILE}), so it cannot be told "
            "whether data.path holds the same: put them back where they were"
        )
    _check_command(config, asked, keys)
    reading.environment(run.path)  # which the report in the end is to hold
    for key in config.get("budget", ()):
        if key not in asked.config.budget:
            raise Fault(unknown(f"in '{run.path / CONFIG}' budget", key, asked.config.budget))
    for key in keys:
        if key.startswith(("budget.", "accelerator", "kernels", "data.path", "estimator.path")):
            OmegaConf.update(config, key, OmegaConf.select(asked.config, key))
    config.resume = str(run.path)
    return asked.with_config(config)


def _check_verb(run: Run, verb: str, asked: Asked) -> None:
    """Raises a Fault if the run is none of the verb that is asked to go on with it."""
    if verb not in _MARKS:
        marks = " nor ".join(_MARKS.values())
        raise Fault(f"'{run.path / CONFIG}' is of no run that can go on: it has neither {marks}")
    if verb != asked.verb:
        raise Fault(
            f"'{run.path}' is a run of nas {verb}, which nas {asked.verb} cannot go on with; "
            f"take {asked.then(verb, f'resume={run.path}')}"
        )


def _check_command(config: DictConfig, asked: Asked, keys: Sequence[str]) -> None:
    """Raises a Fault if a run folder would have a program started that the user has not named."""
    command = (config.get("device") or {}).get("command")
    given = OmegaConf.select(asked.config, "device.command") if "device.command" in keys else None
    if given != command:
        said = f"device.command={written(command)}" if command else "no device.command"
        raise Fault(
            f"this run starts a program on this machine, and its folder is data: give {said} with "
            "resume=, if that is what you mean to start"
        )


@contextmanager
def freed(run: Run) -> Iterator[None]:
    """Lets go of the folder if what is done meanwhile fails: a kept exception must not hold it."""
    try:
        yield
    except BaseException:
        run.close()
        raise


def _absolute(override: str, config: DictConfig) -> str:
    """Paths, and what only this machine can look up, as the config now has them."""
    key = override.partition("=")[0].lstrip("+")
    if key != "data.path" and yaml_file.own(override):
        return override
    value = OmegaConf.select(config, key)
    return f"{key}={written(str(value) if key == 'data.path' else value)}"


def load(folder: Path, directories: Sequence[Path] = ()) -> DictConfig:
    """The composed config of a run folder.

    Raises:
        Fault: it is unreadable, lacks what its verb needs, or would build something that no config
            at hand would.
    """
    plain = reading.config(folder)
    file = folder / CONFIG
    check_shape(plain, file)
    check_targets(plain, file, directories)
    bad = [line for key, node in plain.items() for line in _settings(node, key)]
    if bad:
        raise Fault("\n".join(f"'{file}' is damaged: {line}" for line in bad))
    return OmegaConf.create(plain)


def verb_of(config: Mapping[Any, Any]) -> str:
    """The verb whose config it is, of those that can be resumed."""
    return next((verb for verb, key in _MARKS.items() if key in config), "another verb")


def check_shape(plain: Mapping[str, Any], file: Path) -> None:
    """Raises a Fault if the config in `file` does not hold what its verb reads of it."""
    verb = verb_of(plain)
    if verb in _MARKS:
        try:
            shapes.check(verb, plain)
            built = {key: node for key, node in plain.items() if isinstance(node, Mapping)}
            for key, node in built.items():
                if node.get("_partial_", False) is not (key == "workers"):
                    raise Fault(f"{key}._partial_ is wrong: workers alone are built in part")
        except Fault as fault:
            lines = str(fault).splitlines()
            raise Fault("\n".join(f"'{file}' is damaged: {line}" for line in lines)) from fault


def _settings(node: Any, where: str) -> Iterator[str]:
    """What is wrong with the settings of the components below a node."""
    if isinstance(node, list):
        for number, value in enumerate(node):
            yield from _settings(value, f"{where}[{number}]")
    if not isinstance(node, Mapping):
        return
    names = None
    if "_target_" in node:
        yield from kinds.wrong(node, where)
        names = kinds.names(node)
    for key, value in node.items():
        if names is not None and not key.startswith("_") and key not in names:
            yield unknown(f"key of {where}", key, names)
        yield from _settings(value, f"{where}.{key}")


def check_targets(plain: Mapping[str, Any], file: Path, directories: Sequence[Path] = ()) -> None:
    """Raises a Fault if the config `plain`, from `file`, would build what no config at hand would.

    What a group builds has to be what a config of that group names.
    """
    known = grouped_targets(directories)
    anywhere = set().union(*known.values())
    for target in map(aliases.target, _targets(plain)):
        if target not in anywhere:
            raise Fault(
                f"'{file}' would build '{target}', which no config of this installation names; "
                "if it is yours, give its folder with --config-dir"
            )
    for key, node in plain.items():
        group = known.get("estimator" if key == "reference" else key)
        if group is None or not isinstance(node, Mapping) or "_target_" not in node:
            continue
        built = aliases.target(node["_target_"])
        if built not in group | known[OWN]:
            raise Fault(f"'{file}' would build '{built}' as {key}, which no config of {key} names")


def _targets(node: Any) -> Iterator[str]:
    """Every `_target_` below a node."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield str(node["_target_"])
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)
