"""Once-for-all: mobile networks of elastic resolution, width, depth, expansion and kernel.

Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment, ICLR 2020
(arXiv 1908.09791): stages of inverted residual blocks as in MobileNetV3 (arXiv 1905.02244).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nascli.core.channels import wider
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer, Plan, Shape
from nascli.core.space import check
from nascli.core.supernet import Shrinking
from nascli.core.task import Task
from nascli.networks.building import build, builders
from nascli.operations import resolve
from nascli.spaces.chain_plan import Step, planned, resized
from nascli.spaces.mobile_words import block, convolution, hidden, of_block
from nascli.spaces.once_for_all_options import faults

if TYPE_CHECKING:
    from torch import nn

    from nascli.operations import Factory
    from nascli.supernet.elastic import ElasticSupernet


class OnceForAll:
    """A stem, a first block, stages of blocks, a head; every size in it is a decision.

    Decisions: `resolution` is the shorter side of the images that the network works on, in pixels,
    `width` what all channels are multiplied with; `2/depth` is how many blocks the second stage
    has, `2/1/kernel` and `2/1/expansion` are those of its first block. Blocks past the depth are
    decided on too, and the decision does not matter.

    Args:
        task: shape and classes of the images.
        resolutions: in pixels; those above the images' own are left out.
        multipliers: of all channels, a hidden layer's among them; then rounded to multiples of 8.
        widths: channels of each stage.
        depths: how many blocks a stage may have.
        kernels: of depthwise convolutions, in pixels.
        expansions: times a block's input channels; one of 1 keeps its 1x1 convolution.
        activations: "relu", "relu6", "swish" or "hswish", for each stage.
        squeezes: "none", "se" or "se8", for each stage (see `nascli.core.channels.squeezed`).
        strides: of the stem and each stage, 1 or 2.
        stem: its convolution.
        stem_width: its channels, and those of the first block.
        first: the block behind it.
        head: its 1x1 convolution.
        head_width: channels of it.
        classifier: "linear", or with a hidden layer as "hidden_1280_hswish".
        kernel_transforms: whether the supernet's smaller kernels are learnt functions of the larger
            ones; else they are their middle.
        name: of the space; genotypes have it.

    Raises:
        Fault: everything that makes no sense, at once.
    """

    name = "once_for_all"

    def __init__(
        self,
        task: Task,
        resolutions: Sequence[int],
        multipliers: Sequence[float],
        widths: Sequence[int],
        depths: Sequence[int],
        kernels: Sequence[int],
        expansions: Sequence[float],
        activations: Sequence[str],
        squeezes: Sequence[str],
        strides: Sequence[int],
        stem: str = "conv_3x3_hswish",
        stem_width: int = 16,
        first: str = "mbconv_3x3_e1_relu",
        head: str = "conv_1x1_hswish",
        head_width: int = 960,
        classifier: str = "hidden_1280_hswish",
        kernel_transforms: bool = True,
        name: str = "once_for_all",
    ) -> None:
        given = {key: value for key, value in locals().items() if key not in ("self", "task")}
        wrong = faults(given, task.input_shape)
        if wrong:
            raise Fault("\n".join(f"space.{fault}" for fault in wrong))
        self.task, self.name, self.strides = task, name, tuple(strides)
        self.kernel_transforms = kernel_transforms
        self._widths = stem_width, *widths, head_width
        self._fixed = stem, first, head, classifier
        sizes = list(itertools.product(kernels, expansions))
        # Without its 1x1 convolution, a block of expansion 1 would be no part of a wider one.
        self._blocks = [
            {
                (str(kernel), f"{e:g}"): of_block(kernel, "1_keep" if e == 1 else e, *kind)
                for kernel, e in sizes
            }
            for kind in zip(activations, squeezes, strict=True)
        ]
        own = min(task.input_shape[1:])
        decisions = {"resolution": tuple(str(side) for side in resolutions if side <= own)}
        decisions["width"] = tuple(f"{times:g}" for times in multipliers)
        for stage in range(1, len(widths) + 1):
            decisions[f"{stage}/depth"] = tuple(map(str, depths))
            for number in range(1, max(depths) + 1):
                decisions[f"{stage}/{number}/kernel"] = tuple(map(str, kernels))
                decisions[f"{stage}/{number}/expansion"] = tuple(f"{e:g}" for e in expansions)
        self._decisions = decisions
        words = {word for words in self._blocks for word in words.values()}
        fixed = (stem, first, head, *(self._classifier(times) for times in multipliers))
        made = {word: block(word) or convolution(word) or hidden(word) for word in fixed}
        made |= {word: block(word) for word in sorted(words)}
        self.operations: dict[str, Any] = {w: dict(how) for w, how in made.items() if how}

    @property
    def decisions(self) -> Mapping[str, tuple[str, ...]]:
        """Decision -> its options."""
        return self._decisions

    @property
    def shrinking(self) -> Sequence[Shrinking]:
        """As published: kernels, then depths, expansions; widths last. Resolutions with the first.

        Section 3.2 of the paper.
        """
        largest = {
            key: tuple(sorted(options, key=float, reverse=True))
            for key, options in self._decisions.items()
        }
        allowed = {key: options[:1] for key, options in largest.items()}
        allowed["resolution"] = largest["resolution"]
        found = []
        for kind in ("kernel", "depth", "expansion", "width"):
            new = {k: o for k, o in largest.items() if k.endswith(kind) and len(o) > 1}
            if new:
                allowed |= new
                found.append(Shrinking(kind, dict(allowed), kind in ("expansion", "width")))
        return found or [Shrinking("resolution", allowed)]

    def plan(self, genotype: Genotype | None = None) -> Plan:
        """The plan of `genotype`'s network.

        Raises:
            Fault: it is not of the space; or none is given, for sizes leave no open plan.
        """
        if genotype is None:
            raise Fault(
                f"space '{self.name}' has no open plan: its decisions are sizes, which do not "
                "compete at one place"
            )
        choices = check(self, genotype).choices
        blocks = []
        for stage, words in enumerate(self._blocks, start=1):
            names = [f"{stage}/{n}" for n in range(1, int(choices[f"{stage}/depth"]) + 1)]
            taken = [(choices[f"{name}/kernel"], choices[f"{name}/expansion"]) for name in names]
            blocks.append([(words[pair],) for pair in taken])
        return self._planned(choices["resolution"], choices["width"], blocks)

    def _planned(
        self, resolution: str, width: str, blocks: Sequence[Sequence[tuple[str, ...]]]
    ) -> Plan:
        """The plan with one of these words at every block; open where there are several."""
        steps = list(self._steps(float(width), blocks))
        head = self._classifier(float(width))
        shape = self._shape(int(resolution))
        return resized(self.task.input_shape, planned(shape, steps, self.task.classes, head))

    def _classifier(self, width: float) -> str:
        """The operation that classifies; a hidden layer is as much wider as all others."""
        word = self._fixed[-1]
        made = hidden(word)
        if made is None:
            return "classifier"
        wide = wider(int(str(made["hidden"])), width)
        return word if width == 1 else f"hidden_{wide}_{made['activation']}"

    def _shape(self, resolution: int) -> Shape:
        """That of the images at a resolution: both sides shrink alike."""
        channels, *sides = self.task.input_shape
        height, width = (max(1, round(side * resolution / min(sides))) for side in sides)
        return channels, height, width

    def _steps(self, width: float, blocks: Sequence[Sequence[tuple[str, ...]]]) -> Iterator[Step]:
        wide = [wider(w, width) for w in self._widths]
        stem, first, head, _ = self._fixed
        yield Step("stem", "stem", "stem", (stem,), wide[0], self.strides[0])
        yield Step("first", "first", "first", (first,), wide[0])
        for stage, words in enumerate(blocks, start=1):
            for number, options in enumerate(words):
                name, path = f"{stage}/{number + 1}", f"stages.{stage - 1}.{number}"
                stride = 1 if number else self.strides[stage]
                yield Step(name, path, f"stage {stage}", options, wide[stage], stride)
        yield Step("head", "head", "head", (head,), wide[-1])

    def taken(self, genotype: Genotype) -> Mapping[str, str]:
        """The decisions: each is a choice."""
        return check(self, genotype).choices

    def network(self, genotype: Genotype) -> nn.Module:
        """The network of `genotype`: images (B, C, H, W) -> logits (B, classes).

        It brings the images to its resolution itself.
        """
        from nascli.networks.network import Network

        return Network(self.plan(genotype), self.build)

    def build(self, layer: Layer) -> nn.Module:
        """The module of a layer."""
        return build(self._factories, layer)

    def supernet(self) -> ElasticSupernet:
        """All networks of the space in the largest one."""
        from nascli.supernet.elastic import ElasticSupernet

        return ElasticSupernet(self)

    def layers(self) -> Mapping[Layer, Callable[[], nn.Module]]:
        """Every layer that some network of the space contains, with its builder."""
        found: dict[Layer, Callable[[], nn.Module]] = {}
        count = max(map(int, self._decisions["1/depth"]))
        blocks = [[tuple(words.values())] * count for words in self._blocks]
        sizes = self._decisions["resolution"], self._decisions["width"]
        for resolution, width in itertools.product(*sizes):
            found |= builders(self._factories, self._planned(resolution, width, blocks))
        return dict(sorted(found.items()))

    @cached_property
    def _factories(self) -> dict[str, Factory]:
        return resolve(self.operations)

    def canonical(self, genotype: Genotype) -> Genotype:
        """The one with the first options at all blocks past the depth."""
        choices = genotype.choices
        for key, options in self._decisions.items():
            stage, _, rest = key.partition("/")
            number = rest.partition("/")[0]
            if number.isdigit() and int(number) > int(choices[f"{stage}/depth"]):
                choices[key] = options[0]
        return Genotype(self.name, genotype.decisions, tuple(choices.values()))

    def describe(self, genotype: Genotype) -> str:
        """One line a stage: its channels and its blocks."""
        plan, choices = self.plan(genotype), genotype.choices
        lines = [f"{choices['resolution']} pixels a side, width {choices['width']}"]
        layers = {place.name: place.layer for place in plan.places if place.layer}
        for stage in range(1, len(self._blocks) + 1):
            names = [f"{stage}/{n}" for n in range(1, int(choices[f"{stage}/depth"]) + 1)]
            sizes = [
                f"{choices[f'{name}/kernel']}x{choices[f'{name}/kernel']} "
                f"e{choices[f'{name}/expansion']}"
                for name in names
            ]
            channels = layers[f"stages.{stage - 1}.0"].out_channels
            lines.append(f"stage {stage}  {channels:>4} channels: {', '.join(sizes)}")
        return "\n".join(lines)
