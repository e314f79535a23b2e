"""Plain supernets, written from the equations: every option of every edge alone, then summed.

DARTS (Liu et al., 2019, arXiv 1806.09055), eq. 2, and NAS-Bench-201 (Dong & Yang, 2020, arXiv
2001.00326). Modules have the order of nascli's supernets, so that weights carry over.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CELL_OPTIONS = (
    "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect",
    "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5",
)  # fmt: skip
BENCH_OPTIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


class Zero(nn.Module):
    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, :: self.stride, :: self.stride].mul(0.0)


class FactorizedReduction(nn.Module):
    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(into, out // 2, 1, 2, bias=False)
        self.odd = nn.Conv2d(into, out - out // 2, 1, 2, bias=False)
        self.norm = nn.BatchNorm2d(out, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        return self.norm(torch.cat([self.even(x), self.odd(x[:, :, 1:, 1:])], 1))


def relu_conv_norm(into: int, out: int, kernel: int, affine: bool = False, stride: int = 1):
    convolution = nn.Conv2d(into, out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(out, affine=affine))


def separable(c: int, kernel: int, stride: int, dilation: int = 1) -> list[nn.Module]:
    padding = dilation * (kernel // 2)
    return [
        nn.ReLU(),
        nn.Conv2d(c, c, kernel, stride, padding, dilation, groups=c, bias=False),
        nn.Conv2d(c, c, 1, bias=False),
        nn.BatchNorm2d(c, affine=False),
    ]


def operation(option: str, c: int, stride: int, pools_normed: bool) -> nn.Module:
    kernel = int(option[-1]) if option[-1].isdigit() else 0
    if option == "none":
        return Zero(stride)
    if option == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduction(c, c)
    if option.startswith("sep"):
        return nn.Sequential(*separable(c, kernel, stride), *separable(c, kernel, 1))
    if option.startswith("dil"):
        return nn.Sequential(*separable(c, kernel, stride, dilation=2))
    if option.startswith("nor"):
        return relu_conv_norm(c, c, kernel)
    if option.startswith("max"):
        pool: nn.Module = nn.MaxPool2d(3, stride, 1)
    else:
        pool = nn.AvgPool2d(3, stride, 1, count_include_pad=False)
    return nn.Sequential(pool, nn.BatchNorm2d(c, affine=False)) if pools_normed else pool


class Graph(nn.Module):
    """Nodes, each the sum of its edges; an edge is the weighted sum of its options."""

    def __init__(self, inputs, nodes, options, c, stride, pools_normed) -> None:
        super().__init__()
        self.inputs, self.nodes = inputs, nodes
        self.edges = nn.ModuleList(
            nn.ModuleList(
                operation(option, c, stride if source < inputs else 1, pools_normed)
                for option in options
            )
            for target in range(inputs, inputs + nodes)
            for source in range(target)
        )

    def forward(self, inputs: list[Tensor], weights: Tensor) -> list[Tensor]:
        states, edge = list(inputs), 0
        for _ in range(self.nodes):
            parts = []
            for state in states:
                options = zip(weights[edge], self.edges[edge], strict=True)
                parts.append(sum(w * option(state) for w, option in options))
                edge += 1
            states.append(sum(parts))
        return states


class Cell(nn.Module):
    def __init__(self, before: int, previous: int, c: int, reduces: bool, follows: bool) -> None:
        super().__init__()
        first = FactorizedReduction(before, c) if follows else relu_conv_norm(before, c, 1)
        self.preprocess = nn.ModuleList([first, relu_conv_norm(previous, c, 1)])
        self.graph = Graph(2, 4, CELL_OPTIONS, c, 2 if reduces else 1, True)
        self.reduces = reduces

    def forward(self, before: Tensor, previous: Tensor, weights: Tensor) -> Tensor:
        inputs = [p(x) for p, x in zip(self.preprocess, (before, previous), strict=True)]
        return torch.cat(self.graph(inputs, weights[int(self.reduces)])[2:], 1)


class PlainDarts(nn.Module):
    """The published search network; `weights` is (2 * 14, 8): normal edges, then reduction."""

    def __init__(self, channels: int, cells: int, classes: int = 10) -> None:
        super().__init__()
        stem = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(3, stem, 3, 1, 1, bias=False), nn.BatchNorm2d(stem))
        reductions, found, follows, c = {cells // 3, 2 * cells // 3}, [], False, channels
        before = previous = stem
        for index in range(cells):
            reduces = index in reductions
            c *= 2 if reduces else 1
            found.append(Cell(before, previous, c, reduces, follows))
            before, previous, follows = previous, 4 * c, reduces
        self.cells = nn.ModuleList(found)
        self.classifier = nn.Linear(previous, classes)

    def forward(self, images: Tensor, weights: Tensor) -> Tensor:
        before = previous = self.stem(images)
        weights = weights.view(2, -1, weights.shape[1])
        for cell in self.cells:
            before, previous = previous, cell(before, previous, weights)
        return self.classifier(previous.mean((2, 3)))


class ResidualReduction(nn.Module):
    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.first = relu_conv_norm(into, out, 3, affine=True, stride=2)
        self.second = relu_conv_norm(out, out, 3, affine=True)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(into, out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x)) + self.shortcut(x)


class PlainBench(nn.Module):
    """The NAS-Bench-201 search network; `weights` is (6, 5)."""

    def __init__(self, channels: int, cells: int, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )
        self.stages = nn.ModuleList(
            nn.ModuleList(
                Graph(1, 3, BENCH_OPTIONS, channels << stage, 1, False) for _ in range(cells)
            )
            for stage in range(3)
        )
        self.reductions = nn.ModuleList(
            ResidualReduction(channels << stage, channels << stage + 1) for stage in range(2)
        )
        self.last = nn.Sequential(nn.BatchNorm2d(channels << 2), nn.ReLU())
        self.classifier = nn.Linear(channels << 2, classes)

    def forward(self, images: Tensor, weights: Tensor) -> Tensor:
        state = self.stem(images)
        for stage, cells in enumerate(self.stages):
            state = self.reductions[stage - 1](state) if stage else state
            for cell in cells:
                state = cell([state], weights)[-1]
        return self.classifier(self.last(state).mean((2, 3)))
