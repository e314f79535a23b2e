"""How fast many paths of one supernet are scored, beside a naive loop over the same ones.

python benchmarks/path_scoring.py IMAGES [--paths 500] [--epochs 2] [--top 20] [--rounds 1]

IMAGES is CIFAR-10 as class folders. A supernet of `space=chain` is trained on uniform paths for a
few epochs, then one fixed set of random paths is scored three ways: naive (per path: reset all
batch norms, 4 batches of training images, the whole validation split; channels_last and inference
mode as everywhere here), with common beginnings computed once, and as a race for the top besides.
Rounds alternate in one process on one thread; seconds are of its CPU time, medians over the rounds.
results/path_scoring.json keeps the figures: paths a minute, and how the best compare.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from hydra.utils import instantiate
from tabular import save

from nascli.config.compose import composed
from nascli.core.problem import Problem
from nascli.core.space import sample
from nascli.core.supernet import Mixture
from nascli.core.task import Task
from nascli.data.batches import batches, seeded
from nascli.samplers.uniform import Uniform
from nascli.supernet.path_training import PathTraining
from nascli.supernet.recalibration import recalibrate
from nascli.supernet.scoring import Scoring
from nascli.supernet.shared import Shared
from nascli.training.recipe import Recipe

BATCH, CALIBRATION = 256, 4


def trained(options: argparse.Namespace) -> tuple[Problem, Shared]:
    """A supernet after some epochs on uniform paths."""
    config = composed("search", ["space=chain", "data=image_folder"])
    data = {"path": str(options.images), "image_size": options.image_size}
    data |= {"limit_train": options.images_used}
    task: Task = instantiate(config.data, **data)
    space = instantiate(config.space, _partial_=True)(task)
    rate = {"learning_rate": 0.05, "weight_decay": 3e-4, "schedule": "step"}
    recipe = Recipe(options.epochs, 64, crop_padding=4, flip=True, **rate)
    problem = Problem(space=space, task=task, recipe=recipe, run_on="cpu")
    shared = Shared(problem, "estimator")
    training = PathTraining(problem, shared, Uniform)
    while not training.over:
        print(training.train(), flush=True)
    return problem, shared


def naive(problem: Problem, shared: Shared, mixtures: list[Mixture]) -> list[float]:
    """One path after another, and nothing kept between them."""
    task, supernet, found = problem.task, shared.supernet, []
    for mixture in mixtures:
        order = seeded(problem.seed, "scoring")
        train = batches(task.split("train"), BATCH, "cpu", generator=order, limit=CALIBRATION)
        correct = 0
        with torch.inference_mode():
            recalibrate(supernet, mixture, (images for images, _ in train))
            for images, labels in batches(task.split("valid"), BATCH, "cpu"):
                correct += int((supernet(images, mixture).argmax(1) == labels).sum())
        found.append(100 * correct / len(task.split("valid")))
    return found


def best(accuracies: list[float], top: int) -> list[int]:
    return sorted(range(len(accuracies)), key=lambda number: -accuracies[number])[:top]


def compared(plain: list[float], other: list[tuple[float, int]], top: int, images: int) -> dict:
    """Whether the same are at the top, fully scored, in an order equal up to ties of one image."""
    accuracies = [accuracy for accuracy, _ in other]
    first, second = best(plain, top), best(accuracies, top)
    image = 100 / images + 1e-9
    edge = plain[first[-1]]
    full = [number for number in range(len(plain)) if other[number][1] == images]
    return {
        "same_top": set(first) == set(second)
        or all(plain[number] >= edge - image for number in second),
        "top_fully_scored": all(other[number][1] == images for number in second),
        "fully_scored": len(full),
        "largest_difference_of_the_fully_scored": max(
            abs(plain[number] - accuracies[number]) for number in full
        ),
        "order_equal_up_to_one_image": all(
            plain[a] >= plain[b] - image for a, b in itertools.pairwise(second)
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--paths", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--top", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--images-used", type=int, default=10_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    problem, shared = trained(options)
    rng = random.Random(0)
    genotypes: dict[object, None] = {}
    while len(genotypes) < options.paths:
        genotypes[sample(problem.space, rng)] = None
    mixtures = [shared.supernet.path(genotype) for genotype in genotypes]
    scoring = Scoring(problem, shared, BATCH, CALIBRATION)
    images = len(problem.task.split("valid"))

    ways: dict[str, Callable[[], list]] = {
        "naive": lambda: naive(problem, shared, mixtures),
        "common beginnings": lambda: scoring.accuracies(mixtures),
        "race": lambda: scoring.accuracies(mixtures, options.top),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    results: dict[str, list] = {}
    for _ in range(options.rounds):
        for way, run in ways.items():
            start = time.perf_counter(), time.process_time()
            results[way] = run()
            seconds[way].append(time.process_time() - start[1])
            print(f"{way}: {time.perf_counter() - start[0]:.1f} s", flush=True)
    plain = results.pop("naive")
    medians = {way: statistics.median(values) for way, values in seconds.items()}
    rows = {
        way: {
            "cpu_seconds": round(medians[way], 2),
            "paths_a_minute": round(60 * options.paths / medians[way], 1),
            "times_naive": round(medians["naive"] / medians[way], 2),
            **(compared(plain, results[way], options.top, images) if way in results else {}),
        }
        for way in ways
    }
    save(
        "path_scoring",
        {
            "command": "python benchmarks/path_scoring.py IMAGES "
            f"--paths {options.paths} --epochs {options.epochs} --top {options.top} "
            f"--rounds {options.rounds} --image-size {options.image_size} "
            f"--images-used {options.images_used}",
            "space": "chain",
            "paths": options.paths,
            "validation_images": images,
            "recalibration_images": BATCH * CALIBRATION,
            "best": round(max(plain), 2),
            "worst": round(min(plain), 2),
            "ways": rows,
        },
    )
    for way, row in rows.items():
        print(way, row)


if __name__ == "__main__":
    main()
