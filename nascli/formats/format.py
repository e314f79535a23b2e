"""What a format of exported networks keeps to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from nascli.formats.deployed import Deployed
    from nascli.runs.card import Card

Answers = Callable[["Tensor"], "Tensor"]
"""Images (B, C, H, W) as float32 with pixels as stored -> logits (B, classes)."""


@dataclass(frozen=True)
class Exported:
    """What is written: a network, what one must know of it, and images to calibrate by.

    `some` are images (B, C, H, W) as float32 with pixels as stored, at least two.
    """

    network: Deployed
    card: Card
    some: Tensor


class Format(Protocol):
    """Built before anything is read; a package that it needs is missed then.

    Raises:
        Fault: that package is not installed.
    """

    @property
    def suffix(self) -> str:
        """Of the file, with its dot."""

    @property
    def tolerance(self) -> float:
        """How far answers may be from the network's own, as a share of its largest logit."""

    def write(self, exported: Exported, file: Path) -> Answers:
        """Writes the file and loads it back: what it answers.

        Raises:
            Fault: the network has something in it that the format cannot hold.
        """
