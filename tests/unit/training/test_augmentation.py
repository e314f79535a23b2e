from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from nascli.data.batches import seeded
from nascli.training.augmentation import Augmentation, augmentation
from nascli.training.recipe import Recipe

BLACK = torch.tensor([-1.5, -0.5, 2.0])


def plainly(how: Augmentation, images: Tensor, draws: Tensor) -> Tensor:
    """The same, an image and a step at a time."""
    done = []
    for image, draw in zip(images.numpy(), draws.T.tolist(), strict=True):
        down, across, mirror, row, column = draw
        channels, height, width = image.shape
        frame = how.crop_padding
        framed = np.empty((channels, height + 2 * frame, width + 2 * frame), np.float32)
        for channel in range(channels):
            framed[channel] = np.pad(image[channel], frame, constant_values=float(BLACK[channel]))
        picture = framed[:, down : down + height, across : across + width].copy()
        if how.flip and mirror:
            picture = picture[:, :, ::-1].copy()
        if how.cutout:
            half = how.cutout // 2
            top, left = max(0, row - half), max(0, column - half)
            picture[:, top : max(0, row + half), left : max(0, column + half)] = 0
        done.append(torch.from_numpy(picture))
    return torch.stack(done)


@pytest.mark.parametrize("shape", [(16, 3, 9, 7), (16, 3, 8, 8), (1, 3, 5, 5)])
@pytest.mark.parametrize(
    "how",
    [
        Augmentation(crop_padding=2),
        Augmentation(flip=True),
        Augmentation(cutout=4),
        Augmentation(cutout=5),
        Augmentation(4, True, 6),
        Augmentation(),
    ],
)
def test_it_does_what_a_plain_loop_over_images_does(
    how: Augmentation, shape: tuple[int, ...]
) -> None:
    images = torch.randn(shape, generator=seeded(0)).to(memory_format=torch.channels_last)
    result = how(images.clone(memory_format=torch.preserve_format), BLACK, seeded(1))
    assert torch.equal(result, plainly(how, images, how.draw(images.shape, seeded(1))))
    assert result.is_contiguous(memory_format=torch.channels_last)


def test_grey_images() -> None:
    images = torch.randn(8, 1, 6, 6, generator=seeded(0))
    result = Augmentation(1, True, 2)(images, BLACK[:1], seeded(1))
    draws = Augmentation(1, True, 2).draw(images.shape, seeded(1))
    assert torch.equal(result, plainly(Augmentation(1, True, 2), images, draws))


def test_every_image_has_its_own_draws_and_all_values_occur() -> None:
    draws = Augmentation(crop_padding=2).draw((4000, 3, 6, 7), seeded(0))
    for values, count in zip(draws, (5, 5, 2, 6, 7), strict=True):
        share = torch.bincount(values, minlength=count).double() / 4000
        # Five standard deviations of a share of 1 / count among 4,000.
        assert (share - 1 / count).abs().max() < 5 * (1 / count / 4000) ** 0.5
    assert len(torch.unique(draws, dim=1)[0]) > 1000


def test_the_recipe_asks_and_the_data_may_refuse_to_be_mirrored() -> None:
    class Data:
        flips = False

    recipe = Recipe(1, 8, 0.1, flip=True, cutout=2)
    assert augmentation(recipe, Data()) == Augmentation(cutout=2)
    Data.flips = True
    assert augmentation(recipe, Data()) == Augmentation(flip=True, cutout=2)
    assert augmentation(Recipe(1, 8, 0.1), Data()) is None
