"""What each phase of progressive shrinking does to networks, beside the same trained alone.

python benchmarks/once_for_all.py IMAGES [--epochs 30] [--seeds 3] [--doubled 1] [--networks 20]
                                  [--parts phases order devices] [--runs FOLDER]

IMAGES is CIFAR-10 as class folders, in training and test images. Supernets of once_for_all_small
with channels of 8, 16 and 32 are trained by the sampler `shrinking` for --epochs. One thread; every
piece leaves its file under --runs and is not computed again.

`phases`: after each phase the smallest, a middle and the largest network (every size at its least,
at its middle, at its most) are taken out, their batch-norm statistics from 1,024 training images;
in the end each is trained on, by the same recipe, for a fifth of the epochs. Beside them the same
networks trained alone for as many epochs as the whole shrinking; and all of it again with twice the
epochs for --doubled of the seeds. All numbers are accuracies on the 10,000 test images, which
nothing here chooses by. Seconds are those of the processor.

`order`: --networks spread over the whole range of multiply-adds, by the accuracy of their paths on
the validation images against their test accuracy alone, after as many epochs; Kendall's tau with a
95 % interval of 1,000 resamples of the networks, beside that of multiply-adds; and by the accuracy
on the test images, to see what the few validation images cost.

`devices`: `nas search strategy=ofa` scores 1,000 networks of such a supernet, which is then
specialised for three: a bound on multiply-adds, on milliseconds by a latency table of this machine,
and on the flash and memory of a microcontroller; seconds of each, and the predictor's tau.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from darts_step import machine
from hydra.utils import instantiate
from one_shot_ranking import nas
from tabular import mean, save

from nascli.analysis.correlation import Correlations, Interval
from nascli.config.compose import composed
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.space import ends
from nascli.costs.plans import PlanCounter
from nascli.samplers.shrinking import Shrinking
from nascli.supernet.path_training import PathTraining
from nascli.supernet.scoring import Scoring
from nascli.supernet.shared import Shared
from nascli.training.fit import fit
from nascli.training.recipe import Recipe
from nascli.training.scoring import judged

NAME = "once_for_all"
SPACE = [
    "space=once_for_all_small",
    "space.widths=[8,16,32]",
    "space.stem_width=8",
    "space.head_width=96",
    "space.resolutions=[12,14,16]",
]
RECIPE = {"learning_rate": 0.1, "final_learning_rate": 0.001, "weight_decay": 3e-4}
RECIPE |= {"schedule": "step", "gradient_clip": 5.0, "crop_padding": 2, "batch_size": 64}

PATH = "path on the test images"


def kept(folder: Path, name: str, compute: Callable[[], Any]) -> Any:
    """What a file says that an earlier run has left, or what is computed and left there now."""
    file = folder / f"{name}.json"
    if not file.is_file():
        found = compute()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found))
        print(f"{name}: {json.dumps(found)}", flush=True)
    return json.loads(file.read_text())


def posed(options: argparse.Namespace, epochs: int, seed: int) -> Problem:
    """Space, images and recipe of a training."""
    config = composed("search", [*SPACE, "data=image_folder"])
    data = {"path": str(options.images), "image_size": 16, "limit_train": options.train}
    task = instantiate(config.data, **data)
    space = instantiate(config.space, _partial_=True)(task)
    recipe = Recipe(epochs, **RECIPE)
    return Problem(space=space, task=task, recipe=recipe, run_on="cpu", seed=seed)


def three(problem: Problem) -> dict[str, Genotype]:
    """The networks that are followed."""
    smallest, largest = ends(problem.space)
    middle = {name: sizes[len(sizes) // 2] for name, sizes in problem.space.decisions.items()}
    middle_one = Genotype.of(problem.space.name, middle)
    return {"smallest": smallest, "middle": middle_one, "largest": largest}


def spread(problem: Problem, count: int) -> list[Genotype]:
    """From the smallest to the largest: each size is drawn near an ever higher share of its own."""
    rng, found = random.Random(0), []
    for number in range(count):
        taken = {}
        for name, sizes in problem.space.decisions.items():
            share = number / (count - 1) + rng.uniform(-0.3, 0.3)
            taken[name] = sizes[round(min(1, max(0, share)) * (len(sizes) - 1))]
        found.append(Genotype.of(problem.space.name, taken))
    return found


def tested(problem: Problem, network: torch.nn.Module) -> float:
    return round(judged(network, problem.task.split("test")).score.accuracy, 2)


def alone(problem: Problem, genotype: Genotype) -> dict[str, float]:
    """Trained from scratch."""
    torch.manual_seed(problem.seed)
    network = problem.space.network(genotype)
    start = time.process_time()
    fit(network, problem.task.split("train"), None, problem.recipe, seed=problem.seed)
    return {"seconds": time.process_time() - start, "accuracy": tested(problem, network)}


def shrunk(problem: Problem, file: Path) -> dict[str, Any]:
    """A supernet's training: phase -> test accuracies; its weights are left in a file."""
    shared, made = Shared(problem, "estimator"), list[Shrinking]()

    def sampler(supernet: Any, seed: int) -> Shrinking:
        made.append(Shrinking(supernet, seed))
        return made[-1]

    training = PathTraining(problem, shared, sampler)
    scoring = Scoring(problem, shared, 256, 4, None, "augmented")
    phases: dict[str, Any] = {}
    seconds = 0.0
    while not training.over:
        start = time.process_time()
        training.train()
        seconds += time.process_time() - start
        stage = made[-1].stage((training.epoch - 0.5) / training.epochs)
        following = made[-1].stage((training.epoch + 0.5) / training.epochs)
        if training.over or stage != following:
            phases[stage.name if stage else "the largest alone"] = {
                "epochs": training.epoch,
                **{n: tested(problem, scoring.network(g)) for n, g in three(problem).items()},
            }
            print(training.epoch, json.dumps(phases), flush=True)
    torch.save(shared.state_dict(), file)
    return {"phases": phases, "seconds": seconds}


def restored(problem: Problem, file: Path) -> tuple[Shared, Scoring]:
    """A supernet that is trained, and its scoring."""
    shared = Shared(problem, "estimator")
    shared.load_state_dict(torch.load(file, weights_only=True))
    return shared, Scoring(problem, shared, 256, 4, None, "augmented")


def tuned(problem: Problem, file: Path, genotype: Genotype) -> dict[str, float]:
    """Taken out of the supernet and trained on for a fifth of the epochs."""
    network = restored(problem, file)[1].network(genotype)
    recipe = Recipe(max(1, problem.recipe.epochs // 5), **RECIPE)
    start = time.process_time()
    fit(network, problem.task.split("train"), None, recipe, seed=problem.seed)
    return {"seconds": time.process_time() - start, "accuracy": tested(problem, network)}


def followed(options: argparse.Namespace, epochs: int, seed: int, tune: bool) -> dict[str, Any]:
    """Everything of one seed."""
    problem, folder = posed(options, epochs, seed), options.runs / f"{epochs}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    keep, weights = partial(kept, folder), folder / "supernet.pt"
    found = {"shrinking": keep("shrinking", lambda: shrunk(problem, weights))}
    for name, one in three(problem).items():
        found[name] = {"alone": keep(f"alone-{name}", partial(alone, problem, one))}
        if tune:
            found[name]["tuned"] = keep(f"tuned-{name}", partial(tuned, problem, weights, one))
    return found


def phases(options: argparse.Namespace) -> dict[str, Any]:
    """The table of phases, at the epochs and at twice as many."""
    runs = {
        options.epochs: [
            followed(options, options.epochs, seed, tune=True) for seed in range(options.seeds)
        ],
        2 * options.epochs: [
            followed(options, 2 * options.epochs, seed, tune=False)
            for seed in range(options.doubled)
        ],
    }
    found: dict[str, Any] = {}
    for epochs, seeds in runs.items():
        if seeds:
            found[f"{epochs} epochs"] = summed(seeds)
    return found


def summed(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Over the seeds: accuracies, what is lost against alone, and what all of it cost."""
    table: dict[str, Any] = {}
    for name in ("smallest", "middle", "largest"):
        after = {
            phase: mean([one["shrinking"]["phases"][phase][name] for one in seeds])
            for phase in seeds[0]["shrinking"]["phases"]
        }
        trained = [one[name]["alone"]["accuracy"] for one in seeds]
        last = list(after)[-1]
        lost = [
            other - one["shrinking"]["phases"][last][name]
            for one, other in zip(seeds, trained, strict=True)
        ]
        table[name] = {**after, "alone": mean(trained), "alone less supernet": mean(lost)}
        if "tuned" in seeds[0][name]:
            then = [one[name]["tuned"]["accuracy"] for one in seeds]
            table[name]["tuned"] = mean(then)
            more = [a - b for a, b in zip(then, trained, strict=True)]
            table[name]["tuned less alone"] = mean(more)
    shrinking = statistics.mean(one["shrinking"]["seconds"] for one in seeds)
    each = {n: statistics.mean(one[n]["alone"]["seconds"] for one in seeds) for n in table}
    seconds = {"shrinking": shrinking, **{f"{name} alone": value for name, value in each.items()}}
    table["cpu_seconds"] = {name: round(value, 1) for name, value in seconds.items()}
    table["wanted networks that cost as much alone"] = round(shrinking / each["middle"], 1)
    table["seeds"] = len(seeds)
    table["all"] = seeds
    return table


def order(options: argparse.Namespace) -> dict[str, Any]:
    """How the supernet's order agrees with that of networks trained alone."""
    problem, folder = posed(options, options.epochs, 0), options.runs / f"{options.epochs}-0"
    (shared, scoring), rows = restored(problem, folder / "supernet.pt"), []
    cost = PlanCounter(problem.space)
    for number, one in enumerate(spread(problem, options.networks)):
        truth = kept(folder, f"order-{number}", partial(alone, problem, one))
        mixture = shared.supernet.path(one)
        row = {"path": scoring.accuracy(mixture), PATH: tested(problem, scoring.network(one))}
        rows.append({**row, "macs": cost(one).macs, "alone": truth["accuracy"]})
        print(rows[-1], flush=True)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    truths, found = columns.pop("alone"), {}
    ranks = Correlations(columns, truths)
    for name in columns:
        found[name] = interval(ranks.kendall(name))
        if name != "macs":
            found[f"{name}, less macs"] = interval(ranks.lead(name, "macs"))
    return {**found, "networks": rows}


def interval(tau: Interval) -> dict[str, Any]:
    return {"tau": round(tau.value, 3), "interval": [round(tau.low, 3), round(tau.high, 3)]}


def devices(options: argparse.Namespace) -> dict[str, Any]:
    """A search of 1,000 networks, and three that reuse its supernet."""
    data = ["data=image_folder", f"data.path={options.images}", "data.image_size=16"]
    data += [f"data.limit_train={options.train}"]
    recipe = ["training=search", *(f"training.{key}={value}" for key, value in RECIPE.items())]
    quiet = ["threads=1", "accelerator=cpu"]
    base = ["strategy=ofa", *SPACE, *data, *recipe, f"training.epochs={options.epochs}"]
    one = nas(options, "ofa", "search", *base, "trust=0", "device=none", *quiet)
    latency = nas(options, "latency", "profile", *SPACE, *data, "device=cpu", *quiet)
    table = ["device=latency_table", f"device.path={latency}"]
    three = {
        "macs": ["device=none", "constraints.macs=40%"],
        "latency table": [*table, "constraints.latency_ms=50%"],
        "microcontroller": ["device=mcu", "constraints={flash_kib: 40, ram_kib: 40}"],
    }
    found: dict[str, Any] = {}
    for name, words in three.items():
        start = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        run = nas(options, name.replace(" ", "_"), "search", f"supernet={one}", *words, *quiet)
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - start[1]
        tau = re.search(r"Kendall's tau ([.0-9]+)", (run / "log.txt").read_text())
        report = json.loads((run / "report.json").read_text())
        costs = ("accuracy", "macs", "latency_ms", "flash_kib", "ram_kib")
        found[name] = {
            "asked": words[-1],
            "seconds": round(time.perf_counter() - start[0], 1),
            "cpu_seconds": round(used, 1),
            "tau of the predictor on networks held out": float(tau[1]) if tau else None,
            "scored": report["trials"]["good"],
            "answer": {key: report["best"][key] for key in costs if key in report["best"]},
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parts = {"phases": phases, "order": order, "devices": devices}
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--train", type=int, default=5000, help="images, a tenth to validate on")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--doubled", type=int, default=1, help="seeds with twice the epochs")
    parser.add_argument("--networks", type=int, default=20, help="whose order is looked at")
    parser.add_argument("--runs", type=Path, default=Path(tempfile.gettempdir()) / NAME)
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = {k: v for k, v in vars(options).items() if k not in ("images", "runs", "parts")}
    settings |= {"space": SPACE, "recipe": RECIPE}
    for part in options.parts:
        result = {"command": f"python benchmarks/{NAME}.py IMAGES --parts {part}"}
        result |= {"machine": machine(), "settings": settings, "table": parts[part](options)}
        print(json.dumps({k: v for k, v in result["table"].items() if k != "networks"}, indent=1))
        save(f"{NAME}_{part}", result)


if __name__ == "__main__":
    main()
