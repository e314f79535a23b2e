"""Which image is in which split: recorded, compared, and kept to by what goes on from a run."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nascli.core.fault import Fault
from nascli.data import identity, keys, membership
from nascli.data.arrays import Arrays
from nascli.data.digits import Digits
from nascli.data.image_folder import ImageFolder
from nascli.data.synthetic import Synthetic

RNG = np.random.default_rng(0)


def picture(root: Path, name: str, pixels: Any = None) -> Path:
    file = root / f"{name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    made = RNG.integers(0, 256, (6, 6, 3), dtype=np.uint8) if pixels is None else pixels
    Image.fromarray(made).save(file)
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(80):
        picture(tmp_path / "data", f"{'ab'[number % 2]}/{number:03}")
    return tmp_path / "data"


def members(task: Any) -> dict[str, set[int]]:
    return {name: set(k.tolist()) for name, k in identity.membership(task).keys.items()}


def test_one_image_more_reshuffles_nothing(folder: Path) -> None:
    before = members(ImageFolder(str(folder)))
    new = picture(folder, "a/011x")
    after = members(ImageFolder(str(folder)))
    moved = [k for name in before for k in before[name] - after[name]]
    assert len(moved) <= 2
    assert len(set().union(*after.values())) == 81
    new.unlink()
    assert members(ImageFolder(str(folder))) == before


def test_names_and_places_do_not_matter(folder: Path, tmp_path: Path) -> None:
    before = identity.membership(ImageFolder(str(folder)))
    for number, file in enumerate(sorted(folder.glob("a/*.png"), reverse=True)):
        file.rename(file.with_name(f"new{number:04}.png"))
    shutil.copytree(folder, tmp_path / "moved")
    now = identity.membership(ImageFolder(str(tmp_path / "moved")))
    before.check_same(now, "'run'")
    assert before.fingerprint == now.fingerprint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("add", "of 80 images 0 are gone or changed, and 1 are new"),
        ("remove", "of 80 images 1 are gone or changed, and 0 are new"),
        ("change", "of 80 images 1 are gone or changed, and 1 are new"),
        ("sort", "they have other classes|have changed splits"),
        ("rename", "they have other classes"),
    ],
)
def test_what_has_changed_is_said(folder: Path, change: str, words: str) -> None:
    before = identity.membership(ImageFolder(str(folder)))
    file = folder / "a/000.png"
    if change in ("add", "change"):
        picture(folder, "a/new" if change == "add" else "a/000")
    elif change == "remove":
        file.unlink()
    elif change == "sort":
        file.rename(folder / "b/000.png")
    else:
        (folder / "a").rename(folder / "aa")
    now = identity.membership(ImageFolder(str(folder)))
    with pytest.raises(Fault, match=f"the images are not those of 'run': ({words})"):
        before.check_same(now, "'run'")


@pytest.mark.parametrize("task", [Digits(), Synthetic(images=60)])
def test_it_comes_back_from_its_file(task: Any, tmp_path: Path) -> None:
    assert not identity.was_read(type(task)())
    made = identity.membership(task)
    assert identity.was_read(task)
    file = tmp_path / membership.FILE
    file.write_text(made.text())
    back = membership.read(file)
    assert back is not None
    made.check_same(back, "it")
    assert back.drawn == made.drawn
    for name, found in back.keys.items():
        assert (np.sort(found) == np.sort(made.keys[name])).all()
    assert membership.read(tmp_path / "none") is None
    again = type(task)() if isinstance(task, Digits) else Synthetic(images=60)
    assert identity.membership(again).fingerprint == made.fingerprint


def test_a_small_file(tmp_path: Path) -> None:
    text = identity.membership(Digits()).text()
    assert len(text) < 12 * 1797


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    good = json.loads(identity.membership(Synthetic(images=60)).text())
    file = tmp_path / membership.FILE
    bad: list[Any] = [
        [], None, 1, "x", {}, {**good, "format": 2}, {**good, "drawn": None},
        {**good, "keys": {}}, {**good, "keys": {**good["keys"], "test": "!"}},
        {**good, "keys": {**good["keys"], "test": 3}}, {**good, "images": {"train": 1}},
        {**good, "fingerprint": 3}, {**good, "tested_before": "AAAA"},
    ]  # fmt: skip
    texts = [json.dumps(data) for data in bad]
    for text in [*texts, "", "{", "[" * 100_000, json.dumps(good)[:-20], "\udcff"]:
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(Fault, match="is damaged"):
            membership.read(file)


def grown(folder: Path, count: int) -> None:
    for number in range(count):
        picture(folder, f"{'ab'[number % 2]}/more{number:03}")


@pytest.mark.parametrize("settings", [{}, {"split_seed": 1}, {"test_fraction": 0.05}])
def test_what_was_tested_on_is_never_trained_on(folder: Path, settings: dict[str, Any]) -> None:
    before = identity.membership(ImageFolder(str(folder), test_fraction=0.2))
    grown(folder, 40)
    task = ImageFolder(str(folder), **{"test_fraction": 0.2, **settings})
    identity.keep(task, before)
    now = members(task)
    assert set(before.keys["test"].tolist()) <= now["test"]
    old = {k for name in ("train", "valid") for k in before.keys[name].tolist()}
    assert not old & now["test"]
    if not settings:
        for name in ("train", "valid"):
            assert set(before.keys[name].tolist()) <= now[name]


@pytest.mark.parametrize(
    ("change", "said"), [("add", (0, 1)), ("remove", (1, 0)), ("change", (1, 1)), ("none", None)]
)
def test_what_goes_on_with_other_images_says_so(
    folder: Path, change: str, said: tuple[int, int] | None
) -> None:
    settings: dict[str, Any] = {"test_fraction": 0.2}
    before = identity.membership(ImageFolder(str(folder), **settings))
    trained = before.keys["train"].tolist()
    file = next(f for f in folder.glob("a/*") if keys.of_files([str(f)]).tolist()[0] in trained)
    if change == "remove":
        file.unlink()
    elif change != "none":
        picture(folder, "a/new" if change == "add" else f"a/{file.stem}")
    task = ImageFolder(str(folder), **settings)
    identity.keep(task, before)
    identity.membership(task)
    of = len(before.keys["train"]) + len(before.keys["valid"])
    wanted = [] if said is None else [
        f"the images are not those of the earlier run: of {of} that it trained and validated "
        f"on {said[0]} are gone or changed, and {said[1]} are new"
    ]  # fmt: skip
    assert [line for line in task.splits.notices if "of the earlier run" in line] == wanted


def test_an_earlier_rule_leaves_out_what_was_tested_on(folder: Path) -> None:
    before = identity.membership(ImageFolder(str(folder), test_fraction=0.2, split_rule=1))
    picture(folder, "a/000a")
    task = ImageFolder(str(folder), test_fraction=0.2, split_rule=1)
    identity.keep(task, before)
    now = members(task)
    assert not set(before.keys["test"].tolist()) & (now["train"] | now["valid"])
    assert not {k for n in ("train", "valid") for k in before.keys[n].tolist()} & now["test"]
    assert any(
        "left out: " in n and "train image" in n and "that the earlier run has tested on" in n
        for n in task.splits.notices
    )


def test_an_image_moved_out_of_the_test_folder_is_left_out(tmp_path: Path) -> None:
    for number in range(40):
        picture(tmp_path, f"{'train' if number < 30 else 'test'}/{'ab'[number % 2]}/{number}")
    before = identity.membership(ImageFolder(str(tmp_path)))
    (tmp_path / "test/a/30.png").rename(tmp_path / "train/a/30.png")
    task = ImageFolder(str(tmp_path))
    identity.keep(task, before)
    now = members(task)
    assert [len(k) for k in now.values()] == [26, 4, 9]  # 15 of a class, of which a tenth is 2
    assert "left out: 1 image to train on that the earlier run has tested on" in (
        task.splits.notices
    )
    # And so it stays for whatever goes on from there.
    third = ImageFolder(str(tmp_path))
    identity.keep(third, identity.membership(task))
    assert members(third) == now


def test_copies_of_an_image_are_in_one_split(folder: Path) -> None:
    for number in range(0, 80, 4):
        shutil.copy(folder / f"a/{number:03}.png", folder / f"a/copy{number}.png")
        shutil.copy(folder / f"a/{number:03}.png", folder / f"b/copy{number}.png")
    task = ImageFolder(str(folder), test_fraction=0.3, valid_fraction=0.3)
    train, valid, test = members(task).values()
    assert not (train & valid or train & test or valid & test)


def test_a_class_of_three_beside_one_of_sixty(tmp_path: Path) -> None:
    for number in range(63):
        picture(tmp_path, f"{'few' if number < 3 else 'many'}/{number}")
    for seed in range(10):
        task = ImageFolder(str(tmp_path), split_seed=seed)
        for name in ("train", "valid", "test"):
            labels = task.split(name).labels  # type: ignore[arg-type]
            assert torch.bincount(labels)[0] == 1
    next(tmp_path.glob("few/*")).unlink()
    words = identity.words(ImageFolder(str(tmp_path)))
    assert "warning: class few has too few different images to be in every split" in words
    assert "warning: no test image of class few" in words


def test_splits_in_other_units_are_a_fault_before_the_first_step(tmp_path: Path) -> None:
    for number in range(40):
        part = "train" if number < 30 else "test"
        pixels = RNG.integers(0, 256 if number < 30 else 8, (6, 6, 3), dtype=np.uint8)
        picture(tmp_path, f"{part}/{'ab'[number % 2]}/{number}", pixels)
    with pytest.raises(Fault, match="the test images have 0.0.* times the contrast of those to"):
        identity.check(ImageFolder(str(tmp_path)))


def test_splits_that_look_unlike_are_said(tmp_path: Path) -> None:
    x = RNG.integers(0, 256, (60, 5, 5, 3), dtype=np.uint8)
    dark = x[:10] // 8
    y = np.arange(60) % 2
    np.savez(tmp_path / "x.npz", x_train=x, y_train=y, x_test=dark, y_test=y[:10])
    task = Arrays(str(tmp_path / "x.npz"))
    identity.check(task)
    assert "the test images look unlike those to train on: mean" in task.splits.notices[-1]


@pytest.mark.parametrize("memory_mb", [1000.0, 0.0])
@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff"])
def test_every_split_is_checked(tmp_path: Path, part: str, memory_mb: float, suffix: str) -> None:
    for number in range(40):
        file = picture(
            tmp_path, f"{'train' if number < 30 else 'test'}/{'ab'[number % 2]}/{number}"
        )
        Image.open(file).resize((40, 40)).save(file.with_suffix(f".{suffix}"))
        if suffix != "png":
            file.unlink()
    identity.check(ImageFolder(str(tmp_path), memory_mb=memory_mb, workers=1))
    bad = sorted(tmp_path.glob(f"{part}/b/*"))[-1]
    data = bad.read_bytes()
    bad.write_bytes(data[: len(data) // 2])
    with pytest.raises(Fault, match=f"cannot read image {bad}"):
        identity.check(ImageFolder(str(tmp_path), memory_mb=memory_mb, workers=1))
    Image.new("RGB", (40, 41)).save(bad)
    with pytest.raises(Fault, match=f"{bad} has 41x40 pixels"):
        identity.check(ImageFolder(str(tmp_path), memory_mb=memory_mb, workers=1))


def test_keys_are_known_for_as_long_as_files_stay(tmp_path: Path) -> None:
    files = [str(picture(tmp_path, f"a/{number}")) for number in range(3)]
    first = keys.of_files(files)
    assert keys.of_files(files) is first
    picture(tmp_path, "a/1")
    second = keys.of_files(files)
    assert (first == second).tolist() == [True, False, True]


def test_keys_that_took_long_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [str(picture(tmp_path, f"a/{number}")) for number in range(3)]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(keys, "_SLOW", -1.0)
    found = keys.of_files(files)
    (file,) = (tmp_path / "cache/nascli/keys").iterdir()
    monkeypatch.setattr(keys, "_KNOWN", {})
    monkeypatch.setattr(keys, "_hashed", lambda *_, **__: pytest.fail("hashed again"))
    assert (keys.of_files(files) == found).all()
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(keys, "_KNOWN", {})
    for damaged in (b"", file.read_bytes()[:-1], bytes(len(file.read_bytes()))):
        file.write_bytes(damaged)
        monkeypatch.setattr(keys, "_KNOWN", {})
        assert (keys.of_files(files) == found).all()


def test_where_keys_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_SLOW", -1.0)
    monkeypatch.setattr(keys, "_KNOWN", {})
    monkeypatch.chdir(tmp_path)
    files = [str(picture(tmp_path, "a/0"))]
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", "here")  # relative: to be passed over
    found = keys.of_files(files)
    assert not (tmp_path / "here").exists()
    assert len(list((tmp_path / "home/.cache/nascli/keys").iterdir())) == 1

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(keys, "_KNOWN", {})
    monkeypatch.setattr(Path, "home", homeless)
    assert (keys.of_files(files) == found).all()


def test_a_task_of_ones_own_is_asked_by_its_splits() -> None:
    digits = Digits()

    class Own:
        name, classes, flips = "own", 10, False
        input_shape, class_names = (1, 8, 8), digits.class_names

        def split(self, name: Any) -> Any:
            return digits.split(name)

    task: Any = Own()
    identity.check(task)
    made = identity.membership(task)
    ours = identity.membership(digits)
    assert made.fingerprint == ours.fingerprint
    assert dataclasses.replace(made).text()
    assert len(identity.words(task)) == 1
