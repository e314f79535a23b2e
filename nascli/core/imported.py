"""What an import path names: the class or function behind a `_target_`."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any

from nascli.core.fault import Fault, first_line, unknown


def target(path: str, owner: str) -> Any:
    """The class, or the function, that a `_target_` names.

    Raises:
        Fault: there is none, or importing it fails; it begins with `owner`, what it was to make.
    """
    try:
        return imported(path)
    except Fault as fault:
        raise Fault(f"{owner}: _target_ '{path}' cannot be used: {fault}") from fault


def imported(path: str) -> Any:
    """The class or function at `path`, which reads package.module.Name.

    Raises:
        Fault: there is none, importing its module fails, or it cannot be called.
    """
    names = path.split(".")
    if len(names) < 2 or not all(name.isidentifier() for name in names):
        raise Fault("write it as MODULE.NAME")
    made: Any
    made, found = _module(names)
    for number in range(found, len(names)):
        if not hasattr(made, names[number]):
            raise Fault(_missing(made, ".".join(names[:number]), names[number]))
        made = getattr(made, names[number])
    if not callable(made):
        raise Fault(f"it is no class or function, but {made!r:.80}")
    return made


def _module(names: list[str]) -> tuple[ModuleType, int]:
    """The module that the path begins with, and how many of the names it takes: as many as can."""
    made, found = None, 0
    for count in range(1, len(names) + 1):
        name = ".".join(names[:count])
        try:
            made, found = importlib.import_module(name), count
        except ModuleNotFoundError as error:
            if error.name == name:
                break
            raise Fault(f"importing '{name}' fails: {first_line(error)}") from error
        except Exception as error:  # whatever a module of the user's does
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise Fault(f"importing '{name}' fails: {reason}") from error
    if made is not None:
        return made, found
    raise Fault(
        f"there is no module '{names[0]}'; modules are found in the folder where nas is started, "
        "in folders of --config-dir, and where Python finds its own"
    )


def _missing(made: Any, path: str, name: str) -> str:
    """Says that `path` has no `name`, and what a module has."""
    if not isinstance(made, ModuleType):
        return f"'{path}' has no '{name}'"
    own = [
        key
        for key, value in vars(made).items()
        if callable(value) and getattr(value, "__module__", "") == made.__name__
    ]
    own += [module.name for module in pkgutil.iter_modules(getattr(made, "__path__", ()))]
    return f"in '{path}', " + unknown("name", name, (key for key in own if key[0] != "_"))
