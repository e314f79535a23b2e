"""How scores of untrained networks rank NAS-Bench-201 cells on CIFAR-10, against the published.

python benchmarks/zero_cost.py IMAGES LINES [--cells 1000] [--batch 64] [--scores ...] [--report]

IMAGES is CIFAR-10 as class folders (IMAGES/train/<class>/...). Cells are drawn at random without
repeats; networks have the published size (16 channels, 5 cells a stage). Every cell's scores are
added to the file LINES at once, and those that stand there are not computed again, so the run may
be stopped at any time, and scores can be added to it. --report only writes the result.

The published column (SamsungLabs/zero-cost-nas, nasbench2_pred.py and
notebooks/nasbench201_correlations.ipynb; Abdelfattah et al. 2021, Table 1) is the absolute value of
Spearman's coefficient over all 15,625 cells with the accuracy, after 200 epochs, of the networks
trained on half of the training images (`cifar10-valid`) on the test images. The table here has
those networks' accuracy on the other half, `cifar10_valid_200`, which is what `spearman` is with;
`spearman_test` is with the test accuracy of networks trained on all training images. As there, a
score of -inf is the lowest rank and one of NaN leaves the cell out. The published `vote` is no
coefficient but the share of pairs of cells that the majority of synflow, jacob_cov and snip puts in
the right order: `pairs`. Intervals are percentiles of 1,000 bootstrap samples of the cells.
"""

import argparse
import importlib.resources
import io
import json
import math
import random
import sys
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
SCORES = ["synflow", "jacob_cov", "snip", "grad_norm", "fisher", "naswot", "l2_norm"]
SCORES += ["params", "macs", "zico", "zen", "grasp"]
VOTERS = ("synflow", "jacob_cov", "snip")
REFERENCE = 64


def table():
    with importlib.resources.files("nascli.tables").joinpath("nasbench201.npz").open("rb") as file:
        loaded = np.load(io.BytesIO(file.read()), allow_pickle=False)
        return {name: loaded[name] for name in loaded.files}


def read(lines):
    """Cell number -> its scores so far."""
    found = {}
    for line in lines.read_text().splitlines() if lines.exists() else ():
        record = json.loads(line)
        found.setdefault(record["cell"], {}).update(record["scores"])
    return found


def compute(given, known):
    """Adds what is missing to the file."""
    import torch

    from nascli.config import building
    from nascli.config.compose import composed
    from nascli.core.genotype import Genotype
    from nascli.estimators.zero_cost import ZeroCost

    torch.set_num_threads(1)
    overrides = ["strategy=random", "space=nasbench201", "training=nasbench201", "device=none"]
    overrides += [
        "estimator=zero_cost",
        "data=image_folder",
        "data.split_rule=1",
        f"data.path='{given.images}'",
    ]
    problem = building.problem(composed("search", overrides), building.Faults())
    scored = {}
    cells, operations = table()["cells"], table()["operations"]
    for number in numbers(given.cells):
        missing = tuple(name for name in given.scores if name not in known.get(number, ()))
        if not missing:
            continue
        if missing not in scored:
            scored[missing] = ZeroCost(problem, missing, given.batch)
        options = tuple(str(operations[digit]) for digit in cells[number])
        genotype = Genotype(problem.space.name, tuple(problem.space.decisions), options)
        record = {"cell": number, "scores": scored[missing].scores(genotype)}
        with given.lines.open("a") as file:
            file.write(json.dumps(record) + "\n")


def numbers(count):
    return random.Random(0).sample(range(15_625), count)


def spearman(first, second):
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def interval(statistic, *columns):
    """The middle 95 percent over bootstrap samples."""
    rng, size = np.random.default_rng(0), len(columns[0])
    drawn = (rng.integers(0, size, size) for _ in range(1000))
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


def row(values, valid, test):
    kept = ~np.isnan(values)
    values, valid, test = values[kept], valid[kept], test[kept]
    return {
        "cells": len(values),
        "left_out": int((~kept).sum()),
        "spearman": round(spearman(values, valid), 3),
        "interval": interval(spearman, values, valid),
        "kendall": round(float(kendalltau(rankdata(values), valid).statistic), 3),
        "spearman_test": round(spearman(values, test), 3),
    }


def together(whole, known, valid, test):
    """The majority's share of pairs, and the vote against the first finite cells."""
    from nascli.zero_cost.vote import Vote

    votes = np.array([[known[n][name] for name in VOTERS] for n in whole])
    finite = np.flatnonzero(np.isfinite(votes).all(1))
    reference, others = finite[:REFERENCE], finite[REFERENCE:]
    vote = Vote(dict(zip(VOTERS, votes[reference].T, strict=True)))
    values = np.array([vote(dict(zip(VOTERS, votes[n], strict=True))) for n in others])
    have = np.array(whole)[others]
    share = round(pairs(votes, valid[whole]), 3)
    return {
        "pairs": {"cells": len(whole), "share": share},
        "vote": row(values, valid[have], test[have]),
    }


def report(known, given):
    data = table()
    valid, test = data["cifar10_valid_200"], data["cifar10_test_200"]
    wanted = [number for number in numbers(given.cells) if number in known]
    rows = {}
    for name in dict.fromkeys(n for number in wanted for n in known[number]):
        have = [number for number in wanted if name in known[number]]
        values = np.array([known[number][name] for number in have])
        rows[name] = row(values, valid[have], test[have])
    whole = [n for n in wanted if set(VOTERS) <= set(known[n])]
    if len(whole) > 2 * REFERENCE:
        rows |= together(whole, known, valid, test)
    for name, value in PUBLISHED.items():
        if name in rows:
            rows[name]["published"] = value
    rows = dict(sorted(rows.items(), key=lambda pair: -pair[1].get("spearman", math.inf)))
    for name, found in rows.items():
        print(f"{name:10}", found)
    command = f"python benchmarks/zero_cost.py IMAGES LINES --cells {given.cells}"
    command += f" --batch {given.batch}"
    result = {"command": command, "data": "CIFAR-10 (JPEG copies of the images)", "rows": rows}
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("images", type=Path)
    parser.add_argument("lines", type=Path)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--scores", nargs="+", default=SCORES)
    parser.add_argument("--report", action="store_true")
    given = parser.parse_args()
    if not given.report:
        compute(given, read(given.lines))
    report(read(given.lines), given)


if __name__ == "__main__":
    sys.exit(main())
