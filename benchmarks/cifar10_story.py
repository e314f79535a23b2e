"""From CIFAR-10's images to an ONNX file: search, retraining with baselines, verdict, export.

    python benchmarks/cifar10_story.py DATA [--folder cifar10_story] [--image 16] [--images 3000]
                                            [--search-epochs 8] [--epochs 6] [--genotypes 5] ...

DATA holds the images as class folders (train/<class>/..., test/<class>/...). All steps are commands
as users type them, one after another on one core:

- a gradient search (the strategy that `nas search` runs if none is named); evolution and random
  search have the same CPU seconds, for on a machine with other work the clock is not fair: Ctrl-C
  stops them then, and a resume without time left gives their answers;
- each answer retrained with `--seeds` seeds beside `--genotypes` random genotypes of its size;
- the first answer once more on fewer images, one seed, beside a network of torchvision (`--known`);
- the answer with the best mean validation accuracy as ONNX. A few lines that know nothing of nascli
  then classify the test images with onnxruntime.

What has ended is not done again, a retraining that was cut goes on: the same command resumes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "cifar10_story.json"
STRATEGIES = ("beta_darts", "evolution", "random")


class Story:
    """Commands in the working folder; what has ended stands in steps.json and is not done again."""

    def __init__(self) -> None:
        self.file = Path("steps.json")
        self.steps: dict[str, Any] = json.loads(self.file.read_text()) if self.file.exists() else {}

    def search(self, name: str, words: list[str], cpu_seconds: float | None) -> dict[str, Any]:
        """A search that ends by itself, or after so many CPU seconds; a cut one begins anew."""
        if name not in self.steps:
            shutil.rmtree(name, ignore_errors=True)
            words = ["search", *words, f"outputs={name}"]
            if cpu_seconds is None:
                self.keep(name, words, nas(words))
            else:
                words += ["budget.trials=null"]
                said, taken = nas(words, cpu_seconds)
                assert not said, "it has ended before its time"
                (run,) = Path(name).glob("search/*")
                answer, _ = nas(["search", f"resume={run}", "budget.seconds=1"])
                self.keep(name, words, (answer, taken))
        return dict(self.steps[name])

    def retrain(self, name: str, words: list[str]) -> dict[str, Any]:
        """A retraining; one that was cut goes on."""
        if name not in self.steps:
            begun = sorted(Path(name).glob("retrain/*/config.yaml"))
            words = ["retrain", *words, f"outputs={name}"]
            self.keep(
                name, words, nas(["retrain", f"resume={begun[-1].parent}"] if begun else words)
            )
        return dict(self.steps[name])

    def other(self, name: str, words: list[str]) -> dict[str, Any]:
        """A command of seconds."""
        if name not in self.steps:
            self.keep(name, words, nas(words))
        return dict(self.steps[name])

    def keep(self, name: str, words: list[str], done: tuple[str, dict[str, float]]) -> None:
        run, taken = done
        self.steps[name] = {"command": f"nas {' '.join(words)}", "run": run, **taken}
        self.file.write_text(json.dumps(self.steps, indent=1))


def nas(words: list[str], cpu_seconds: float = math.inf) -> tuple[str, dict[str, float]]:
    """Runs a command, and stops it by Ctrl-C after so many CPU seconds; what it says and takes."""
    code = "import sys; from nascli.cli import main; sys.argv[0] = 'nas'; sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    start = time.monotonic()
    with (
        Path("log.txt").open("a") as log,
        subprocess.Popen(
            [sys.executable, "-c", code, *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
        ) as process,
    ):
        used, stopped = 0.0, False
        while process.poll() is None:
            time.sleep(0.2)
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            used = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # its children's too
            if used >= cpu_seconds and not stopped:
                process.send_signal(signal.SIGINT)
                stopped = True
        said = process.stdout.read().decode() if process.stdout else ""
    if process.returncode != (130 if stopped else 0):
        raise RuntimeError(f"nas {' '.join(words)}: see log.txt")
    taken = {"seconds": time.monotonic() - start, "cpu_seconds": used, "load": os.getloadavg()[0]}
    print(f"nas {' '.join(words)}: {taken}", flush=True)
    return "".join(said.splitlines()[-1:]), {k: round(v, 1) for k, v in taken.items()}


def report(step: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(step["run"]) / "report.json").read_text())
    return found


def validation(step: dict[str, Any]) -> float:
    """The network's own mean validation accuracy over the seeds, in percent."""
    lines = (Path(step["run"]) / "history.jsonl").read_text().splitlines()
    trials, own = [json.loads(line) for line in lines], report(step)["genotype"]
    mine = [trial for trial in trials if trial["genotype"] == own]
    return statistics.mean(trial["metrics"]["valid_accuracy"] for trial in mine)


def batches(data: Path, image: int, names: list[str]) -> Iterator[tuple[Any, Any]]:
    """The test images (B, C, H, W) and their classes, read by Pillow and numpy alone."""
    import numpy as np
    from PIL import Image

    size, resampling = (image, image), Image.Resampling.BILINEAR
    for number, name in enumerate(names):
        files = sorted((data / "test" / name).iterdir())
        read = [Image.open(file).convert("RGB").resize(size, resampling) for file in files]
        pixels = np.stack([np.asarray(one) for one in read]).transpose(0, 3, 1, 2)
        yield pixels.astype(np.float32), np.full(len(pixels), number)


def deployed(file: Path, retrained: str, data: Path, image: int) -> dict[str, float]:
    """Accuracy of the file in onnxruntime and of the network in torch, in percent."""
    import onnxruntime

    import nascli

    session = onnxruntime.InferenceSession(file)
    names = json.loads(session.get_modelmeta().custom_metadata_map["nascli"])["class_names"]
    network, total, right, own, same = nascli.load(retrained), 0, 0, 0, 0
    for pixels, classes in batches(data, image, names):
        found = session.run(["logits"], {"images": pixels})[0].argmax(1)
        torchs = network.predict(pixels.transpose(0, 2, 3, 1).astype("uint8")).argmax(1)
        total, same = total + len(classes), same + (found == torchs).sum()
        right, own = right + (found == classes).sum(), own + (torchs == classes).sum()
    shares = {"onnxruntime": right, "torch": own, "the same answer": same}
    return {"images": total, **{key: round(100 * n / total, 2) for key, n in shares.items()}}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("cifar10_story"))
    for name, usual in (
        ("image", 16), ("images", 3000), ("channels", 8), ("cells", 1), ("search-epochs", 8),
        ("trial-epochs", 2), ("epochs", 6), ("seeds", 3), ("genotypes", 5), ("known-images", 1000),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--known", default="resnet18")
    args = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it
    data = args.data.resolve()
    args.folder.mkdir(parents=True, exist_ok=True)
    os.chdir(args.folder)

    story = Story()
    shared = [
        "data=image_folder", f"data.path={data}", f"data.image_size={args.image}",
        f"data.limit_train={args.images}", f"space.channels={args.channels}",
        f"space.cells_per_stage={args.cells}", "training.batch_size=64", "training.crop_padding=2",
        "device=none", "threads=1", "accelerator=cpu",
    ]  # fmt: skip
    searches, retrained = {}, {}
    for strategy in STRATEGIES:
        gradient = strategy == STRATEGIES[0]
        epochs = args.search_epochs if gradient else args.trial_epochs
        words = [f"strategy={strategy}", "space=nasbench201", *shared, f"training.epochs={epochs}"]
        limit = None if gradient else searches[STRATEGIES[0]]["cpu_seconds"]
        searches[strategy] = story.search(f"search_{strategy}", words, limit)
    recipe = ["training=short", *shared, f"training.epochs={args.epochs}"]
    for strategy in STRATEGIES:
        words = [f"genotype={searches[strategy]['run']}", *recipe, f"seeds={args.seeds}"]
        words += ["baselines=[random]", f"random_genotypes={args.genotypes}"]
        retrained[strategy] = story.retrain(f"retrain_{strategy}", words)
    small = [f"data.limit_train={args.known_images}", f"baselines=[{args.known}]", "seeds=1"]
    first = f"genotype={searches[STRATEGIES[0]]['run']}"
    known = story.retrain(f"retrain_{args.known}", [first, *recipe, *small])

    best = max(STRATEGIES, key=lambda strategy: validation(retrained[strategy]))
    chosen = retrained[best]["run"]
    export = story.other("export", ["export", f"genotype={chosen}", "format=onnx"])
    file = Path(export["run"])
    exported = json.loads(file.with_name("report.json").read_text())
    found = deployed(file, chosen, data, args.image)
    compare = story.other("compare", ["compare", *(searches[s]["run"] for s in STRATEGIES[1:])])
    machine = json.loads((Path(searches["random"]["run"]) / "environment.json").read_text())
    for own in ("command", "overrides", "choices", "seed"):
        del machine[own]

    usual, place = vars(parser.parse_args(["DATA"])), ("data", "folder")
    settings = {key: value for key, value in vars(args).items() if key not in place}
    changed = [f"--{k.replace('_', '-')} {v}" for k, v in settings.items() if v != usual[k]]
    result = {
        "command": " ".join(["python benchmarks/cifar10_story.py DATA", *changed]),
        "machine": machine,
        "settings": settings,
        "searches": {
            name: {
                "genotype": report(step)["description"].splitlines()[0],
                "trials": report(step)["trials"],
                "cpu_seconds": step["cpu_seconds"],
            }
            for name, step in searches.items()
        },
        "retrained": {
            name: {
                "validation_accuracy": round(validation(step), 2),
                **{key: report(step)[key] for key in ("networks", "comparisons", "verdict")},
            }
            for name, step in {**retrained, args.known: known}.items()
        },
        "exported": {
            "search": best,
            "difference of logits": exported["difference"],
            "as nas export says": {
                key: exported[key] for key in ("images", "accuracy", "network_accuracy")
            },
            "classified without nascli": found,
        },
        "compared": report(compare)["table"],
        "cpu_minutes": round(sum(s["cpu_seconds"] for s in story.steps.values()) / 60, 1),
        "steps": {
            name: {key: value for key, value in step.items() if key != "run"}
            for name, step in story.steps.items()
        },
    }  # fmt: skip
    text = json.dumps(result, indent=1).replace(str(data), "DATA")
    RESULT.write_text(text + "\n", encoding="utf-8")
    print(json.dumps({key: result[key] for key in ("searches", "retrained", "exported")}, indent=1))


if __name__ == "__main__":
    main()
