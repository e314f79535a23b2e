"""One untrained network, and the passes over it that several scores share."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

_AUXILIARY = "auxiliary"  # the submodule that helps training and takes no part in scores


@runtime_checkable
class Keeping(Protocol):
    """A network that keeps the results of the places that are keys of `kept`."""

    kept: dict[str, Tensor | None]


class Probe:
    """A network in training mode, as the published scores have it, and what passes over it give.

    Every pass is made when first asked for and only once: the scores of gradients and of images
    together take one forward pass and two backward ones; grasp adds a backward pass, zico a
    minibatch. Batch norms use the statistics of the minibatch.

    Args:
        network: images (B, C, H, W) -> logits (B, classes), or a pair of which they are the first.
        batches: minibatches of images and labels; the first is that of all scores but zico.
        image_shape: (C, H, W).
        seed: of what a score draws.
        wanted: the scores that will be asked for; it saves what only others need.
        blocks: the places of the network's plan whose results are features (see `blocks.py`).
        millions: the size of networks, in parameters, that `swap_regular` prefers.

    `entropies` (of the features) and `vkdnw` are what two scores share once one has found it.
    """

    def __init__(
        self,
        network: nn.Module,
        batches: Sequence[tuple[Tensor, Tensor]],
        image_shape: tuple[int, int, int],
        seed: int = 0,
        wanted: Sequence[str] = (),
        blocks: Sequence[str] = (),
        millions: float = 1.5,
    ) -> None:
        self.network = network.train()
        self.image_shape, self.seed = image_shape, seed
        self._batches, self._wanted, self._blocks = batches, wanted, blocks
        self.millions = millions
        self.entropies: list[float] = []
        self.vkdnw: list[float] = []
        self.layers = weighted(network)

    @property
    def weights(self) -> list[Tensor]:
        """The weight of every layer, without biases."""
        return [layer.weight for layer in self.layers]

    @cached_property
    def first(self) -> Pass:
        """The pass over the first minibatch."""
        kept = self.network if isinstance(self.network, Keeping) else None
        if kept is not None:
            kept.kept = dict.fromkeys(self._blocks)
        found = self._over(0, outputs="fisher" in self._wanted, again="grasp" in self._wanted)
        if kept is not None:
            found.features = [features for features in kept.kept.values() if features is not None]
            kept.kept = {}
        return found

    @cached_property
    def all(self) -> list[Pass]:
        """One pass a minibatch."""
        return [self.first, *(self._over(n) for n in range(1, len(self._batches)))]

    @property
    def images(self) -> Tensor:
        """Those of the first minibatch."""
        return self._batches[0][0]

    def copy(self) -> nn.Module:
        """A copy of the network that a score may change."""
        return copy.deepcopy(self.network)

    def _over(self, number: int, *, outputs: bool = False, again: bool = False) -> Pass:
        images, labels = self._batches[number]
        return Pass(self.network, self.layers, images, labels, outputs=outputs, again=again)


class Pass:
    """A forward pass over one minibatch, and its backward passes.

    `logits` (B, classes) and `loss`, the mean cross-entropy. `outputs` says that the gradients of
    the layers' outputs are to be kept, `again` that the gradients can be differentiated. `features`
    are the results of the probe's blocks, (B, C, H, W) each.
    """

    def __init__(
        self,
        network: nn.Module,
        layers: Sequence[Any],
        images: Tensor,
        labels: Tensor,
        *,
        outputs: bool,
        again: bool,
    ) -> None:
        self._weights = [layer.weight for layer in layers]
        self._again = again
        self.features: list[Tensor] = []
        self._images = images.detach().requires_grad_()
        self._outputs: list[tuple[Any, Tensor]] = []
        hooks = [layer.register_forward_hook(self._keep) for layer in layers if outputs]
        output = network(self._images)
        for hook in hooks:
            hook.remove()
        self.logits: Tensor = output[0] if isinstance(output, tuple) else output
        self.loss = cross_entropy(self.logits, labels)

    def _keep(self, layer: nn.Module, _inputs: object, output: Tensor) -> None:
        self._outputs.append((layer, output))

    @cached_property
    def _backward(self) -> tuple[Tensor | None, ...]:
        found: tuple[Tensor | None, ...] = torch.autograd.grad(
            self.loss,
            [*self._weights, *(output for _, output in self._outputs)],
            retain_graph=True,
            create_graph=self._again,
            allow_unused=True,
        )
        return found

    @property
    def gradients(self) -> tuple[Tensor | None, ...]:
        """The loss's gradient of every weight; None for a layer that the logits do not use."""
        return self._backward[: len(self._weights)]

    @property
    def outputs(self) -> list[tuple[Any, Tensor, Tensor]]:
        """Every use of a layer that the logits need: layer, output and the output's gradient."""
        gradients = self._backward[len(self._weights) :]
        pairs = zip(self._outputs, gradients, strict=True)
        return [(layer, out, gradient) for (layer, out), gradient in pairs if gradient is not None]

    @cached_property
    def curvature(self) -> tuple[Tensor | None, ...]:
        """The Hessian of the loss times its gradient, for every weight."""
        product = sum((g.detach() * g).sum() for g in self.gradients if g is not None)
        if not isinstance(product, Tensor) or not product.requires_grad:
            return (None,) * len(self._weights)
        found: tuple[Tensor | None, ...] = torch.autograd.grad(
            product, self._weights, retain_graph=True, allow_unused=True
        )
        return found

    @cached_property
    def jacobian(self) -> Tensor:
        """(B, C*H*W): the gradient of the sum of an image's logits by its pixels.

        In training mode a batch norm lets the images of a minibatch act on each other; that is in
        it, as in the published code.
        """
        (found,) = torch.autograd.grad(
            self.logits.sum(), [self._images], retain_graph=True, materialize_grads=True
        )
        return found.flatten(1)


def weighted(network: nn.Module) -> list[Any]:
    """The convolutions and linear layers: those whose weights the scores look at."""
    return [
        module
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear)) and _AUXILIARY not in name.split(".")
    ]
