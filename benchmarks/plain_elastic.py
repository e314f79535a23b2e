"""A plain once-for-all supernet for benchmarks: dynamic layers that slice, as the published code's.

Cai et al., Once-for-All, ICLR 2020 (arXiv 1908.09791). Parameters come in the order of nascli's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ACTIVATIONS = {"relu": F.relu, "hswish": F.hardswish}


class DynamicNorm(nn.BatchNorm2d):
    """Batch norm of the first channels."""

    def forward(self, state: Tensor) -> Tensor:
        count = state.shape[1]
        if self.training:
            self.num_batches_tracked.add_(1)
        return F.batch_norm(
            state, self.running_mean[:count], self.running_var[:count], self.weight[:count],
            self.bias[:count], self.training, self.momentum, self.eps,
        )  # fmt: skip


class DynamicPointwise(nn.Conv2d):
    """A 1x1 convolution between the first channels."""

    def __init__(self, given: int, made: int, bias: bool = False) -> None:
        super().__init__(given, made, 1, bias=bias)

    def forward(self, state: Tensor, made: int) -> Tensor:
        weight = self.weight[:made, : state.shape[1]].contiguous()
        return F.conv2d(state, weight, None if self.bias is None else self.bias[:made])


class DynamicDepthwise(nn.Conv2d):
    """A depthwise convolution of the first channels, its kernel transformed step by step."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(channels, channels, kernel, stride, groups=channels, bias=False)

    def forward(self, state: Tensor, side: int, matrices: list[Tensor]) -> Tensor:
        count = state.shape[1]
        weight = self.weight[:count]
        for matrix in matrices:
            if weight.shape[-1] == side:
                break
            smaller = weight.shape[-1] - 2
            rows = weight[:, :, 1:-1, 1:-1].contiguous().view(count, 1, -1)
            weight = F.linear(rows, matrix).view(count, 1, smaller, smaller)
        return F.conv2d(state, weight, None, self.stride, side // 2, 1, count)


class DynamicSqueeze(nn.Module):
    """Squeeze-excite of the first channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = DynamicPointwise(channels, divisible(channels // 4), bias=True)
        self.expand = DynamicPointwise(divisible(channels // 4), channels, bias=True)

    def forward(self, state: Tensor) -> Tensor:
        count = state.shape[1]
        mean = state.mean((2, 3), keepdim=True)
        hidden = F.relu(self.reduce(mean, divisible(count // 4)))
        return state * F.hardsigmoid(self.expand(hidden, count))


class DynamicBlock(nn.Module):
    """An inverted residual block."""

    def __init__(
        self,
        given: int,
        made: int,
        stride: int,
        kernel: int,
        expansion: int,
        act: str,
        squeeze: bool,
    ) -> None:
        super().__init__()
        inside = given * expansion
        self.made, self.act, self.expands = made, ACTIVATIONS[act], expansion > 1
        self.residual = stride == 1 and given == made
        if self.expands:
            self.expand, self.norm1 = DynamicPointwise(given, inside), DynamicNorm(inside)
        self.depthwise, self.norm2 = DynamicDepthwise(inside, kernel, stride), DynamicNorm(inside)
        self.squeeze = DynamicSqueeze(inside) if squeeze else None
        self.project, self.norm3 = DynamicPointwise(inside, made), DynamicNorm(made)

    def forward(self, given: Tensor, side: int, expansion: int, matrices: list[Tensor]) -> Tensor:
        state = given
        if self.expands:
            state = self.act(self.norm1(self.expand(state, state.shape[1] * expansion)))
        state = self.act(self.norm2(self.depthwise(state, side, matrices)))
        if self.squeeze is not None:
            state = self.squeeze(state)
        state = self.norm3(self.project(state, self.made))
        return state + given if self.residual else state


class PlainOnceForAll(nn.Module):
    """A space `once_for_all` as shipped; a path is said by the choices of its genotype.

    `strides` are of the stem and each stage; `hidden` is the width of the classifier's hidden
    layer, 0 for none.
    """

    def __init__(
        self,
        widths: Sequence[int],
        strides: Sequence[int],
        acts: Sequence[str],
        squeezes: Sequence[bool],
        head: int,
        hidden: int,
        classes: int,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, strides[0], 1, bias=False)
        self.stem_norm = DynamicNorm(16)
        self.first = DynamicBlock(16, 16, 1, 3, 1, "relu", False)
        stages, given = [], 16
        for made, stride, act, squeeze in zip(widths, strides[1:], acts, squeezes, strict=True):
            blocks = []
            for number in range(4):
                by = 1 if number else stride
                blocks.append(DynamicBlock(given, made, by, 7, 6, act, squeeze))
                given = made
            stages.append(nn.ModuleList(blocks))
        self.stages = nn.ModuleList(stages)
        self.head, self.head_norm = DynamicPointwise(given, head), DynamicNorm(head)
        self.hidden = nn.Linear(head, hidden) if hidden else None
        self.classifier = nn.Linear(hidden or head, classes)
        self.matrices = nn.ParameterList(
            nn.Parameter(torch.eye(side**2)) for _ in range(4 * len(widths)) for side in (5, 3)
        )

    def forward(self, images: Tensor, choices: Mapping[str, str]) -> Tensor:
        side = int(choices["resolution"])
        if side != images.shape[-1]:
            images = F.interpolate(images, (side, side), mode="bilinear", align_corners=False)
        state = F.hardswish(self.stem_norm(self.stem(images)))
        state = self.first(state, 3, 1, [])
        for stage, blocks in enumerate(self.stages, start=1):
            for number in range(1, int(choices[f"{stage}/depth"]) + 1):
                kernel = int(choices[f"{stage}/{number}/kernel"])
                expansion = int(choices[f"{stage}/{number}/expansion"])
                at = 2 * (4 * (stage - 1) + number - 1)
                matrices = list(self.matrices[at : at + 2])
                state = blocks[number - 1](state, kernel, expansion, matrices)
        state = F.hardswish(self.head_norm(self.head(state, self.head.out_channels)))
        state = state.mean((2, 3))
        if self.hidden is not None:
            state = F.hardswish(self.hidden(state))
        return self.classifier(state)


def divisible(channels: float) -> int:
    """`make_divisible` of the published code, to multiples of 8."""
    found = max(8, int(channels + 4) // 8 * 8)
    return found + 8 if found < 0.9 * channels else found
