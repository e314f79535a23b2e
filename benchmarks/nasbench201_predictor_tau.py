"""How surrogates rank NAS-Bench-201 from few trained cells: Kendall's tau on all others.

python benchmarks/nasbench201_predictor_tau.py [draws=20] [SURROGATE or DATA ...]

As `estimator=predictor` and `strategy=predictor` fit them: on normal scores of the validation
accuracies, after 200 epochs, of cells drawn at random (39, 78, 156 and 469 of 15,625: 0.25, 0.5, 1
and 3 %). tau-b is over all other cells, with the validation accuracy, of which the labels are, and
with the test accuracy, where published figures stand; mean and standard error over draws, each of
which is the unit. `seconds` are those of a fit. Cells are spelt: of two cells of the same function
one may be trained and the other asked for (`apart` leaves out such cells).

What `gaussian_process_graph` measures was chosen on CIFAR-100 alone; the other two data sets show
it. `published`, on CIFAR-10 (best of each size): HyperNAS (arXiv 2509.18151) .667, ParZC .695 at
78, FGP (arXiv 2510.18360) .836 at 1 %, HyperNAS .836 at 3 %.
"""

import itertools
import sys
import time

import numpy as np
import tabular
from hydra.utils import instantiate
from scipy.stats import kendalltau

from nascli.config import building
from nascli.config.compose import composed
from nascli.core.genotype import Genotype
from nascli.core.surrogate import normal_scores, predicted

SIZES = (39, 78, 156, 469)
SURROGATES = ("gaussian_process_graph", "gaussian_process")
PUBLISHED = dict(zip(SIZES, (0.667, 0.695, 0.836, 0.836), strict=True))


def main() -> None:
    words = [word for word in sys.argv[1:] if "=" not in word]
    draws = int(dict(word.split("=") for word in sys.argv[1:] if "=" in word).get("draws", 20))
    datasets = [word for word in words if word in tabular.DATASETS] or tabular.DATASETS
    names = [word for word in words if word not in tabular.DATASETS] or SURROGATES
    config = composed("search", ["strategy=random", "space=nasbench201", "device=none"])
    space = building.problem(config, building.Faults()).space
    rows = tabular.column("cifar10", "valid")[1]
    cells = [
        Genotype.of(space.name, dict(zip(space.decisions, options, strict=True)))
        for options in sorted(rows, key=rows.__getitem__)
    ]
    functions: dict[Genotype, int] = {}
    function = np.array([functions.setdefault(space.canonical(c), len(functions)) for c in cells])
    result: dict[str, dict[str, dict[int, dict[str, object]]]] = {}
    for dataset, name in itertools.product(datasets, names):
        chosen = composed("search", ["strategy=predictor", f"surrogate@strategy.surrogate={name}"])
        build = instantiate(chosen.strategy.surrogate)
        valid, test = (tabular.column(dataset, split)[0] for split in ("valid", "test"))
        told = result.setdefault(dataset, {}).setdefault(name, {})
        for size in SIZES:
            found: dict[str, list[float]] = {"valid": [], "test": [], "apart": [], "seconds": []}
            for draw in range(draws):
                known = np.random.default_rng(draw).choice(len(cells), size, replace=False)
                start = time.process_time()
                surrogate = build(space, draw)
                surrogate.fit([cells[n] for n in known], normal_scores(valid[known]))
                found["seconds"].append(time.process_time() - start)
                asked = np.setdiff1d(np.arange(len(cells)), known)
                means, _ = predicted(surrogate, tuple(cells[n] for n in asked))
                new = ~np.isin(function[asked], function[known])
                for split, values in (("valid", valid), ("test", test)):
                    found[split].append(float(kendalltau(means, values[asked]).statistic))
                apart = kendalltau(means[new], test[asked][new]).statistic
                found["apart"].append(float(apart))
            told[size] = {key: tabular.mean(values) for key, values in found.items()}
            if dataset == "cifar10":
                told[size]["published"] = PUBLISHED[size]
            print(dataset, name, size, told[size]["test"], told[size]["seconds"], flush=True)
            others = {data: told for data, told in result.items() if data != "cifar10"}
            whole = {"draws": draws, "rows": result.get("cifar10", {}), "other data": others}
            tabular.save("nasbench201_predictor_tau", whole)


if __name__ == "__main__":
    main()
