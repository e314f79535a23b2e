from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nascli.core.fault import Fault
from nascli.data.arrays import Arrays

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (30, 5, 6, 3), dtype=np.uint8)
LABELS = np.arange(30) % 3


def saved(tmp_path: Path, **arrays: Any) -> str:
    file = tmp_path / "data.npz"
    np.savez_compressed(file, **{"x_train": IMAGES, "y_train": LABELS, **arrays})
    return str(file)


def rows(images: Any) -> list[tuple[float, ...]]:
    return sorted(map(tuple, np.asarray(images).reshape(len(images), -1).tolist()))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_either_layout_and_type(tmp_path: Path, layout: str, dtype: type) -> None:
    images = IMAGES if dtype is np.uint8 else (IMAGES / 255).astype(dtype)
    given = images if layout == "NHWC" else images.transpose(0, 3, 1, 2)
    task = Arrays(saved(tmp_path, x_train=given))
    assert (task.input_shape, task.classes) == ((3, 5, 6), 3)
    assert task.class_names == ("0", "1", "2")
    splits = [task.split(name) for name in ("train", "valid", "test")]  # type: ignore[arg-type]
    assert [len(split) for split in splits] == [24, 3, 3]
    kept = torch.cat([split.images() for split in splits]).permute(0, 2, 3, 1).numpy()
    assert kept.dtype == (np.uint8 if dtype is np.uint8 else np.float32)
    assert rows(kept) == rows(images.astype(kept.dtype))


def test_grey_images_need_no_channel_axis(tmp_path: Path) -> None:
    task = Arrays(saved(tmp_path, x_train=IMAGES[..., 0]))
    assert task.input_shape == (1, 5, 6)


def test_given_splits_are_kept(tmp_path: Path) -> None:
    held = {"x_test": IMAGES[:4] // 2, "y_test": LABELS[:4], "x_valid": IMAGES[:2] // 4}
    task = Arrays(saved(tmp_path, **held, y_valid=LABELS[:2, None], class_names=["a", "b", "c"]))
    assert task.class_names == ("a", "b", "c")
    assert len(task.split("train")) == 30
    found = task.split("test").images().permute(0, 2, 3, 1).numpy()
    assert (found == IMAGES[:4] // 2).all()
    assert task.split("valid").labels.tolist() == [0, 1]


def test_the_layout_can_be_said_where_it_cannot_be_seen(tmp_path: Path) -> None:
    path = saved(tmp_path, x_train=IMAGES[:, :3, :3])
    with pytest.raises(Fault, match="set data.layout=NHWC or data.layout=NCHW"):
        Arrays(path).input_shape  # noqa: B018
    one, other = (Arrays(path, layout=layout) for layout in ("NHWC", "NCHW"))
    images = [task.split("train").images() for task in (one, other)]
    assert torch.equal(images[0], images[1].permute(0, 3, 1, 2))


def test_a_task_takes_the_arrays_as_they_come(tmp_path: Path) -> None:
    assert Arrays(saved(tmp_path), flips=False).flips is False
    with pytest.raises(Fault, match="data.layout is 'CHW'; it must be null, NHWC or NCHW"):
        Arrays(saved(tmp_path), layout="CHW")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x_train": IMAGES[:, 0, 0]}, r"shape \(30, 3\)"),
        ({"x_train": IMAGES.astype(np.int64)}, "x_train is int64; images are uint8"),
        ({"x_train": np.full((30, 5, 6, 3), np.nan)}, "not finite"),
        ({"x_train": IMAGES[:20]}, "x_train has 20 images, y_train 30 labels"),
        ({"y_train": LABELS / 2}, "y_train is float64"),
        ({"y_train": LABELS - 1}, "y_train is int64 .*; it must be N integers of at least 0"),
        ({"y_train": LABELS + 1}, "no image of class 0"),
        ({"y_train": LABELS * 0}, "no image of class 1"),
        ({"y_train": np.array([{}] * 30)}, "cannot read y_train"),
        ({"class_names": ["a"]}, "1 class_names for 3 classes"),
        ({"x_test": IMAGES}, "no array y_test; it holds: "),
        ({"x_test": IMAGES[:, :2], "y_test": LABELS}, r"x_test has images \(2, 6, 3\)"),
        ({"x_test": IMAGES, "y_test": LABELS + 1}, "labels up to 3"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    task = Arrays(saved(tmp_path, **arrays))
    with pytest.raises(Fault, match=words):
        (task.split("test"), task.class_names)


def test_files_that_are_no_archives(tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    with pytest.raises(Fault, match=f"cannot read data.path={file}"):
        Arrays(str(file))
    file.write_bytes(b"nothing of the kind")
    with pytest.raises(Fault, match=f"cannot read data.path={file}"):
        Arrays(str(file))
    np.save(tmp_path / "lone.npy", IMAGES)
    with pytest.raises(Fault, match="is a lone array"):
        Arrays(str(tmp_path / "lone.npy"))


def test_an_archive_without_training_images(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=IMAGES)
    with pytest.raises(Fault, match="has no array x_train; it holds: images"):
        Arrays(str(tmp_path / "x.npz")).classes  # noqa: B018
