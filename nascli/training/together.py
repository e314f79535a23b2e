"""Several processes that train one network, each on its share of every batch.

PyTorch's DistributedDataParallel (Li et al. 2020, arXiv 2006.15704) averages their gradients, so
that a step is that of the whole batch. Batch norms see a process's share alone, but on GPUs, where
SyncBatchNorm sees all of it.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Together:
    """Process `rank` (from 0) of `count`; all of them call the same methods in the same order."""

    rank: int = 0
    count: int = 1

    @property
    def part(self) -> tuple[int, int]:
        """What `nascli.data.batches.batches` takes."""
        return self.rank, self.count

    def prepared(self, network: nn.Module, accelerator: str) -> nn.Module:
        """The network whose batch norms see all images of a step, where that can be."""
        if self.count == 1 or accelerator == "cpu":
            return network
        convert: Callable[[nn.Module], nn.Module] = nn.SyncBatchNorm.convert_sync_batchnorm
        return convert(network)

    def wrapped(self, network: Any, accelerator: str, shape: Sequence[int]) -> Any:
        """What is called in place of `network` in training; all begin with the first one's weights.

        `shape` (channels, height, width) is that of its images.
        """
        if self.count == 1:
            return network
        warnings.filterwarnings("ignore", "Grad strides do not match")  # of a few small tensors
        ids = None if accelerator == "cpu" else [torch.cuda.current_device()]
        dead = _has_dead(network, torch.zeros(2, *shape, device=accelerator))
        return DistributedDataParallel(network, device_ids=ids, find_unused_parameters=dead)

    def add(self, value: Tensor) -> Tensor:
        """The sum of all processes' values."""
        if self.count > 1:
            dist.all_reduce(value)
        return value

    def level(self, *networks: nn.Module) -> None:
        """Gives all processes the first one's buffers: statistics are of its images."""
        if self.count > 1:
            for network in networks:
                for buffer in network.buffers():
                    dist.broadcast(buffer, 0)

    def tell(self, what: object) -> None:
        """What the first one says to the others, which are in `told`."""
        if self.count > 1:
            dist.broadcast_object_list([what], 0, device=torch.device("cpu"))

    def told(self) -> Any:
        """What the first one has said."""
        said: list[Any] = [None]
        dist.broadcast_object_list(said, 0, device=torch.device("cpu"))
        return said[0]

    def leave(self) -> None:
        """Ends what the first one has to tell: nobody is in `told` any more."""
        if self.rank == 0:
            self.tell(None)
        if self.count > 1:
            dist.destroy_process_group()


def _has_dead(network: nn.Module, images: Tensor) -> bool:
    """Whether no output depends on some of the weights, as on those of a dead edge."""
    probe = copy.deepcopy(network).train()
    devices = [images.device.index or 0] if images.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        output = probe(images)
    outputs = output if isinstance(output, tuple) else (output,)
    sum(one.sum() for one in outputs).backward()
    return any(weight.grad is None for weight in probe.parameters())


ALONE = Together()
