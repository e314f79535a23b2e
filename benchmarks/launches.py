"""How many kernels a step of a supernet asks a GPU for; no GPU is needed to count them.

python benchmarks/launches.py

On the meta device every operation is dispatched and none computes. Counted is what would launch a
kernel: everything but views and allocations. A step is the gradient of the architecture weights on
one batch and that of the weights on another, without the optimizers. The plain implementation is
that of plain_darts.py; like the published code it computes all gradients in both passes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

import torch
from darts_step import ROWS, networks
from tabular import save
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode

from nascli.core.supernet import Mixture
from nascli.supernet import graph

FREE = (
    "alias", "as_strided", "detach", "empty", "expand", "permute", "select.", "slice.", "split",
    "squeeze", "t.", "transpose", "unbind", "unsqueeze", "view", "_unsafe_view",
)  # fmt: skip


class Launches(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += not str(function).removeprefix("aten.").startswith(FREE)
        return function(*args, **(kwargs or {}))


def counted(row: str, ours: bool, size: argparse.Namespace) -> Iterator[int]:
    """Of the pass for the architecture weights, then of that for the weights."""
    with torch.device("meta"):
        network = networks(row, size)[0 if ours else 1].to(memory_format=torch.channels_last)
        alpha = torch.empty((6, 5) if row == "nasbench201" else (28, 8), requires_grad=True)
        images = torch.empty(size.batch, 3, 32, 32).to(memory_format=torch.channels_last)
        labels = torch.empty(size.batch, dtype=torch.int64)
    weights = list(network.parameters())

    def gradients(architecture: bool) -> int:
        for weight in weights:
            weight.requires_grad_(not (ours and architecture))
        inputs = [alpha] if architecture else weights
        with Launches() as mode:
            shares = (alpha if architecture or not ours else alpha.detach()).softmax(1)
            loss = cross_entropy(network(images, Mixture(shares) if ours else shares), labels)
            torch.autograd.grad(loss, inputs if ours else [alpha, *weights], allow_unused=True)
        return mode.count

    gradients(True)  # the first pass joins the running statistics
    return map(gradients, (True, False))


def main() -> None:
    size = argparse.Namespace(batch=64, channels=16, cells=8)
    found = {}
    for row in (row for row in ROWS if row != "second_order"):
        side_by_side = sum(counted(row, True, size))
        stacks, graph.stacks = graph.stacks, lambda _: False
        one_by_one = sum(counted(row, True, size))
        graph.stacks = stacks
        found[row] = {
            "side by side": side_by_side,
            "one by one": one_by_one,
            "plain": sum(counted(row, False, size)),
        }
    command = "python " + " ".join(sys.argv)
    save("launches", {"command": command, "torch": torch.__version__, "kernels a step": found})
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
