"""Scores of the Fisher information of a network's weights: VKDNW.

Tybl & Neumann, Training-free Neural Architecture Search through Variance of Knowledge of Deep
Network Weights, CVPR 2025 (arXiv 2502.04975); details by its code for NAS-Bench-201
(compute_vkdnw_score.py).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nascli.data.batches import seeded
from nascli.zero_cost.probe import Probe

_IMAGES = 16
_TENSORS = 128
_SMOOTHING = 0.05


def vkdnw(probe: Probe) -> float:
    """The entropy of the deciles of the Fisher information's eigenvalues.

    Of each of the first 128 tensors of parameters its first element is looked at. The network is in
    evaluation mode with batch norms at their start, weights are Kaiming's and biases 0. Departures:
    the first 16 images of the minibatch in place of 64 of noise, and the probabilities' covariance
    itself in place of its Cholesky factors, which gives the same matrix.

    -inf for a network that ignores its images.
    """
    if not probe.vkdnw:
        probe.vkdnw.append(entropy(information(probe)))
    return probe.vkdnw[0]


def vkdnw_single(probe: Probe) -> float:
    """`vkdnw` plus how many tensors of parameters there are, which ranks first.

    The paper's single score: the entropy orders networks of equal size.
    """
    return len(list(probe.network.parameters())) + vkdnw(probe)


def information(probe: Probe) -> Tensor:
    """(P, P): the Fisher information of the P parameters that are looked at, in float64.

    The mean over images of J^T (diag(p) - p p^T) J, with J (classes, P) the logits' Jacobian and p
    the probabilities.
    """
    network = probe.copy().eval()
    begin(network, probe)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    felt: list[Tensor] = []  # (B, 1, ...): what an output's first channel feels of a parameter
    outputs: list[Tensor] = []  # the output that it is of
    hooks = [
        module.register_forward_hook(_feeling(felt, outputs, module, names))
        for module, names in _looked_at(network)
    ]
    output = network(probe.images[:_IMAGES].detach().requires_grad_())
    for hook in hooks:
        hook.remove()
    logits = output[0] if isinstance(output, tuple) else output
    rows = []
    for one in logits.sum(0):  # an image's logits depend on that image alone
        gradients = torch.autograd.grad(one, outputs, retain_graph=True, materialize_grads=True)
        pairs = zip(gradients, felt, strict=True)
        rows.append(torch.stack([(g[:, :1] * f).flatten(1).sum(1) for g, f in pairs], 1))
    jacobian = torch.stack(rows, 1).double()  # (B, classes, P)
    p = torch.softmax(logits.detach().double(), 1) * (1 - _SMOOTHING) + _SMOOTHING / len(rows)
    weighed = p[:, :, None] * (jacobian - (p[:, :, None] * jacobian).sum(1, keepdim=True))
    return torch.einsum("ncp,ncq->pq", jacobian, weighed) / len(jacobian)


def begin(network: nn.Module, probe: Probe) -> None:
    """Puts weights, biases and batch norms at their published start."""
    generator = seeded(probe.seed, "vkdnw")
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            deviation = math.sqrt(2 / module.weight[0].numel())
            drawn = torch.randn(module.weight.shape, generator=generator) * deviation
            module.weight.data.copy_(drawn)
            if module.bias is not None:
                module.bias.data.zero_()
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_parameters()  # running statistics too


def entropy(matrix: Tensor) -> float:
    """The entropy of the nine deciles of the eigenvalues; -inf where they are all 0."""
    values = torch.linalg.eigvalsh(matrix.cpu()).clamp(min=0)
    deciles = torch.quantile(values, torch.arange(1, 10, dtype=values.dtype) / 10)
    if not deciles.sum() > 0:
        return -math.inf
    shares = deciles / (deciles.sum() + 1e-10)
    return -float((shares * (shares + 1e-10).log()).sum())


def _looked_at(network: nn.Module) -> list[tuple[nn.Module, list[str]]]:
    """Modules with the names of their own parameters, until there are 128."""
    found, count = [], 0
    for module in network.modules():
        names = [name for name, _ in module.named_parameters(recurse=False)][: _TENSORS - count]
        count += len(names)
        if names:
            found.append((module, names))
    return found


def _feeling(
    felt: list[Tensor], outputs: list[Tensor], module: nn.Module, names: list[str]
) -> Callable[..., None]:
    """A hook that keeps the layer's derivative by the first element of each parameter.

    A layer is linear in its parameters, so that derivative is what it gives with a 1 there and 0 in
    all others; the first element acts on the first channel alone.
    """
    bare = copy.deepcopy(module)
    own = dict(bare.named_parameters(recurse=False))
    for parameter in own.values():
        parameter.data.zero_()

    def hook(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        for name in names:
            element = own[name].data[(0,) * own[name].dim()]
            with torch.no_grad():
                element.fill_(1)
                felt.append(bare(*inputs)[:, :1])
                element.zero_()
            outputs.append(output.requires_grad_())  # one that no image reaches has gradients too

    return hook
