"""The fast supernet against a plain one, with every option of every edge computed alone."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate
from torch import nn

from nascli.core.supernet import Mixture
from nascli.kernels.depthwise import Depthwise
from nascli.kernels.native import library
from nascli.operations.skip import Zero
from nascli.supernet import graph


def supernet_of(name, shape=(3, 8, 8), **settings):
    torch.manual_seed(0)
    make = instantiate(composed(f"space={name}").space, _partial_=True)
    return make(ToyTask(input_shape=shape), **settings).supernet()


def plain_edge(graph, place, state, mixture):
    """Every option on its own, `none` included; what passes by; the edge's factor."""
    choice, row, k = graph.choices[place], graph.rows[place], graph.partial
    source, target = graph.edges[place]
    part, others = state.split([state.shape[1] // k, state.shape[1] - state.shape[1] // k], 1)
    stride = -(-state.shape[2] // graph.shapes[graph.names[target]][1])
    total = 0
    for number, option in enumerate(choice.options):
        if option == "none":
            operation = Zero(part.shape[1], part.shape[1], stride, True)
        else:
            free, modules = graph.free[source], graph.weighted[place]
            operation = free[option] if option in free else modules[option]
        total = total + mixture.weights[row, number] * operation(part)
    if k > 1:
        others = nn.functional.max_pool2d(others, 2, ceil_mode=True) if stride == 2 else others
        both = torch.cat([total, others], 1)
        total = nn.functional.channel_shuffle(both.contiguous(), k)
    return total if mixture.edges is None else total * mixture.edges[row]


def plain_graph(graph, inputs, mixture):
    states = list(inputs)
    for number in range(len(inputs), len(graph.names)):
        into = [place for place, (_, target) in enumerate(graph.edges) if target == number]
        sources = [states[graph.edges[place][0]] for place in into]
        terms = [
            plain_edge(graph, place, state, mixture)
            for place, state in zip(into, sources, strict=True)
        ]
        states.append(torch.stack(terms).sum(0))
    return states


def plain_cell(supernet, images, mixture):
    before = previous = supernet.stems[0](images)
    for block in supernet.blocks:
        inputs = block.preprocess[0](before), block.preprocess[1](previous)
        states = plain_graph(block.graph, inputs, mixture)
        before, previous = previous, torch.cat(states[2:], dim=1)
    return supernet.classifier(previous)


def plain_nasbench201(supernet, images, mixture):
    state = supernet.stem(images)
    for number, cells in enumerate(supernet.stages):
        state = state if number == 0 else supernet.reductions[number - 1](state)
        for cell in cells:
            state = plain_graph(cell, [state], mixture)[-1]
    return supernet.last[1](supernet.last[0](state))


CASES = {
    # with four cells a normal one comes behind a reduction; the third node reads two others
    "cell": ((1, 8, 8), {"channels": 2, "cells": 4, "nodes": 3}, 1, plain_cell),
    "cell of odd size": ((3, 7, 9), {"channels": 3, "cells": 3, "nodes": 2}, 1, plain_cell),
    "cell with partial channels": (
        (3, 7, 8), {"channels": 4, "cells": 3, "nodes": 2}, 2, plain_cell,
    ),
    "nasbench201": ((3, 8, 8), {"channels": 3, "cells_per_stage": 2}, 1, plain_nasbench201),
    "nasbench201 with partial channels": (
        (3, 8, 8), {"channels": 6, "cells_per_stage": 1}, 3, plain_nasbench201,
    ),
}  # fmt: skip


def built(case, monkeypatch):
    """(fast supernet, a copy, its plain evaluation, images, weights and factors of the edges)."""
    shape, settings, k, evaluate = CASES[case]
    supernet = supernet_of(case.split()[0], shape, **settings)
    if k > 1:
        supernet.set_partial_channels(k)
    supernet.double().train()
    rows, columns = len(supernet.choices), len(supernet.choices[0].options)
    weights = torch.rand(rows, columns).double()
    factors = (0.5 + torch.rand(rows)).double().requires_grad_() if k > 1 else None

    def plain(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr(Depthwise, "forward", nn.Conv2d.forward)
            return evaluate(*arguments)

    images = torch.randn(4, *shape).double().contiguous(memory_format=torch.channels_last)
    return supernet, copy.deepcopy(supernet), plain, images, weights, factors


def gradients(logits, inputs):
    push = torch.linspace(-1, 1, logits.numel()).to(logits).view_as(logits)
    found = torch.autograd.grad((logits * push).sum(), inputs, allow_unused=True)
    return [torch.zeros_like(i) if g is None else g for g, i in zip(found, inputs, strict=True)]


@pytest.fixture(params=["native", "one by one", "side by side"])
def reading(request, monkeypatch):
    """By the kernels in C, by torch edge after edge, both on a CPU, or stacked, as on a GPU."""
    monkeypatch.setattr(graph, "stacks", lambda _: request.param == "side by side")
    if request.param == "native":
        request.getfixturevalue("native_kernels")
    with nullcontext() if request.param == "native" else library.without():
        yield


@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize("active", ["all", "some"])
@pytest.mark.parametrize("case", CASES)
def test_logits_gradients_and_statistics_are_those_of_the_plain_one(case, active, monkeypatch):
    supernet, twin, plain, images, weights, factors = built(case, monkeypatch)
    chosen, kept = None, torch.ones_like(weights)
    if active == "some":
        rows, columns = weights.shape
        chosen = tuple((row % columns, (row + 2) % columns) for row in range(rows))
        kept = torch.zeros_like(weights)
        for row, numbers in enumerate(chosen):
            kept[row, list(numbers)] = 1
    weights = (weights * kept).requires_grad_()
    wanted = [weights] if factors is None else [weights, factors]
    logits = supernet(images, Mixture(weights, chosen, factors))
    expected = plain(twin, images, Mixture(weights, None, factors))
    assert torch.allclose(logits, expected, rtol=1e-10, atol=1e-10)
    ours = gradients(logits, [*wanted, *supernet.parameters()])
    theirs = gradients(expected, [*wanted, *twin.parameters()])
    theirs[0] = theirs[0] * kept  # what does not take part has no gradient
    for our, their in zip(ours, theirs, strict=True):
        assert torch.allclose(our, their, rtol=1e-10, atol=1e-10)
    assert max(gradient.abs().max() for gradient in ours) > 0.01
    if chosen is None:
        compare_statistics(supernet, twin)


def compare_statistics(ours, plain):
    """Plain pools count a batch once an edge: their running statistics move more often."""
    other = dict(plain.named_buffers())
    for name, buffer in ours.named_buffers():
        if ".free." not in name:
            assert torch.allclose(buffer.double(), other[name].double(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("reading", ["one by one", "side by side"], indirect=True)
@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize("case", ["cell", "nasbench201"])
def test_second_derivatives_are_those_of_the_plain_one(case, monkeypatch):
    supernet, twin, plain, images, weights, _ = built(case, monkeypatch)
    weights.requires_grad_()

    def second(logits, parameters):
        """Derivatives by weights and mixture of the squared norm of the gradients."""
        everything = [weights, *parameters]
        first = torch.autograd.grad(
            logits.logsumexp(1).sum(), everything, create_graph=True, allow_unused=True
        )
        norm = sum(g.square().sum() for g in first if g is not None)
        return torch.autograd.grad(norm, everything, allow_unused=True)

    ours = second(supernet(images, Mixture(weights)), supernet.parameters())
    theirs = second(plain(twin, images, Mixture(weights)), twin.parameters())
    for our, their in zip(ours, theirs, strict=True):
        assert (our is None) == (their is None)
        if our is not None:
            scale = 1 + float(their.abs().max())
            assert torch.allclose(our, their, rtol=1e-8, atol=1e-10 * scale)


@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize("case", ["cell", "nasbench201"])
def test_rounding_is_within_three_times_that_of_the_plain_one(case, monkeypatch):
    supernet, twin, plain, images, weights, _ = built(case, monkeypatch)
    supernet.float()  # rounds weights and images, so that all three compute the same thing
    weights, images = weights.float(), images.float()
    reference = copy.deepcopy(twin.float()).double()

    def found(evaluate, module, kind):
        logits = evaluate(module, images.to(kind), Mixture(weights.to(kind)))
        return gradients(logits, [*module.parameters()])

    exact = found(plain, reference, torch.float64)
    ours = found(lambda module, *rest: module(*rest), supernet, torch.float32)
    theirs = found(plain, twin, torch.float32)

    def error(gradients):
        pairs = zip(gradients, exact, strict=True)
        return sum((f.double() - e).square().sum() for f, e in pairs).sqrt()

    assert error(ours) < 3 * error(theirs)
    assert error(theirs) > 0


@pytest.mark.usefixtures("reading")
def test_an_evaluation_needs_no_gradients(monkeypatch):
    supernet, twin, plain, images, weights, _ = built("cell", monkeypatch)
    with torch.no_grad():
        supernet(images, Mixture(weights))
        twin.load_state_dict(supernet.state_dict())
        logits = supernet.eval()(images, Mixture(weights))
        expected = plain(twin.eval(), images, Mixture(weights))
    assert torch.allclose(logits, expected, rtol=1e-10, atol=1e-10)


def test_low_precision_steps_aside(monkeypatch):
    supernet = supernet_of("cell", (3, 8, 8), channels=2, cells=2)
    monkeypatch.setattr("nascli.kernels.deferred.deferred", lambda *_: pytest.fail("rewritten"))
    mixture = Mixture(torch.full((28, 8), 0.1).requires_grad_())
    with torch.autocast("cpu", torch.bfloat16):
        loss = supernet(torch.randn(4, 3, 8, 8), mixture).float().sum()
    loss.backward()
    assert mixture.weights.grad.isfinite().all()
