"""A command line, or a call from Python, on its way to overrides that Hydra can take."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from hydra.errors import HydraException

from nascli.config import check, following, overrides, own_data
from nascli.config.compose import Asked, asked
from nascli.config.files import root
from nascli.config.light import light
from nascli.core.fault import Fault

_POSITIONAL = ("show", "retrain", "export", "scale")


def checked(
    verb: str, words: Sequence[str], directories: Sequence[Path], *, multirun: bool = False
) -> list[str]:
    """The overrides of `nas verb`, quoted and completed, once nothing is wrong with them.

    Raises:
        Fault: everything that is.
    """
    given = [overrides.positional(verb, word, _POSITIONAL) for word in words]
    given = overrides.gathered(given) if verb == "compare" else given
    given = overrides.looked_at(given) if verb == "predict" else given
    given = overrides.quoted(given, multirun=multirun)
    try:
        carried = following.carried(verb, given)
        _check_known(carried, directories)
        carried += following.deployed(verb, given)
    except Fault as fault:
        others = _beside(str(fault), verb, given, directories, multirun=multirun)
        raise Fault("\n".join([str(fault), *others])) from fault
    found, good = check.faults(verb, carried + given, directories, multirun=multirun)
    if found:
        found += _deeper(verb, given, good, directories)
        raise Fault("\n".join(dict.fromkeys(found)))
    if any("${" in override for override in given):  # Hydra itself would stumble over a wrong one
        asked(verb, overrides.rewritten(good), directories)
    if verb != "retrain":  # a training's recipe sizes the network; to look at a run is to keep it
        carried = overrides.rewritten(carried)
    return [*carried, *overrides.rewritten(given)]


def _beside(
    fault: str, verb: str, given: Sequence[str], directories: Sequence[Path], *, multirun: bool
) -> list[str]:
    """What is wrong besides a network, or a run, that cannot be had; not with what follows from it.

    Building is asked too where it meets the same fault: what it says else is no consequence.
    """
    rest = [o for o in given if not o.lstrip("+~").startswith(("space", "data", "operation@"))]
    found, good = check.faults(verb, rest, directories, multirun=multirun)
    deeper = _deeper(verb, given, good, directories)
    found += deeper if set(fault.splitlines()) <= set(deeper) else []
    return [line for line in dict.fromkeys(found) if line not in fault.splitlines()]


def _check_known(carried: Sequence[str], directories: Sequence[Path]) -> None:
    """Raises a Fault for a component of the run that `carried` is of which no config here names."""
    for override in carried:
        key, _, chosen = override.partition("=")
        group, at, _ = key.partition("@")
        named = group.isidentifier() and (at or key == group)
        options = chosen.strip("[]").split(",") if named else ()
        for option in options:
            files = [base / group / f"{option.strip()}.yaml" for base in (root(), *directories)]
            if not any(file.is_file() for file in files):
                raise Fault(
                    f"the run was made with {group}={option.strip()}, which no config of this "
                    "installation names; if it is yours, give its folder with --config-dir"
                )


def asked_for(verb: str, words: Sequence[str], directories: Sequence[Path]) -> Asked:
    """What `nas verb WORDS` asks for.

    Raises:
        Fault: everything that is wrong with it.
    """
    return composed(verb, checked(verb, words, directories), directories)


def composed(
    verb: str, ready: Sequence[str], directories: Sequence[Path], command: Sequence[str] = ()
) -> Asked:
    """What checked overrides ask of a verb; `command` is the whole line, if it was one.

    Raises:
        Fault: together they cannot be composed.
    """
    try:
        return own_data.followed(asked(verb, ready, directories, command))
    except HydraException as error:
        raise Fault(" ".join(str(error).split())) from error


def _deeper(
    verb: str, given: Sequence[str], good: Sequence[str], directories: Sequence[Path]
) -> list[str]:
    """What building finds wrong with those overrides that can be composed, as far as is light.

    What is `given` and no good is told already, and so is not missing.
    """
    keys = {overrides.key_of(override) for override in given}
    with light():
        try:
            found = asked(verb, overrides.rewritten(good), directories)
            if not found.config.get("resume"):  # a run's own parts are not those composed here
                importlib.import_module(f"nascli.config.{verb}").check(found)
        except Fault as fault:
            lines = str(fault).splitlines()
            return [line for line in lines if line.partition(" is missing: ")[0] not in keys]
        except HydraException:
            pass  # already reported
    return []
