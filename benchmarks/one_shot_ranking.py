"""How supernets rank networks: uniform, fair and other sampling, against networks trained alone.

python benchmarks/one_shot_ranking.py IMAGES [--parts bench chain] [--seeds 1] [--runs FOLDER]
                                      [--passes 60] [--longer 1] [--networks 1000] [--cells 1]
                                      [--alone 40] [--epochs-alone 16]

IMAGES is CIFAR-10 as class folders. All of it is `nas` commands on one thread, one after another;
each leaves its run folder under --runs and is not run again, and one that was stopped goes on.

`bench`: supernets of `space=nasbench201` (8 channels, --cells a stage) trained on uniform paths,
with strict fairness, and by sampled Gumbel (gdas), each for as many forward passes; 1,000 random
cells are scored on 1,000 validation images and ranked against the shipped table (test accuracy on
CIFAR-10 after 200 epochs). Beside them params, MACs, and the MACs of what lies on a path from the
cell's input to its output; and all of it again on parts of these cells: those without `none`, those
with a path to the output that has a convolution, and the upper half by the table. The first
supernet is scored again with batch-norm statistics of images that are not augmented; and trained
again in --longer times as many steps (1: not), and for the space without `none`, whose cells are
drawn anew; of these the mean rank by option on the edges into the output is told.

`chain`: supernets of the space of NAS-Bench-Macro at a quarter of its channels (eight layers, each
one of three options) trained on uniform paths, with strict fairness and by the sandwich, each for
as many forward passes, and on uniform ones --longer times as long; against random paths that are
trained alone for --epochs-alone. Ten of these are trained with three seeds: their accuracies are
means, and the tau between two seeds says how far any order can agree. Beside them params, MACs and
zero-cost. All accuracies are of 5,000 validation images.

A supernet's epochs are --passes over what a step trains (uniform 1, gdas 1, sandwich 4, fair one
for every option). tau is Kendall's, with 95 % intervals of 1,000 bootstrap samples of the networks;
`better_than_macs` is the share of these samples in which tau is higher than that of MACs.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import platform
import random
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tabular
from scipy.stats import kendalltau, rankdata
from tabular import save

NAME = "one_shot_ranking"
QUIET = ["device=none", "threads=1", "accelerator=cpu"]
OPTIONS, SANDWICH = {"bench": 5, "chain": 3}, 4  # of a choice; paths of a step of the sandwich
VALID = 5000  # images of the chain that are held out
PLAIN, LONGER, WITHOUT = "-plain", "-longer", "-without-none"  # kinds of supernets and scores
CELLS_WITHOUT = "operation@space.operations=[skip_connect,nor_conv_1x1,nor_conv_3x3,avg_pool_3x3]"


def nas(options: argparse.Namespace, name: str, verb: str, *words: str) -> Path:
    """The finished run folder of a command, which is run, gone on with, or there already."""
    outputs = options.runs / name
    runs = sorted((outputs / verb).glob("[!.]*"))
    if runs and (runs[-1] / "report.json").is_file():
        return runs[-1]
    command = ["nas", verb, *words, f"outputs={outputs}"]
    if runs:
        command = ["nas", verb, f"resume={runs[-1]}"]
    print(" ".join(command), flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return max((outputs / verb).glob("[!.]*"))


def rows(run: Path) -> list[dict[str, str]]:
    """What an audit says of every network."""
    return list(csv.DictReader((run / "audit.csv").open()))


def trained(
    options: argparse.Namespace, part: str, sampler: str, seed: int, kind: str = ""
) -> Path:
    """A run folder with a supernet."""
    paths = {"fair": OPTIONS[part], "sandwich": SANDWICH}.get(sampler, 1)
    times = options.longer if kind == LONGER else 1
    epochs = max(1, round(times * options.passes / paths))
    words = [*space(options, part), f"training.epochs={epochs}", f"seed={seed}", *QUIET]
    words += [CELLS_WITHOUT] if kind == WITHOUT else []
    if sampler == "gumbel":
        words = ["strategy=gdas", *words]
    else:
        chosen = ["estimator=one_shot", f"sampler@estimator.sampler={sampler}", "budget.trials=1"]
        words = ["strategy=random", *chosen, *words]
    return nas(options, f"{part}-{sampler}-{seed}{kind}", "search", *words)


def space(options: argparse.Namespace, part: str) -> list[str]:
    data = ["data=image_folder", f"data.path={options.images}"]
    data += [f"data.image_size={options.image_size}"]
    data += [f"training.crop_padding={options.image_size // 8}"]  # as published: 4 of 32 pixels
    if part == "bench":
        data += [f"data.limit_train={options.train}"]
        data += ["training.learning_rate=0.1"]  # as the benchmark itself trains
        cells = f"space.cells_per_stage={options.cells}"
        sizes = ["space=nasbench201", "space.channels=8", cells]
        return [*sizes, "training=search", *data]
    held_out = f"data.valid_fraction={VALID / (options.train + VALID)}"
    data += [f"data.limit_train={options.train + VALID}", held_out]
    return ["space=nasbench_macro", "space.width=0.25", "training=search", *data]


def scored(
    options: argparse.Namespace,
    part: str,
    sampler: str,
    seed: int,
    *against: str,
    kind: str = "",
) -> list[dict[str, str]]:
    """Every network's score in a supernet (of a kind) beside the reference."""
    supernet = trained(options, part, sampler, seed, "" if kind == PLAIN else kind)
    words = [f"supernet={supernet}", "estimator=one_shot", *against]
    words += ["estimator.images=1000"] if part == "bench" else []
    words += ["threads=1", "accelerator=cpu", "device=none", "resamples=100"]
    words += ["estimator.recalibration_images=plain"] if kind == PLAIN else []
    return rows(nas(options, f"{part}-{sampler}-{seed}-audit{kind}", "audit", *words))


def taus(columns: dict[str, np.ndarray], truth: np.ndarray) -> dict[str, Any]:
    """Kendall's tau of every column with the truth, by paired bootstrap samples of the networks."""
    rng, count = np.random.default_rng(0), len(truth)
    samples = [rng.integers(0, count, count) for _ in range(1000)]
    drawn = {
        name: np.array([kendalltau(values[one], truth[one]).statistic for one in samples])
        for name, values in columns.items()
    }
    found = {}
    for name, values in columns.items():
        low, high = np.percentile(drawn[name], [2.5, 97.5])
        found[name] = {
            "tau": round(float(kendalltau(values, truth).statistic), 3),
            "interval": [round(float(low), 3), round(float(high), 3)],
            "better_than_macs": round(float((drawn[name] > drawn["macs"]).mean()), 3),
            "networks": count,
        }
    return found


def bench(options: argparse.Namespace) -> dict[str, Any]:
    """Supernets of NAS-Bench-201."""
    against = ("reference=table", f"networks={options.networks}")
    found = {}
    for seed in range(options.seeds):  # of the supernets, and of the cells that are drawn
        columns: dict[str, np.ndarray] = {}
        for sampler in options.samplers or ("uniform", "fair", "gumbel"):
            told = scored(options, "bench", sampler, seed, *against)
            columns[sampler] = column(told, "accuracy")
        first = (options.samplers or ("uniform",))[0]
        kinds = {PLAIN: "statistics of plain images"}
        kinds |= {LONGER: f"{options.longer} times as long"} if options.longer > 1 else {}
        for kind, name in kinds.items():
            again = scored(options, "bench", first, seed, *against, kind=kind)
            columns[f"{first}, {name}"] = column(again, "accuracy")
        middle = {name: round(float(np.median(values)), 1) for name, values in columns.items()}
        found[f"seed {seed}, median accuracy of the paths"] = middle
        columns |= {name: column(told, name) for name in ("params", "macs")}
        columns["live macs"] = np.array([live(row["genotype"]) for row in told])
        values, numbers = tabular.column("cifar10", "test")
        truth = np.array([values[numbers[options_of(row)]] for row in told])
        parts = {
            "": np.full(len(told), True),
            ", without none": np.array(["none" not in row["genotype"] for row in told]),
            ", with a convolution on a path": columns["live macs"] > 0,
            ", the upper half": truth > np.median(truth),
        }
        for name, some in parts.items():
            few = {key: values[some] for key, values in columns.items()}
            found[f"seed {seed}{name}"] = taus(few, truth[some])
        some = (f"reference.path={without_none(options, seed)}", "reference=table", "genotypes=all")
        own = scored(options, "bench", first, seed, *some, kind=WITHOUT)
        columns = {first: column(own, "accuracy"), "macs": column(own, "macs")}
        columns["live macs"] = np.array([live(row["genotype"]) for row in own])
        truth = column(own, "reference")
        found[f"seed {seed}, a space without none"] = taus(columns, truth)
        found[f"seed {seed}, mean rank by option"] = {
            name: preferred(own, values) for name, values in {**columns, "alone": truth}.items()
        }
    return found


def preferred(found: list[dict[str, str]], values: np.ndarray) -> dict[str, float]:
    """Option -> the mean rank (0 the worst, 1 the best) of the cells that have it into the output.

    A cell counts once for every edge into its output.
    """
    ranks = rankdata(values) / len(values)
    into = [(o, rank) for row, rank in zip(found, ranks, strict=True) for o in options_of(row)[3:]]
    names = sorted({option for option, _ in into})
    return {n: round(float(np.mean([rank for o, rank in into if o == n])), 3) for n in names}


def without_none(options: argparse.Namespace, seed: int) -> Path:
    """A table of cells that are drawn from the space without `none`."""
    values, numbers = tabular.column("cifar10", "test")
    whole = [cell for cell in numbers if "none" not in cell]
    drawn = random.Random(seed).sample(whole, min(options.networks, len(whole)))
    edges = [f"{target}<-{source}" for target in (1, 2, 3) for source in range(target)]
    file = options.runs / f"without-none-{seed}.csv"
    write(file, {json.dumps(dict(zip(edges, o, strict=True))): values[numbers[o]] for o in drawn})
    return file


def column(found: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in found])


WORK = {"nor_conv_3x3": 9.0, "nor_conv_1x1": 1.0}  # multiply-adds, up to a factor


def options_of(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(json.loads(row["genotype"]).values())


def live(text: str) -> float:
    """The multiply-adds of the edges that lie on a path from the cell's input to its output."""
    edges = {}
    for name, option in json.loads(text).items():
        target, source = name.split("<-")
        if option != "none":
            edges[int(source), int(target)] = option
    reached, reaching = {0}, {3}
    for _ in range(3):
        reached |= {t for s, t in edges if s in reached}
        reaching |= {s for s, t in edges if t in reaching}
    alive = (o for (s, t), o in edges.items() if s in reached and t in reaching)
    return sum(WORK.get(option, 0.0) for option in alive)


def chain(options: argparse.Namespace) -> dict[str, Any]:
    """Supernets of a chain."""
    words = [*space(options, "chain"), f"training.epochs={options.epochs_alone}", *QUIET]
    words += ["strategy=random", "estimator=train", f"budget.trials={options.alone}", "seed=0"]
    alone = nas(options, "chain-alone", "search", *words)
    history = [json.loads(line) for line in (alone / "history.jsonl").read_text().splitlines()]
    once = {json.dumps(t["genotype"]["choices"]): t["metrics"]["accuracy"] for t in history}
    several = dict(list(once.items())[: options.repeated])
    write(options.runs / "several.csv", several)
    again = repeated(options, several)
    means = {text: [value, *again[text]] for text, value in several.items()}
    truth_csv = options.runs / "truth.csv"
    write(truth_csv, {**once, **{text: float(np.mean(v)) for text, v in means.items()}})
    against = ("reference=table", f"reference.path={truth_csv}", "genotypes=all")
    columns: dict[str, np.ndarray] = {}
    samplers = options.samplers or ("uniform", "fair", "sandwich")
    kinds = [(sampler, "", sampler) for sampler in samplers]
    if options.longer > 1:
        kinds += [(samplers[0], LONGER, f"{samplers[0]}, {options.longer} times as long,")]
    for sampler, kind, name in kinds:
        for seed in range(options.seeds):
            found = scored(options, "chain", sampler, seed, *against, kind=kind)
            columns[f"{name} {seed}"] = column(found, "accuracy")
    scores = ["estimator=zero_cost", *space(options, "chain"), *against, *QUIET, "resamples=100"]
    cheap = rows(nas(options, "chain-zero-cost", "audit", *scores))
    assert [row["genotype"] for row in cheap] == [row["genotype"] for row in found]
    known = [name for name in cheap[0] if name not in ("genotype", "error", "reference")]
    columns |= {n: column(cheap, n) for n in known if not n.endswith("_seconds")}
    result = taus(columns, column(found, "reference"))
    values = np.array(list(means.values()))  # (networks, seeds)
    seeds = itertools.combinations(values.T, 2)
    result["ceiling"] = {
        "tau_between_two_seeds": [round(float(kendalltau(a, b).statistic), 3) for a, b in seeds],
        "deviation_over_seeds": round(float(values.std(1, ddof=1).mean()), 2),
        "deviation_over_networks": round(float(values.mean(1).std(ddof=1)), 2),
        "networks": len(values),
    }
    result["all"] = [
        {"genotype": text, "alone": means.get(text, [accuracy])}
        | {name: round(float(column[number]), 4) for name, column in columns.items()}
        for number, (text, accuracy) in enumerate(once.items())
    ]
    return result


def write(file: Path, accuracies: dict[str, float]) -> None:
    """A table of one's own, as estimator=table reads it."""
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["genotype", "accuracy"])
        writer.writerows(accuracies.items())


def repeated(options: argparse.Namespace, several: dict[str, float]) -> dict[str, list[float]]:
    """The accuracies of some of the networks with further seeds.

    An audit goes through the table in its order, and calls equal networks by one name.
    """
    found: dict[str, list[float]] = {}
    for seed in range(1, options.repeats):
        words = [*space(options, "chain"), f"training.epochs={options.epochs_alone}", *QUIET]
        words += [f"reference.path={options.runs / 'several.csv'}", "reference=table"]
        words += ["estimator=train", "genotypes=all", f"seed={seed}", "resamples=100"]
        told = rows(nas(options, f"chain-again-{seed}", "audit", *words))
        for (text, first), row in zip(several.items(), told, strict=True):
            assert float(row["reference"]) == first
            found.setdefault(text, []).append(float(row["accuracy"]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--parts", nargs="+", choices=("bench", "chain"), default=["bench"])
    parser.add_argument("--samplers", nargs="+", help="instead of all of a part")
    parser.add_argument("--seeds", type=int, default=1, help="supernets of each kind")
    parser.add_argument("--passes", type=int, default=60, help="over the training images")
    parser.add_argument(
        "--longer", type=int, default=1, help="one more, of so many times the passes"
    )
    parser.add_argument("--networks", type=int, default=1000, help="cells that are scored")
    parser.add_argument("--cells", type=int, default=1, help="a stage of the supernets of cells")
    parser.add_argument("--alone", type=int, default=40, help="paths of the chain trained alone")
    parser.add_argument("--epochs-alone", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3, help="trainings of some of these")
    parser.add_argument("--repeated", type=int, default=10, help="how many of these")
    parser.add_argument("--train", type=int, default=10_000, help="images")
    parser.add_argument("--image-size", type=int, default=16)
    parser.add_argument("--runs", type=Path, default=Path(tempfile.gettempdir()) / NAME)
    options = parser.parse_args()
    settings = {k: v for k, v in vars(options).items() if k not in ("images", "runs", "parts")}
    for part in options.parts:
        table = {"bench": bench, "chain": chain}[part](options)
        print(part)
        for name, row in table.items():
            if name != "all":
                print(f"  {name:<20} {json.dumps(row)}")
        command = f"python benchmarks/{NAME}.py IMAGES --parts {part}"
        machine = f"{platform.processor() or platform.machine()}, one thread"
        whole = {"command": command, "machine": machine, "settings": settings, "table": table}
        save(f"{NAME}_{part}", whole)


if __name__ == "__main__":
    main()
