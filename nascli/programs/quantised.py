"""The accuracy of a trained network in 8 bits, which is how a microcontroller computes it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from nascli.core.fault import first_line
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.data.split import Split
from nascli.data.task import Task
from nascli.formats.deployed import Deployed, answers
from nascli.formats.format import Answers, Exported
from nascli.formats.onnx import Onnx, missing
from nascli.programs.trained import card_of

_CALIBRATED = 256  # images


def add(report: dict[str, Any], problem: Problem, genotype: Genotype, network: nn.Module) -> None:
    """Adds to the report of a training what `scored` says, and the accuracy to its results."""
    found = report["int8"] = scored(problem, genotype, network)
    if "test_accuracy" in found:
        report["result"]["int8_test_accuracy"] = found["test_accuracy"]


def scored(problem: Problem, genotype: Genotype, network: nn.Module) -> dict[str, Any]:
    """What becomes of the network's accuracy by onnxruntime's static quantisation.

    Weights and activations are int8, the activations' ranges taken from training images.

    - `test_accuracy`, `float_test_accuracy`: percent of the test split, in 8 bits and without
    - `images`: how many those are; `calibrated_on`: how many training images
    - `unknown`, in place of all these: why it is not known
    """
    if lacking := missing():
        return {"unknown": f"it needs {', '.join(lacking)}: pip install 'nascli[onnx]'"}
    try:
        form, task = Onnx(int8=True), cast(Task, problem.task)
        train, test, some = task.split("train"), task.split("test"), calibration(task)
        card = card_of(train, problem.space.describe(genotype), task.name, task.class_names, {})
        whole = Deployed(network.cpu(), torch.tensor(card.mean), torch.tensor(card.std))
        with tempfile.TemporaryDirectory() as folder:
            loaded = form.write(Exported(whole, card, some), Path(folder) / f"int8{form.suffix}")
            small, full = accuracies(whole, loaded, test)
    except Exception as error:  # the training is done: nothing of it may be lost for this
        return {"unknown": f"quantising the network failed: {first_line(error)}"}
    return {
        "test_accuracy": small,
        "float_test_accuracy": full,
        "images": len(test),
        "calibrated_on": len(some),
    }


def calibration(task: Task) -> Tensor:
    """Images (B, C, H, W) of the training split, evenly spread, with pixels as stored."""
    train = task.split("train")
    rows = torch.linspace(0, len(train) - 1, min(_CALIBRATED, len(train))).long().numpy()
    return train.take(rows).images().float()


def accuracies(network: Deployed, loaded: Answers, split: Split) -> tuple[float, float]:
    """Percent of the images that the file, and the network itself, get right."""
    file = own = 0
    for images, labels in split.source.fetch(torch.arange(len(split)), 256, "cpu"):
        file += int((loaded(images.float()).argmax(1) == labels).sum())
        own += int((answers(network, images.float()).argmax(1) == labels).sum())
    return 100 * file / len(split), 100 * own / len(split)
