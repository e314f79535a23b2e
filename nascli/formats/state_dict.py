"""The weights alone, by the names of the network's layers."""

from __future__ import annotations

import copy
from pathlib import Path

import torch

from nascli.formats.deployed import answers
from nascli.formats.format import Answers, Exported


class StateDict:
    """`torch.load(file, weights_only=True)` gives name -> tensor, `mean` and `std` among them.

    Whoever loads it has the network's code; format=python writes both.
    """

    suffix = ".pt"
    tolerance = 1e-6

    def write(self, exported: Exported, file: Path) -> Answers:
        """See `Format.write`."""
        torch.save(exported.network.state_dict(), file)
        other = copy.deepcopy(exported.network)
        for tensor in other.state_dict().values():
            tensor.zero_()  # what the file lacks must not go unseen
        other.load_state_dict(torch.load(file, weights_only=True))
        return lambda images: answers(other, images)
