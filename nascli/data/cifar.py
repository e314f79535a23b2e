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


def read(name: str, path: str, *, train: bool, download: bool) -> Memory:
    """The 50,000 training or 10,000 test images, uint8.

    `name` is torchvision's: CIFAR10 or CIFAR100. The published files are pickles; torchvision
    opens them only if their MD5 sums are the published ones.

    Raises:
        Fault: the files are missing or altered, or the download failed.
    """
    from torchvision import datasets

    from nascli.data.split import Memory

    kind = getattr(datasets, name)
    root = Path(path).expanduser()
    root = root.parent if root.name == kind.base_folder else root
    try:
        with contextlib.redirect_stdout(sys.stderr):
            images = kind(root, train=train, download=download)
    except (RuntimeError, OSError) as error:
        if download:
            raise Fault(f"cannot download {name} to data.path={root}: {error}") from error
        raise Fault(
            f"no intact {name} in data.path={path}: it must hold the folder {kind.base_folder} as "
            f"published ({kind.url}); unpack it there, or let data.download=true fetch it"
        ) from error
    return Memory(images.data, np.asarray(images.targets, dtype=np.int64))
