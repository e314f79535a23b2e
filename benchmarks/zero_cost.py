"""How scores of untrained networks rank NAS-Bench-201 cells, all on one set of cells.

python benchmarks/zero_cost.py IMAGES LINES [--cells 3000] [--batch 32] [--channels 16] [--depth 1]
    [--scores ...] [--report | --choose | --time]

IMAGES is CIFAR-10 as class folders (IMAGES/train/<class>/...): every score that looks at images is
fed with these, whatever data set its row is about; there are none of CIFAR-100 and ImageNet16 here.
Cells are drawn at random without repeats. Networks have the published width and images but one cell
in each of the three stages instead of five (--depth), and minibatches of 32: a fifth of the work.
Cells of one function are scored once, as the canonical one, which has no dead operations: `l2_norm`
and `vkdnw_single` would see those of another spelling, and first weights would be other draws.

Scores are added to the file LINES at once, with the CPU seconds that they took together, and those
that stand there are not computed again, so the run may be stopped at any time, and scores can be
added to it. --report only writes the result, --time adds what each score takes alone.

The result is over the cells that have all scores, in the order drawn up to the first that has not:
`sets`, and `one_pass` over those that have the scores of one forward and one backward pass.
A score that is not finite ranks its cell last, as a search would. `all` are those cells, `live`
those of them whose every operation but `none` lies on a path from the input of the cell to its
output; `held` are the cells of the half of the classes of equal function that --choose does not
look at. Beside every score stand the test accuracies and the validation accuracies, after 200
epochs, of three data sets: Kendall's tau-b and Spearman's rho, each with 1.96 standard deviations
over 50 bootstrap samples of classes on both sides (in `one_pass` for `ensemble` alone); nDCG (gains
are accuracies above the lowest, of the first tenth); and the accuracy of the cell that the score
likes best. `params`, `macs` and the same of live layers are of networks of the published size and
need no pass at all.

--choose prints the sums of the logarithms of ranks of up to five scores of one pass by their
Kendall's tau-b on the other half of the classes, with CIFAR-10's test accuracy, the mean of all and
live cells, and of those within 0.005 of the best the one with the fewest scores: `ensemble` in
`nascli.zero_cost.ranks`.

`published_kendall` are the figures of AZ-NAS (all cells) and VKDNW (live cells), by networks of
full depth and, for some scores, images of the data set.
"""

import argparse
import importlib.resources
import io
import itertools
import json
import os
import platform
import random
import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau, rankdata

RESULT = Path(__file__).parent / "results" / "zero_cost.json"
PUBLISHED = {
    "all": {
        "params": [0.576, 0.552, 0.519],
        "synflow": [0.571, 0.562, 0.553],
        "naswot": [0.557, 0.579, 0.573],
        "zico": [0.589, 0.620, 0.614],
        "swap": [0.634, 0.649, 0.610],
        "az_nas": [0.741, 0.723, 0.710],
    },
    "live": {
        "macs": [0.623, 0.586, 0.545],
        "zico": [0.607, 0.614, 0.587],
        "az_nas": [0.712, 0.696, 0.673],
        "vkdnw_agg": [0.750, 0.753, 0.743],
    },
}
SCORES = ["synflow", "jacob_cov", "snip", "grad_norm", "fisher", "naswot", "l2_norm", "zico", "zen"]
SCORES += ["swap", "expressivity", "progressivity", "trainability", "vkdnw", "vkdnw_single"]
ONE_PASS = ["jacob_cov", "naswot", "swap", "expressivity", "progressivity"]
ONE_PASS += ["synflow", "snip", "grad_norm", "l2_norm"]
DATASETS = ("cifar10", "cifar100", "imagenet16")
RESAMPLES = 50
VOTERS = ("synflow", "jacob_cov", "snip")
JOINED = ("az_nas", "vkdnw_agg", "ensemble")
FED = (
    "CIFAR-10 (JPEG copies of the images) for the rows of all three data sets; zen: normal noise; "
)
FED += "synflow: ones; l2_norm and counts: nothing"


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


def resamples(classes):
    """Rows of samples of whole classes, as many as there are, drawn with replacement."""
    members = [np.flatnonzero(classes == one) for one in np.unique(classes)]
    rng = np.random.default_rng(0)
    for _ in range(RESAMPLES):
        yield np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])


def row(values, accuracies, drawn):
    """What a score says of some cells, beside every column of accuracies (split, data set)."""
    found = {}
    for (split, dataset), accuracy in accuracies.items():
        of = found[f"{split}_{dataset}"] = {}
        for name, statistic in (("kendall", kendall), ("spearman", spearman)):
            of[name] = round(statistic(values, accuracy), 3)
            if drawn:
                spread = [statistic(values[rows], accuracy[rows]) for rows in drawn]
                half = 1.96 * np.std(spread, ddof=1)
                of[f"{name}_interval"] = [round(of[name] - half, 3), round(of[name] + half, 3)]
        of["ndcg"] = round(ndcg(values, accuracy), 3)
        of["pick"] = round(float(accuracy[values.argmax()]), 2)
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


def columns(scores, cells, known, canonical, genotypes, counter):
    """Score -> its ranks among `cells`, from 1; one that is not finite is last, level with others.

    Counts are of every cell's own network of published size (16 channels, 5 cells a stage), and so
    are the params in swap_regular; the other scores are of the canonical cell.
    """
    from nascli.costs.live import live_counts
    from nascli.zero_cost.ranks import RANKED

    plans = [counter.space.plan(genotypes[cell]) for cell in cells]
    whole, live = [counter.of(p) for p in plans], [live_counts(counter, p) for p in plans]
    found = {name: [known[canonical[c]][name] for c in cells] for name in scores}
    for key in ("params", "macs"):
        found[key] = [getattr(cost, key) for cost in whole]
        found[f"live_{key}"] = [getattr(cost, key) for cost in live]
    if "swap" in found:
        off = np.array(found["params"]) / 1e6 - 1.5
        found["swap_regular"] = np.array(found["swap"]) * np.exp(-(off**2) / 1.5)
    ranks, failed = {}, {}
    for name, values in found.items():
        values = np.array(values, dtype=float)
        failed[name] = int((~np.isfinite(values)).sum())
        values[~np.isfinite(values)] = -np.inf
        ranks[name] = rankdata(values)
    for name, members in {"vote": VOTERS, **RANKED}.items():
        if set(members) <= set(ranks):
            of = np.stack([ranks[member] for member in members])
            joined = np.median(of, 0) if name == "vote" else np.log(of).sum(0)
            ranks[name], failed[name] = rankdata(joined), max(failed[m] for m in members)
    return ranks, failed


def choose(ranks, accuracy, live):
    """The sums of ranks of one to five scores, by the mean tau of all and live cells, best first.

    And the choice: of those within 0.005 of the best, the first with the fewest scores.
    """
    names = [name for name in ranks if name not in ("vote", *JOINED)]
    found = []
    for count in range(1, 6):
        for members in itertools.combinations(names, count):
            total = sum(np.log(ranks[name]) for name in members)
            taus = kendall(total, accuracy), kendall(total[live], accuracy[live])
            found.append((round(sum(taus) / 2, 4), members, [round(tau, 3) for tau in taus]))
    found.sort(key=lambda one: (-one[0], len(one[1]), one[1]))
    near = [one for one in found if one[0] >= found[0][0] - 0.005]
    return found, min(near, key=lambda one: len(one[1]))


def report(known, seconds, given):
    from nascli.costs.plans import PlanCounter

    data = table()
    problem, genotypes, canonical = parts(argparse.Namespace(**{**vars(given), "depth": 5}))
    counter = PlanCounter(problem.space)
    alive = live_cells(data["cells"], [str(o) for o in data["operations"]].index("none"))
    classes = np.array(canonical)
    half = np.random.default_rng(0).permutation(np.unique(classes))
    chosen_on = np.isin(classes, half[: len(half) // 2])

    def first(scores):
        """Cells up to the first without a score: later ones that have all are no random sample."""
        have = [set(scores) <= set(known.get(canonical[n], ())) for n in numbers(given.cells)]
        return np.array(numbers(given.cells)[: have.index(False) if False in have else None])

    if given.choose:
        cells = first(ONE_PASS)
        on = cells[chosen_on[cells]]
        ranks, _ = columns(ONE_PASS, on, known, canonical, genotypes, counter)
        found, choice = choose(ranks, data["cifar10_test_200"][on], alive[on])
        for mean, members, taus in [*found[:20], ("choice:", choice[1], choice[2])]:
            print(mean, taus, *members, flush=True)
        return
    result = {}
    for key, scores in (("one_pass", ONE_PASS), ("sets", SCORES)):
        cells = first(scores)
        sets = {"all": cells, "live": cells[alive[cells]], "all_held": cells[~chosen_on[cells]]}
        sets["live_held"] = sets["all_held"][alive[sets["all_held"]]]
        result[key] = {}
        for which, members in sets.items():
            accuracies = {
                (split, dataset): data[f"{dataset}_{split}_200"][members].astype(float)
                for split in ("test", "valid")
                for dataset in DATASETS
            }
            ranks, failed = columns(scores, members, known, canonical, genotypes, counter)
            drawn = [] if which.endswith("held") else list(resamples(classes[members]))
            rows = {}
            for name, values in ranks.items():
                spread = drawn if key == "sets" or name == "ensemble" else []
                rows[name] = {"failed": failed[name], **row(values, accuracies, spread)}
                if name in PUBLISHED.get(which, ()):
                    rows[name]["published_kendall"] = PUBLISHED[which][name]
                taus = [rows[name][f"test_{dataset}"]["kendall"] for dataset in DATASETS]
                print(key, which, f"{name:14}", *taus, flush=True)
            distinct = len(np.unique(classes[members]))
            result[key][which] = {"cells": len(members), "classes": distinct, "rows": rows}
    took = {", ".join(names): round(float(np.median([s for n, s in seconds if n == names])), 3)
            for names in dict.fromkeys(names for names, _ in seconds)}  # fmt: skip
    record = {
        "command": f"python benchmarks/zero_cost.py IMAGES LINES --cells {given.cells} "
        f"--batch {given.batch} --channels {given.channels} --depth {given.depth}",
        "network": f"{given.channels} channels, {given.depth} cells a stage, 32x32 pixels",
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, shared with other work",
        "fed": FED,
        "cpu_seconds_a_network": took,
        **result,
    }
    before = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    record |= {key: before[key] for key in ("cpu_seconds_alone",) if key in before}
    RESULT.write_text(json.dumps(record, indent=2) + "\n")


def timed(given):
    """CPU seconds of one thread that each score takes alone, the median over 20 live cells."""
    import torch

    from nascli.estimators.zero_cost import ZeroCost

    torch.set_num_threads(1)
    problem, genotypes, canonical = parts(given)
    alive = live_cells(table()["cells"], 0)
    cells = [n for n in numbers(given.cells) if alive[n] and canonical[n] == n][:20]
    found = {}
    for names in [[name] for name in (*given.scores, "macs", "live_macs")] + [given.scores]:
        scored = ZeroCost(problem, names, given.batch)
        seconds = []
        for number in cells:
            start = time.process_time()
            scored.scores(genotypes[number])
            seconds.append(time.process_time() - start)
        name = names[0] if len(names) == 1 else "all together"
        found[name] = round(float(np.median(seconds)), 3)
        print(name, found[name], flush=True)
    record = json.loads(RESULT.read_text())
    RESULT.write_text(json.dumps({**record, "cpu_seconds_alone": found}, indent=2) + "\n")


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
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--time", action="store_true")
    given = parser.parse_args()
    if given.time:
        return timed(given)
    if not (given.report or given.choose):
        compute(given, read(given.lines)[0])
    return report(*read(given.lines), given)


if __name__ == "__main__":
    sys.exit(main())
