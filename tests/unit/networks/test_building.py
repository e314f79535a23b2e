from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from fixtures import environment
from torch import nn

from nascli.core.choice import Choice
from nascli.core.fault import Fault
from nascli.core.plan import IMAGES, Layer, Place, Plan
from nascli.networks.building import FIXED, build, builders, check_operations, tag
from nascli.operations import resolve

CONV = {"_target_": "nascli.operations.convolution.ReluConvNorm"}
TAGS = ("operation", "in_channels", "out_channels", "stride")


def test_layers_are_tagged():
    module = build(resolve({"conv": CONV}), Layer("conv", 2, 4, 2, 8, 8))
    assert [getattr(module, name) for name in TAGS] == ["conv", 2, 4, 2]
    assert build({}, Layer("stem", 3, 8, 1, 8, 8)).operation == "stem"
    settings = (("to_height", 4), ("to_width", 6))
    assert build({}, Layer("resize", 3, 3, 1, 8, 8, settings)).layer_settings == settings


def test_settings_of_a_layer_reach_the_operation():
    layer = Layer("conv", 2, 2, 1, 8, 8, (("kernel", 5),))
    assert build(resolve({"conv": CONV}), layer).body.kernel_size == (5, 5)


@pytest.mark.parametrize("name", FIXED)
def test_fixed_layers_have_the_shapes_that_their_layers_state(name):
    stride = {"stem0": 4, "stem1": 2, "residual_reduction": 2}.get(name, 1)
    out = 6 if name in ("norm_relu", "resize") else 12
    settings = (("to_height", 5), ("to_width", 11)) if name == "resize" else ()
    layer = Layer(name, 6, out, stride, 9, 7, settings)
    result = build({}, layer).eval()(torch.randn(2, 6, 9, 7))
    image = name not in ("classifier", "auxiliary_head")
    assert result.shape == (2, *layer.shape) if image else (2, 12)


def test_builders_cover_fixed_layers_and_options_and_are_ready_to_run():
    stem, option = Layer("stem", 3, 8, 1, 8, 8), Layer("conv", 8, 8, 1, 8, 8)
    choice = Choice("c", "", ("none", "conv"))
    places = (
        Place("layer", "stem", (IMAGES,), stem.shape, stem),
        Place("choice", "c", ("stem",), stem.shape, choice=choice, options=(None, option)),
    )
    made = builders(resolve({"conv": CONV}), Plan((3, 8, 8), places, "c"))
    assert list(made) == [option, stem]
    assert not any(make().training for make in made.values())
    assert made[option]() is not made[option]()


def test_tagging_does_not_change_the_module():
    pool = nn.MaxPool2d(3, 2, 1)
    images = torch.randn(1, 2, 5, 5)
    expected = pool(images)
    assert torch.equal(tag(pool, Layer("pool", 2, 2, 2, 5, 5))(images), expected)


def test_an_operation_may_not_have_the_name_of_a_fixed_layer():
    check_operations({"conv": print, "skip_connect": print})
    with pytest.raises(Fault) as fault:
        check_operations({"conv": print, "stem": print})
    assert str(fault.value) == (
        "operation 'stem' has the name of a fixed layer; give it another one (taken: stem, stem0, "
        "stem1, preprocess, residual_reduction, norm_relu, resize, classifier, auxiliary_head)"
    )


def test_naming_layers_needs_no_torch():
    code = "import sys, nascli.networks.building; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=environment()).returncode == 0
