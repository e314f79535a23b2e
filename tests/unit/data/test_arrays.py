from __future__ import annotations

import io
import os
import struct
import zipfile
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
    one, other = (Arrays(path, layout=layout, split_rule=1) for layout in ("NHWC", "NCHW"))
    images = [task.split("train").images() for task in (one, other)]
    assert torch.equal(images[0], images[1].permute(0, 3, 1, 2))


def test_a_task_takes_the_arrays_as_they_come(tmp_path: Path) -> None:
    assert Arrays(saved(tmp_path), flips=False).flips is False
    with pytest.raises(Fault, match="data.layout is 'CHW'; it must be null or NHWC or NCHW"):
        Arrays(saved(tmp_path), layout="CHW")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x_train": IMAGES[:, 0, 0]}, r"shape \(30, 3\)"),
        ({"x_train": IMAGES * 1j}, "x_train is complex128; images are whole numbers or float"),
        ({"x_train": np.full((30, 5, 6, 3), 1e39)}, "not finite, or too large for 32 bits"),
        ({"x_train": np.full((30, 5, 6, 3), np.nan)}, "not finite"),
        ({"x_train": IMAGES[:20]}, "x_train has 20 images, y_train has 30 labels"),
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


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64, np.uint16, np.uint64, np.float16])
def test_other_types_are_the_same_numbers(tmp_path: Path, dtype: type) -> None:
    images = (IMAGES // 3).astype(dtype)
    task = Arrays(saved(tmp_path, x_train=images))
    kept = torch.cat([task.split(n).images() for n in ("train", "valid", "test")])  # type: ignore
    whole = np.issubdtype(dtype, np.integer)
    assert kept.dtype == (torch.uint8 if whole else torch.float32)
    assert rows(kept.permute(0, 2, 3, 1)) == rows(images.astype(float))


def test_more_than_8_bits_and_negative_numbers_are_kept_as_they_are(tmp_path: Path) -> None:
    wide = IMAGES.astype(np.uint16) * 257
    for images in (wide, wide.astype(np.int32) - 30_000):
        kept = Arrays(saved(tmp_path, x_train=images)).split("train").images()
        assert kept.dtype == torch.float32
        assert {float(kept.min()), float(kept.max())} <= set(images.ravel().astype(float).tolist())


def test_booleans_are_black_and_white(tmp_path: Path) -> None:
    images = Arrays(saved(tmp_path, x_train=IMAGES > 100)).split("train").images()
    assert set(images.unique().tolist()) == {0, 255}


@pytest.mark.parametrize("part", ["test", "valid"])
@pytest.mark.parametrize(
    "change",
    [lambda x: x / 255, lambda x: x.astype(np.uint16) * 257, lambda x: x // 255],
    ids=["0 to 1", "16 bits", "0 and 1"],
)
def test_splits_in_other_units_are_a_fault(tmp_path: Path, part: str, change: Any) -> None:
    held = {f"x_{part}": change(IMAGES), f"y_{part}": LABELS}
    with pytest.raises(Fault, match=f"x_{part} goes from 0.* x_train from 0 to 255; give both in"):
        Arrays(saved(tmp_path, **held)).splits.check()


def test_the_same_range_in_another_type_is_none(tmp_path: Path) -> None:
    task = Arrays(saved(tmp_path, x_test=IMAGES.astype(np.float64), y_test=LABELS))
    task.splits.check()
    assert not task.splits.notices


@pytest.mark.parametrize("label", [10**9, 2**62, np.uint64(2**63 + 5), 2**31 - 1])
@pytest.mark.parametrize("part", ["train", "test"])
def test_labels_beyond_all_classes_cost_no_memory(tmp_path: Path, label: Any, part: str) -> None:
    labels = LABELS.astype(np.uint64 if isinstance(label, np.uint64) else np.int64)
    labels[3] = label
    path = saved(tmp_path, **{f"x_{part}": IMAGES, f"y_{part}": labels})
    with pytest.raises(Fault, match=rf"data.npz: .*{int(label):,}") as fault:
        (Arrays(path).classes, Arrays(path).split("test"))
    assert "y_" in str(fault.value) or "x_test" in str(fault.value)
    assert len(str(fault.value)) < 500


def test_unsigned_labels_are_labels(tmp_path: Path) -> None:
    assert Arrays(saved(tmp_path, y_train=LABELS.astype(np.uint64))).classes == 3


def archive(tmp_path: Path, header: str, data: bytes, name: str = "x_train") -> str:
    """An .npz whose member `name` has this header in front of this data."""
    text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data
    path = saved(tmp_path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{name}.npy", member)
        for other in {"x_train", "y_train"} - {name}:
            stream = io.BytesIO()
            np.save(stream, IMAGES if other == "x_train" else LABELS)
            file.writestr(f"{other}.npy", stream.getvalue())
    return path


@pytest.mark.parametrize("name", ["x_train", "y_train"])
@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (37500000000000,), }",
            r"its header claims float64 \(37500000000000,\), which is 273 TiB, but it has 8 bytes",
        ),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", "16 bytes, but it has 8"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", "-8 bytes|negative"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "Python objects"),
        ("{'descr': '|V8', 'fortran_order': False, 'shape': (1,), }", "give numbers"),
        ("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }", "give numbers"),
        ("{'descr': '<f8', 'shape': (1,), }", "cannot read"),
        ("__import__('os')", "cannot read"),
        ("[" * 5000, "cannot read"),
    ],
)
def test_headers_are_not_trusted(tmp_path: Path, name: str, header: str, words: str) -> None:
    path = archive(tmp_path, header, bytes(8), name)
    with pytest.raises(Fault, match=words) as fault:
        Arrays(path).classes  # noqa: B018
    assert f"{name} of {path}" in str(fault.value)


def test_a_directory_of_the_archive_is_not_trusted(tmp_path: Path) -> None:
    path = Path(saved(tmp_path))
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 4_000_000_000)  # its size unpacked
    path.write_bytes(data)
    with pytest.raises(Fault, match="its entry claims 4 GiB in a file of"):
        (Arrays(str(path)).classes, Arrays(str(path)).class_names)


def test_a_pipe_is_no_archive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.npz")
    with pytest.raises(Fault, match="x.npz is a named pipe; it must be a regular file"):
        Arrays(str(tmp_path / "x.npz"))


def test_columns_first_are_the_same_images(tmp_path: Path) -> None:
    task = Arrays(saved(tmp_path, x_train=np.asfortranarray(IMAGES)))
    kept = torch.cat([task.split(n).images() for n in ("train", "valid", "test")])  # type: ignore
    assert rows(kept.permute(0, 2, 3, 1)) == rows(IMAGES)
