"""A library that computes wrongly, or has no memory left, is noticed."""

import ctypes
import os
import re
import tempfile
from pathlib import Path

import pytest
import torch
from torch import nn

from nascli.kernels.depthwise import Depthwise
from nascli.kernels.native import compiling
from nascli.kernels.native.leaving import SKIP, Free, Leaving
from nascli.kernels.native.residual import Normed as Middle
from nascli.kernels.native.residual import middle
from nascli.operations.blocks import Normed
from nascli.operations.separable import DilatedConv, SeparableConv

BATCH, CHANNELS, SIDE = 3, 17, 5
KIND = torch.float64


def numbers(count, seed):
    place = torch.arange(count, dtype=KIND)
    return (0.7 * place + 0.3 * place * (place % 5) + seed).sin()


def dot(found, seed):
    return float(found.detach().flatten() @ numbers(found.numel(), seed))


def filled(seed, *size):
    """Of memory format (B, H, W, C), as the kernels' images are."""
    batch, channels, height, width = size
    flat = numbers(batch * channels * height * width, seed)
    return flat.view(batch, height, width, channels).permute(0, 3, 1, 2)


def last(images):
    return images.permute(0, 2, 3, 1)


def answers(stride):
    """What check.c asks for, of the modules."""
    average = nn.AvgPool2d(3, stride, 1, count_include_pad=False)
    options = [
        SeparableConv(CHANNELS, CHANNELS, stride, True, 3),
        DilatedConv(CHANNELS, CHANNELS, stride, True, 5),
        Normed(nn.MaxPool2d(3, stride, 1), CHANNELS),
        Normed(average, CHANNELS),
        *[nn.Identity()] * (stride == 1),
    ]
    both = nn.ModuleList(options).double()
    weights = [module.weight for module in both.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in both.modules() if isinstance(module, nn.BatchNorm2d)]
    for n in range(3):
        for seed, weight in ((10, weights[2 * n]), (20, weights[2 * n + 1])):
            weight.data = numbers(weight.numel(), seed + n).view_as(weight)
    images = filled(1, BATCH, CHANNELS, SIDE, SIDE).requires_grad_()
    mixture = numbers(2 * len(both), 2).requires_grad_()
    found = [option(images) for option in both]
    halves = mixture.split(len(both))
    sums = [sum(w * f for w, f in zip(half, found, strict=True)) for half in halves]
    loss = sum((part * filled(30 + e, *part.shape)).sum() for e, part in enumerate(sums))
    to_images, to_mixture, *to_weights = torch.autograd.grad(loss, [images, mixture, *weights])
    tracked = [value for norm in norms for value in (norm.running_mean, norm.running_var)]
    return [
        sum(dot(last(part), 40 + e) for e, part in enumerate(sums)),
        dot(last(to_images), 50),
        dot(to_mixture, 51),
        sum(dot(to, 60 + n) for n, to in enumerate(to_weights[::2])),
        sum(dot(to, 70 + n) for n, to in enumerate(to_weights[1::2])),
        sum(dot(value, 80 + n) for n, value in enumerate(tracked)),
    ]


def middle_answers(stride):
    """The same of the middle of an inverted residual."""
    norms = nn.BatchNorm2d(CHANNELS), nn.BatchNorm2d(CHANNELS)
    depthwise = Depthwise(CHANNELS, 5, stride)
    steps = nn.Sequential(norms[0], nn.ReLU6(), depthwise, norms[1], nn.Hardswish()).double()
    given = [norms[0].weight, norms[0].bias, norms[1].weight, norms[1].bias]
    for seed, value in zip((2, 4, 5, 6, 7), (depthwise.weight, *given), strict=True):
        value.data = numbers(value.numel(), seed).view_as(value)
    images = filled(1, BATCH, CHANNELS, SIDE, SIDE).requires_grad_()
    out = steps(images)
    inputs = images, depthwise.weight, *given
    to_images, to_weight, *to_given = torch.autograd.grad(
        (out * filled(3, *out.shape)).sum(), inputs
    )
    tracked = [value for norm in norms for value in (norm.running_mean, norm.running_var)]
    return [
        dot(last(out), 10),
        dot(last(to_images), 11),
        dot(to_weight, 12),
        sum(dot(to, 20 + n) for n, to in enumerate(to_given)),
        sum(dot(value, 30 + n) for n, value in enumerate(tracked)),
    ]


@pytest.mark.parametrize(
    ("name", "computed"),
    [("expected[2][ANSWERS]", answers), ("expected_middle[2][MIDDLES]", middle_answers)],
)
def test_the_answers_that_are_expected_are_those_of_the_modules(name, computed):
    text = (compiling.SOURCES / "check.c").read_text().partition(f"{name} =")[2]
    written = [float(number) for number in re.findall(r"-?\d+\.\d+", text.partition("};")[0])]
    assert written == pytest.approx(computed(1) + computed(2), rel=1e-11)


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """Compiles the kernels quickly, with more before their code."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def build(text):
        (tmp_path / "before.h").write_text(text)
        monkeypatch.setenv("NASCLI_CFLAGS", f"-O0 -fno-openmp -include {tmp_path}/before.h")
        return compiling.library()

    return build


def test_kernels_that_compute_wrongly_are_not_taken(compiled):
    with pytest.raises(compiling.Unavailable, match="their check fails: exit code 3"):
        compiled("#include <math.h>\n#define sqrt(x) (x)\n")


def test_a_library_in_the_cache_that_computes_wrongly_is_thrown_away(compiled, monkeypatch):
    right = "int nas_check(int first) { return !first; }"  # in its own process, not in this one
    monkeypatch.setattr(compiling, "SOURCES", Path(os.environ["XDG_CACHE_HOME"]).parent / "code")
    compiling.SOURCES.mkdir()
    (compiling.SOURCES / "all.c").write_text(right)
    with pytest.raises(compiling.Unavailable, match="computes wrongly here and is thrown away"):
        compiled("")
    assert not list(compiling.SOURCES.parent.rglob("*.so"))


# The allocation after `left` others gives nothing.
SCARCE = """
#include <stdlib.h>
__attribute__((weak)) int nas_left = -1;
#define aligned_alloc(step, size) (nas_left-- == 0 ? NULL : aligned_alloc(step, size))
"""


def test_want_of_memory_is_an_error_wherever_it_comes(compiled):
    scarce = compiled(SCARCE)
    left = ctypes.c_int.in_dll(scarce, "nas_left")
    conv = SeparableConv(3, 3, 1, True, 3)
    depthwise, norms = Depthwise(3, 3), [Middle(nn.BatchNorm2d(3), 1) for _ in range(2)]
    images = torch.randn(2, 3, 4, 4, requires_grad=True)

    def left_state():
        terms, mixture = [conv.native(), Free(SKIP)], torch.ones(2)
        (found,) = Leaving(images, 1, terms, [(0, 0), (1, 0)])(scarce, images, mixture)
        return torch.autograd.grad(found.sum(), [images, *conv.parameters()])

    def residual():
        found = middle(scarce, images, norms[0], depthwise, norms[1])
        return torch.autograd.grad(found.square().sum(), [images, depthwise.weight])

    for computed in (left_state, residual):
        wanted, refused = computed(), 0
        for allowed in range(100):
            left.value = allowed
            try:
                found = computed()
            except MemoryError as error:
                refused += 1
                assert str(error) == "not enough memory for 2 images; take a smaller batch_size"
            if left.value >= 0:
                break
        assert refused == allowed > 10 and all(map(torch.equal, found, wanted))
        left.value = -1
