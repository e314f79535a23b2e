from __future__ import annotations

import subprocess
import sys

import pytest
from fixtures import environment
from torch import nn

from nascli.core.fault import Fault
from nascli.core.plan import Layer
from nascli.networks.building import build
from nascli.operations import resolve


def own(in_channels, out_channels, stride, shared):
    return nn.Conv2d(in_channels, out_channels, 1, stride)


CONV = {"_target_": "nascli.operations.convolution.ReluConvNorm", "kernel": 5}


def test_configs_and_callables_are_resolved_in_order():
    found = resolve({"own": own, "conv": {**CONV, "_partial_": True}, "again": CONV})
    assert list(found) == ["own", "conv", "again"]
    assert found["own"] is own
    for name in ("conv", "again"):
        assert found[name](2, 3, 1, False).body.kernel_size == (5, 5)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"kernel": 3}, "operation 'x' needs a '_target_' (an import path); it has kernel"),
        ({}, "operation 'x' needs a '_target_' (an import path); it has nothing"),
        (3, "operation 'x' must be a config with a '_target_', not 3"),
        (None, "operation 'x' must be a config with a '_target_', not None"),
    ],
)
def test_what_is_no_operation_is_named(value, message):
    with pytest.raises(Fault) as fault:
        resolve({"x": value})
    assert str(fault.value) == message


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nascli.operations.nowhere.Op", "nowhere"),
        ("nascli.operations.pool.best_pool", "best_pool"),
        ("no_such_package.Op", "no_such_package"),
        ("math.pi", "no class or function"),
        ("", ""),
    ],
)
def test_a_target_that_cannot_be_used_is_named(target, reason):
    with pytest.raises(Fault) as fault:
        resolve({"x": {"_target_": target}})
    message = str(fault.value)
    assert message.startswith(f"operation 'x': _target_ '{target}' cannot be used: ")
    assert reason in message.partition("cannot be used")[2]


def test_a_factory_that_takes_other_arguments_is_named():
    factories = resolve({"x": {**CONV, "size": 3}, "y": lambda: None})
    for name in ("x", "y"):
        with pytest.raises(Fault) as fault:
            build(factories, Layer(name, 2, 2, 1, 4, 4))
        start = f"operation '{name}' cannot be built as factory(in_channels, out_channels, stride"
        assert str(fault.value).startswith(start)


def test_naming_operations_needs_no_torch():
    code = "import sys, nascli.operations; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=environment()).returncode == 0
