"""How numbers of channels, and of layers, are rounded; no torch."""

from __future__ import annotations

import math

MOST_CHANNELS = 65_536
"""What a layer of a space may have at most: many times as many as any published network has."""
MOST_LAYERS = 500
"""How many layers, blocks or cells of a space may follow each other, for the same reason."""
STEP = 8
"""What published networks round their channels to multiples of."""
DEPTHS = ("up", "nearest")
"""Rules of how numbers of layers are rounded (see `deeper`)."""
SQUEEZES = ("none", "se", "se8")
"""Rules of how many channels a squeeze-excite has inside (see `squeezed`)."""


def whole(value: object, most: int, least: int = 1) -> str:
    """What `value` must be, if it is not that: a whole number from `least` to `most`."""
    fits = type(value) is int and least <= value <= most
    return "" if fits else f"a whole number from {least} to {most:,}"


def odd(value: object) -> str:
    """What the kernel of a convolution must be, if `value` is not that."""
    fits = type(value) is int and 0 < value < 100 and value % 2 == 1
    return "" if fits else "an odd number of pixels up to 99"


def rounded(channels: float, step: int = STEP) -> int:
    """`channels` to the nearest multiple of `step`, at least one, and never below 90 % of it.

    The rule of MobileNetV2 and its successors (Sandler et al. 2018, arXiv 1801.04381; its published
    code calls it `make_divisible`).
    """
    nearest = max(step, int(channels + step / 2) // step * step)
    return nearest + step if nearest < 0.9 * channels else nearest


def wider(channels: int, factor: float, step: int = STEP) -> int:
    """`factor` times as many channels, `rounded`; a factor of 1 leaves them as they are."""
    return channels if factor == 1 else rounded(factor * channels, step)


def deeper(layers: int, factor: float, rule: str = "up") -> int:
    """`factor` times as many layers, rounded by one of `DEPTHS`.

    "up" is EfficientNet's rule (arXiv 1905.11946; its published code calls it `round_repeats`),
    "nearest" that of timm for MixNets and TinyNets (its `depth_trunc="round"`), halves up.
    """
    exact = round(layers * factor, 6)  # 10 x 1.1 is 11.000000000000002 to a computer
    return math.ceil(exact) if rule == "up" else max(1, math.floor(exact + 0.5))


def expanded(channels: int, expansion: float) -> int:
    """The channels inside an inverted residual block: `channels` times `expansion`, at least 1."""
    return max(1, round(channels * expansion))


def squeezed(rule: str, given: int, inside: int) -> int:
    """The channels inside a squeeze-excite of a block with `given` channels and `inside` it.

    "se" is a quarter of the block's input, not rounded (EfficientNet, MnasNet); "se8" a quarter of
    the channels inside, rounded to 8 (MobileNetV3); 0 without any.
    """
    if rule == "se":
        return max(1, given // 4)
    return rounded(inside // 4) if rule == "se8" else 0


def passing(given: int, made: int, stride: int) -> int:
    """How many of the `made` channels of a shuffle block do not come from its main branch.

    Where the shape stays, the even ones of the input; else as many as it is given, as published, or
    half of those made if there would be none left for the main branch.
    """
    if stride == 1 and given == made:
        return (given + 1) // 2
    return given if given < made else made // 2
