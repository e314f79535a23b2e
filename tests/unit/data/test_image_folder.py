from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from nascli.core.fault import Fault
from nascli.data.batches import batches, seeded
from nascli.data.image_folder import ImageFolder
from nascli.data.images import Decoder

REAL = os.environ.get("NASCLI_CIFAR10")  # CIFAR-10 as train/<class>/*.jpg and test/<class>/*.jpg


def picture(seed: int, height: int = 6, width: int = 6, channels: int = 3) -> NDArray[np.uint8]:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write(root: Path, tree: Mapping[str, int], suffix: str = "png", **shape: int) -> None:
    """`tree` maps a folder to how many pictures it gets."""
    seed = 0
    for folder, count in tree.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.fromarray(picture(seed, **shape)).save(root / folder / f"{number:03}.{suffix}")
            seed += 1


def images_of(task: ImageFolder, name: Any) -> list[tuple[int, ...]]:
    split = task.split(name)
    return [tuple(row) for row in split.images().permute(0, 2, 3, 1).flatten(1).tolist()]


def test_published_splits_are_kept_in_order(tmp_path: Path) -> None:
    write(tmp_path, {"train/a": 3, "train/b": 3, "val/a": 1, "val/b": 1, "test/b": 2})
    task = ImageFolder(str(tmp_path))
    assert task.class_names == ("a", "b")
    assert (task.classes, task.input_shape) == (2, (3, 6, 6))
    for name, seeds, labels in (
        ("train", range(6), [0, 0, 0, 1, 1, 1]),
        ("valid", (6, 7), [0, 1]),
        ("test", (8, 9), [1, 1]),
    ):
        assert images_of(task, name) == [tuple(picture(seed).ravel()) for seed in seeds]
        assert task.split(name).labels.tolist() == labels  # type: ignore[arg-type]


def test_a_flat_tree_is_split_by_fractions(tmp_path: Path) -> None:
    write(tmp_path, {"cat/young/black": 6, "cat": 4, "dog/large": 10})
    task = ImageFolder(str(tmp_path), valid_fraction=0.25, test_fraction=0.2)
    assert task.class_names == ("cat", "dog")
    rows = {name: images_of(task, name) for name in ("train", "valid", "test")}
    assert {name: len(found) for name, found in rows.items()} == {
        "train": 12,
        "valid": 4,
        "test": 4,
    }
    everything = sorted(row for found in rows.values() for row in found)
    assert everything == sorted(tuple(picture(seed).ravel()) for seed in range(20))


def test_a_class_named_train_is_a_class(tmp_path: Path) -> None:
    write(tmp_path, {"bus": 5, "train": 5})
    assert ImageFolder(str(tmp_path)).class_names == ("bus", "train")


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, {"a": 5, "b": 5, ".git/objects": 1})
    (tmp_path / "a" / "notes.txt").write_text("no image")
    (tmp_path / "a" / "._000.png").write_bytes(b"no image")
    task = ImageFolder(str(tmp_path), valid_fraction=0.2, test_fraction=0.2)
    total = sum(len(task.split(name)) for name in ("train", "valid", "test"))  # type: ignore
    assert (task.classes, total) == (2, 10)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "gif", "PNG", "ppm", "webp", "jpg"])
def test_any_common_format(tmp_path: Path, suffix: str) -> None:
    write(tmp_path, {"train/a": 2, "train/b": 2, "test/a": 1}, suffix)
    task = ImageFolder(str(tmp_path), valid_fraction=0.5)
    assert task.input_shape == (3, 6, 6)
    if suffix.lower() in ("png", "bmp", "tiff", "ppm"):  # those without loss
        assert images_of(task, "test") == [tuple(picture(4).ravel())]


def test_grey_images_have_one_channel(tmp_path: Path) -> None:
    write(tmp_path, {"train/a": 2, "train/b": 2, "test/a": 1}, channels=1)
    task = ImageFolder(str(tmp_path), valid_fraction=0.5)
    assert task.input_shape == (1, 6, 6)
    assert images_of(task, "test") == [tuple(picture(4, channels=1).ravel())]


def test_sixteen_bits_keep_the_upper_eight(tmp_path: Path) -> None:
    write(tmp_path, {"train/a": 2, "train/b": 2, "test/a": 1}, channels=1)
    wide = np.arange(36, dtype=np.uint16).reshape(6, 6) * 1800
    Image.fromarray(wide).save(tmp_path / "test/a/000.png")
    task = ImageFolder(str(tmp_path), valid_fraction=0.5)
    assert images_of(task, "test") == [tuple((wide // 256).ravel().tolist())]


def test_grey_among_coloured_is_repeated_and_the_other_way_is_a_fault(tmp_path: Path) -> None:
    write(tmp_path, {"train/a": 2, "train/b": 2, "test/a": 1})
    grey = picture(99, channels=1)
    Image.fromarray(grey).save(tmp_path / "test/a/000.png")
    found = images_of(ImageFolder(str(tmp_path), valid_fraction=0.5), "test")
    assert found == [tuple(np.repeat(grey.ravel(), 3))]
    Image.fromarray(grey).save(tmp_path / "train/a/000.png")
    with pytest.raises(Fault, match=r".png is coloured, but the first image is grey"):
        ImageFolder(str(tmp_path), valid_fraction=0.5).split("train")
    faded = ImageFolder(str(tmp_path), channels=1, valid_fraction=0.5)
    assert faded.split("train").shape == (1, 6, 6)


def test_images_of_other_sizes_are_resized_and_cropped_at_the_centre(tmp_path: Path) -> None:
    write(tmp_path, {"train/a": 2, "train/b": 2, "test/a": 1})
    # 12 high, 20 wide, three bands: at 6 pixels the shorter side halves, 2 columns go each side.
    bands = np.zeros((12, 20, 3), np.uint8)
    bands[:, :4], bands[:, 4:16], bands[:, 16:] = 10, 100, 200
    Image.fromarray(bands).save(tmp_path / "test/a/000.png")
    task = ImageFolder(str(tmp_path), image_size=6, valid_fraction=0.5)
    pixels = task.split("test").images()
    assert pixels.shape == (1, 3, 6, 6)
    assert (pixels[..., 1:-1] == 100).all()  # only the rim can have seen another band


def test_images_of_other_sizes_without_a_size_are_a_fault(tmp_path: Path) -> None:
    write(tmp_path, {"train/a": 2, "train/b": 2, "test/a": 1})
    for number in range(2):
        Image.fromarray(picture(0, 7, 9)).save(tmp_path / f"train/b/00{number}.png")
    with pytest.raises(Fault) as fault:
        ImageFolder(str(tmp_path), valid_fraction=0.25).split("train")
    assert f"the images differ in size: {tmp_path}/train/b/00" in str(fault.value)
    assert "has 7x9 pixels, the first has 6x6; set data.image_size=" in str(fault.value)


@pytest.mark.parametrize("memory_mb", [1000, 0])
@pytest.mark.parametrize("content", [b"", b"no image at all", None])
def test_an_unreadable_image_is_named(
    tmp_path: Path, memory_mb: float, content: bytes | None
) -> None:
    write(tmp_path, {"train/a": 4, "train/b": 4, "test/a": 1})
    bad = tmp_path / "train" / "b" / "002.png"
    bad.write_bytes(bad.read_bytes()[:60] if content is None else content)
    with pytest.raises(Fault, match=f"cannot read image {bad}"):
        ImageFolder(str(tmp_path), memory_mb=memory_mb, workers=1).splits.check()


@pytest.mark.parametrize("memory_mb", [1000, 0])
def test_all_that_cannot_be_read_is_named_at_once(tmp_path: Path, memory_mb: float) -> None:
    write(tmp_path, {"train/a": 12, "train/b": 4, "valid/a": 1, "test/a": 1})
    bad = [tmp_path / "train" / "a" / f"{n:03}.png" for n in range(1, 11)]
    for file in bad:
        file.write_bytes(b"no image")
    with pytest.raises(Fault) as fault:
        ImageFolder(str(tmp_path), memory_mb=memory_mb, workers=0).splits.check()
    first, others = str(fault.value).splitlines()
    assert first.startswith(f"cannot read image {bad[0]}: ")
    assert others == f"9 more images cannot be used either: {', '.join(map(str, bad[1:9]))} ..."


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_images_are_those_in_memory(tmp_path: Path, workers: int) -> None:
    write(tmp_path, {"train/a": 9, "train/b": 8, "test/a": 1})
    options: dict[str, Any] = {"path": str(tmp_path), "valid_fraction": 0.2}
    kept = ImageFolder(**options).split("train")
    streamed = ImageFolder(**options, memory_mb=0, workers=workers).split("train")
    assert torch.equal(kept.mean, streamed.mean)
    ours = batches(streamed, 4, "cpu", generator=seeded(0))
    theirs = batches(kept, 4, "cpu", generator=seeded(0))
    for (images, labels), (expected, classes) in zip(ours, theirs, strict=True):
        assert torch.equal(images, expected)
        assert torch.equal(labels, classes)
        assert images.is_contiguous(memory_format=torch.channels_last)


def test_no_more_processes_decode_than_there_are_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    write(tmp_path, {"train/a": 9, "train/b": 8, "test/a": 1})
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0}, raising=False)
    split = ImageFolder(str(tmp_path), memory_mb=0, workers=2).split("train")
    assert sum(len(images) for images, _ in batches(split, 4, "cpu", generator=seeded(0)))
    assert not recwarn.list  # torch warns of more


def test_what_is_left_out_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"train/a": 50, "train/b": 50, "test/a": 1})
    decoded = []
    decode = Decoder.__call__

    def noted(decoder: Decoder, file: str) -> NDArray[np.uint8]:
        decoded.append(file)
        return decode(decoder, file)

    monkeypatch.setattr(Decoder, "__call__", noted)
    task = ImageFolder(str(tmp_path), limit_train=10, valid_fraction=0.2)
    used = set(images_of(task, "train")) | set(images_of(task, "valid"))
    assert len(used) == len(decoded) == 10


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({}, "no class folders"),
        ({"a": 3}, "1 class folders"),
        ({"a": 3, "b": 0, "c": 0}, r"in class folder .*/b, .*/c"),
        ({"train/a": 3, "train/b": 3, "test/bb": 1}, r"'bb' is not known; .* did you mean 'b'"),
        ({"train/a": 3, "train/b": 3, "val/a": 1, "valid/a": 1}, "are two valid folders"),
    ],
)
def test_trees_that_do_not_do(tmp_path: Path, tree: Mapping[str, int], words: str) -> None:
    write(tmp_path, tree)
    with pytest.raises(Fault, match=words):
        ImageFolder(str(tmp_path))


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=f"data.path={tmp_path}/no is no folder"):
        ImageFolder(str(tmp_path / "no"))


@pytest.mark.parametrize("option", [{"image_size": 0}, {"channels": 2}])
def test_bad_options(tmp_path: Path, option: dict[str, Any]) -> None:
    write(tmp_path, {"a": 3, "b": 3})
    with pytest.raises(Fault, match=f"data.{next(iter(option))} is"):
        ImageFolder(str(tmp_path), **option)


@pytest.mark.skipif(not REAL, reason="NASCLI_CIFAR10 does not name a folder")
def test_the_real_cifar10() -> None:
    task = ImageFolder(str(REAL), limit_train=3000)
    assert task.input_shape == (3, 32, 32)
    assert torch.bincount(task.split("train").labels).tolist() == [270] * 10
    assert torch.bincount(task.split("test").labels).tolist() == [1000] * 10
    # CIFAR-10's well-known channel means; 2,700 images know them to about 0.003.
    known = torch.tensor([0.4914, 0.4822, 0.4465])
    torch.testing.assert_close(task.split("train").mean / 255, known, rtol=0, atol=0.012)
