"""How scores of untrained networks rank NAS-Bench-201 cells, all on one set of cells.

python benchmarks/zero_cost.py IMAGES LINES [--cells 3000] [--batch 64] [--scores ...] [--report]

IMAGES is CIFAR-10 as class folders (IMAGES/train/<class>/...): every score that looks at images is
fed with these, whatever data set its row is about. Cells are drawn at random without repeats;
networks have the published size (16 channels, 5 cells a stage). Every cell's scores, and the
seconds that they took together, are added to the file LINES at once, and those that stand there are
not computed again, so the run may be stopped at any time, and scores can be added to it. --report
only writes the result.

The result is over the cells that have all scores of the run, so that rows compare: a score that is
not finite ranks its cell last, as a search would. `all` are those cells, `live` those of them whose
every operation but `none` lies on a path from the input of the cell to its output. Beside every
score stand the test accuracies and the validation accuracies, after 200 epochs, of three data sets:
Kendall's tau-b and Spearman's rho with percentiles of 1,000 bootstrap samples of the cells, nDCG
(gains are accuracies above the lowest, of the first tenth), and the accuracy of the cell that the
score likes best. `params` and `live_macs` need no pass at all and are what the others are to beat:
over all 15,625 cells live multiply-adds have tau .657/.631/.611 with the test accuracy.

`published` is the absolute value of Spearman's coefficient over all 15,625 cells (Abdelfattah et
al. 2021, Table 1, from SamsungLabs/zero-cost-nas): with the accuracy, on test images, of networks
trained on half of the training images, which is neither column here. The published `vote` is the
share of pairs of cells that the majority of synflow, jacob_cov and snip puts in the right order:
`pairs`.
"""

import argparse
import importlib.resources
import io
import json
import random
import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau, rankdata

RESULT = Path(__file__).parent / "results" / "zero_cost.json"
PUBLISHED = {
    "grad_norm": 0.594,
    "snip": 0.596,
    "grasp": 0.514,
    "fisher": 0.36,
    "synflow": 0.737,
    "jacob_cov": 0.731,
    "pairs": 0.817,
}
SCORES = ["synflow", "jacob_cov", "snip", "grad_norm", "fisher", "naswot", "l2_norm", "zico", "zen"]
SCORES += ["swap", "swap_regular", "expressivity", "progressivity", "trainability"]
SCORES += ["vkdnw", "vkdnw_single"]
DATASETS = ("cifar10", "cifar100", "imagenet16")
RESAMPLES = 1000
VOTERS = ("synflow", "jacob_cov", "snip")


def table():
    with importlib.resources.files("nascli.tables").joinpath("nasbench201.npz").open("rb") as file:
        loaded = np.load(io.BytesIO(file.read()), allow_pickle=False)
        return {name: loaded[name] for name in loaded.files}


def numbers(count):
    return random.Random(0).sample(range(15_625), count)


def parts(given):
    """The problem, every cell's genotype, and the number of its class's canonical cell."""
    from nascli.config import building
    from nascli.config.compose import composed
    from nascli.core.genotype import Genotype

    overrides = ["strategy=random", "space=nasbench201", "training=nasbench201", "device=none"]
    overrides += [
        "estimator=zero_cost",
        "accelerator=cpu",
        "data=image_folder",
        "data.split_rule=1",
    ]
    overrides += [
        f"data.path='{given.images}'",
        f"training.network.nasbench201.channels={given.channels}",
        f"training.network.nasbench201.cells_per_stage={given.depth}",
    ]
    problem = building.problem(composed("search", overrides), building.Faults())
    data, space = table(), problem.space
    names = [str(operation) for operation in data["operations"]]
    genotypes = [
        Genotype(space.name, tuple(space.decisions), tuple(names[digit] for digit in cell))
        for cell in data["cells"]
    ]
    place = {genotype: number for number, genotype in enumerate(genotypes)}
    return problem, genotypes, [place[space.canonical(genotype)] for genotype in genotypes]


def read(lines):
    """Number of a canonical cell -> its scores so far, and the CPU seconds of each line."""
    found, seconds = {}, []
    for line in lines.read_text().splitlines() if lines.exists() else ():
        record = json.loads(line)
        found.setdefault(record["cell"], {}).update(record["scores"])
        seconds.append((tuple(record["scores"]), record["cpu_seconds"]))
    return found, seconds


def compute(given, known):
    """Adds what is missing to the file."""
    import torch

    from nascli.estimators.zero_cost import ZeroCost

    torch.set_num_threads(1)
    problem, genotypes, canonical = parts(given)
    scored = {}
    for number in dict.fromkeys(canonical[cell] for cell in numbers(given.cells)):
        missing = tuple(name for name in given.scores if name not in known.get(number, ()))
        if not missing:
            continue
        if missing not in scored:
            scored[missing] = ZeroCost(problem, missing, given.batch)
        start = time.process_time()
        found = scored[missing].scores(genotypes[number])
        seconds = round(time.process_time() - start, 3)
        record = {"cell": number, "scores": found, "cpu_seconds": seconds}
        with given.lines.open("a") as file:
            file.write(json.dumps(record) + "\n")


def spearman(first, second):
    with np.errstate(invalid="ignore"):
        return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def kendall(first, second):
    return float(kendalltau(first, second, method="asymptotic").statistic)


def ndcg(values, accuracy):
    """Normalised discounted gain of the first tenth; ties go by chance, as a search breaks them."""
    gains = accuracy - accuracy.min()
    count = max(1, len(values) // 10)
    mixed = np.random.default_rng(0).permutation(len(values))
    order = mixed[np.argsort(-values[mixed], kind="stable")][:count]
    discount = 1 / np.log2(np.arange(count) + 2)
    return float((gains[order] * discount).sum() / (np.sort(gains)[::-1][:count] * discount).sum())


def interval(statistic, *columns):
    """The middle 95 percent over bootstrap samples."""
    rng, size = np.random.default_rng(0), len(columns[0])
    drawn = (rng.integers(0, size, size) for _ in range(RESAMPLES))
    values = [statistic(*(column[rows] for column in columns)) for rows in drawn]
    return [round(float(v), 3) for v in np.percentile(values, [2.5, 97.5])]


def pairs(votes, accuracy):
    """The share of pairs that the majority puts in the right order; equal accuracies left out."""
    right = total = 0
    for row in range(len(accuracy)):
        better = np.sign(accuracy[row] - accuracy)
        majority = np.where((votes[row] > votes).sum(1) >= votes.shape[1] / 2, 1, -1)
        right += int((better * majority > 0).sum())
        total += int((better != 0).sum())
    return right / total


def row(values, accuracies):
    """What a score says of some cells, beside every column of accuracies (split, data set)."""
    found = {}
    for split, columns in accuracies.items():
        for dataset, accuracy in columns.items():
            found[f"{split}_{dataset}"] = {
                "kendall": round(kendall(values, accuracy), 3),
                "kendall_interval": interval(kendall, values, accuracy),
                "spearman": round(spearman(values, accuracy), 3),
                "spearman_interval": interval(spearman, values, accuracy),
                "ndcg": round(ndcg(values, accuracy), 3),
                "pick": round(float(accuracy[values.argmax()]), 2),
            }
    return found


def live_cells(cells, none):
    """Whether every operation of a cell but `none` lies on a path from its input to its output."""
    edges = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))  # of the digits, in the table's order
    found = []
    for cell in cells:
        there = [edge for edge, digit in zip(edges, cell, strict=True) if digit != none]
        from_input, to_output = {0}, {3}
        for first, second in there:
            from_input |= {second} if first in from_input else set()
        for first, second in reversed(there):
            to_output |= {first} if second in to_output else set()
        alive = all(first in from_input and second in to_output for first, second in there)
        found.append(bool(there) and alive)
    return np.array(found)


def report(known, seconds, given):
    data = table()
    wanted = [n for n in numbers(given.cells) if set(given.scores) <= set(known.get(n, ()))]
    live = live_cells(data["cells"], [str(o) for o in data["operations"]].index("none"))
    sets = {"all": np.array(wanted), "live": np.array([n for n in wanted if live[n]])}
    result = {}
    for which, cells in sets.items():
        accuracies = {
            split: {d: data[f"{d}_{split}_200"][cells].astype(float) for d in DATASETS}
            for split in ("test", "valid")
        }
        rows = {}
        for name in given.scores:
            values = np.array([known[n][name] for n in cells])
            failed = ~np.isfinite(values)
            values[failed] = -np.inf  # last, level with each other
            values = rankdata(values)
            rows[name] = {"failed": int(failed.sum()), **row(values, accuracies)}
        if set(VOTERS) <= set(given.scores):
            votes = np.array([[known[n][name] for name in VOTERS] for n in cells])
            share = pairs(votes, accuracies["valid"]["cifar10"])
            rows["pairs"] = {"share": round(share, 3)}
        for name, value in PUBLISHED.items():
            if which == "all" and name in rows:
                rows[name]["published"] = value
        result[which] = {"cells": len(cells), "rows": rows}
        for name, found in rows.items():
            print(which, f"{name:12}", found.get("test_cifar10", found), flush=True)
    took = {", ".join(names): round(float(np.median([s for n, s in seconds if n == names])), 3)
            for names in dict.fromkeys(names for names, _ in seconds)}  # fmt: skip
    command = f"python benchmarks/zero_cost.py IMAGES LINES --cells {given.cells}"
    command += f" --batch {given.batch}"
    fed = "CIFAR-10 (JPEG copies of the images), for the rows of all three data sets"
    result = {"command": command, "fed": fed, "seconds_a_network": took, "sets": result}
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("images", type=Path)
    parser.add_argument("lines", type=Path)
    parser.add_argument("--cells", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--depth", type=int, default=1, help="cells a stage")
    parser.add_argument("--scores", nargs="+", default=SCORES)
    parser.add_argument("--report", action="store_true")
    given = parser.parse_args()
    if not given.report:
        compute(given, read(given.lines)[0])
    report(*read(given.lines), given)


if __name__ == "__main__":
    sys.exit(main())
