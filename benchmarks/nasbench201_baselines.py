"""What NAS-Bench-201 gives without any search: the figures that others are to stand beside.

python benchmarks/nasbench201_baselines.py

Test accuracy after 200 epochs, as the table has it. `cells` are all 15,625; `without_none` the
4,096 that a relaxed supernet may end in, for no method derives `none` where anything else is;
`convolutions` the 64 cells of nothing but convolutions; `six_3x3` the one of six 3x3 convolutions,
which needs no search at all. `random_search` is the expected test accuracy of the best by
validation among so many different cells drawn at random, exactly: of N cells in the order of
validation, the one of rank r (from 1, the best) is the best of n draws with the chance
C(N - r, n - 1) / C(N, n). `best_by_validation` is what the best cell by validation has on test,
which is more than chance could give a search by validation, and `best` the largest test accuracy.
"""

import math
from importlib import resources

import numpy as np
import tabular

DRAWS = (1, 10, 32, 100, 200, 500)
CONVOLUTIONS = ("nor_conv_3x3", "nor_conv_1x1")


def expected(valid: np.ndarray, test: np.ndarray, draws: int) -> float:
    """The mean test accuracy of the best by validation among `draws` cells."""
    order = np.argsort(-valid, kind="stable")
    chance, mean = draws / len(valid), 0.0  # of rank 1: C(N - 1, n - 1) / C(N, n) = n / N
    for rank, cell in enumerate(order[: len(valid) - draws + 1], 1):
        mean += chance * test[cell]
        rest = len(valid) - rank
        chance *= (rest - draws + 1) / rest if rest else 0.0  # C(m - 1, n - 1) / C(m, n - 1)
    return float(mean)


def figures(values: np.ndarray) -> dict[str, float | int]:
    """Of some cells."""
    found = {"cells": len(values), "mean": values.mean(), "median": np.median(values)}
    found |= {"lowest": values.min(), "highest": values.max()}
    return {
        name: round(float(value), 2) if name != "cells" else value for name, value in found.items()
    }


def main() -> None:
    with resources.files("nascli.tables").joinpath("nasbench201.npz").open("rb") as file:
        table = np.load(file, allow_pickle=False)
        names, cells = [str(name) for name in table["operations"]], table["cells"]
    without = ~(cells == names.index("none")).any(axis=1)
    convolutions = np.isin(cells, [names.index(name) for name in CONVOLUTIONS]).all(axis=1)
    largest = (cells == names.index(CONVOLUTIONS[0])).all(axis=1)
    assert (without.sum(), convolutions.sum(), largest.sum()) == (4**6, 2**6, 1)
    rows = {}
    for dataset in tabular.DATASETS:
        valid, test = (tabular.column(dataset, split)[0] for split in ("valid", "test"))
        rows[dataset] = {
            "cells": figures(test),
            "without_none": figures(test[without]),
            "convolutions": figures(test[convolutions]),
            "six_3x3": round(float(test[largest][0]), 2),
            "random_search": {n: round(expected(valid, test, n), 2) for n in DRAWS},
            "best_by_validation": round(float(test[valid.argmax()]), 2),
            "best": round(float(test.max()), 2),
        }
        print(dataset, rows[dataset])
    assert math.isclose(expected(valid, test, 1), test.mean(), abs_tol=1e-6)
    tabular.save("nasbench201_baselines", {"rows": rows})


if __name__ == "__main__":
    main()
