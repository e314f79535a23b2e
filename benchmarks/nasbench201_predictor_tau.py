"""How surrogates rank NAS-Bench-201 from few trained cells: Kendall's tau on all others.

python benchmarks/nasbench201_predictor_tau.py [draws] [surrogates ...]    (default: 20, of four)

As `estimator=predictor` and `strategy=predictor` fit them: on normal scores of the validation
accuracies, after 200 epochs on CIFAR-10, of cells drawn at random (39, 78, 156 and 469 of 15,625:
0.25, 0.5, 1 and 3 %). tau-b is over all other cells, with the validation accuracy, of which the
labels are, and with the test accuracy, where published figures stand; mean and standard error over
draws, each of which is the unit. `seconds` are those of a fit. Cells are spelt: of two cells of the
same function one may be trained and the other asked for (`apart` leaves out such cells).

`published`, on CIFAR-10 (best of each size): HyperNAS (arXiv 2509.18151) .667, ParZC .695 at 78,
FGP (arXiv 2510.18360) .836 at 1 %, HyperNAS .836 at 3 %.
"""

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
SURROGATES = ("gaussian_process", "ridge", "forest", "boosting")
PUBLISHED = dict(zip(SIZES, (0.667, 0.695, 0.836, 0.836), strict=True))


def main() -> None:
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    config = composed("search", ["strategy=random", "space=nasbench201", "device=none"])
    space = building.problem(config, building.Faults()).space
    valid, rows = tabular.column("cifar10", "valid")
    test, _ = tabular.column("cifar10", "test")
    cells = [
        Genotype.of(space.name, dict(zip(space.decisions, options, strict=True)))
        for options in sorted(rows, key=rows.__getitem__)
    ]
    functions: dict[Genotype, int] = {}
    function = np.array([functions.setdefault(space.canonical(c), len(functions)) for c in cells])
    result: dict[str, dict[int, dict[str, object]]] = {}
    for name in sys.argv[2:] or SURROGATES:
        chosen = composed("search", ["strategy=predictor", f"surrogate@strategy.surrogate={name}"])
        build = instantiate(chosen.strategy.surrogate)
        result[name] = {}
        for size in SIZES:
            found: dict[str, list[float]] = {"valid": [], "test": [], "apart": [], "seconds": []}
            for draw in range(draws):
                known = np.random.default_rng(draw).choice(len(cells), size, replace=False)
                start = time.perf_counter()
                surrogate = build(space, draw)
                surrogate.fit([cells[n] for n in known], normal_scores(valid[known]))
                found["seconds"].append(time.perf_counter() - start)
                others = np.setdiff1d(np.arange(len(cells)), known)
                means, _ = predicted(surrogate, tuple(cells[n] for n in others))
                new = ~np.isin(function[others], function[known])
                for split, values in (("valid", valid), ("test", test)):
                    found[split].append(float(kendalltau(means, values[others]).statistic))
                apart = kendalltau(means[new], test[others][new]).statistic
                found["apart"].append(float(apart))
            row = {key: tabular.mean(values) for key, values in found.items()}
            result[name][size] = row | {"published": PUBLISHED[size]}
            told = {key: row[key]["mean"] for key in ("valid", "test", "apart", "seconds")}
            print(name, size, told, flush=True)
    tabular.save("nasbench201_predictor_tau", {"draws": draws, "rows": result})


if __name__ == "__main__":
    main()
