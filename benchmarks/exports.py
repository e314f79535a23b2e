"""How far exported files of every published genotype answer from the network itself.

    python benchmarks/exports.py [--channels 36] [--cells 20] [--folder exports]

Networks of `cell` have these sizes on images of 32 pixels, those of `mobile` their published ones
on 224. Weights are first weights; running statistics come from passes over random images, so that
no batch norm is an identity. Each format's file is loaded back, and its logits for 1 and 7 other
images are set beside the network's: the largest difference, as a share of the largest logit.
Genotypes that are done are kept in the folder; benchmarks/results/exports.json has the result.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from nascli import genotypes
from nascli.config import building
from nascli.config.compose import composed
from nascli.core.space import known
from nascli.formats.deployed import Deployed, answers
from nascli.formats.format import Exported
from nascli.runs import environment
from nascli.runs.card import Card

RESULT = Path(__file__).resolve().parent / "results" / "exports.json"
FORMATS = ("onnx", "pt2", "python", "state_dict")
BATCHES, PASSES = (1, 7), 3
MEAN, STD = (125.0, 123.0, 114.0), (63.0, 62.0, 67.0)


def images(number: int, side: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (number, 3, side, side), generator=generator).float()


def network_of(name: str, sizes: list[str]) -> tuple[Exported, int]:
    """The network with its running statistics drawn, and the side of its images."""
    genotype = genotypes.load(name)
    side = 32 if genotype.space == "cell" else 224
    own = sizes if genotype.space == "cell" else []
    words = [f"space={genotype.space}", *own, "data=synthetic", f"data.size={side}"]
    faults = building.Faults()
    problem = building.problem(composed("retrain", [*words, "device=none"]), faults)
    faults.check()
    assert problem is not None
    torch.manual_seed(0)
    network = problem.space.network(known(problem.space, genotype)).train()
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    with torch.no_grad():
        for number in range(PASSES):
            pixels = images(4, side, 100 + number)
            network((pixels - mean.view(-1, 1, 1)) / std.view(-1, 1, 1))
    classes = tuple(map(str, range(problem.task.classes)))
    card = Card(name, "random images", (3, side, side), "uint8", MEAN, STD, classes, {})
    return Exported(Deployed(network, mean, std), card, images(4, side, 0)), side


def one(name: str, sizes: list[str]) -> dict[str, Any]:
    """The row of a genotype."""
    exported, side = network_of(name, sizes)
    params = sum(weight.numel() for weight in exported.network.parameters())
    row: dict[str, Any] = {"genotype": name, "params": params}
    for format_name in FORMATS:
        made = building.component(composed("export", [f"format={format_name}"]), "format")
        start, worst = time.process_time(), 0.0
        with tempfile.TemporaryDirectory() as place:
            loaded = made.write(exported, Path(place) / f"network{made.suffix}")
            for number in BATCHES:
                pixels = images(number, side, number)
                own, other = answers(exported.network, pixels), loaded(pixels)
                assert own.shape == other.shape
                worst = max(worst, float((own - other).abs().max() / own.abs().max()))
        row[format_name] = float(f"{worst:.2g}")
        row[f"{format_name}, CPU seconds"] = round(time.process_time() - start, 1)
    return row


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--channels", type=int, default=36)
    parser.add_argument("--cells", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=Path("exports"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    sizes = [f"space.channels={args.channels}", f"space.cells={args.cells}"]
    rows = []
    for name in genotypes.published():
        file = args.folder / f"{name}_{args.channels}_{args.cells}.json"
        if not file.exists():
            file.write_text(json.dumps(one(name, sizes)))
        rows.append(json.loads(file.read_text()))
        print(json.dumps(rows[-1]), flush=True)
    worst = {name: max(row[name] for row in rows) for name in FORMATS}
    machine = environment.record(command="", choices={}, overrides=[], seed=0)
    for own in ("command", "overrides", "choices", "seed"):
        del machine[own]
    result = {
        "command": f"python benchmarks/exports.py {' '.join(sys.argv[1:])}".strip(),
        "machine": machine,
        "sizes of cell": {"channels": args.channels, "cells": args.cells},
        "largest difference of a logit, as a share of the largest logit": worst,
        "rows": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(worst))


if __name__ == "__main__":
    main()
