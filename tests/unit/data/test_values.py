"""Settings of another type or out of range are named at once, before anything is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nascli.core.fault import Fault
from nascli.data.arrays import Arrays
from nascli.data.cifar10 import Cifar10
from nascli.data.cifar100 import Cifar100
from nascli.data.digits import Digits
from nascli.data.fashion_mnist import FashionMNIST
from nascli.data.image_folder import ImageFolder
from nascli.data.synthetic import Synthetic

EVERYWHERE = {
    "valid_fraction": (1, -0.1, True, "a", None, float("nan")),
    "split_seed": (-1, True, 0.5, None),
    "limit_train": (1, 0, -3, True, 2.5, "10"),
    "split_rule": (0, 3, True, None, "2"),
}
ONLY: dict[type, dict[str, tuple[Any, ...]]] = {
    ImageFolder: {
        "path": (None, "", 3),
        "image_size": (0, True, 2.5, "32", 10**6),
        "channels": (True, 2, "3", 1.0),
        "flips": (None, "no", 1),
        "memory_mb": (None, -1, True, float("nan"), float("inf")),
        "workers": (-1, None, True, 1.5, 10**6),
        "test_fraction": (1, -0.1, False),
    },
    Arrays: {"path": (None, ""), "layout": ("CHW", True), "flips": (None, 0)},
    Cifar10: {"path": (None,), "download": (None, "yes", 1)},
    Cifar100: {"path": ("\0",), "download": (0,)},
    FashionMNIST: {"path": (1.5,), "download": ("false",)},
    Digits: {"test_fraction": (True,)},
    Synthetic: {
        "images": (0, True, 10**12, 2.5),
        "size": (0, None),
        "channels": (False,),
        "classes": (1, True),
        "noise": (-1, float("nan"), "a", True),
        "seed": (-1, None, True),
    },
}
CASES = [
    (kind, name, value)
    for kind, own in ONLY.items()
    for name, values in {**EVERYWHERE, **own}.items()
    for value in values
]


@pytest.mark.parametrize(("kind", "name", "value"), CASES)
def test_a_bad_value_is_named_with_what_is_allowed(
    tmp_path: Path, kind: type, name: str, value: object
) -> None:
    settings: dict[str, Any] = {"path": str(tmp_path)} if "path" in ONLY[kind] else {}
    with pytest.raises(Fault, match=rf"^data\.{name} is .*; it must ") as fault:
        kind(**{**settings, name: value})
    assert repr(value) in str(fault.value)


def test_images_that_do_not_go_into_memory_are_not_made() -> None:
    with pytest.raises(Fault, match=r"these images take [\d,.]+ GB of memory; this machine has"):
        Synthetic(images=10**9, size=1000)


def test_all_are_named_together(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"data.image_size is True.*; data.workers is -1"):
        ImageFolder(str(tmp_path), image_size=True, workers=-1)
