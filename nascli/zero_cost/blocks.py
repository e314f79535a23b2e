"""Scores of the features between the blocks of a network: those of AZ-NAS.

Lee & Ham, AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search, CVPR 2024 (arXiv
2403.19232), section 3; details by its code for NAS-Bench-201 (compute_az_nas_score.py). Blocks are
the cells of a network and the layers that stand in none. Departures: the network has its own first
weights, not Kaiming's, and is fed with the images of the other scores, not with noise, so that all
share one pass. Where a batch norm follows every convolution, the scale of weights is no matter.

The fourth of AZ-NAS's scores, complexity, is `macs`; `nascli.zero_cost.ranks` joins them.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import pad, pixel_unshuffle

from nascli.core.choice import SKIP
from nascli.core.fault import Fault
from nascli.core.plan import Layer, Plan
from nascli.data.batches import seeded
from nascli.zero_cost.probe import Probe

_LAST = ("norm_relu", "classifier")  # what the published features end before


def block_ends(plan: Plan) -> tuple[str, ...]:
    """The place that gives the result of each block, in order.

    Heads are no blocks, and no block stands where a chain skips one.
    """
    ends: dict[str, str] = {}
    for place in plan.places:
        layer = place.layer
        if place.name in (plan.auxiliary, plan.output):
            continue
        if layer is not None and layer.operation in _LAST:
            continue
        if layer is not None and not place.cell and _skips(layer):
            continue
        ends[place.cell or place.name] = place.name
    return tuple(ends.values())


def _skips(layer: Layer) -> bool:
    read = layer.in_channels, layer.height, layer.width
    return layer.operation == SKIP and layer.shape == read


def expressivity(probe: Probe) -> float:
    """The entropies of the blocks' features, summed: how evenly features fill their channels.

    -inf for a network of which a block gives the same everywhere.
    """
    return _finite(sum(_entropies(probe)))


def progressivity(probe: Probe) -> float:
    """The least growth of the features' entropy from one block to the next.

    -inf as for `expressivity`.
    """
    entropies = _entropies(probe)
    return _finite(min(after - before for before, after in pairwise(entropies)))


def trainability(probe: Probe) -> float:
    """How near the spectral norm of the blocks' Jacobians is to 1: the mean of 2 - s - 1 / s.

    -inf for a network of which a block passes gradients on as they are. Signs are drawn by the
    probe's seed. A block that halves an odd size is padded with zeros.
    """
    generator = seeded(probe.seed, "trainability")
    found = []
    for before, after in pairwise(_features(probe, "trainability")):
        signs = torch.randint(0, 2, after.shape, generator=generator).to(after) * 2 - 1
        if not after.requires_grad:
            return -math.inf
        (gradient,) = torch.autograd.grad(
            after, [before], signs, retain_graph=True, materialize_grads=True
        )
        if gradient.shape == signs.shape and torch.equal(gradient, signs):
            return -math.inf
        # s: of E[g_in g_out^T] over images and pixels, as the code estimates the Jacobian's
        jacobian = _rows(_folded(gradient, signs)).T @ _rows(signs) / len(_rows(signs))
        norm = float(torch.linalg.matrix_norm(jacobian.double(), 2))
        found.append(2 - norm - 1 / (norm + 1e-6))
    return _finite(math.fsum(found) / len(found))


def _entropies(probe: Probe) -> list[float]:
    """-sum p log p of the shares p that the principal components of each block's features have."""
    if not probe.entropies:
        for features in _features(probe, "expressivity"):
            rows = _rows(features.detach())  # (B * H * W, C)
            rows = rows - rows.mean(0)
            values = torch.linalg.eigvalsh((rows.T @ rows / len(rows)).double()).clamp(min=0)
            shares = values / values.sum()
            probe.entropies.append(-float((shares * (shares + 1e-8).log()).sum()))
    return probe.entropies


def _features(probe: Probe, score: str) -> list[Tensor]:
    features = probe.first.features
    if len(features) < 2:
        raise Fault(
            f"score {score} needs the features between the blocks of a network, which follow from "
            "its plan, and this space has none: take other scores"
        )
    return features


def _rows(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B * H * W, C)."""
    return features.permute(0, 2, 3, 1).flatten(0, 2)


def _folded(gradient: Tensor, like: Tensor) -> Tensor:
    """`gradient` with the pixels that became one of `like` as channels."""
    (height, width), (to_height, to_width) = gradient.shape[2:], like.shape[2:]
    stride = -(-height // to_height)
    if stride == 1:
        return gradient
    padding = (0, stride * to_width - width, 0, stride * to_height - height)
    return pixel_unshuffle(pad(gradient, padding), stride)


def _finite(value: float) -> float:
    return -math.inf if math.isnan(value) else value
