"""The named data sets: what they are, and that building one costs nothing."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from nascli.core.fault import Fault
from nascli.data import digits as digits_module
from nascli.data.cifar10 import Cifar10
from nascli.data.cifar100 import Cifar100
from nascli.data.digits import Digits
from nascli.data.fashion_mnist import FashionMNIST
from nascli.data.synthetic import Synthetic

FASHION = Path("/usr/share/datasets/fashion-mnist")  # where Debian's dataset-fashion-mnist lies


COUNTS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)  # of each digit, as published


def _tested(count: int) -> int:
    return round(0.2 * count)


def _validated(count: int) -> int:
    return round(0.2 * (count - _tested(count)))


def _trained(count: int) -> int:
    return count - _tested(count) - _validated(count)


@pytest.mark.parametrize("kind", [Digits, Cifar10, Cifar100, FashionMNIST, Synthetic])
def test_building_a_task_imports_neither_torch_nor_images(kind: type) -> None:
    code = (
        f"import sys; from {kind.__module__} import {kind.__name__} as kind; task = kind(); "
        "assert len(task.class_names) == task.classes and len(task.input_shape) == 3; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'torchvision', 'sklearn', 'PIL')))"
    )
    paths = {"PYTHONPATH": str(Path(sys.modules["nascli"].__path__[0]).parent)}
    assert subprocess.run([sys.executable, "-c", code], env=paths, check=False).returncode == 0


@pytest.mark.parametrize("moved", [False, True])
def test_digits_are_scikit_learns(moved: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.datasets import load_digits

    if moved:  # the file, in another version
        monkeypatch.setattr(digits_module, "find_spec", lambda _: SimpleNamespace(origin="/x/y.py"))
    task = Digits()
    splits = [task.split(name) for name in ("train", "valid", "test")]  # type: ignore[arg-type]
    assert [len(s) for s in splits] == [
        sum(of(n) for n in COUNTS) for of in (_trained, _validated, _tested)
    ]
    assert splits[0].shape == task.input_shape
    ours = torch.cat([s.images() for s in splits]).flatten(1).double() * 16 / 255
    labels = torch.cat([s.labels for s in splits])
    digits = load_digits()
    # 16 steps of ink on 255 of grey: rounding moves a value by at most half of 16 / 255.
    mine = sorted(map(tuple, torch.cat([ours.round(), labels[:, None]], 1).tolist()))
    theirs = sorted(map(tuple, np.c_[digits.data, digits.target].tolist()))
    assert mine == theirs


def test_digits_splits_hold_every_class_in_proportion() -> None:
    from sklearn.datasets import load_digits

    counts = np.bincount(load_digits().target)
    for name, share in (("test", 0.2), ("valid", 0.16), ("train", 0.64)):
        held = torch.bincount(Digits().split(name).labels)  # type: ignore[arg-type]
        assert (np.abs(held.numpy() - share * counts) < 2).all()


def test_what_is_held_out_is_normalised_by_the_training_split() -> None:
    task = Digits()
    pixels = task.split("train").images().double()
    for name in ("train", "valid", "test"):
        split = task.split(name)  # type: ignore[arg-type]
        torch.testing.assert_close(split.mean.double(), pixels.mean()[None], rtol=1e-6, atol=0)
        assert not split.flips


def test_the_split_seed_fixes_the_splits() -> None:
    first = Digits().split("test").images()
    assert torch.equal(first, Digits().split("test").images())
    assert not torch.equal(first, Digits(split_seed=1).split("test").images())


def test_an_unknown_split() -> None:
    with pytest.raises(KeyError):
        Digits().split("dev")  # type: ignore[arg-type]


def test_synthetic_classes_can_be_learnt_but_not_from_one_pixel() -> None:
    task = Synthetic(images=400, size=6, channels=2, classes=5, noise=0.5)
    train, test = task.split("train"), task.split("test")
    assert train.shape == (2, 6, 6)
    assert train.images().dtype == torch.uint8
    images = train.images().double().flatten(1)
    means = torch.stack([images[train.labels == label].mean(0) for label in range(5)])
    nearest = torch.cdist(test.images().double().flatten(1), means).argmin(1)
    assert (nearest == test.labels).double().mean() > 0.8  # by chance 0.2
    assert torch.bincount(train.labels).tolist() == [45] * 5


def test_synthetic_sizes_are_checked() -> None:
    with pytest.raises(Fault, match="data.classes is 1; it must be an integer from 2"):
        Synthetic(classes=1)


def idx(array: np.ndarray[Any, Any]) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def fashion(folder: Path, *, packed: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", 40), ("t10k", 10)):
        arrays = {
            "images-idx3": rng.integers(0, 256, (count, 28, 28)),
            "labels-idx1": np.arange(count) % 10,
        }
        for kind, array in arrays.items():
            name, data = f"{part}-{kind}-ubyte", idx(array)
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                (folder / name).write_bytes(data)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("below", ["", "FashionMNIST/raw"])
def test_fashion_mnist_in_either_layout(tmp_path: Path, packed: bool, below: str) -> None:
    fashion(tmp_path / below, packed=packed)
    task = FashionMNIST(path=str(tmp_path), valid_fraction=0.25)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 28, 28))
    train, valid, test = (task.split(n) for n in ("train", "valid", "test"))  # type: ignore
    assert [len(train), len(valid), len(test)] == [30, 10, 10]
    ours = torch.cat([train.images(), valid.images()]).flatten(1).numpy()
    assert sorted(map(tuple, ours)) == sorted(map(tuple, images.reshape(40, -1)))
    assert test.labels.tolist() == list(range(10))


def test_a_missing_fashion_mnist_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Fault) as fault:
        FashionMNIST(path=str(tmp_path)).split("train")
    assert f"no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in data.path={tmp_path}" in (
        str(fault.value)
    )
    assert "data.download=true" in str(fault.value)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:-1], "should hold"),
        (lambda data: b"\x89PNG" + data[4:], "is not an IDX file of bytes"),
        (lambda data: data[:6], "is not an IDX file of bytes"),
        (lambda data: b"", "is not an IDX file of bytes"),
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path: Path, damage: Any, words: str) -> None:
    fashion(tmp_path, packed=False)
    file = tmp_path / "train-images-idx3-ubyte"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(Fault, match=words) as fault:
        FashionMNIST(path=str(tmp_path)).split("train")
    assert str(file) in str(fault.value)


def test_a_damaged_gzip_file_is_named(tmp_path: Path) -> None:
    fashion(tmp_path, packed=True)
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(Fault, match=f"cannot read {file}"):
        FashionMNIST(path=str(tmp_path)).split("train")


@pytest.mark.skipif(not FASHION.is_dir(), reason="Fashion-MNIST is not installed")
def test_the_real_fashion_mnist() -> None:
    task = FashionMNIST(path=str(FASHION))
    train, test = task.split("train"), task.split("test")
    assert torch.bincount(train.labels).tolist() == [5400] * 10
    assert torch.bincount(test.labels).tolist() == [1000] * 10
    # The well-known mean and deviation of the training images: 0.2860 and 0.3530.
    torch.testing.assert_close(train.mean / 255, torch.tensor([0.2860]), rtol=0, atol=0.005)
    torch.testing.assert_close(train.std / 255, torch.tensor([0.3530]), rtol=0, atol=0.005)


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small CIFAR-10 in the published format, whose MD5 sums torchvision is told to expect."""
    from torchvision import datasets

    folder = tmp_path / datasets.CIFAR10.base_folder
    folder.mkdir()
    rng = np.random.default_rng(0)
    written = []
    for name in ("data_batch_1", "data_batch_2", "test_batch"):
        rows = rng.integers(0, 256, (20, 3072), dtype=np.uint8)
        data = pickle.dumps({"data": rows, "labels": [n % 10 for n in range(20)]})
        (folder / name).write_bytes(data)
        written.append([name, hashlib.md5(data).hexdigest()])
    meta = pickle.dumps({"label_names": list(Cifar10.class_names)})
    (folder / "batches.meta").write_bytes(meta)
    monkeypatch.setattr(datasets.CIFAR10, "train_list", written[:2])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", written[2:])
    described = {**datasets.CIFAR10.meta, "md5": hashlib.md5(meta).hexdigest()}
    monkeypatch.setattr(datasets.CIFAR10, "meta", described)
    return folder


@pytest.mark.parametrize("inside", [True, False])
def test_cifar10_as_published(cifar: Path, inside: bool) -> None:
    task = Cifar10(path=str(cifar if inside else cifar.parent), valid_fraction=0.25)
    train, valid, test = (task.split(n) for n in ("train", "valid", "test"))  # type: ignore
    assert [len(train), len(valid), len(test)] == [30, 10, 10 + 10]
    rows = np.random.default_rng(0).integers(0, 256, (20, 3072), dtype=np.uint8)
    kept = {tuple(row) for row in torch.cat([train.images(), valid.images()]).flatten(1).tolist()}
    assert {tuple(row) for row in rows.tolist()} <= kept  # stored as channel, row, column
    assert test.shape == (3, 32, 32)
    assert test.flips


def test_an_altered_cifar10_is_not_opened(cifar: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("a foreign pickle was opened",))

    (cifar / "data_batch_1").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(Fault, match="no intact CIFAR10 in data.path="):
        Cifar10(path=str(cifar)).split("train")


def test_a_missing_cifar100_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Fault) as fault:
        Cifar100(path=str(tmp_path)).split("train")
    assert "must hold the folder cifar-100-python" in str(fault.value)
    assert "data.download=true" in str(fault.value)
