"""The auxiliary head that helps to train deep networks (Szegedy et al., 2015, arXiv 1409.4842).

As in DARTS (Liu et al., 2019, arXiv 1806.09055).
"""

from __future__ import annotations

from torch import Tensor, nn

from nascli.operations.blocks import convolution


class AuxiliaryHead(nn.Module):
    """Pools a state to 2x2 pixels and classifies it: (B, C, H, W) -> (B, classes).

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
