"""PyTorch's exported program: one file, loaded by `torch.export.load` without this package."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from nascli.formats.deployed import answers
from nascli.formats.format import Answers, Exported
from nascli.formats.tracing import folded


class Pt2:
    """`torch.export.load(file).module()(images)` gives logits.

    Normalisation is inside, and every batch norm that follows a convolution in its weights. The
    extra file network.json holds what the run folder's does.
    """

    suffix = ".pt2"
    tolerance = 1e-4

    def write(self, exported: Exported, file: Path) -> Answers:
        """See `Format.write`."""
        shapes = {"images": {0: torch.export.Dim("batch")}}
        some, facts = exported.some[:2], json.dumps(exported.card.to_json())
        program = torch.export.export(
            folded(exported.network, some), (some,), dynamic_shapes=shapes
        )
        torch.export.save(program, file, extra_files={"network.json": facts})
        loaded = torch.export.load(file).module()
        return lambda images: answers(loaded, images)
