"""What is known of the costs of a layer and of a network; no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

BYTES_PER_MB = 1e6


class Cost(NamedTuple):
    """What one layer costs when a network runs it in eval mode on one image.

    `macs` are multiply-adds: a bias counts one for each output; batch norm, pooling and activations
    count none. `peak_bytes` is the most that it holds at any time besides its input, its output
    included, and `output_bytes` what of that remains. `returns_input` says that its output is its
    input itself, or a view of it.
    """

    params: int
    macs: int
    peak_bytes: int
    output_bytes: int
    returns_input: bool = False


NOTHING = Cost(0, 0, 0, 0, returns_input=True)
"""That of the identity."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What one eval-mode forward pass over one image costs.

    `macs` are multiply-adds. `peak_memory_mb` is in megabytes of 1,000,000 bytes, in the network's
    own dtype. `auxiliary_params` stand in a submodule named `auxiliary` and are not in `params`.
    `uncounted` names the aten operations whose multiply-adds are not in `macs`.
    """

    params: int
    macs: int
    peak_memory_mb: float
    auxiliary_params: int = 0
    uncounted: tuple[str, ...] = ()

    @property
    def flops(self) -> int:
        """Two per multiply-add."""
        return 2 * self.macs
