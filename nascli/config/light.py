"""Looking for what else is wrong without what takes long to import."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast


class _HeavyError(BaseException):  # no Exception, for whoever imports turns those into faults
    """Torch would be imported."""


class Unbuilt:
    """Stands for what needs torch to be built; whoever looks at it or calls it is stopped too."""

    def __getattr__(self, name: str) -> Any:
        """Stops whoever wants something of it; but Python's own names are looked for by Hydra."""
        if name.startswith("__"):
            raise AttributeError(name)
        raise _HeavyError

    def __call__(self, *_: object) -> Any:
        """Stops whoever wants it built."""
        raise _HeavyError


class _Light:
    """Finds no module, and stops whoever looks for torch; what is imported already stays."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "torch":
            raise _HeavyError


@contextmanager
def light() -> Iterator[None]:
    """What is done within ends, without a word, where it would import torch.

    To be told of a typo should take no second.
    """
    finder = cast(Any, _Light())
    sys.meta_path.insert(0, finder)
    try:
        yield
    except _HeavyError:
        pass
    finally:
        sys.meta_path.remove(finder)
