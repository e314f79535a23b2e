"""The supernet of a space of sizes: every network is a part of the largest one's weights.

Cai et al., Once-for-All, ICLR 2020 (arXiv 1908.09791), section 3.3: of widths the first channels,
of depths the first blocks, of kernels the middle, transformed. As published, batch norms have scale
and shift. Images are resized inside (see `networks.fixed.Resize`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from nascli.core.choice import Choice
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer, Place
from nascli.core.space import Shrinkable, ends, strongest
from nascli.core.supernet import Mixture, PathStep
from nascli.networks.attaching import attach
from nascli.supernet.channel_order import sort
from nascli.supernet.evaluating import evaluated, in_place
from nascli.supernet.kernel_transforms import KernelTransforms
from nascli.supernet.parts import Part, Parts
from nascli.supernet.paths import path


class ElasticSupernet(nn.Module):
    """See `core.supernet.Supernet`, `Elastic` and `Inherits`.

    A path is evaluated by the layers of its own network, which are lent parts of the largest
    network's tensors: their results are those of the network that is taken out.

    Args:
        space: says which sizes there are, in which order they shrink, and the largest network.
    """

    def __init__(self, space: Shrinkable) -> None:
        super().__init__()
        self.space, self.stages = space, tuple(space.shrinking)
        self.choices = tuple(
            Choice(name, name.partition("/")[0], options)
            for name, options in space.decisions.items()
            if len(options) > 1
        )
        self._smallest, self._largest = ends(space)
        plan = space.plan(self._largest)
        self.whole = in_place(space.network(self._largest))
        self.transforms = nn.Module()
        self._layers = {place.name: place.layer for place in plan.places}
        self._parts = Parts()
        if space.kernel_transforms:
            for name, sides in self._kernels().items():
                attach(self.transforms, name, KernelTransforms(*sides))
            self._parts.clear()  # built without them

    def largest(self) -> Genotype:
        """The network with the largest of every size."""
        return self._largest

    def smallest(self) -> Genotype:
        """The network with the smallest of every size."""
        return self._smallest

    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        """Images (B, C, H, W) -> logits (B, classes).

        Raises:
            ValueError: the mixture does not take exactly one option of every choice.
        """
        for place in self.space.plan(self._genotype(mixture)).places:
            images = self._run(place, images)
        return images

    def _genotype(self, mixture: Mixture) -> Genotype:
        active = mixture.active or ()
        if [len(options) for options in active] != [1] * len(self.choices):
            raise ValueError("sizes do not mix: a path takes one option of each choice")
        pairs = zip(self.choices, active, strict=True)
        return self._of({choice.name: choice.options[number] for choice, (number,) in pairs})

    def steps(self, mixture: Mixture) -> Sequence[PathStep]:
        """See `core.supernet.Stepwise`."""
        found = []
        for place in self.space.plan(self._genotype(mixture)).places:
            whole = self.whole.get_submodule(place.name) if place.name in self._layers else None
            inside = whole.modules() if whole is not None else ()
            norms = [module for module in inside if isinstance(module, nn.BatchNorm2d)]
            found.append(PathStep((place.name, place.layer), partial(self._run, place), norms))
        return found

    def _run(self, place: Place, images: Tensor) -> Tensor:
        return evaluated(self._module(place), images, folds=True)

    def _module(self, place: Place) -> nn.Module:
        """The layer of a place, with its part of the weights."""
        layer = cast(Layer, place.layer)
        if layer == self._layers.get(place.name):
            return self.whole.get_submodule(place.name)
        part = self._part(place.name, layer)
        part.lend()
        return part.module

    def _part(self, name: str, layer: Layer) -> Part:
        key = name, layer
        if key not in self._parts:
            with torch.random.fork_rng(devices=[]), torch.device("meta"):
                module = in_place(self.space.build(layer))
            whole = self.whole.get_submodule(name) if name in self._layers else None
            self._parts[key] = Part(module, whole, self._transforms(name))
        return self._parts[key]

    def _transforms(self, name: str) -> KernelTransforms | None:
        try:
            return cast(KernelTransforms, self.transforms.get_submodule(name))
        except AttributeError:
            return None

    def path(self, genotype: Genotype) -> Mixture:
        """The mixture that evaluates `genotype`: exactly one option of every choice.

        Raises:
            Fault: it is not of the space.
        """
        return path(self.choices, self.space.taken(genotype), next(self.parameters()))

    def derive(self, strengths: Tensor) -> Genotype:
        """The strongest option of every choice."""
        return self._of(strongest(self.space.name, self.choices, strengths.tolist()).choices)

    def _of(self, taken: dict[str, str]) -> Genotype:
        """The genotype with these options, and the only one where there is no choice."""
        decisions = self.space.decisions
        options = tuple(taken.get(name, options[0]) for name, options in decisions.items())
        return Genotype(self.space.name, tuple(decisions), options)

    def network(self, genotype: Genotype) -> nn.Module:
        """The network of `genotype` with copies of its weights and batch-norm statistics.

        Raises:
            Fault: it is not of the space.
        """
        like = next(self.parameters())
        with torch.random.fork_rng(devices=[]):
            network = self.space.network(genotype).to(like.device, like.dtype)
        for place in self.space.plan(genotype).places:
            if place.name in self._layers:
                module = network.get_submodule(place.name)
                whole = self.whole.get_submodule(place.name)
                Part(module, whole, self._transforms(place.name)).copy()
        return network.train(self.training)

    def sort_channels(self) -> None:
        """See `core.supernet.Elastic`."""
        elastic = [
            (whole, dimension)
            for _, part in self._least()
            for whole, shape in part.sizes()
            for dimension, size in enumerate(shape[:2])
            if size < whole.shape[dimension]
        ]
        sort((self.whole.get_submodule(name) for name in self._layers), elastic)

    def _least(self) -> Iterator[tuple[str, Part]]:
        """Place and part, of the largest networks but for one size, which is at its smallest."""
        for choice in self.choices:
            taken = {**self._largest.choices, choice.name: self._smallest[choice.name]}
            for place in self.space.plan(self._of(taken)).places:
                yield place.name, self._part(place.name, cast(Layer, place.layer))

    def _kernels(self) -> dict[str, tuple[int, int]]:
        """Place -> the largest and the least side of its kernel, where they differ."""
        found: dict[str, tuple[int, int]] = {}
        for name, part in self._least():
            for whole, shape in part.sizes():
                if len(shape) == 4 and shape[-1] < whole.shape[-1]:
                    least = min(shape[-1], found.get(name, shape)[-1])
                    found[name] = whole.shape[-1], least
        return found
