"""Folders of images: which are splits, which files are read, and what is said of the rest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nascli.core.fault import Fault
from nascli.data import identity, images
from nascli.data.image_folder import ImageFolder


def write(root: Path, tree: Mapping[str, int], suffix: str = "png") -> None:
    """`tree` maps a folder to how many pictures it gets."""
    rng = np.random.default_rng(0)
    for folder, count in tree.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{number:03}.{suffix}")


def sizes(task: ImageFolder) -> list[int]:
    return [len(task.split(name)) for name in ("train", "valid", "test")]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "names",
    [
        ("Train", "Val", "Test"),
        ("training", "validation", "testing"),
        ("train", "dev", "test"),
        ("TRAIN", "VALID", "TEST"),
        ("train", "validation", "test"),
    ],
)
def test_splits_under_other_names(tmp_path: Path, names: Sequence[str]) -> None:
    for name, count in zip(names, (5, 3, 2), strict=True):
        write(tmp_path, {f"{name}/cat": count, f"{name}/dog": count})
    task = ImageFolder(str(tmp_path))
    assert task.class_names == ("cat", "dog")
    assert sizes(task) == [10, 6, 4]
    assert identity.words(task) == [
        "image_folder: 2 classes (cat, dog), images 3x6x6: 10 to train on, 6 to validate on, "
        "4 to test on"
    ]


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"train/a": 3, "train/b": 3, "Train/a": 1}, "are two train folders; keep one"),
        ({"train/a": 3, "train/b": 3, "val/a": 1, "Validation/a": 1}, "are two valid folders"),
        ({"test/a": 3, "test/b": 3}, "holds test, but no folder with classes to train on"),
        ({"val/a": 3, "val/b": 3, "cat": 3}, "holds val, but no folder with classes"),
        ({"train": 3, "test/a": 3}, "holds train, test, but no folder with classes"),
        ({"train": 3, "test": 3}, "holds train, test, which are names of splits, but no class"),
        ({"train/a": 3, "train/b": 3, "holdout/a": 3}, "holdout has the class folders of a split"),
        ({"train/a": 3, "train/b": 3, "test/c": 3}, "'c' is not known"),
    ],
)
def test_trees_that_could_be_read_in_two_ways(
    tmp_path: Path, tree: Mapping[str, int], words: str
) -> None:
    write(tmp_path, tree)
    with pytest.raises(Fault, match=words):
        ImageFolder(str(tmp_path))


def test_what_is_left_aside_is_said(tmp_path: Path) -> None:
    write(tmp_path, {"train/a": 9, "train/b": 9, "test": 4, "samples": 2, "notes": 0})
    (tmp_path / "train/a/a.heic").write_bytes(b"unknown")
    (tmp_path / "train/a/b.HEIC").write_bytes(b"unknown")
    (tmp_path / "train/b/list").write_bytes(b"")
    task = ImageFolder(str(tmp_path))
    assert sum(sizes(task)) == 18
    assert task.splits.notices == [
        f"{tmp_path}/test has no class folders, so its images are passed over",
        f"{tmp_path}/samples is no split; its images are passed over",
        f"passed over among the images of {tmp_path}: 2 .heic (not read: convert them to JPEG), "
        "1 without a suffix",
    ]


def test_what_other_programs_leave_is_no_class(tmp_path: Path) -> None:
    write(tmp_path, {"a": 5, "b": 5, "__MACOSX": 0, "@eaDir": 0, ".cache": 0})
    assert ImageFolder(str(tmp_path)).class_names == ("a", "b")


def test_a_folder_of_an_earlier_version_is_read_as_then(tmp_path: Path) -> None:
    write(tmp_path, {"train/a": 9, "train/b": 9, "validation/a": 4, "test/a": 2})
    write(tmp_path, {"train/a": 12}, "jfif.jpg")
    (tmp_path / "train/a/011.jfif.jpg").rename(tmp_path / "train/a/011.jfif")
    assert sum(sizes(ImageFolder(str(tmp_path), split_rule=1))) == 18 + 11 + 2
    assert sum(sizes(ImageFolder(str(tmp_path)))) == 18 + 12 + 4 + 2


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "JPEG", "apng", "dib", "tga", "pcx", "sgi"])
def test_every_suffix_of_a_raster_format(tmp_path: Path, suffix: str) -> None:
    write(tmp_path, {"a": 5, "b": 5}, suffix)
    assert sum(sizes(ImageFolder(str(tmp_path)))) == 10


def test_suffixes_are_those_that_pil_has_for_its_own_decoders() -> None:
    Image.init()
    formats = set(images._SUFFIXES)
    theirs = {suffix for suffix, name in Image.EXTENSION.items() if name in formats}
    assert theirs <= images.SUFFIXES
    left = {suffix for suffix in Image.EXTENSION if suffix not in images.SUFFIXES}
    # Programs, handlers, documents, films, and what can only be written.
    others = ".ps .eps .wmf .emf .bufr .grib .h5 .hdf .fit .fits .iim .mpg .mpeg .pdf .palm"
    assert left <= set(others.split())


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 6\n%%EndComments\n(x) print\nshowpage\n",
        b"\xd7\xcd\xc6\x9a" + bytes(200),  # Windows metafile
        b"SIMPLE  =                    T" + b" " * 3000,  # FITS
        b"GRIB" + bytes(3) + b"\x01" + bytes(100),
        b"BUFR" + bytes(100),
        b"\x89HDF\r\n\x1a\n" + bytes(100),
        b"\0\0\x01\xb3" + bytes(100),  # MPEG
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_picture_starts_no_program_and_calls_no_handler(
    tmp_path: Path, content: bytes, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*arguments: object, **settings: object) -> None:
        pytest.fail(f"a program was started: {arguments}")

    monkeypatch.setattr("subprocess.Popen", started)
    monkeypatch.setattr(os, "system", started)
    write(tmp_path, {"a": 5, "b": 5})
    bad = tmp_path / "a" / ("000.png" if first else "003.png")
    bad.write_bytes(content)
    with pytest.raises(Fault, match=f"cannot read image {bad}: it is in no known image format"):
        task = ImageFolder(str(tmp_path))
        assert task.input_shape
        task.splits.check()


def test_a_named_pipe_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, {"a": 5, "b": 5})
    os.mkfifo(tmp_path / "a" / "000a.png")
    os.mkfifo(tmp_path / "a" / "pipe")
    task = ImageFolder(str(tmp_path))
    assert sum(sizes(task)) == 10
    assert task.splits.notices[-1].endswith("1 no regular file, 1 without a suffix")


def test_a_file_that_becomes_a_pipe_does_not_hang(tmp_path: Path) -> None:
    write(tmp_path, {"a": 5, "b": 5})
    task = ImageFolder(str(tmp_path))
    (tmp_path / "a" / "000.png").unlink()
    os.mkfifo(tmp_path / "a" / "000.png")
    with pytest.raises(Fault, match="a/000.png is a named pipe; it must be a regular file"):
        task.split("train")


def test_links_are_followed_inside_alone(tmp_path: Path) -> None:
    inside, outside = tmp_path / "data", tmp_path / "elsewhere"
    write(inside, {"a": 5, "b": 5})
    write(outside, {"c": 3})
    (inside / "a/link.png").symlink_to(inside / "b/000.png")
    (inside / "a/out.png").symlink_to(outside / "c/000.png")
    (inside / "a/gone.png").symlink_to(inside / "nowhere.png")
    (inside / "c").symlink_to(inside / "b")
    task = ImageFolder(str(inside))
    assert task.class_names == ("a", "b", "c")
    assert sum(sizes(task)) == 5 + 1 + 5 + 5
    assert "1 a link that leads out of" in task.splits.notices[0]
    assert "1 a link to no file" in task.splits.notices[0]
    (inside / "d").symlink_to(outside / "c")
    with pytest.raises(Fault, match="data/d is a link that leads out of data.path="):
        ImageFolder(str(inside))
    (tmp_path / "short").symlink_to(outside.parent / "data")
    (inside / "d").unlink()
    assert sum(sizes(ImageFolder(str(tmp_path / "short")))) == 16  # the folder may be a link itself


def test_a_class_of_links_that_lead_out_says_so(tmp_path: Path) -> None:
    write(tmp_path / "data", {"a": 5})
    write(tmp_path, {"elsewhere": 2})
    (tmp_path / "data/b").mkdir()
    (tmp_path / "data/b/x.png").symlink_to(tmp_path / "elsewhere/000.png")
    with pytest.raises(Fault, match=r"class folder .*/b \(it has 1 a link that leads out of"):
        ImageFolder(str(tmp_path / "data"))


def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="is no folder; give one"):
        ImageFolder(str(tmp_path / "none"))
    write(tmp_path, {"a": 5, "b": 5})
    task = ImageFolder(str(tmp_path))
    shutil.rmtree(tmp_path / "b")
    with pytest.raises(Fault, match="cannot read image .*/b/000.png: No such file"):
        task.split("train")


def test_too_many_pixels_are_not_decoded(tmp_path: Path) -> None:
    write(tmp_path, {"a": 5, "b": 5})
    bomb = tmp_path / "b/000.png"
    Image.new("1", (5_001, 10_000)).save(bomb)  # 6 kB
    assert bomb.stat().st_size < 100_000
    with pytest.raises(Fault, match="has 5,001x10,000 pixels; the most are 50,000,000"):
        ImageFolder(str(tmp_path), image_size=6).splits.check()
