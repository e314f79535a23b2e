"""A first look: how many, what they look like, and which are odd."""

import io

import numpy as np
import pytest
from PIL import Image

from nascli.core.fault import Fault
from nascli.data import looks
from nascli.data.image_folder import ImageFolder


def save(folder, name, pixels):
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / name)


@pytest.fixture
def tree(tmp_path):
    rng = np.random.default_rng(0)
    for part, count in (("train", 15), ("valid", 2), ("test", 3)):
        for label in ("ant", "bee"):
            for n in range(count):
                pixels = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
                save(tmp_path / part / label, f"{n}.png", pixels)
    save(tmp_path / "train" / "ant", "plain.png", np.full((20, 20, 3), 7, np.uint8))
    save(tmp_path / "train" / "ant", "long.png", rng.integers(0, 256, (16, 90, 3), dtype=np.uint8))
    save(tmp_path / "train" / "ant", "tiny.png", rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    both = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
    for label in ("ant", "bee"):
        save(tmp_path / "train" / label, "both.png", both)
    return ImageFolder(str(tmp_path), image_size=16)


def test_every_class_is_counted_and_odd_images_are_named(tree):
    found = looks.look(tree)
    assert found.counts == {
        "ant": {"train": 19, "valid": 2, "test": 3},
        "bee": {"train": 16, "valid": 2, "test": 3},
    }
    said = {line.partition(": ")[0]: line for line in found.odd}
    assert set(said) == {
        "of one colour all over",
        "the same image in two classes",
        "of which the crop leaves less than half",
        "much enlarged",
    }
    assert "plain.png" in said["of one colour all over"]
    assert said["the same image in two classes"].count("both.png") == 2
    assert "long.png (16x90)" in said["of which the crop leaves less than half"]
    assert "tiny.png (8x8)" in said["much enlarged"]


def test_what_is_odd_outside_the_training_split_is_named_too(tree, tmp_path):
    save(tmp_path / "test" / "bee", "black.png", np.zeros((16, 16, 3), np.uint8))
    (said,) = [
        line
        for line in looks.look(ImageFolder(str(tmp_path), image_size=16)).odd
        if line.startswith("of one colour all over")
    ]
    assert "plain.png" in said and "black.png" in said
    (tmp_path / "valid" / "bee" / "half.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    with pytest.raises(Fault, match="half.jpg"):
        looks.look(ImageFolder(str(tmp_path), image_size=16))


def test_a_sheet_shows_images_as_they_are_decoded(tree):
    pictures = looks.look(tree).sheets["bee"]
    sheet = np.asarray(Image.open(io.BytesIO(pictures[0])))
    train = tree.split("train")
    rows = np.flatnonzero(train.labels.numpy() == 1)
    first = train.take(rows[:1]).images()[0].permute(1, 2, 0).numpy()
    times = sheet.shape[0] // 16
    assert sheet.shape == (16 * times, 16 * times, 3) and 16 * times >= 56
    assert (sheet[::times, ::times] == first).all() and len(pictures) == 12


def test_images_that_are_no_bytes_are_shown_from_least_to_most():
    grey = np.linspace(-2, 3, 64, dtype=np.float32).reshape(1, 1, 8, 8)
    (png,) = looks._pictures(grey)
    sheet = np.asarray(Image.open(io.BytesIO(png)))
    assert (sheet.min(), sheet.max()) == (0, 255)
