"""A trained network with what comes before its first layer, ready to be exported."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Deployed(nn.Module):
    """Images (B, C, H, W) with pixels as they are stored -> logits (B, classes).

    Pixels are normalised inside, so that whoever uses the file needs no numbers beside it.

    Args:
        network: of normalised images; it is put in evaluation mode.
        mean: of each channel, in the units of the pixels.
        std: the standard deviations, likewise.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.network = network.eval()
        self.register_buffer("mean", mean.view(-1, 1, 1))
        self.register_buffer("std", std.view(-1, 1, 1))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Logits; see the class."""
        logits: Tensor = self.network((images - self.mean) / self.std)
        return logits


@torch.no_grad()
def answers(network: nn.Module, images: Tensor) -> Tensor:
    """Logits of these images."""
    found: Tensor = network(images)
    return found
