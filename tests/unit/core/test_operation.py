"""The settings that shipped operations are said to take are those of what builds them."""

import importlib
import inspect
import pkgutil

import pytest

import nascli.operations
from nascli.core.fault import Fault
from nascli.core.operation import ACTIVATIONS, SETTINGS
from nascli.operations.inverted import named

FIRST = ["in_channels", "out_channels", "stride", "shared"]


def imported(path):
    module, name = path.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("path", SETTINGS)
def test_they_have_the_names_and_defaults_of_the_builder(path):
    parameters = list(inspect.signature(imported(path)).parameters.values())
    assert [p.name.removeprefix("_") for p in parameters[:4]] == FIRST
    needed = {p.name: p.default is inspect.Parameter.empty for p in parameters[4:]}
    assert needed == {key: setting.required for key, setting in SETTINGS[path].items()}
    for key, setting in SETTINGS[path].items():
        default = inspect.signature(imported(path)).parameters[key].default
        assert setting.required or setting.fits(default)


def test_no_operation_that_can_be_built_is_missing():
    found = set()
    for module in pkgutil.iter_modules(nascli.operations.__path__, "nascli.operations."):
        for name, made in vars(importlib.import_module(module.name)).items():
            here = getattr(made, "__module__", "") == module.name and callable(made)
            if (
                here
                and not name.startswith("_")
                and list(inspect.signature(made).parameters)[:4] == FIRST
            ):
                found.add(f"{module.name}.{name}")
    assert found <= SETTINGS.keys() | {"nascli.operations.skip.FactorizedReduction"}


@pytest.mark.parametrize("activation", [*ACTIVATIONS, "bar"])
def test_activations_are_those_that_can_be_built(activation):
    if activation == "bar":
        with pytest.raises(Fault):
            named(activation)
    else:
        assert named(activation)
