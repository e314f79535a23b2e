"""What a runtime that fuses layers computes of a network."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.space import sample
from nascli.costs.footprint import network_of
from nascli.costs.fusing import computed
from nascli.costs.int8 import Step

SHAPE = (8, 4, 4)


def step(name, kind, *inputs, place="", weights=0):
    return Step(name, place or name, kind, inputs, SHAPE, weights)


def names(*steps):
    return [one.name for one in computed(steps, lambda one: one.size)]


def test_an_addition_is_part_of_one_convolution_that_it_alone_reads():
    two = step("a", "conv", "images", weights=9), step("b", "depthwise", "images", weights=9)
    assert names(*two, step("sum", "add", "a", "b")) == ["a", "b"]
    third = step("c", "conv", "images", weights=9)
    more = *two, third, step("sum", "add", "a", "b"), step("all", "add", "sum", "c")
    assert names(*more) == ["a", "b", "c"]
    twice = *two, step("sum", "add", "a", "b"), step("all", "add", "sum", "b")
    assert names(*twice) == ["a", "b", "all"], "b is read by both, a takes in one sum"
    pools = step("p", "pool", "images"), step("q", "linear", "images")
    assert names(*pools, step("sum", "add", "p", "q")) == ["p", "q", "sum"]
    assert names(*pools, two[1], step("sum", "add", "p", "b")) == ["p", "q", "b"]


def test_a_relu_is_part_of_a_convolution_that_it_alone_reads():
    conv = step("a", "conv", "images", weights=9)
    assert names(conv, step("r", "relu", "a")) == ["a"]
    assert names(conv, step("r", "relu", "a"), step("p", "pool", "a")) == ["a", "r", "p"]
    assert names(step("p", "pool", "images"), step("r", "relu", "p")) == ["p", "r"]


def test_a_relu_behind_what_a_convolution_adds_is_part_of_it_and_behind_a_pool_is_not():
    conv, pool = step("a", "conv", "images", weights=9), step("p", "pool", "images")
    rectified = step("sum", "add", "a", "p")._replace(relu=True)
    last = step("q", "pool", "sum")
    assert names(conv, pool, rectified, last) == ["a", "p", "q"]
    alone = step("sum", "add", "p", "images")._replace(relu=True)
    assert names(pool, alone, last) == ["p", "sum before its ReLU", "sum", "q"]
    assert [one.kind for one in computed((pool._replace(relu=True),), str)] == ["pool", "relu"]
    activated = conv._replace(relu=True)
    assert names(activated, pool, step("sum", "add", "a", "p")) == ["a", "p", "sum"]


def test_halves_that_an_operation_concatenates_have_a_batch_norm_behind_them():
    halves = [step(name, "conv", "images", place="skip", weights=9) for name in "ab"]
    joined, pool = step("ab", "concatenate", "a", "b", place="skip"), step("p", "pool", "images")
    told = names(*halves, joined, pool, step("sum", "add", "p", "ab"))
    assert told == ["a", "b", "ab", "p"]
    states = step("ab", "concatenate", "a", "b", place="cell")
    told = names(*halves, states, pool, step("sum", "add", "p", "ab"))
    assert told == ["a", "b", "ab", "p", "sum"]


def test_the_same_of_the_same_is_computed_once():
    pools = step("p", "pool", "images"), step("q", "pool", "images")
    after = step("r", "relu", "p"), step("s", "relu", "q")
    assert names(*pools, *after, step("sum", "add", "r", "s")) == ["p", "r", "sum"]
    parts = [step(name, "slice", "images") for name in "st"]
    both = [step(name, "linear", part.name) for name, part in zip("uv", parts, strict=True)]
    assert names(*parts, *both) == ["s", "u", "v"]
    last = step("sum", "add", "p", "q")
    assert [s.name for s in computed((*pools, last), lambda one: one.place)] == ["p", "q", "sum"]
    assert names(pools[0], pools[1]._replace(shape=(8, 2, 2)), last) == ["p", "q", "sum"]
    convs = [step(name, "conv", "images", weights=9) for name in "ab"]
    assert names(*convs, step("all", "concatenate", "a", "b")) == ["a", "b", "all"]


def test_what_is_the_same_for_all_images_is_not_computed():
    zeros, conv = step("z", "zeros"), step("c", "conv", "images", weights=9)
    after = step("r", "relu", "z"), step("sum", "add", "r", "c")
    told = list(computed((zeros, conv, *after), lambda one: one.size))
    assert [one.name for one in told] == ["c", "sum"], "no convolution takes in a constant image"
    assert told[1].inputs == ("c",)


def kernels(space, genotype):
    plan = space.plan(genotype)
    layers = {place.name: place.layer for place in plan.places}
    steps = computed(network_of(space, plan).steps, lambda one: layers.get(one.place))
    return Counter(one.kind for one in steps)


@pytest.mark.parametrize(
    ("name", "sizes", "networks"),
    [("nasbench201", {"cells_per_stage": 1}, 3), ("cell", {"cells": 3}, 2)],
    ids=["nasbench201", "cell"],
)
def test_kernels_are_those_of_onnx_runtime(tmp_path, name, sizes, networks):
    """Counted in what the runtime makes of the files of random networks."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    from nascli.devices.running import images_of
    from nascli.formats.onnx import save

    make = instantiate(composed(f"space={name}").space, _partial_=True)
    space, rng = make(ToyTask(input_shape=(3, 16, 16)), channels=16, **sizes), random.Random(1)
    for genotype in [sample(space, rng) for _ in range(networks)]:
        file, made = tmp_path / "network.onnx", tmp_path / "made.onnx"
        save(space.network(genotype).eval(), images_of(2, (3, 16, 16)), file, batch=1)
        options = runtime.SessionOptions()
        options.log_severity_level, options.optimized_model_filepath = 3, str(made)
        runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        nodes = onnx.load(made).graph.node
        if not any(node.domain == "com.microsoft.nchwc" for node in nodes):
            pytest.skip("ONNX Runtime fuses less on this processor")
        there, told = Counter(node.op_type for node in nodes), kernels(space, genotype)
        assert told["pool"] == there["MaxPool"] + there["AveragePool"]
        assert (told["add"], told["relu"]) == (there["Add"], there["Relu"])
        assert told["concatenate"] == there["Concat"]
        assert 2 * told["slice"] == there["Slice"]  # by rows and by columns
