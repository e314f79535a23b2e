"""Networks that everybody knows, torchvision's, as a space: fitted to the images of a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from nascli.core.fault import Fault, first_line
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer
from nascli.core.task import Task

if TYPE_CHECKING:
    from torch import nn

SMALL = 64  # pixels: below, the first layers leave a network nothing to look at
_DECISION = "network"
NAMES = (
    "resnet18", "resnet34", "resnet50", "resnet101", "wide_resnet50_2", "resnext50_32x4d",
    "densenet121", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large",
    "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "mnasnet0_5", "mnasnet1_0",
    "efficientnet_b0", "efficientnet_v2_s",
)  # fmt: skip


@dataclass
class Known:
    """torchvision's networks with a task's channels and classes, their weights drawn anew.

    The first convolution takes the images' channels. On images below 64 pixels (the shorter side)
    its stride becomes 1 and the max-pool behind it, where there is one, goes; all else stays.
    """

    task: Task
    name: str = "torchvision"

    @property
    def decisions(self) -> Mapping[str, tuple[str, ...]]:
        """One: which network."""
        return {_DECISION: NAMES}

    def genotype(self, name: str) -> Genotype:
        """The genotype of the network with this name."""
        return Genotype.of(self.name, {_DECISION: name})

    def network(self, genotype: Genotype) -> nn.Module:
        """Images (B, C, H, W) -> logits (B, classes)."""
        import torchvision
        from torch import nn

        name = genotype[_DECISION]
        network = torchvision.models.get_model(name, weights=None, num_classes=self.task.classes)
        first = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
        channels, *size = self.task.input_shape
        if channels != first.in_channels:
            weight = first.weight.new_empty(first.out_channels, channels, *first.kernel_size)
            first.in_channels, first.weight = channels, nn.Parameter(weight)
            nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")
        if min(size) < SMALL:
            first.stride = (1, 1)
            for path, module in list(network.named_modules()):
                if isinstance(module, nn.MaxPool2d):
                    network.set_submodule(path, nn.Identity())
        return cast(nn.Module, network)

    def check(self, genotype: Genotype, batch: int) -> None:
        """Whether the network can be trained on batches of so many of these images.

        Raises:
            Fault: it cannot.
        """
        import torch

        try:
            with torch.random.fork_rng(devices=[]), torch.device("meta"):
                self.network(genotype).train()(torch.zeros(batch, *self.task.input_shape))
        except (RuntimeError, ValueError) as error:
            shape = " x ".join(map(str, self.task.input_shape))
            told = first_line(error)
            raise Fault(
                f"baselines: {genotype[_DECISION]} cannot be trained on images of {shape} "
                f"(channels, height, width) in batches of {batch}: {told}"
            ) from error

    def canonical(self, genotype: Genotype) -> Genotype:
        """The genotype itself: every one is another network."""
        return genotype

    def layers(self) -> Mapping[Layer, Callable[[], nn.Module]]:
        """None that a latency table has a row for."""
        return {}

    def describe(self, genotype: Genotype) -> str:
        """Its name and where it is from."""
        return f"{genotype[_DECISION]} of torchvision"
