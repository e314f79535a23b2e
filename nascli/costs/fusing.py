"""What a runtime that fuses layers computes of a network; no torch.

As ONNX Runtime does on a processor: its optimisations of common subexpressions, constants, and
convolutions with what is behind them (onnxruntime.ai, "Graph optimizations", levels basic and
layout).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import chain

from nascli.costs.int8 import Step

_ALIKE = ("relu", "pool", "slice")
"""Kinds of steps that give the same where they read the same."""
_CONVOLUTIONS = ("conv", "depthwise")
_ALONE = ("add", "pool")
"""Kinds of steps that a ReLU is apart from; a microcontroller's runtime does both at once."""


def computed(steps: Sequence[Step], told_apart: Callable[[Step], Hashable]) -> Iterator[Step]:
    """The steps that are kernel calls of their own, reading what depends on the images only.

    What is the same for all images is not computed, and what reads the same and does the same is
    computed once; `told_apart` says what steps of one kind do. An addition is part of a convolution
    that it alone reads: of one, for none adds two tensors, and not with what is the same for all
    images. A ReLU is part of a convolution that it alone reads, with what that adds or without.
    """
    kept = list(_once(steps, told_apart))
    readers = Counter(chain.from_iterable(step.inputs for step in kept))
    places = {step.name: step.place for step in kept}
    adding = {s.name for s in kept if readers[s.name] == 1 and not s.relu and _adds(s, places)}
    rectifying = set(adding)
    for step in kept:
        taken_in = False
        if step.kind == "relu":
            taken_in = step.inputs[0] in rectifying
        elif step.kind == "add" and len(step.inputs) > 1:
            taken_in = not adding.isdisjoint(step.inputs)
            if taken_in and readers[step.name] == 1:
                rectifying.add(step.name)
        if not taken_in:
            yield step


def _adds(step: Step, places: Mapping[str, str]) -> bool:
    """Whether it can add one more tensor to its result as it writes it.

    So can the batch norm behind halves that an operation concatenates: it stays a depthwise
    convolution.
    """
    if step.kind == "concatenate":
        return all(places.get(name) == step.place for name in step.inputs)
    return step.kind in _CONVOLUTIONS


def _once(steps: Sequence[Step], told_apart: Callable[[Step], Hashable]) -> Iterator[Step]:
    """The steps but for those that are the same for all images, or the same as one before."""
    constant = set[str]()
    first: dict[Hashable, str] = {}
    instead: dict[str, str] = {}
    for step in chain.from_iterable(map(_apart, steps)):
        if constant.issuperset(step.inputs):
            constant.add(step.name)
            continue
        inputs = tuple(instead.get(name, name) for name in step.inputs if name not in constant)
        does = inputs, step.kind, step.size, step.shape, told_apart(step)
        if step.kind in _ALIKE and does in first:
            instead[step.name] = first[does]
            continue
        first[does] = step.name
        yield step._replace(inputs=inputs)


def _apart(step: Step) -> Iterator[Step]:
    """The step, and its ReLU apart from it where no kernel does both."""
    if step.relu and step.kind in _ALONE:
        before = f"{step.name} before its ReLU"
        yield step._replace(name=before, relu=False)
        yield Step(step.name, step.place, "relu", (before,), step.shape)
    else:
        yield step
