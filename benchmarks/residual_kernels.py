"""A training step of supernets of inverted residuals: kernels in C against torch alone.

python benchmarks/residual_kernels.py [rounds]      (9)

Both make the same steps in turn, forward and backward, on one thread: of the same paths (the
smallest, the largest and some that are drawn), or of one mixture of all options. Seconds are of
this process on its cores; of each the median over the rounds, and the median of the rounds' ratios.
"""

import random
import statistics
import sys
import time
from contextlib import nullcontext

import torch
from darts_step import machine
from hydra.utils import instantiate
from tabular import save
from torch import nn
from torch.nn.functional import cross_entropy

from nascli.config.compose import composed
from nascli.core.space import sample
from nascli.core.supernet import Mixture
from nascli.kernels.native import library

ROWS = {
    "once_for_all_small, paths": (32, 64, 4),
    "once_for_all, paths": (224, 8, 1),
    "mobile, paths": (32, 64, 4),
    "mobile, mixture": (32, 32, 0),
    "chain, paths": (32, 64, 4),
    "chain, mixture": (32, 64, 0),
}
"""Space and what is computed -> pixels a side, images a step, how many paths are drawn."""


class Images:
    """A task that is only a shape."""

    classes = 10

    def __init__(self, side: int) -> None:
        self.input_shape = (3, side, side)


def mixture(network: nn.Module) -> Mixture:
    """All options of every choice alike."""
    most = max(len(choice.options) for choice in network.choices)
    weights = torch.zeros(len(network.choices), most)
    for row, choice in enumerate(network.choices):
        weights[row, : len(choice.options)] = 1 / len(choice.options)
    return Mixture(weights.requires_grad_())


def row(name: str, rounds: int) -> dict[str, float]:
    side, count, drawn = ROWS[name]
    torch.manual_seed(0)
    config = composed("search", [f"space={name.split(',')[0]}"])
    network = instantiate(config.space, _partial_=True)(Images(side)).supernet()
    network = network.to(memory_format=torch.channels_last)
    images = torch.randn(count, 3, side, side).to(memory_format=torch.channels_last)
    labels, generator = torch.randint(10, (count,)), random.Random(0)
    taken = [mixture(network)]
    if drawn:
        genotypes = [sample(network.space, generator) for _ in range(drawn)]
        genotypes += [network.smallest(), network.largest()]
        taken = [network.path(genotype) for genotype in genotypes]
    spent: dict[str, list[float]] = {"torch": [], "native": []}
    for number in range(rounds + 1):
        now = dict.fromkeys(spent, 0.0)
        for one in taken:
            for how, where in (("torch", library.without), ("native", nullcontext)):
                begun = time.process_time()
                with where():
                    cross_entropy(network(images, one), labels).backward()
                now[how] += time.process_time() - begun
                network.zero_grad()
        for how, seconds in now.items() if number else ():
            spent[how].append(seconds)
    ratios = [one / other for one, other in zip(spent["torch"], spent["native"], strict=True)]
    return {
        "images": count,
        "pixels": side,
        "steps": len(taken),
        **{f"cpu_seconds_{how}": round(statistics.median(s), 4) for how, s in spent.items()},
        "torch/native": round(statistics.median(ratios), 2),
        "least": round(min(ratios), 2),
        "most": round(max(ratios), 2),
    }


def main() -> None:
    torch.set_num_threads(1)
    rounds = int((sys.argv[1:] or ["9"])[0])
    rows = {}
    for name in ROWS:
        rows[name] = row(name, rounds)
        print(name, rows[name], flush=True)
    save("residual_kernels", {"rounds": rounds, "machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
