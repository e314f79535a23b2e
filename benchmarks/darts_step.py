"""One bilevel step of a supernet: nascli against a plain implementation, and against the floor.

python benchmarks/darts_step.py [--batch 64 --channels 16 --cells 8 --repeats 3 --threads N]
                                [--rows first_order second_order nasbench201 threads] [--out FILE]
                                [--accelerator cuda]

Variants: `native`, by the kernels in C; `ours`, by torch alone; `plain`, written from the equations
(plain_darts.py), channels first, every gradient computed, as the published code does;
`plain_channels_last`, the same with channels last.
Variants alternate in one process; ratios are medians over rounds. Memory is the peak of a fresh
process less what it held before the step. The check compares gradients of all parameters in float64
and float32. The floor is the larger of the step's arithmetic over the measured rate of a matrix
product and its memory traffic over the measured rate of a copy. The result keeps rows that are not
asked for. `threads` is a step of first order by one thread and by two, alternated, at this size and
on small images. On a GPU there is no floor, and memory is the most that torch held.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from omegaconf import OmegaConf
from plain_darts import BENCH_OPTIONS, CELL_OPTIONS, PlainBench, PlainDarts
from tabular import hardware
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nascli.core.supernet import Mixture
from nascli.kernels.native import library
from nascli.spaces.cell import Cell
from nascli.spaces.nasbench201 import NASBench201
from nascli.training.epoch_cost import EpochCost

HERE = Path(__file__).resolve()
OURS = ("native", "ours")
VARIANTS = (*OURS, "plain_channels_last", "plain")
ROWS = ("first_order", "second_order", "nasbench201", "threads")
SMALL = ((8, 8, 64), (16, 16, 64), (16, 8, 64))  # channels, pixels a side, images
BENCH_CELLS = 5  # a stage of NAS-Bench-201, as published


class Images:
    """A task that is only a shape."""

    input_shape, classes = (3, 32, 32), 10


def operations(options: tuple[str, ...]) -> dict[str, object]:
    configs = HERE.parents[1] / "configs" / "operation"
    found = [OmegaConf.to_container(OmegaConf.load(configs / f"{o}.yaml")) for o in options]
    return {name: value for config in found for name, value in config.items()}


def networks(row: str, size: argparse.Namespace) -> tuple[nn.Module, nn.Module]:
    """Ours and the plain one, with the same weights."""
    torch.manual_seed(0)
    if row == "nasbench201":
        space = NASBench201(Images(), operations(BENCH_OPTIONS), size.channels, BENCH_CELLS)
        plain: nn.Module = PlainBench(size.channels, BENCH_CELLS)
    else:
        space = Cell(Images(), operations(CELL_OPTIONS), size.channels, size.cells)
        plain = PlainDarts(size.channels, size.cells)
    ours = space.supernet()
    with torch.no_grad():
        for own, other in zip(ours.parameters(), plain.parameters(), strict=True):
            other.copy_(own)
    return ours, plain


class Step:
    """A network, its architecture weights and both optimizers; calling it makes one step."""

    def __init__(self, row: str, variant: str, network: nn.Module, size: argparse.Namespace):
        last = variant != "plain"
        self.layout = torch.channels_last if last else torch.contiguous_format
        self.network = network.to(size.accelerator, memory_format=self.layout)
        self.ours, self.second = variant in OURS, row == "second_order"
        self.computing = library.without if variant == "ours" else nullcontext
        torch.manual_seed(1)
        self.alpha = torch.randn(6, 5) if row == "nasbench201" else torch.randn(28, 8)
        self.alpha = self.alpha.mul_(1e-3).to(size.accelerator).requires_grad_()
        self.weights = list(network.parameters())
        self.sgd = torch.optim.SGD(self.weights, 0.025, momentum=0.9, weight_decay=3e-4)
        self.adam = torch.optim.Adam([self.alpha], 3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
        self.batches = [images_and_labels(size.batch, size.accelerator) for _ in range(2)]

    def loss(self, which: int, alpha: Tensor) -> Tensor:
        images, labels = self.batches[which]
        kind = self.weights[0].dtype
        images = images.to(kind).contiguous(memory_format=self.layout)
        weights = alpha.softmax(1).to(kind)
        return cross_entropy(
            self.network(images, Mixture(weights) if self.ours else weights), labels
        )

    def gradients(self, which: int, wanted: tuple[str, ...]) -> dict[str, list[Tensor]]:
        """Of the loss on a batch (0: training, 1: validation); the plain one computes them all."""
        parts = {"weights": self.weights, "alpha": [self.alpha]}
        asked = wanted if self.ours else tuple(parts)
        for weight in self.weights:
            weight.requires_grad_("weights" in asked)
        with self.computing():
            loss = self.loss(which, self.alpha if "alpha" in asked else self.alpha.detach())
        inputs = [tensor for name in asked for tensor in parts[name]]
        found = iter(torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True))
        return {name: [next(found) for _ in parts[name]] for name in asked}

    def __call__(self) -> None:
        found = self.unrolled() if self.second else self.gradients(1, ("alpha",))["alpha"]
        self.alpha.grad = found[0]
        self.adam.step()
        found = self.gradients(0, ("weights",))["weights"]
        for weight, gradient in zip(self.weights, found, strict=True):
            weight.grad = gradient
        nn.utils.clip_grad_norm_(self.weights, 5)
        self.sgd.step()
        self.sgd.zero_grad()

    def unrolled(self) -> list[Tensor]:
        """Liu et al. (2019), eq. 7 and 8; one plain step of SGD ahead."""
        rate = self.sgd.param_groups[0]["lr"]
        kept = [weight.detach().clone() for weight in self.weights]
        self.shift(kept, self.gradients(0, ("weights",))["weights"], -rate)
        ahead = self.gradients(1, ("alpha", "weights"))
        norm = torch.stack([g.norm() for g in ahead["weights"]]).norm()
        far = float(0.01 / norm)
        sides = []
        for sign in (far, -far):
            self.shift(kept, ahead["weights"], sign)
            sides.append(self.gradients(0, ("alpha",))["alpha"][0])
        self.shift(kept, kept, 0.0)
        return [ahead["alpha"][0] - rate * (sides[0] - sides[1]) / (2 * far)]

    @torch.no_grad()
    def shift(self, start: list[Tensor], along: list[Tensor], by: float) -> None:
        for weight, origin, direction in zip(self.weights, start, along, strict=True):
            weight.copy_(origin).add_(direction, alpha=by)


def images_and_labels(count: int, accelerator: str) -> tuple[Tensor, Tensor]:
    images, labels = torch.randn(count, 3, 32, 32), torch.randint(10, (count,))
    return images.to(accelerator), labels.to(accelerator)


def step_of(row: str, variant: str, size: argparse.Namespace) -> Step:
    ours, plain = networks(row, size)
    return Step(row, variant, ours if variant in OURS else plain, size)


def timed(run: Callable[[], None]) -> dict[str, float | None]:
    before, effort = resource.getrusage(resource.RUSAGE_SELF), EpochCost("cpu")
    with effort.epoch():
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    after, found = resource.getrusage(resource.RUSAGE_SELF), effort.metrics()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "seconds": found["search_epoch_seconds"],
        "cpu_seconds": cpu,
        "joules": found.get("search_epoch_joules"),
    }


def times(row: str, size: argparse.Namespace) -> dict[str, object]:
    """Seconds of each variant, alternated, and the ratios to ours."""
    steps = {variant: step_of(row, variant, size) for variant in VARIANTS}
    for step in steps.values():
        step()
    rounds = [{v: timed(step) for v, step in steps.items()} for _ in range(size.repeats)]
    found: dict[str, object] = {}
    for variant in VARIANTS:
        keys = rounds[0][variant]
        values = {key: [each[variant][key] for each in rounds] for key in keys}
        found[variant] = {
            key: None if None in value else round(statistics.median(value), 3)
            for key, value in values.items()
        }
    for own, variant in compared():
        for key in ("seconds", "cpu_seconds"):
            ratios = [each[variant][key] / each[own][key] for each in rounds]
            found[f"{variant}/{own}, {key}"] = round(statistics.median(ratios), 2)
    return found


def by_threads(size: argparse.Namespace) -> dict[str, object]:
    """Seconds of a step of first order by the kernels, by one thread and by two."""
    found: dict[str, object] = {}
    for channels, side, batch in ((size.channels, 32, size.batch), *SMALL):
        own = argparse.Namespace(**{**vars(size), "channels": channels, "batch": batch})
        step = step_of("first_order", "native", own)
        step.batches = [(images[..., :side, :side], labels) for images, labels in step.batches]
        rounds: dict[int, list[dict[str, float | None]]] = {1: [], 2: []}
        for number in range(size.repeats + 1):
            for threads, kept in rounds.items():
                torch.set_num_threads(threads)
                spent = timed(step)
                kept.extend([spent] * (number > 0))
        row: dict[str, object] = {"batch": batch}
        for key in ("seconds", "cpu_seconds"):
            ones, twos = ([each[key] for each in kept] for kept in rounds.values())
            row[f"one, {key}"] = round(statistics.median(ones), 4)
            row[f"two, {key}"] = round(statistics.median(twos), 4)
            ratios = [one / two for one, two in zip(ones, twos, strict=True)]
            row[f"one/two, {key}"] = round(statistics.median(ratios), 2)
        found[f"{channels} channels, {side}x{side}"] = row
    torch.set_num_threads(size.threads)
    return found


def compared() -> list[tuple[str, str]]:
    """Each of ours with each that it is measured against."""
    return [(own, other) for n, own in enumerate(OURS) for other in VARIANTS[n + 1 :]]


def peak(row: str, variant: str, size: argparse.Namespace) -> float:
    """Peak memory in MiB of one step in this fresh process, less what it held before."""
    step = step_of(row, variant, size)
    if size.accelerator == "cuda":
        step()
        return torch.cuda.max_memory_allocated() / 2**20
    torch.randn(64, 64) @ torch.randn(64, 64)  # starts the thread pool
    before = held("VmRSS")
    step()
    return (held("VmHWM") - before) / 1024


def held(key: str) -> int:
    """KiB that this process holds now (VmRSS), or has ever held (VmHWM).

    `ru_maxrss` will not do: a new process starts from its parent's.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


def peak_of_a_fresh_process(row: str, variant: str) -> float:
    command = [sys.executable, str(HERE), *sys.argv[1:], "--peak", row, variant]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return round(float(done.stdout), 1)


def check(row: str, size: argparse.Namespace) -> dict[str, float]:
    """Errors against the plain one in float64, |difference| / |gradient|; medians of nine batches.

    In float32, a batch in which rounding moves a value across a ReLU's kink shows 1e-4 to 1e-2 for
    any implementation; one in which none moves shows 1e-6.
    """
    few = argparse.Namespace(**{**vars(size), "batch": 4})
    errors: dict[str, list[float]] = {f"{own}, float64": [] for own in OURS}
    errors |= {f"{name}, float32": [] for name in VARIANTS}
    steps = {name: step_of(row, name, few) for name in VARIANTS}
    for seed in range(9):
        torch.manual_seed(seed)
        batch = images_and_labels(4, size.accelerator)
        found = {}
        for name, step in steps.items():
            step.batches = [batch]
            for kind in (torch.float64, torch.float32):
                step.network.to(kind)
                parts = step.gradients(0, ("weights", "alpha")).values()
                flat = [gradient.double().flatten() for part in parts for gradient in part]
                found[f"{name}, {str(kind).removeprefix('torch.')}"] = torch.cat(flat)
        exact = found["plain, float64"]
        for name, values in errors.items():
            values.append(float((found[name] - exact).norm() / exact.norm()))
    assert max(max(errors[f"{own}, float64"]) for own in OURS) < 1e-10, errors
    return {name: float(f"{statistics.median(values):.2e}") for name, values in errors.items()}


def floor(row: str, size: argparse.Namespace) -> dict[str, float]:
    """The least time of a step: arithmetic over a matrix product's rate, bytes over a copy's.

    Arithmetic: every convolution forward, its images' gradient, and its weights' gradient where
    wanted. Bytes: every depthwise or full convolution's output is written, read on, read again
    backward, and its gradient written and read.
    """
    _, plain = networks(row, size)
    flops = numbers = 0

    def count(module: nn.Conv2d, _inputs: object, out: Tensor) -> None:
        nonlocal flops, numbers
        flops += 2 * out.numel() * module.weight[0].numel()
        numbers += out.numel() * (module.kernel_size != (1, 1))

    for module in plain.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        shape = (6, 5) if row == "nasbench201" else (28, 8)
        plain(torch.randn(size.batch, 3, 32, 32), torch.ones(shape))
    # Passes: forward and images' gradient always; second order: 5 evaluations, 3 with weights.
    evaluations, with_weights = (5, 3) if row == "second_order" else (2, 1)
    work = flops * (2 * evaluations + with_weights)
    traffic = 4 * numbers * 5 * evaluations
    rate, bandwidth = matrix_rate(), copy_rate()
    return {
        "gflop": round(work / 1e9, 1),
        "gflop_per_second": round(rate / 1e9),
        "gib_moved": round(traffic / 2**30, 2),
        "gb_per_second": round(bandwidth / 1e9, 1),
        "arithmetic_seconds": round(work / rate, 3),
        "memory_seconds": round(traffic / bandwidth, 3),
        "seconds": round(max(work / rate, traffic / bandwidth), 3),
    }


def matrix_rate() -> float:
    one, other = torch.randn(2, 2048, 2048)
    return 2 * 2048**3 / quickest(lambda: one @ other)


def copy_rate() -> float:
    source = torch.zeros(2**26)
    target = torch.ones_like(source)
    return 2 * 4 * source.numel() / quickest(lambda: target.copy_(source))


def quickest(run: Callable[[], object]) -> float:
    found = []
    for _ in range(7):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)


def machine() -> dict[str, object]:
    return {
        "processor": hardware(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "kernels": library.named(),
        "load_before": round(os.getloadavg()[0], 1),
    }


def measured(row: str, size: argparse.Namespace) -> dict[str, object]:
    if row == "threads":
        return by_threads(size)
    result: dict[str, object] = {"relative_gradient_error": check(row, size)}
    result.update(times(row, size))
    result["peak_memory_mb"] = memory = {v: peak_of_a_fresh_process(row, v) for v in VARIANTS}
    for own, variant in compared():
        result[f"{own}/{variant}, memory"] = round(memory[own] / memory[variant], 3)
    if size.accelerator == "cpu":
        result["floor"] = floor(row, size)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--cells", type=int, default=8, help="of the DARTS network")
    parser.add_argument("--repeats", type=int, default=3, help="rounds")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--accelerator", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--out", type=Path, default=HERE.parent / "results" / "darts_step.json")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    size = parser.parse_args()
    torch.set_num_threads(size.threads)
    if size.peak:
        print(peak(*size.peak, size))
        return
    before = json.loads(size.out.read_text())["rows"] if size.out.exists() else {}
    rows = {row: kept for row, kept in before.items() if row not in size.rows}
    for row in size.rows:
        about = {key: getattr(size, key) for key in ("batch", "channels", "cells", "repeats")}
        about |= {"command": "python " + " ".join(sys.argv), "machine": machine()}
        rows[row] = {**about, **measured(row, size)}
        print(row, json.dumps(rows[row], indent=2), flush=True)
        ordered = {name: rows[name] for name in ROWS if name in rows}
        size.out.write_text(json.dumps({"rows": ordered}, indent=2) + "\n")


if __name__ == "__main__":
    main()
