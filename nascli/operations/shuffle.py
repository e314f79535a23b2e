"""The choice blocks of ShuffleNet V2, as single-path one-shot searches them.

Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV 2020 (arXiv
1904.00420), after Ma et al., ShuffleNet V2, ECCV 2018 (arXiv 1807.11164).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nascli.core.channels import passing
from nascli.core.fault import Fault
from nascli.kernels.depthwise import Depthwise
from nascli.operations.blocks import convolution


class ShuffleBlock(nn.Module):
    """(B, C, H, W) -> (B, out_channels, H', W').

    Where the shape stays, the even channels (0, 2, ...) pass by and the others go through the main
    branch; both stand side by side in the result, so that the next block mixes them. Otherwise all
    channels go through the main branch, and through another, a depthwise and a 1x1 convolution.

    The main branch is 1x1, depthwise, 1x1; or, `xception`, three times depthwise and 1x1. Batch
    norm follows every convolution and a ReLU the 1x1 ones.

    Departure: the published block always adds channels, and keeps an even number of them; how many
    each branch makes elsewhere, `core.channels.passing` says.

    Args:
        in_channels: of the input.
        out_channels: of the output; half of them are the channels inside the main branch.
        stride: of the first depthwise convolution.
        shared: whether it is part of a supernet; then batch norms have no scale and shift.
        kernel: of the depthwise convolutions, an odd number of pixels.
        xception: see above; published with a kernel of 3.

    Raises:
        Fault: there are not two channels, one for each branch.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        shared: bool,
        kernel: int = 3,
        xception: bool = False,
    ) -> None:
        super().__init__()
        if out_channels < 2:
            raise Fault(f"a shuffle block has out_channels={out_channels}; it needs at least 2")
        self.passes = stride == 1 and in_channels == out_channels
        inside, others = out_channels // 2, passing(in_channels, out_channels, stride)
        given = in_channels - others if self.passes else in_channels
        made = out_channels - others
        layers: list[nn.Module] = []
        if xception:
            for number, out in enumerate((inside, inside, made)):
                into = inside if number else given
                layers += [Depthwise(into, kernel, 1 if number else stride), _norm(into, shared)]
                layers += [convolution(into, out, 1), _norm(out, shared), nn.ReLU()]
        else:
            layers += [convolution(given, inside, 1), _norm(inside, shared), nn.ReLU()]
            layers += [Depthwise(inside, kernel, stride), _norm(inside, shared)]
            layers += [convolution(inside, made, 1), _norm(made, shared), nn.ReLU()]
        self.main = nn.Sequential(*layers)
        if not self.passes:
            self.other = nn.Sequential(
                Depthwise(in_channels, kernel, stride),
                _norm(in_channels, shared),
                convolution(in_channels, others, 1),
                _norm(others, shared),
                nn.ReLU(),
            )

    def forward(self, state: Tensor) -> Tensor:
        """Both branches side by side."""
        if self.passes:
            return torch.cat([state[:, ::2], self.main(state[:, 1::2])], dim=1)
        return torch.cat([self.other(state), self.main(state)], dim=1)


def _norm(channels: int, shared: bool) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, affine=not shared)
