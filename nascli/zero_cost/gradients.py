"""Scores of weights and of the loss's gradients, summed over convolutions and linear layers.

As in the code of Abdelfattah et al., ICLR 2021 (arXiv 2101.08134): training mode, weights without
biases, mean cross-entropy over one minibatch. A layer that the logits do not depend on counts
nothing. A network that ignores its images gets 0; only fisher still sees the bias of its logits.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from nascli.zero_cost.probe import Probe


def snip(probe: Probe) -> float:
    """The sum of |w * dL/dw|: how far the loss would change without each weight, to first order.

    Lee et al., SNIP, ICLR 2019 (arXiv 1810.02340): the connection sensitivity |dL/dc| at c = 1,
    which is |w dL/dw|, before it is divided by its sum.
    """
    pairs = zip(probe.weights, probe.first.gradients, strict=True)
    return _total(_sum((w * g).abs()) for w, g in pairs if g is not None)


def grasp(probe: Probe) -> float:
    """The sum of -w * (H g), with the gradient g and the Hessian H of the loss by the weights.

    Wang et al., GraSP, ICLR 2020 (arXiv 2002.07376). The sign is that of Abdelfattah et al.; it is
    for whole networks the opposite of the one by which the paper keeps weights. Logits are not
    divided by a temperature, and g and H g come from the same images.
    """
    pairs = zip(probe.weights, probe.first.curvature, strict=True)
    return _total(-_sum(w * c) for w, c in pairs if c is not None)  # the paper's -theta * H g


def fisher(probe: Probe) -> float:
    """The sum over channels of (sum over pixels of z * dL/dz)^2 / 2, z being a layer's output.

    Theis et al., 2018 (arXiv 1801.05787); Turner et al., BlockSwap, ICLR 2020 (arXiv 1906.04113).
    The square is averaged over the images. Each channel counts once for every weight that makes it,
    as in the code of Abdelfattah et al., which sums over weights.
    """

    def channels(output: Tensor, gradient: Tensor) -> Tensor:
        product = output * gradient  # (B, channels, ...)
        product = product.flatten(2).sum(2) if product.dim() > 2 else product
        return product.square().mean(0) / 2  # Turner et al.: 1 / (2 N) sum_n g_nc^2

    return _total(
        layer.weight[0].numel() * _sum(channels(output, gradient))
        for layer, output, gradient in probe.first.outputs
    )


def grad_norm(probe: Probe) -> float:
    """The sum of the Euclidean norms of dL/dw, one norm a layer."""
    return _total(g.norm().double() for g in probe.first.gradients if g is not None)


def zico(probe: Probe) -> float:
    """The sum over layers of log(sum over weights of E|g| / sd(g)), g = dL/dw, over minibatches.

    Li et al., ZiCo, ICLR 2023 (arXiv 2301.11300). Mean and (population) standard deviation are over
    the minibatches, two as published. The paper writes the deviation of |g|; its code, which gave
    its figures, takes that of g, as here. As in its code too, a weight whose gradient does not vary
    is left out of the sum, and a layer of such weights only counts nothing.
    """
    passes = [one.gradients for one in probe.all]
    sums = []
    for gradients in zip(*passes, strict=True):
        if gradients[0] is not None:
            stack = torch.stack(gradients).detach()  # (minibatches, ...)
            spread = stack.std(0, correction=0)
            ratio = torch.where(spread > 0, stack.abs().mean(0) / spread, 0.0)
            sums.append(_sum(ratio))
    return _total(torch.where(total > 0, total.log(), 0.0) for total in sums)


def l2_norm(probe: Probe) -> float:
    """The sum of the Euclidean norms of the weights, one norm a layer; it sees no images."""
    return _total(weight.norm().double() for weight in probe.weights)


def _sum(terms: Tensor) -> Tensor:
    return terms.detach().sum(dtype=torch.float64)


def _total(terms: Iterable[Tensor]) -> float:
    """The sum of tensors without dimensions, brought to the host at once."""
    found = [term.detach() for term in terms]
    return float(torch.stack(found).sum()) if found else 0.0
