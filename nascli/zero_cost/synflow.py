"""Synaptic flow: what a network passes on with weights of one sign.

Tanaka et al., Pruning Neural Networks without Any Data by Iteratively Conserving Synaptic Flow,
NeurIPS 2020 (arXiv 2006.05467).
"""

from __future__ import annotations

import math

import torch
from torch import nn

from nascli.zero_cost.probe import Probe, weighted


def synflow(probe: Probe) -> float:
    """The logarithm of the sum of w * dR/dw, R being the sum of the logits of an image of ones.

    All parameters are replaced by their absolute values and batch norms by the identity, in
    float64. The sum is over the weights of convolutions and linear layers, as in Abdelfattah et
    al. (arXiv 2101.08134); the logarithm keeps the order of networks. Their NAS-Bench-201 network
    keeps the batch norms of its two residual blocks and has biases in the convolutions of its
    cells; here all batch norms go, and what a network has of biases is its own.

    -inf for a network that nothing passes through, +inf for one too deep for float64.
    """
    network = probe.copy().double().eval()
    _without_norms(network)
    for parameter in network.parameters():
        parameter.data.abs_()
    weights = [layer.weight for layer in weighted(network)]
    ones = torch.ones(1, *probe.image_shape, dtype=torch.float64, device=weights[0].device)
    # eq. 2: R = 1^T prod_l |w_l| 1, which is the sum of the logits of an image of ones
    flow = torch.autograd.grad(network(ones).sum(), weights, materialize_grads=True)
    pairs = zip(weights, flow, strict=True)
    # eq. 1: the synaptic saliency dR/dw * w, summed
    total = float(torch.stack([(w.detach() * f).sum() for w, f in pairs]).sum())
    return math.log(total) if total > 0 else -math.inf if total == 0 else math.nan


def _without_norms(network: nn.Module) -> None:
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                setattr(parent, name, nn.Identity())
