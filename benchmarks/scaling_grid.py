"""A grid of scalings on real images: which constants of compound scaling train best.

python benchmarks/scaling_grid.py IMAGES [--runs FOLDER]

IMAGES is CIFAR-10 as class folders. One `nas scale scaling=grid` on one thread: a cell of
NAS-Bench-201 (8 channels, two cells a stage, images of 12 pixels) is grown by eight candidates,
each trained for four epochs on 3,000 images and scored on 1,000; then the base. It is resumed if it
was stopped, and not run again if it is over.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from pathlib import Path

from one_shot_ranking import nas
from tabular import save

NAME = "scaling_grid"
WORDS = [
    "genotype=|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
    "scaling=grid", "scaling.alpha=[1,1.2,1.5,2]", "scaling.beta=[1,1.1,1.2,1.4]",
    "scaling.gamma=[1,1.15,1.3,1.4]", "scaling.phi=[0,1,2,3]", "rounding=1",
    "space.channels=8", "space.cells_per_stage=2", "training.epochs=4", "device=none",
    "data=image_folder", "data.image_size=12", "data.limit_train=4000", "data.valid_fraction=0.25",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--runs", type=Path, default=Path(tempfile.gettempdir()) / NAME)
    options = parser.parse_args()
    run = nas(options, "grid", "scale", *WORDS, f"data.path={options.images}")
    report = json.loads((run / "report.json").read_text())
    for row in report["candidates"]:
        print(f"{row['candidate']:<32} {row['accuracy']:.2f} %  {row['macs']:,.0f} MACs")
    save(
        NAME,
        {
            "command": f"python benchmarks/{NAME}.py IMAGES",
            "machine": f"{platform.processor() or platform.machine()}, one thread",
            "settings": " ".join(WORDS),
            **{key: report[key] for key in ("chosen", "candidates", "family", "beside")},
        },
    )


if __name__ == "__main__":
    main()
