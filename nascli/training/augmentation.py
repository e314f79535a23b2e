"""Augmentation of a batch, on the accelerator: RandAugment, crop, flip and cutout."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nascli.core.fault import Fault
from nascli.data.split import Split
from nascli.training.recipe import Recipe


def augmentation(recipe: Recipe, split: Split) -> Augmentation | None:
    """What the recipe asks for and the data allow; None for nothing.

    Raises:
        Fault: RandAugment is asked for, and the images are no grey or coloured ones of 8 bits.
    """
    flip = recipe.flip and split.flips
    if not (recipe.crop_padding or flip or recipe.cutout or recipe.rand_augment):
        return None
    if recipe.rand_augment:
        _check_pixels(split)
    strength = recipe.rand_augment_magnitude
    return Augmentation(recipe.crop_padding, flip, recipe.cutout, recipe.rand_augment, strength)


@dataclass(frozen=True)
class Augmentation:
    """RandAugment, random crop out of a black frame, mirroring, cutout; every image by itself.

    See `nascli.training.recipe.Recipe` for them. As published, the square of the cutout reaches
    from its centre `cutout // 2` pixels up and left, and one fewer down and right. RandAugment is
    torchvision's, which mirrors nothing.
    """

    crop_padding: int = 0
    flip: bool = False
    cutout: int = 0
    rand_augment: int = 0
    magnitude: int = 9

    def pixels(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """See `nascli.data.batches.Augment`."""
        if not self.rand_augment:
            return images
        from torchvision.transforms import v2  # it takes a second to import

        transform = v2.RandAugment(self.rand_augment, self.magnitude)
        seed = int(torch.randint(2**62, (), generator=generator))
        with torch.random.fork_rng(devices=[]):  # it draws on the CPU
            torch.manual_seed(seed)
            changed = torch.stack([transform(image) for image in images])
        return changed.contiguous(memory_format=torch.channels_last)

    def __call__(self, images: Tensor, black: Tensor, generator: torch.Generator) -> Tensor:
        """See `nascli.data.batches.Augment`; the images come back in channels_last memory."""
        draws = self.draw(images.shape, generator).to(images.device, non_blocking=True)
        down, across, mirror, row, column = draws
        pixels = images.permute(0, 2, 3, 1)  # (B, H, W, C), contiguous
        if self.crop_padding:
            pixels = _crop(pixels, black, self.crop_padding, down, across)
        if self.flip:
            pixels = torch.where(mirror.bool()[:, None, None, None], pixels.flip(2), pixels)
        if self.cutout:
            pixels = _cut(pixels, self.cutout // 2, row, column)
        return pixels.permute(0, 3, 1, 2)

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """(5, B): the crop's offsets down and across, 1 to mirror, the cutout's row and column."""
        count, _, height, width = shape
        offsets = 2 * self.crop_padding + 1
        ranges = (offsets, offsets, 2, height, width)
        return torch.stack([torch.randint(r, (count,), generator=generator) for r in ranges])


def _crop(pixels: Tensor, black: Tensor, frame: int, down: Tensor, across: Tensor) -> Tensor:
    count, height, width, channels = pixels.shape
    framed = black.expand(count, height + 2 * frame, width + 2 * frame, channels).clone()
    framed[:, frame:-frame, frame:-frame] = pixels
    # (B, offsets, offsets, H, W, C): every crop there is, as a view
    crops = framed.unfold(1, height, 1).unfold(2, width, 1).permute(0, 1, 2, 4, 5, 3)
    return crops[torch.arange(count, device=pixels.device), down, across]


def _cut(pixels: Tensor, reach: int, row: Tensor, column: Tensor) -> Tensor:
    _, height, width, channels = pixels.shape
    rows = torch.arange(height, device=pixels.device)
    # A column for every channel, because a mask that is broadcast over 3 of them is slow on a CPU.
    columns = torch.arange(width, device=pixels.device).repeat_interleave(channels)
    tall = (rows >= row[:, None] - reach) & (rows < row[:, None] + reach)  # (B, H)
    wide = (columns >= column[:, None] - reach) & (columns < column[:, None] + reach)  # (B, W * C)
    inside = tall[:, :, None] & wide[:, None, :]
    return pixels.flatten(2).masked_fill(inside, 0.0).view(pixels.shape)


def _check_pixels(split: Split) -> None:
    pixels, _ = next(iter(split.source.fetch(torch.tensor([0]), 1, "cpu")))
    if pixels.dtype != torch.uint8:
        raise Fault(
            f"training.rand_augment works on pixels of 8 bits; these images are {pixels.dtype}"
        )
    if pixels.shape[1] not in (1, 3):
        raise Fault(
            "training.rand_augment works on grey or coloured images; these have "
            f"{pixels.shape[1]} channels"
        )
