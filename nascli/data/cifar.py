"""Reads CIFAR-10 and CIFAR-100 as published (Krizhevsky 2009), through torchvision."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nascli.core.fault import Fault

if TYPE_CHECKING:
    from nascli.data.split import Memory

_ADDRESS = "https://www.cs.toronto.edu/~kriz/"
_FILES = {"CIFAR10": "cifar-10-python.tar.gz", "CIFAR100": "cifar-100-python.tar.gz"}
_FOLDERS = {"CIFAR10": "cifar-10-batches-py", "CIFAR100": "cifar-100-python"}


def read(name: str, path: str, *, train: bool, download: bool) -> Memory:
    """The 50,000 training or 10,000 test images, uint8.

    `name` is torchvision's: CIFAR10 or CIFAR100. The published files are pickles; torchvision
    opens them only if their MD5 sums are the published ones.

    Raises:
        Fault: the files are missing or altered, or the download failed.
    """
    folder = _FOLDERS[name]
    root = Path(path).expanduser()
    root = root.parent if root.name == folder else root
    missing = Fault(
        f"no intact {name} in data.path={path}: it must hold the folder {folder} as published "
        f"({_ADDRESS}{_FILES[name]}); unpack it there, or let "
        "data.download=true fetch it"
    )
    if not (download or (root / folder).is_dir()):
        raise missing
    from torchvision import datasets  # and torch, which a wrong path does without

    from nascli.data.split import Memory

    try:
        with contextlib.redirect_stdout(sys.stderr):
            images = getattr(datasets, name)(root, train=train, download=download)
    except (RuntimeError, OSError) as error:
        if download:
            raise Fault(f"cannot download {name} to data.path={root}: {error}") from error
        raise missing from error
    return Memory(images.data, np.asarray(images.targets, dtype=np.int64))
