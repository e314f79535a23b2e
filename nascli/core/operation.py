"""What builds an operation of a space, and which settings the shipped ones take; no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from nascli.core.channels import SQUEEZES, odd
from nascli.core.fault import unknown

ACTIVATIONS = ("relu", "relu6", "swish", "hswish", "linear")
_HERE = "nascli.operations."
_HYDRA = {"_target_", "_partial_"}


class Setting(NamedTuple):
    """Which values a setting has, in words too; a setting without a default must be given."""

    fits: Callable[[object], bool]
    words: str
    required: bool = False


def _whole(value: object) -> bool:
    return type(value) is int and value > 0


def _above_zero(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and 0 < value < float("inf")


def _flag(value: object) -> bool:
    return type(value) is bool


def _one_of(*names: str) -> Setting:
    return Setting(lambda value: value in names, f"one of {', '.join(names)}")


_FLAG = Setting(_flag, "true or false")
_ODD = Setting(lambda value: not odd(value), odd(None))
_NEEDED = {"kernel": _ODD._replace(required=True)}
_KERNEL = {"kernel": _ODD}
_BLOCK = {**_KERNEL, "activation": _one_of(*ACTIVATIONS)}
SETTINGS: Mapping[str, Mapping[str, Setting]] = {
    "nascli.operations.skip.skip_connect": {},
    "nascli.operations.skip.Zero": {},
    "nascli.operations.convolution.ReluConvNorm": _KERNEL,
    "nascli.operations.separable.SeparableConv": _NEEDED,
    "nascli.operations.separable.DilatedConv": _NEEDED,
    "nascli.operations.pool.average_pool": _KERNEL,
    "nascli.operations.pool.max_pool": _KERNEL,
    "nascli.operations.inverted.ConvNorm": _BLOCK,
    "nascli.operations.inverted.DepthwiseSeparable": _BLOCK,
    "nascli.operations.inverted.identity": {},
    "nascli.operations.inverted.InvertedResidual": {
        **_BLOCK,
        "expansion": Setting(_above_zero, "a number above 0"),
        "squeeze": _one_of(*SQUEEZES),
        "keep": _FLAG,
    },
    "nascli.operations.inverted.HiddenClassifier": {
        "hidden": Setting(_whole, "a whole number above 0", required=True),
        "activation": _BLOCK["activation"],
    },
    "nascli.operations.shuffle.ShuffleBlock": {**_KERNEL, "xception": _FLAG},
}
"""Import path of what builds an operation -> its settings."""


def origin(operation: object) -> tuple[str, Mapping[str, Any]]:
    """The import path of what builds an operation, and the settings that it is given."""
    if isinstance(operation, Mapping):
        given = {key: value for key, value in operation.items() if key not in _HYDRA}
        return str(operation.get("_target_")), given
    if isinstance(operation, partial) and not operation.args:
        return origin(operation.func)[0], operation.keywords
    module, name = (getattr(operation, key, "") for key in ("__module__", "__qualname__"))
    return f"{module}.{name}", {}


def shipped(operation: object) -> bool:
    """Whether an operation of a space is one that comes with this package."""
    return origin(operation)[0].startswith(_HERE)


def wrong(operations: Mapping[str, object]) -> list[str]:
    """A line for every setting of a shipped operation that it does not have, or not with its value.

    An operation without a path, or with one that is nobody's, is told as it is imported.
    """
    found = []
    for name, operation in operations.items():
        path, given = origin(operation)
        if path not in SETTINGS:
            continue
        settings = SETTINGS[path]
        for key, value in given.items():
            if not settings:
                found.append(f"operation '{name}' has no settings; leave out {key}")
            elif key not in settings:
                found.append(unknown(f"operation '{name}': setting", key, settings))
            elif not settings[key].fits(value):
                found.append(f"operation '{name}': {key} is {value!r}; it is {settings[key].words}")
        found += [
            f"operation '{name}' needs a {key}: it is {setting.words}"
            for key, setting in settings.items()
            if setting.required and key not in given
        ]
    return found
