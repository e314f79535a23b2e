from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from nascli.data.batches import Endless, batches, halves, seeded
from nascli.data.split import Memory, Split, statistics


class Noisy:
    """Draws for the stored pixels, and for the normalised ones."""

    def pixels(self, images: Tensor, generator: torch.Generator) -> Tensor:
        assert images.dtype == torch.uint8
        return images ^ torch.randint(2, images.shape, generator=generator, dtype=torch.uint8)

    def __call__(self, images: Tensor, black: Tensor, generator: torch.Generator) -> Tensor:
        return images + torch.rand(images.shape, generator=generator)


noisy = Noisy()


@pytest.fixture(scope="module")
def split() -> Split:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 5, 4, 3), dtype=np.uint8)
    source = Memory(images, np.arange(50, dtype=np.int64) % 5)
    return Split(source, *statistics(source), flips=True)


def test_statistics_are_those_of_the_pixels(split: Split) -> None:
    pixels = split.images().double().permute(1, 0, 2, 3).flatten(1).numpy()
    np.testing.assert_allclose(split.mean.numpy(), pixels.mean(1), rtol=1e-6)
    np.testing.assert_allclose(split.std.numpy(), pixels.std(1), rtol=1e-6)


def test_a_channel_that_never_changes_is_only_centred() -> None:
    source = Memory(np.full((4, 2, 2, 1), 7, np.uint8), np.arange(4, dtype=np.int64) % 2)
    flat = Split(source, *statistics(source), flips=True)
    images, _ = next(batches(flat, 4, "cpu"))
    assert (images == 0).all()


def test_in_order_every_image_once_and_normalised(split: Split) -> None:
    seen = list(batches(split, 16, "cpu"))
    assert [len(labels) for _, labels in seen] == [16, 16, 16, 2]
    images = torch.cat([images for images, _ in seen])
    stored = split.images().float()
    expected = (stored - split.mean[:, None, None]) / split.std[:, None, None]
    torch.testing.assert_close(images, expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(torch.cat([labels for _, labels in seen]), split.labels)


def test_batches_are_float32_in_channels_last(split: Split) -> None:
    images, labels = next(batches(split, 16, "cpu"))
    assert images.shape == (16, 3, 5, 4)
    assert images.dtype == torch.float32
    assert labels.dtype == torch.int64
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_shuffled_batches_are_another_order_of_the_same(split: Split) -> None:
    first = torch.cat([i for i, _ in batches(split, 16, "cpu", generator=seeded(0, "a"))])
    again = torch.cat([i for i, _ in batches(split, 16, "cpu", generator=seeded(0, "a"))])
    other = torch.cat([i for i, _ in batches(split, 16, "cpu", generator=seeded(0, "b"))])
    plain = torch.cat([i for i, _ in batches(split, 16, "cpu")])
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    keys = [sorted(map(tuple, images.flatten(1).tolist())) for images in (first, other, plain)]
    assert keys[0] == keys[1] == keys[2]


def test_limit_and_drop_last(split: Split) -> None:
    def sizes(**options: int | bool) -> list[int]:
        return [len(labels) for _, labels in batches(split, 16, "cpu", **options)]  # type: ignore

    assert sizes(limit=2) == [16, 16]
    assert sizes(limit=9) == [16, 16, 16, 2]
    assert sizes(limit=0) == []
    assert sizes(drop_last=True) == [16, 16, 16]


def test_augmentation_needs_a_generator(split: Split) -> None:
    with pytest.raises(ValueError, match="generator"):
        next(batches(split, 16, "cpu", augment=noisy))


def test_augmentation_learns_what_black_is(split: Split) -> None:
    class Check(Noisy):
        def __call__(self, images: Tensor, black: Tensor, generator: torch.Generator) -> Tensor:
            torch.testing.assert_close(black, -split.mean / split.std)
            return images

    next(batches(split, 16, "cpu", generator=seeded(0), augment=Check()))


def test_the_global_random_state_is_left_alone(split: Split) -> None:
    before = torch.get_rng_state()
    list(batches(split, 16, "cpu", generator=seeded(0), augment=noisy))
    Endless(split, 16, "cpu", seed=0, augment=noisy).next()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("stop", range(9))
def test_an_endless_stream_goes_on_exactly_where_it_stopped(split: Split, stop: int) -> None:
    whole = Endless(split, 16, "cpu", seed=3, augment=noisy)
    expected = [whole.next() for _ in range(9)]
    first = Endless(split, 16, "cpu", seed=3, augment=noisy)
    for _ in range(stop):
        first.next()
    second = Endless(split, 16, "cpu", seed=3, augment=noisy)
    second.next()
    second.load_state_dict(first.state_dict())
    for images, labels in expected[stop:]:
        resumed = second.next()
        assert torch.equal(resumed[0], images)
        assert torch.equal(resumed[1], labels)


def test_every_pass_is_shuffled_anew_and_holds_no_image_twice(split: Split) -> None:
    stream = Endless(split, 16, "cpu", seed=0)
    assert len(stream) == 3
    passes = [torch.cat([stream.next()[0] for _ in range(3)]).flatten(1) for _ in range(2)]
    for images in passes:
        assert len(torch.unique(images, dim=0)) == 48
    assert not torch.equal(*passes)


def test_a_stream_of_a_split_smaller_than_a_batch(split: Split) -> None:
    stream = Endless(split.take(np.arange(5)), 16, "cpu", seed=0)
    assert [len(stream.next()[1]) for _ in range(3)] == [5, 5, 5]


def test_halves_are_disjoint_and_stratified(split: Split) -> None:
    first, second = halves(split, seed=1)
    assert len(first) == len(second) == 25
    together = torch.cat([first.images(), second.images()]).flatten(1)
    assert len(torch.unique(together, dim=0)) == 50
    for half in (first, second):
        assert torch.bincount(half.labels).tolist() == [5] * 5
    assert torch.equal(halves(split, seed=1)[0].images(), first.images())
    assert not torch.equal(halves(split, seed=2)[0].images(), first.images())


def test_a_part_of_a_split_keeps_the_normalisation(split: Split) -> None:
    few = split.take(np.arange(3, 50, 5))
    assert len(few) == 10
    assert torch.equal(few.labels, split.labels[3::5])
    assert torch.equal(few.images(), split.images()[3::5])
    assert torch.equal(few.mean, split.mean) and torch.equal(few.std, split.std)


def test_seeds_differ_by_number_and_name() -> None:
    draws = {
        float(torch.rand(1, generator=seeded(seed, name, place)))
        for seed in (0, 1)
        for name in ("order", "augment")
        for place in range(5)
    }
    assert len(draws) == 20
