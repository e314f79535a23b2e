"""Scores of untrained networks: higher is better in all of them.

Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021 (arXiv 2101.08134).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nascli.zero_cost.blocks import expressivity, progressivity, trainability
from nascli.zero_cost.gradients import fisher, grad_norm, grasp, l2_norm, snip, zico
from nascli.zero_cost.images import jacob_cov, naswot, swap, swap_regular
from nascli.zero_cost.information import vkdnw, vkdnw_single
from nascli.zero_cost.probe import Probe
from nascli.zero_cost.synflow import synflow
from nascli.zero_cost.zen import zen

SCORES: Mapping[str, Callable[[Probe], float]] = {
    "synflow": synflow,
    "snip": snip,
    "grasp": grasp,
    "fisher": fisher,
    "grad_norm": grad_norm,
    "jacob_cov": jacob_cov,
    "naswot": naswot,
    "swap": swap,
    "swap_regular": swap_regular,
    "expressivity": expressivity,
    "progressivity": progressivity,
    "trainability": trainability,
    "vkdnw": vkdnw,
    "vkdnw_single": vkdnw_single,
    "zen": zen,
    "zico": zico,
    "l2_norm": l2_norm,
}
"""Name -> score."""

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
