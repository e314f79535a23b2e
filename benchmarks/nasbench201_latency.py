"""Latency of NAS-Bench-201's cells from few of them: a table over edges, and ten samples.

python benchmarks/nasbench201_latency.py [--seeds 5] [--draws 20]

`table`: `nascli.costs.edges` fitted on 100 random cells of a setting, tested on the other 15,525;
`within_10` is the share of them within 10 %. `few`: `nascli.costs.few_samples` from 10 cells of a
new device, the settings of all other hardware known, tested on the other 15,615; the cells are the
method's choice among 2,000 random ones, which every draw has anew. Its constants are the best of
`grid`: the mean over the settings of all hardware but the six devices', each predicted from the
others of these, six draws. `unmeasured` is what the same six have without a measured cell: by
`macs`, and by the mean rank of a cell on the settings of all other hardware (`known_devices`). The
glitches of pixel3 and raspi4 (docs/budgets.md) are in all test sets.
"""

from __future__ import annotations

import argparse
import itertools
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata, spearmanr
from tabular import save, searched

from nascli.core.genotype import Genotype
from nascli.costs import few_samples
from nascli.costs.edges import fit
from nascli.costs.few_samples import KnownDevices, hardware
from nascli.tables.nasbench201 import shipped

EDGES = ("1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2")
HELP = {  # Spearman, from 10 samples: Lee et al. 2021, Table 3 of github.com/HayeonLee/HELP
    "titan_rtx_256": 0.987, "gold_6226": 0.989, "pixel2": 0.802, "raspi4": 0.890,
    "eyeriss": 0.940, "fpga": 0.985,
}  # fmt: skip
TABLES = (*HELP, "pixel3")


def table(setting: str, seeds: int) -> dict[str, Any]:
    """Errors of a table over edges, for each seed."""
    rows = shipped()
    decisions = dict.fromkeys(EDGES, rows.operations)
    ms = np.array(rows.latencies(setting))
    cells = [Genotype("nasbench201", EDGES, options) for options in rows.cells()]
    worst, share, median = [], [], []
    for seed in range(seeds):
        numbers = random.Random(seed).sample(range(len(cells)), 100)
        known = [(cells[n], float(ms[n])) for n in numbers]
        made = fit(decisions, known)
        others = np.setdiff1d(np.arange(len(cells)), numbers)
        errors = np.abs(np.array([made.ms(cells[n]) for n in others]) / ms[others] - 1)
        worst.append(round(float(errors.max()), 6))
        share.append(round(float((errors <= 0.1).mean()), 4))
        median.append(round(float(np.median(errors)), 5))
    glitches = int((ms < np.median(ms) / 20).sum())
    return {"worst": worst, "within_10": share, "median": median, "glitches": glitches}


def few(
    setting: str, draws: int, count: int = 10, pool: Sequence[str] | None = None
) -> dict[str, Any]:
    """Spearman's rank correlation of each draw."""
    rows = shipped()
    others = [s for s in pool or rows.settings if hardware(s) != hardware(setting)]
    known = KnownDevices({s: rows.latencies(s) for s in others}, counts())
    ms, found = np.array(rows.latencies(setting)), []
    for seed in range(draws):
        among = random.Random(seed).sample(range(len(ms)), 2_000)
        numbers = known.choose(count, among)
        rest = np.setdiff1d(np.arange(len(ms)), numbers)
        predicted = known.predict({n: float(ms[n]) for n in numbers})
        found.append(float(spearmanr(predicted[rest], ms[rest]).statistic))
    return {
        "mean": round(float(np.mean(found)), 4),
        "least": round(min(found), 4),
        "help": HELP.get(setting),
        "draws": [round(value, 4) for value in found],
    }


def unmeasured() -> dict[str, dict[str, float]]:
    """Spearman's rank correlation of what needs no measured cell, and the mean over the six."""
    rows = shipped()
    history, _ = searched(["strategy=grid", "budget.trials=null"], 0)
    told = {trial.genotype.options: trial.metrics["macs"] for trial in history}
    macs = np.array([told[tuple(options)] for options in rows.cells()])
    found: dict[str, dict[str, float]] = {"macs": {}, "known_devices": {}}
    for setting in HELP:
        others = [s for s in rows.settings if hardware(s) != hardware(setting)]
        ranks = np.mean([rankdata(rows.latencies(s)) for s in others], axis=0)
        ms = rows.latencies(setting)
        for name, values in (("macs", macs), ("known_devices", ranks)):
            found[name][setting] = round(float(spearmanr(values, ms).statistic), 4)
    for row in found.values():
        row["mean"] = round(float(np.mean(list(row.values()))), 4)
    return found


def grid(draws: int = 6) -> dict[str, float]:
    """Noise and weight of counts -> the mean rank correlation on hardware that is not reported."""
    reported = {hardware(setting) for setting in HELP}
    pool = [s for s in shipped().settings if hardware(s) not in reported]
    found = {}
    before = few_samples._NOISE, few_samples._COUNTS
    for noise, weight in itertools.product((0.2, 0.3, 0.6, 1.0), (0.15, 0.2, 0.3)):
        few_samples._NOISE, few_samples._COUNTS = noise, weight
        means = [few(setting, draws, pool=pool)["mean"] for setting in pool]
        found[f"noise {noise}, counts {weight}"] = round(float(np.mean(means)), 4)
    few_samples._NOISE, few_samples._COUNTS = before
    return found  # of equals, 20 draws decided: .96988 (0.6, 0.3) against .96969 (0.3, 0.3)


def counts() -> np.ndarray:
    """(15625, 4): how often each cell has each operation but the first."""
    rows = shipped()
    every = [Counter(options) for options in rows.cells()]
    return np.array([[float(c[o]) for o in rows.operations[1:]] for c in every])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args()
    predicted = {setting: few(setting, options.draws) for setting in HELP}
    mean = sum(row["mean"] for row in predicted.values()) / len(predicted)
    result = {
        "few_mean": round(mean, 4),
        "few_mean_of_help": round(sum(HELP.values()) / len(HELP), 4),
        "few": predicted,
        "unmeasured": unmeasured(),
        "grid": grid(),
        "table": {setting: table(setting, options.seeds) for setting in TABLES},
    }
    save("nasbench201_latency", result)
    for part in ("few", "table"):
        for setting, row in result[part].items():
            print(part, setting, {k: v for k, v in row.items() if k != "draws"})
    print("mean of the six:", result["few_mean"])


if __name__ == "__main__":
    main()
