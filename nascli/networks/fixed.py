"""The fixed parts of networks: what comes before, between and after the cells.

As in DARTS (Liu et al., 2019, arXiv 1806.09055) and NAS-Bench-201 (Dong & Yang, 2020, arXiv
2001.00326).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from nascli.operations.blocks import convolution
from nascli.operations.convolution import ReluConvNorm


class Stem(nn.Module):
    """3x3 convolutions with batch norm, a ReLU between two: images -> the first state.

    `channels` are those of the image and of each convolution's output, `strides` one a convolution.
    """

    def __init__(
        self, channels: tuple[int, ...], strides: tuple[int, ...], *, relu_first: bool = False
    ) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        for index, stride in enumerate(strides):
            if index or relu_first:
                steps.append(nn.ReLU())
            steps.append(convolution(channels[index], channels[index + 1], 3, stride))
            steps.append(nn.BatchNorm2d(channels[index + 1]))
        self.steps = nn.Sequential(*steps)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, channels[-1], H', W')."""
        state: Tensor = self.steps(images)
        return state


class Classifier(nn.Module):
    """Global average pooling and a linear layer: (B, C, H, W) -> (B, classes)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, classes)

    def forward(self, state: Tensor) -> Tensor:
        """The logits."""
        logits: Tensor = self.linear(state.mean(dim=(2, 3)))
        return logits


class ResidualReduction(nn.Module):
    """A residual block that halves the image (He et al., 2016, arXiv 1512.03385).

    As in NAS-Bench-201: its shortcut is average pooling and a 1x1 convolution without batch norm.
    An odd last row or column is pooled alone; the published code cannot take odd sizes.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = ReluConvNorm(in_channels, out_channels, 2, False, kernel=3)
        self.second = ReluConvNorm(out_channels, out_channels, 1, False, kernel=3)
        pool = nn.AvgPool2d(2, ceil_mode=True)
        self.shortcut = nn.Sequential(pool, convolution(in_channels, out_channels, 1))

    def forward(self, state: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, out_channels, ceil(H/2), ceil(W/2))."""
        total: Tensor = self.second(self.first(state)) + self.shortcut(state)
        return total


class NormRelu(nn.Module):
    """Batch norm and ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, state: Tensor) -> Tensor:
        """Of the same shape."""
        return F.relu(self.norm(state))


class Resize(nn.Module):
    """Brings images to a size, (height, width) in pixels: bilinear between the centres of pixels.

    Without a filter against aliasing, so that exported networks have the operation too.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, height, width)."""
        return F.interpolate(images, self.size, mode="bilinear", align_corners=False)


class AuxiliaryHead(nn.Module):
    """Pools a state to 2x2 pixels and classifies it: (B, C, H, W) -> (B, classes).

    It helps to train deep networks (Szegedy et al., 2015, arXiv 1409.4842); as in DARTS.
    Published are a head for 8x8 pixels and, for ImageNet, one for 7x7 without the second batch norm
    (`imagenet`); states of other sizes are pooled adaptively.
    """

    def __init__(
        self, channels: int, classes: int, size: tuple[int, int], *, imagenet: bool = False
    ) -> None:
        super().__init__()
        stride = {(8, 8): 3, (7, 7): 2}.get(size)
        pool = (
            nn.AdaptiveAvgPool2d(2)
            if stride is None
            else nn.AvgPool2d(5, stride, count_include_pad=False)
        )
        self.features = nn.Sequential(
            nn.ReLU(),
            pool,
            convolution(channels, 128, 1),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.Identity() if imagenet else nn.BatchNorm2d(768),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, state: Tensor) -> Tensor:
        """The auxiliary logits."""
        logits: Tensor = self.classifier(self.features(state).flatten(1))
        return logits
