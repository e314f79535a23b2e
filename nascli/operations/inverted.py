"""Inverted residual blocks and what stands around them in mobile networks.

Sandler et al., MobileNetV2, CVPR 2018 (arXiv 1801.04381); with squeeze-excite as in Howard et al.,
MobileNetV3, ICCV 2019 (arXiv 1905.02244), and Tan & Le, EfficientNet, ICML 2019 (arXiv 1905.11946).
"""

from __future__ import annotations

from torch import Tensor, nn

from nascli.core.channels import SQUEEZES, expanded, squeezed
from nascli.core.fault import Fault, unknown
from nascli.kernels.depthwise import Depthwise
from nascli.operations.blocks import convolution

_ACTIVATIONS = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "swish": nn.SiLU,
    "hswish": nn.Hardswish,
    "linear": nn.Identity,
}


def named(name: str) -> nn.Module:
    """A new activation.

    Raises:
        Fault: there is none of that name.
    """
    if name not in _ACTIVATIONS:
        raise Fault(unknown("activation of an operation", name, _ACTIVATIONS))
    made: nn.Module = _ACTIVATIONS[name]()
    return made


class ConvNorm(nn.Sequential):
    """Convolution, batch norm, activation: (B, C, H, W) -> (B, out_channels, H', W')."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        shared: bool,
        kernel: int = 3,
        activation: str = "relu6",
    ) -> None:
        super().__init__(
            convolution(in_channels, out_channels, kernel, stride),
            *_normed(out_channels, shared, activation),
        )


def identity(in_channels: int, out_channels: int, stride: int, shared: bool) -> nn.Module:
    """The identity; a 1x1 convolution and batch norm where size or channels change."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return ConvNorm(in_channels, out_channels, stride, shared, kernel=1, activation="linear")


class InvertedResidual(nn.Module):
    """1x1 convolution that expands, depthwise convolution, squeeze-excite, 1x1 that narrows.

    A batch norm follows each convolution, an activation the first two. The block's input is added
    where it has the output's shape. (B, C, H, W) -> (B, out_channels, H', W').

    Args:
        in_channels: of the input.
        out_channels: of the output.
        stride: of the depthwise convolution.
        shared: whether it is part of a supernet; then batch norms have no scale and shift.
        kernel: of the depthwise convolution, an odd number of pixels.
        expansion: channels inside for each channel of the input, rounded to the nearest.
        activation: "relu", "relu6", "swish", "hswish" or "linear".
        squeeze: "none", "se" or "se8" (see `core.channels.squeezed`). Inside the first is the
            block's activation and a sigmoid, inside the second a ReLU and a hard sigmoid.
        keep: whether an expansion of 1 keeps its 1x1 convolution, as in FBNet.

    Raises:
        Fault: an argument makes no sense.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        shared: bool,
        kernel: int = 3,
        expansion: float = 6,
        activation: str = "relu6",
        squeeze: str = "none",
        keep: bool = False,
    ) -> None:
        super().__init__()
        if expansion <= 0:
            raise Fault(f"an operation has expansion={expansion}; it must be above 0")
        if squeeze not in SQUEEZES:
            raise Fault(unknown("squeeze of an operation", squeeze, SQUEEZES))
        inside = expanded(in_channels, expansion)
        steps: list[nn.Module] = []
        if expansion != 1 or keep:
            steps.append(convolution(in_channels, inside, 1))
            steps += _normed(inside, shared, activation)
        steps.append(Depthwise(inside, kernel, stride))
        steps += _normed(inside, shared, activation)
        if squeeze != "none":
            plain = (nn.ReLU(), nn.Hardsigmoid())
            between, gate = plain if squeeze == "se8" else (named(activation), nn.Sigmoid())
            narrow = squeezed(squeeze, in_channels, inside)
            steps.append(SqueezeExcite(inside, narrow, between, gate))
        steps.append(convolution(inside, out_channels, 1))
        steps.append(nn.BatchNorm2d(out_channels, affine=not shared))
        self.steps = nn.Sequential(*steps)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, state: Tensor) -> Tensor:
        """All steps, and the sum."""
        out: Tensor = self.steps(state)
        return state + out if self.residual else out


class DepthwiseSeparable(nn.Sequential):
    """MobileNetV1's block (Howard et al. 2017, arXiv 1704.04861): depthwise, then 1x1 convolution.

    A batch norm and an activation follow each. (B, C, H, W) -> (B, out_channels, H', W').
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        shared: bool,
        kernel: int = 3,
        activation: str = "relu6",
    ) -> None:
        super().__init__(
            Depthwise(in_channels, kernel, stride),
            *_normed(in_channels, shared, activation),
            convolution(in_channels, out_channels, 1),
            *_normed(out_channels, shared, activation),
        )


class SqueezeExcite(nn.Module):
    """Scales every channel by what all of them say on average (Hu et al. 2018, arXiv 1709.01507).

    Two 1x1 convolutions with biases, of which the first leaves `inside` channels; `between` is the
    activation between them, `gate` what makes a scale of the result.
    """

    def __init__(self, channels: int, inside: int, between: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, inside, 1),
            between,
            nn.Conv2d(inside, channels, 1),
            gate,
        )

    def forward(self, state: Tensor) -> Tensor:
        """Of the same shape."""
        scaled: Tensor = state * self.scale(state)
        return scaled


class HiddenClassifier(nn.Module):
    """Global average pooling and two linear layers, an activation between: MobileNetV3's head.

    (B, C, H, W) -> (B, out_channels).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        _stride: int,
        _shared: bool,
        hidden: int,
        activation: str = "hswish",
    ) -> None:
        super().__init__()
        self.steps = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(in_channels, hidden),
            named(activation),
            nn.Linear(hidden, out_channels),
        )

    def forward(self, state: Tensor) -> Tensor:
        """The logits."""
        logits: Tensor = self.steps(state)
        return logits


def _normed(channels: int, shared: bool, name: str) -> list[nn.Module]:
    """Batch norm and activation; no module for "linear"."""
    norm = nn.BatchNorm2d(channels, affine=not shared)
    return [norm] if name == "linear" else [norm, named(name)]
