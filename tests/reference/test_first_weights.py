"""Names and first weights of networks and supernets, as version 0 of the two spaces drew them.

Weights that were saved then are loaded now, and a seed gives the networks that it gave. A change of
names, of their order or of the order of drawing is a break: if it is meant, delete
first_weights.json and run this file's `main`.
"""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.space import at, sample

FILE = Path(__file__).with_name("first_weights.json")
CASES = {
    "cell": ((1, 8, 8), {"channels": 2, "cells": 3}),
    "cell with auxiliary head": ((3, 32, 32), {"channels": 4, "cells": 5, "auxiliary": True}),
    "cell, reductions only": ((1, 28, 28), {"channels": 4, "cells": 2}),
    "cell of odd size": ((3, 9, 7), {"channels": 3, "cells": 7, "nodes": 2}),
    "cell, imagenet": (
        (3, 37, 41), {"channels": 4, "cells": 4, "stem": "imagenet", "auxiliary": True},
    ),
    "nasbench201": ((3, 8, 8), {"channels": 4, "cells_per_stage": 2}),
    "nasbench201 of odd size": ((1, 9, 7), {"channels": 3, "cells_per_stage": 1}),
}  # fmt: skip


def found(case):
    """Network or supernet -> digest of its names in order, and sums of its tensors."""
    name, (shape, settings) = case.split()[0].strip(","), CASES[case]
    make = instantiate(composed(f"space={name}").space, _partial_=True)
    space = make(ToyTask("toy", shape, 7), **settings)
    genotypes = [sample(space, random.Random(seed)) for seed in range(2)]
    if name == "nasbench201":
        genotypes.append(at(space, 7))  # only one edge has an operation
    makers = {f"network {n}": lambda g=g: space.network(g) for n, g in enumerate(genotypes)}
    return {kind: digest(maker) for kind, maker in {**makers, "supernet": space.supernet}.items()}


def digest(make):
    """The sums weigh each tensor by its number, so that an exchange shows."""
    torch.manual_seed(3)
    state = make().state_dict()
    names = hashlib.sha256("\n".join(state).encode()).hexdigest()[:16]
    sums = [float(value.double().sum()) for value in state.values()]
    weighted = sum((number % 97 + 1) * value for number, value in enumerate(sums))
    shapes = hashlib.sha256(str([list(value.shape) for value in state.values()]).encode())
    return [len(state), names, shapes.hexdigest()[:16], sum(sums), weighted]


@pytest.mark.parametrize("case", CASES)
def test_names_and_first_weights_are_those_recorded(case):
    recorded = json.loads(FILE.read_text())[case]
    now = found(case)
    assert list(now) == list(recorded)
    for kind, (*words, total, weighted) in now.items():
        assert words == recorded[kind][:-2], kind
        assert [total, weighted] == pytest.approx(recorded[kind][-2:], rel=1e-6), kind


def main() -> None:
    """Records what the code at hand does."""
    FILE.write_text(json.dumps({case: found(case) for case in CASES}, indent=1) + "\n")


if __name__ == "__main__":
    main()
