"""Run folders and configs: a new folder keeps its config, and an old one's config is data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nascli.config import shapes
from nascli.config.compose import Asked
from nascli.config.files import targets
from nascli.config.overrides import written
from nascli.core.fault import Fault
from nascli.data import membership
from nascli.runs import aliases, environment, reading
from nascli.runs.folder import CONFIG, Run

_MARKS = {"audit": "reference", "search": "strategy", "retrain": "genotype"}
"""Verb that can be resumed -> a key that of these its config alone has."""
_CHANGEABLE = ("budget.", "accelerator", "outputs", "resume", "data.path")


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
        OmegaConf.to_yaml(asked.config),
        command=asked.command,
        choices=asked.choices,
        overrides=overrides,
        seed=asked.config.seed,
    )


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
    keys = [text.lstrip("+~").partition("=")[0] for text in asked.overrides]
    config = load(run.path, asked.directories)
    moved = "data.path" in keys
    if moved and asked.config.data._target_ == config.data._target_:
        keys = [key for key in keys if key != "data"]  # it is the run's own
    bad = [key for key in keys if not key.startswith(_CHANGEABLE)]
    if bad:
        raise Fault(
            f"{', '.join(bad)} cannot change when a run is resumed; only budget.*, accelerator and "
            "data.path (of the same images) can: for anything else start a new run"
        )
    verb = verb_of(config)
    if verb != asked.verb:
        raise Fault(
            f"'{run.path}' is a run of nas {verb}, which nas {asked.verb} cannot go on with; "
            f"take {asked.then(verb, f'resume={run.path}')}"
        )
    if moved and not (run.path / membership.FILE).is_file():
        raise Fault(
            f"'{run.path}' has no record of its images ({membership.FILE}), so it cannot be told "
            "whether data.path holds the same: put them back where they were"
        )
    for key in keys:
        if key.startswith(("budget.", "accelerator", "data.path")):
            OmegaConf.update(config, key, OmegaConf.select(asked.config, key))
    config.resume = str(run.path)
    return asked.with_config(config)


@contextmanager
def freed(run: Run) -> Iterator[None]:
    """Lets go of the folder if what is done meanwhile fails: a kept exception must not hold it."""
    try:
        yield
    except BaseException:
        run.close()
        raise


def _absolute(override: str, config: DictConfig) -> str:
    """A path as the config now has it, which holds from any folder."""
    key = override.partition("=")[0]
    if key != "data.path":
        return override
    return f"{key}={written(str(OmegaConf.select(config, key)))}"


def load(folder: Path, directories: Sequence[Path] = ()) -> DictConfig:
    """The composed config of a run folder.

    Raises:
        Fault: it is unreadable, lacks what its verb needs, or would build something that no config
            at hand would.
    """
    plain = reading.config(folder)
    check_targets(plain, folder / CONFIG, directories)
    check_shape(plain, folder / CONFIG)
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
        except Fault as fault:
            lines = str(fault).splitlines()
            raise Fault("\n".join(f"'{file}' is damaged: {line}" for line in lines)) from fault


def check_targets(node: Any, file: Path, directories: Sequence[Path] = ()) -> None:
    """Raises a Fault if `node`, from `file`, would build what no config at hand would."""
    known = targets(directories)
    for target in map(aliases.target, _targets(node)):
        if target not in known:
            raise Fault(
                f"'{file}' would build '{target}', which no config of this installation names; "
                "if it is yours, give its folder with --config-dir"
            )


def _targets(node: Any) -> Iterator[str]:
    """Every `_target_` below a node."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield str(node["_target_"])
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)
