"""One training step of an elastic supernet: nascli against a plain implementation, and the floor.

python benchmarks/elastic_step.py [--rows once_for_all_small once_for_all --repeats 5 --threads 1]
                                  [--out FILE]

A step is forward and backward of one path. `ours`; `plain`, dynamic layers that slice, as the
published code's (plain_elastic.py), in channels_last. Both make the same steps in turn, over the
smallest and the largest network and some drawn ones; of each the fastest of the repeats counts, in
seconds of this process on its cores, for other processes share them. The check compares the
gradients of all parameters in float64. The floor is the larger of the steps' arithmetic over the
measured rate of a matrix product and the memory that convolutions' outputs pass through (see
darts_step.py) over the measured rate of a copy. The result keeps rows that are not asked for.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from darts_step import machine
from omegaconf import OmegaConf
from plain_elastic import PlainOnceForAll
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nascli.core import space as moves
from nascli.core.genotype import Genotype
from nascli.spaces.once_for_all import OnceForAll
from nascli.supernet.elastic import ElasticSupernet

HERE = Path(__file__).resolve()
LAST = torch.channels_last
ROWS = {"once_for_all_small": (32, 10, 64, 6), "once_for_all": (224, 1000, 8, 3)}
"""Space -> pixels a side, classes, images a step, how many paths are drawn."""


class Images:
    """A task that is only a shape."""

    def __init__(self, side: int, classes: int) -> None:
        self.input_shape, self.classes = (3, side, side), classes


def networks(row: str) -> tuple[ElasticSupernet, PlainOnceForAll]:
    """Ours and the plain one, with the same weights."""
    side, classes, _, _ = ROWS[row]
    file = HERE.parents[1] / "configs" / "space" / f"{row}.yaml"
    given = OmegaConf.to_container(OmegaConf.load(file))
    options = {key: value for key, value in given.items() if not key.startswith("_")}
    torch.manual_seed(0)
    ours = OnceForAll(Images(side, classes), **options).supernet()
    hidden = given["classifier"].split("_")
    plain = PlainOnceForAll(
        given["widths"], given["strides"], given["activations"],
        [squeeze != "none" for squeeze in given["squeezes"]], given["head_width"],
        int(hidden[1]) if len(hidden) > 1 else 0, classes,
    )  # fmt: skip
    with torch.no_grad():
        for own, other in zip(ours.parameters(), plain.parameters(), strict=True):
            other.copy_(own)
    return ours.to(memory_format=LAST), plain.to(memory_format=LAST)


def paths(row: str, ours: ElasticSupernet) -> list[Genotype]:
    rng = random.Random(0)
    drawn = [moves.sample(ours.space, rng) for _ in range(ROWS[row][3])]
    return [ours.smallest(), ours.largest(), *drawn]


def batch(row: str, count: int) -> tuple[Tensor, Tensor]:
    side, classes, _, _ = ROWS[row]
    images = torch.randn(count, 3, side, side).contiguous(memory_format=LAST)
    return images, torch.randint(classes, (count,))


def step(network: nn.Module, genotype: Genotype, images: Tensor, labels: Tensor) -> None:
    network.zero_grad(set_to_none=True)
    ours = isinstance(network, ElasticSupernet)
    said = network.path(genotype) if ours else genotype.choices
    cross_entropy(network(images, said), labels).backward()


def check(row: str) -> float:
    """The largest error of a path's gradients in float64, |difference| / |gradient|."""
    ours, plain = (network.double() for network in networks(row))
    images, labels = batch(row, 4)
    errors = []
    for genotype in paths(row, ours)[:3]:
        for network in (ours, plain):
            step(network, genotype, images.double(), labels)
        own, other = (
            torch.cat([p.grad.flatten() for p in n.parameters() if p.grad is not None])
            for n in (ours, plain)
        )
        errors.append(float((own - other).norm() / other.norm()))
    assert max(errors) < 1e-10, errors
    return float(f"{max(errors):.1e}")


def floor(plain: PlainOnceForAll, genotype: Genotype, images: Tensor) -> tuple[float, float]:
    """Floating-point operations and bytes of a step."""
    flops = numbers = 0

    def count(module: nn.Conv2d, _inputs: object, out: Tensor) -> None:
        nonlocal flops, numbers
        size = module.weight.shape[2] * module.weight.shape[3]
        inside = 1 if module.groups > 1 else _inputs[0].shape[1]
        flops += 3 * 2 * out.numel() * inside * size
        numbers += out.numel()

    hooks = [m.register_forward_hook(count) for m in plain.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        plain(images, genotype.choices)
    for hook in hooks:
        hook.remove()
    return flops, 4 * 5 * numbers


def quickest(run: Callable[[], object]) -> float:
    """Seconds of this process, as steps are measured."""
    found = []
    for _ in range(15):
        start = time.process_time()
        run()
        found.append(time.process_time() - start)
    return min(found)


def rates() -> tuple[float, float]:
    """Floating-point operations of a matrix product, and bytes of a copy, a second."""
    one, other = torch.randn(2, 1024, 1024)
    source = torch.zeros(2**25)
    target = torch.ones_like(source)
    product, copy = quickest(lambda: one @ other), quickest(lambda: target.copy_(source))
    return 2 * 1024**3 / product, 2 * 4 * len(source) / copy


def measured(row: str, repeats: int) -> dict[str, object]:
    error = check(row)
    ours, plain = networks(row)
    images, labels = batch(row, ROWS[row][2])
    chosen = paths(row, ours)
    best = {(name, n): float("inf") for name in ("ours", "plain") for n in range(len(chosen))}
    for _ in range(repeats + 1):
        for number, genotype in enumerate(chosen):
            for name, network in (("ours", ours), ("plain", plain)):
                start = time.process_time()
                step(network, genotype, images, labels)
                spent = time.process_time() - start
                best[name, number] = min(best[name, number], spent)
    total = {name: sum(best[name, n] for n in range(len(chosen))) for name in ("ours", "plain")}
    rate, bandwidth = rates()
    costs = [floor(plain, genotype, images) for genotype in chosen]
    least = sum(max(flops / rate, moved / bandwidth) for flops, moved in costs)
    return {
        "relative_gradient_error": error,
        "cpu_seconds_of_all_paths": {name: round(value, 3) for name, value in total.items()},
        "plain/ours": round(total["plain"] / total["ours"], 2),
        "plain/ours by path": [
            round(best["plain", n] / best["ours", n], 2) for n in range(len(chosen))
        ],
        "floor_seconds": round(least, 3),
        "ours/floor": round(total["ours"] / least, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=HERE.parent / "results" / "elastic_step.json")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    rows = json.loads(asked.out.read_text())["rows"] if asked.out.exists() else {}
    for row in asked.rows:
        side, _, images, _ = ROWS[row]
        about = {"pixels": side, "images": images, "repeats": asked.repeats}
        about |= {"command": "python " + " ".join(sys.argv), "machine": machine()}
        rows[row] = {**about, **measured(row, asked.repeats)}
        print(row, json.dumps(rows[row], indent=2), flush=True)
        asked.out.write_text(json.dumps({"rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
