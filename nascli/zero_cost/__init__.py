"""Scores of untrained networks: higher is better in all of them.

Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021 (arXiv 2101.08134).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from nascli.zero_cost.probe import Probe

SCORES: Mapping[str, str] = {
    "synflow": "synflow",
    "snip": "gradients",
    "grasp": "gradients",
    "fisher": "gradients",
    "grad_norm": "gradients",
    "jacob_cov": "images",
    "naswot": "images",
    "swap": "images",
    "swap_regular": "images",
    "expressivity": "blocks",
    "progressivity": "blocks",
    "trainability": "blocks",
    "vkdnw": "information",
    "vkdnw_single": "information",
    "zen": "zen",
    "zico": "gradients",
    "l2_norm": "gradients",
}
"""Name -> the module here that has the score, under that name; each needs torch."""

IMAGES: Mapping[str, int] = {
    "snip": 1,
    "grasp": 1,
    "fisher": 1,
    "grad_norm": 1,
    "jacob_cov": 1,
    "naswot": 1,
    "swap": 1,
    "swap_regular": 1,
    "expressivity": 1,
    "progressivity": 1,
    "trainability": 1,
    "vkdnw": 1,
    "vkdnw_single": 1,
    "zico": 2,
}
"""How many minibatches a score looks at; the others need no images."""

FEATURES = ("expressivity", "progressivity", "trainability")
"""The scores that look at the features between blocks, which the plan of a space tells."""


def score(name: str) -> Callable[[Probe], float]:
    """The score of a name in SCORES."""
    module = import_module(f"nascli.zero_cost.{SCORES[name]}")
    return cast("Callable[[Probe], float]", getattr(module, name))
