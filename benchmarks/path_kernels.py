"""A training step of one path through the DARTS supernet: kernels in C against torch alone.

python benchmarks/path_kernels.py [rounds]      (9)

One path is one operation on an edge, as SPOS, FairNAS, ENAS and GDAS train it. Both make the same
steps in turn over the same random paths; seconds are of this process on its cores, medians over the
rounds, on one thread. `evaluation` is a forward pass by tracked statistics, as paths are scored.
"""

import random
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext

import torch
from darts_step import Images, machine, operations
from plain_darts import CELL_OPTIONS
from tabular import save
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nascli.core.space import sample
from nascli.core.supernet import Mixture
from nascli.kernels.native import library
from nascli.spaces.cell import Cell

SIZES = ((8, 8), (8, 16), (16, 16), (16, 32))  # channels, pixels a side
CELLS, BATCH = 5, 64


def step(network: nn.Module, images: Tensor, labels: Tensor, path: Mixture) -> None:
    loss = cross_entropy(network(images, path), labels)
    loss.backward()
    network.zero_grad()


def scored(network: nn.Module, images: Tensor, _labels: Tensor, path: Mixture) -> None:
    network.eval()
    with torch.inference_mode():
        network(images, path)
    network.train()


def seconds(work: Callable[[], None]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def row(channels: int, side: int, rounds: int) -> dict[str, float]:
    space = Cell(Images(), operations(CELL_OPTIONS), channels, CELLS)
    network = space.supernet().to(memory_format=torch.channels_last)
    images = torch.randn(BATCH, 3, side, side).to(memory_format=torch.channels_last)
    labels, generator = torch.randint(10, (BATCH,)), random.Random(0)
    found: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        path = network.path(sample(space, generator))
        for what in (step, scored):
            for name, how in (("native", nullcontext), ("torch", library.without)):
                with how():
                    spent = seconds(lambda w=what, p=path: w(network, images, labels, p))
                if number:
                    found.setdefault(f"{what.__name__}_{name}", []).append(spent)
    medians = {key: round(statistics.median(values), 4) for key, values in found.items()}
    for what in ("step", "scored"):
        pairs = zip(found[f"{what}_torch"], found[f"{what}_native"], strict=True)
        medians[f"{what}, torch/native"] = round(statistics.median(t / n for t, n in pairs), 2)
    return medians


def main() -> None:
    torch.set_num_threads(1)
    rounds = int((sys.argv[1:] or ["9"])[0])
    rows = {}
    for channels, side in SIZES:
        rows[f"{channels} channels, {side}x{side}"] = found = row(channels, side, rounds)
        print(channels, side, found, flush=True)
    save(
        "path_kernels",
        {"rounds": rounds, "batch": BATCH, "cells": CELLS, "machine": machine(), "rows": rows},
    )


if __name__ == "__main__":
    main()
