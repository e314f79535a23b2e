"""nascli: neural architecture search from the command line, and from Python.

The verbs are functions here: `nascli.search("strategy=evolution", budget={"trials": 50})` (see
`nascli.api`). Importing this package loads none of what they need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nascli.api import Run, audit, compare, export, load, profile, retrain, scale, search
    from nascli.classifier import ImageClassifier
    from nascli.core.fault import Fault

__version__ = "0.2.0"
__all__ = [
    "Fault",
    "ImageClassifier",
    "Run",
    "audit",
    "compare",
    "export",
    "load",
    "profile",
    "retrain",
    "scale",
    "search",
]


def __getattr__(name: str) -> Any:
    if name == "Fault":
        from nascli.core.fault import Fault

        return Fault
    if name == "ImageClassifier":
        from nascli.classifier import ImageClassifier

        return ImageClassifier
    if name in __all__:
        from nascli import api

        return getattr(api, name)
    raise AttributeError(f"module 'nascli' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
