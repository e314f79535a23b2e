"""A search on Fashion-MNIST for a chip of 64 kB flash and 20 kB RAM, beside two that are simpler.

python benchmarks/fashion_mnist_mcu.py DATA [folder] [budget] [images] [epochs] [seeds]
                                       (default: fashion_mcu budget.seconds=900 60000 20 3)

DATA holds the four published files (Debian: dataset-fashion-mnist). Of each seed there are three
networks: what evolution finds within `budget`, the best of random search within the same, and
MobileNetV1 of the widest multiplier that fits. Each is then trained from scratch by the same recipe
on `images` images for `epochs` epochs, exported in 8 bits, and the file scored on the whole test
split beside the network itself.
Both searches see the same bounds: flash of the weights, and RAM with the runtime's share. They run
at the same time with one thread each, so that their seconds are of the same machine. What has ended
is kept in `folder`, and is not done again.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nascli import genotypes
from nascli.config import building
from nascli.config.compose import composed
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.trial import Proposal
from nascli.estimators.costs import Costs

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "fashion_mnist_mcu.json"
FLASH_KIB, RAM_KIB = 64_000 / 1024, 20_000 / 1024
BOUNDS = f"constraints={{flash_kib: {FLASH_KIB}, ram_kib: {RAM_KIB}}}"
SPACE = [
    "space=mobile", "space.widths=[[8,16],[16,24,32,48],[32,48,64,96]]", "space.depths=[1,3,3]",
    "space.kernels=[3,5]", "space.expansions=[2,3,4,6]", "space.stem_width=8",
    "space.strides=[1,2,2,1]", "space.head_width=128",
]  # fmt: skip
STRATEGIES = {
    "evolution": ["strategy=evolution", "strategy.population=20", "strategy.tournament=5"],
    "random": ["strategy=random"],
}
_BLOCKS = [(64, 1, 1), (128, 2, 1), (128, 1, 1), (256, 2, 1), (256, 1, 1), (512, 2, 1)]
_BLOCKS += [(512, 1, 5), (1024, 1, 1), (1024, 1, 1)]  # 28 pixels bear four strides, not five
_LAYERS = ["{name:conv,options:[conv_3x3],channels:32,stride:2}"]
_LAYERS += [
    f"{{name:separable{n},channels:{c},stride:{s},repeats:{r}}}"
    for n, (c, s, r) in enumerate(_BLOCKS)
]
MOBILENET = [
    "space=chain", "operation@space.operations=[conv_3x3,dsconv_3x3,dsconv_5x5]",
    "space.name=mobilenet_v1", "space.options=[dsconv_3x3,dsconv_5x5]",
    f"space.layers=[{','.join(_LAYERS)}]",
]  # fmt: skip


def nas(folder: Path, *arguments: str) -> Path:
    """Runs a command; the path that it prints, its run folder or the file that it wrote."""
    code = "import sys; from nascli.cli import main; sys.argv[0] = 'nas'; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return folder / done.stdout.splitlines()[-1]


def once(folder: Path, name: str, *arguments: str) -> Path:
    """The same, or the path of when that was done before, which `name` holds."""
    kept = folder / name
    if not kept.is_file():
        kept.write_text(str(nas(folder, *arguments)), encoding="utf-8")
    return Path(kept.read_text(encoding="utf-8"))


def widest(data: list[str]) -> tuple[float, Genotype, dict[str, float]]:
    """MobileNetV1 of the largest multiplier, in steps of 0.01, that keeps the bounds."""
    for step in range(40, 0, -1):
        words = [*MOBILENET, f"space.width={step / 100}", "device=mcu", *data]
        faults = building.Faults()
        problem = building.problem(composed("search", words), faults)
        faults.check()
        assert problem is not None
        space = problem.space
        genotype = Genotype.of(space.name, dict.fromkeys(space.decisions, "dsconv_3x3"))
        costs = dict(Costs(problem).estimate(Proposal(genotype)))
        if costs["flash_kib"] <= FLASH_KIB and costs["ram_kib"] <= RAM_KIB:
            return step / 100, genotype, costs
    raise Fault("no MobileNetV1 fits")


def searched(folder: Path, which: str, seed: int, budget: str, data: list[str]) -> Path:
    """The run of a search that trains networks for two epochs each."""
    free = [] if budget.startswith("budget.trials") else ["budget.trials=null"]
    return once(
        folder, f"{which}_{seed}.run",
        "search", *STRATEGIES[which], *SPACE, *data, "device=mcu", BOUNDS,
        f"seed={seed}", "estimator=train", "training.epochs=2", "training.batch_size=64",
        *free, budget, "threads=1", "accelerator=cpu", "data.limit_train=4000",
    )  # fmt: skip


def main() -> None:
    usual = ("", "fashion_mcu", "budget.seconds=900", "60000", "20", "3")
    given = [*sys.argv[1:], *usual[len(sys.argv) - 1 :]]
    place, name, budget, images, epochs, seeds = given
    data = ["data=fashion_mnist", f"data.path={Path(place).resolve()}"]
    folder = Path(name).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    multiplier, mobilenet, _ = widest(data)
    file = folder / "mobilenet.json"
    file.write_text(genotypes.dump(mobilenet), encoding="utf-8")
    recipe = [
        "training=short", f"training.epochs={epochs}", f"data.limit_train={images}", "threads=1",
        "accelerator=cpu", "device=mcu",
    ]  # fmt: skip
    rows = []
    for seed in range(int(seeds)):
        with ThreadPoolExecutor() as both:
            search = partial(searched, folder, seed=seed, budget=budget, data=data)
            runs = dict(zip(STRATEGIES, both.map(search, STRATEGIES), strict=True))
        for which in ("mobilenet", "evolution", "random"):
            row: dict[str, Any] = {"network": which, "seed": seed}
            own, genotype = MOBILENET, str(file)
            if which == "mobilenet":
                own = [*MOBILENET, f"space.width={multiplier}"]
            else:
                run = runs[which]
                own, genotype = SPACE, str(run / "genotype.json")
                report = json.loads((run / "report.json").read_text(encoding="utf-8"))
                row |= {"trials": report["trials"], "search_seconds": report["seconds"]}
            words = [f"genotype={genotype}", *own, *data, *recipe, f"seed={seed}"]
            run = once(folder, f"{which}_{seed}.retrained", "retrain", *words)
            report = json.loads((run / "report.json").read_text(encoding="utf-8"))
            row |= {"genotype": report["genotype"], **report["result"], **report["costs"]}
            row["seconds"] = report["seconds"]
            small = ["format=onnx", "format.int8=true"]
            saved = once(folder, f"{which}_{seed}.exported", "export", f"genotype={run}", *small)
            report = json.loads((saved.parent / "report.json").read_text(encoding="utf-8"))
            row |= {"int8_test_accuracy": report["accuracy"]}
            row |= {"float_test_accuracy": report["network_accuracy"], "images": report["images"]}
            rows.append(row)
            print(json.dumps({k: v for k, v in row.items() if k != "genotype"}), flush=True)
    save(rows, multiplier, [folder.name, *given[2:]])


def save(rows: list[dict[str, Any]], multiplier: float, given: list[str]) -> None:
    """Writes the result file and prints the summary."""
    summary = {}
    for which in ("evolution", "random", "mobilenet"):
        mine = [row for row in rows if row["network"] == which]
        gaps = [row["int8_test_accuracy"] - row["float_test_accuracy"] for row in mine]
        summary[which] = {
            "test_accuracy": [round(row["test_accuracy"], 2) for row in mine],
            "mean": round(statistics.mean(row["test_accuracy"] for row in mine), 2),
            "int8_test_accuracy": [round(row["int8_test_accuracy"], 2) for row in mine],
            "worst_int8_gap": round(min(gaps), 2),
            "flash_kib": [round(row["flash_kib"], 2) for row in mine],
            "ram_kib": [round(row["ram_kib"], 2) for row in mine],
            "macs": [row["macs"] for row in mine],
        }
        print(which, json.dumps(summary[which]))
    result = {
        "command": f"python benchmarks/fashion_mnist_mcu.py DATA {' '.join(given)}",
        "machine": {
            "cores": os.cpu_count(), "platform": platform.platform(),
            "python": platform.python_version(), "torch": version("torch"),
            "onnxruntime": version("onnxruntime"),
        },
        "bounds": {"flash_kib": FLASH_KIB, "ram_kib": RAM_KIB},
        "mobilenet_multiplier": multiplier,
        "summary": summary,
        "rows": rows,
    }  # fmt: skip
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
