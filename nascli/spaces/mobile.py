"""Mobile networks: stages of inverted residual blocks between a stem and a head.

The space of Tan et al., MnasNet, CVPR 2019 (arXiv 1807.11626), Cai et al., ProxylessNAS, ICLR 2019
(arXiv 1812.00332), and Wu et al., FBNet, CVPR 2019 (arXiv 1812.03443).
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from nascli.core.channels import MOST_LAYERS, SQUEEZES, STEP, odd, whole
from nascli.core.choice import SKIP
from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer, Plan
from nascli.core.space import check, strongest
from nascli.core.task import Task
from nascli.networks.building import build, builders
from nascli.operations import resolve
from nascli.spaces.chain_plan import planned
from nascli.spaces.mobile_genotype import blocks, faults, scaled, steps
from nascli.spaces.mobile_strides import published, wrong_strides
from nascli.spaces.mobile_words import ACTIVATIONS, LINEAR, block, convolution, hidden, of_block

if TYPE_CHECKING:
    from torch import nn

    from nascli.operations import Factory
    from nascli.supernet.planned import PlannedSupernet


class Mobile:
    """A stem, stages of blocks, a head. Every block is a decision, its options words for blocks.

    Decisions: `2/1` is the first block of the second stage; all options of a stage are kernel x
    expansion x activation x squeeze-excite, and `skip_connect` behind the first block makes the
    depth a choice. `2/width` is the stage's width. What has one option only is a decision all the
    same, so that a genotype describes its network wholly: `stem`, `stem/width`, `head`,
    `head/width`, `classifier` and `epsilon`, that of batch norms. Strides are no part of it.

    The space knows every network that can be said so (see `known`): other widths, more blocks,
    fewer stages.

    Args:
        task: shape and classes of the images.
        widths: channels of each stage, or a list of them to choose from.
        depths: the most blocks of each stage.
        kernels: of depthwise convolutions, in pixels.
        expansions: times a block's input channels; "1_keep" keeps the 1x1 convolution.
        activations: "relu", "relu6", "swish" or "hswish".
        squeezes: "none", "se" or "se8" (see `nascli.core.channels.squeezed`).
        first: the options of the first stage's blocks, which never expand in published networks.
        strides: of the stem and each stage, 1 or 2; None: as published from 64 pixels a side, and
            for smaller images without the first ones, so that 4 pixels are left if possible.
        stem: its convolution.
        stem_width: its channels, or a list of them to choose from.
        head: its 1x1 convolution, or "skip_connect" for none.
        head_width: channels of it, or a list.
        classifier: "linear", or with a hidden layer as "hidden_1280_hswish".
        epsilon: of batch norms.

    Raises:
        Fault: everything that makes no sense, at once.
    """

    name = "mobile"

    def __init__(
        self,
        task: Task,
        widths: Sequence[int | Sequence[int]] = (16, 24, 40, 80, 96, 192, 320),
        depths: Sequence[int] = (1, 4, 4, 4, 4, 4, 1),
        kernels: Sequence[int] = (3, 5, 7),
        expansions: Sequence[float | str] = (3, 6),
        activations: Sequence[str] = ("relu6",),
        squeezes: Sequence[str] = ("none",),
        first: Sequence[str] = ("mbconv_3x3_e1",),
        strides: Sequence[int] | None = None,
        stem: str = "conv_3x3",
        stem_width: int | Sequence[int] = 32,
        head: str = "conv_1x1",
        head_width: int | Sequence[int] = 1280,
        classifier: str = LINEAR,
        epsilon: float = 1e-5,
    ) -> None:
        self.task = task
        size = task.input_shape[1:]
        lists: dict[str, Sequence[Any]] = {"kernels": kernels, "expansions": expansions}
        lists |= {"activations": activations, "squeezes": squeezes, "first": first}
        lists |= {"widths": widths}
        wrong = [f"space.{key} is empty" for key, values in lists.items() if not values]
        unfit = any(whole(depth, MOST_LAYERS) for depth in depths)
        if len(depths) != len(widths) or unfit or sum(depths) > MOST_LAYERS:
            wrong.append(
                f"space.depths is {list(depths)}; it must have a whole number from 1 up for each "
                f"of the {len(widths)} stages, {MOST_LAYERS} together at most"
            )
        wrong += wrong_strides(strides, len(widths), size)
        if wrong:
            raise Fault("\n".join(wrong))
        self.strides = published(min(size)) if strides is None else tuple(strides)
        wrong = [
            f"space.kernels has {kernel!r:.80}; each must be {wanted}"
            for kernel in kernels
            if (wanted := odd(kernel))
        ]
        for key, known in (("activations", ACTIVATIONS), ("squeezes", SQUEEZES)):
            values = [value for value in lists[key] if value not in known]
            wrong += [unknown(f"space.{key}:", value, known) for value in values]
        words = itertools.product(
            [k for k in kernels if not odd(k)] or (3,),
            expansions,
            [a for a in activations if a in ACTIVATIONS] or ("relu6",),
            [s for s in squeezes if s in SQUEEZES] or ("none",),
        )  # what is left of them, so that all else is looked at too
        several = tuple(itertools.starmap(of_block, words))
        decisions: dict[str, tuple[str, ...]] = {"stem": (stem,), "stem/width": _words(stem_width)}
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
            decisions[f"{stage}/width"] = _words(width)
            options = tuple(first) if stage == 1 else several
            for number in range(1, depth + 1):
                skip = () if number == 1 else (SKIP,)
                decisions[f"{stage}/{number}"] = (*options, *skip)
        decisions |= {"head": (head,), "head/width": _words(head_width)}
        decisions |= {"classifier": (classifier,), "epsilon": (f"{epsilon:g}",)}
        self._decisions = decisions
        self._check(decisions, wrong)
        self.operations: dict[str, Any] = {}
        self._factories: dict[tuple[str, str], Factory] = {}
        self._know(itertools.chain.from_iterable(decisions.values()))

    def _check(self, decisions: Mapping[str, tuple[str, ...]], wrong: list[str]) -> None:
        """Every option, by genotypes that together have them all; `wrong` is known already."""
        wrong += [
            f"space: {key} has an option twice: {', '.join(options)}"
            for key, options in decisions.items()
            if len(set(options)) < len(options)
        ]
        for number in range(max(map(len, decisions.values()))):
            choices = {key: options[number % len(options)] for key, options in decisions.items()}
            wrong += [f"space: {fault}" for fault in faults(choices, len(self.strides) - 1)]
        if wrong:
            once = {fault.partition(" is '")[2] or fault: fault for fault in reversed(wrong)}
            raise Fault("\n".join(reversed(once.values())))  # an option is of many blocks

    @property
    def decisions(self) -> Mapping[str, tuple[str, ...]]:
        """Decision -> its options."""
        return self._decisions

    def known(self, genotype: Genotype) -> Genotype:
        """`genotype` if it says what a network needs, be it one of those searched or not.

        Raises:
            Fault: everything that is wrong with it.
        """
        if genotype.space != self.name:
            return check(self, genotype)  # which says so
        wrong = faults(genotype.choices, len(self.strides) - 1)
        if wrong:
            raise Fault("\n".join(f"the genotype is no network: {fault}" for fault in wrong))
        self._know(genotype.options)
        return genotype

    def _know(self, words: Iterable[str]) -> None:
        """Puts what builds each word into `operations`."""
        for word in words:
            if word not in self.operations:
                made = block(word) or convolution(word) or hidden(word)
                if made is not None:
                    self.operations[word] = dict(made)

    def plan(self, genotype: Genotype | None = None) -> Plan:
        """The plan of `genotype`'s network, or the open one.

        Raises:
            Fault: `genotype` is no network, or widths are decided too and there is no open plan.
        """
        if genotype is None:
            self._check_sizes()
            options: Mapping[str, tuple[str, ...]] = self._decisions
        else:
            options = {key: (option,) for key, option in self.known(genotype).choices.items()}
        return self._planned(options)

    def _planned(self, options: Mapping[str, tuple[str, ...]]) -> Plan:
        classifier = options["classifier"][0]
        head = "classifier" if classifier == LINEAR else classifier
        made = list(steps(options, self.strides))
        return planned(self.task.input_shape, made, self.task.classes, head)

    def _check_sizes(self) -> None:
        for key, options in self._decisions.items():
            if key.endswith("width") and len(options) > 1:
                part = key.partition("/")[0]
                one = "space.widths one number for each stage"
                one = one if part.isdigit() else f"space.{part}_width one number"
                raise Fault(
                    f"space 'mobile' has no supernet and no open plan while {key} is a choice "
                    f"({', '.join(options)}); give {one}"
                )

    def taken(self, genotype: Genotype) -> Mapping[str, str]:
        """What has more than one option."""
        choices = check(self, genotype).choices
        return {key: choices[key] for key, all_ in self._decisions.items() if len(all_) > 1}

    def derive(self, strengths: Sequence[Sequence[float]]) -> Genotype:
        """The strongest option of every block (see `strongest`)."""
        found = strongest(self.name, self.plan().choices, strengths).choices
        taken = {key: found.get(key, options[0]) for key, options in self._decisions.items()}
        return Genotype(self.name, tuple(self._decisions), tuple(taken.values()))

    def network(self, genotype: Genotype) -> nn.Module:
        """The network of `genotype`: images (B, C, H, W) -> logits (B, classes)."""
        from nascli.networks.network import Network

        plan = self.plan(genotype)
        return Network(plan, partial(build, self._built(genotype["epsilon"], plan)))

    def supernet(self) -> PlannedSupernet:
        """All networks of the space in one.

        Raises:
            Fault: widths are decided too.
        """
        from nascli.supernet.planned import PlannedSupernet

        plan = self.plan()
        return PlannedSupernet(self, plan, self._built(self._decisions["epsilon"][0], plan))

    def layers(self) -> Mapping[Layer, Callable[[], nn.Module]]:
        """Every layer that some network of the space contains, with its builder."""
        widths = {key: options for key, options in self._decisions.items() if "width" in key}
        found: dict[Layer, Callable[[], nn.Module]] = {}
        # A layer knows the widths of its own stage and the one before: every two stages in turn.
        for first, second in itertools.pairwise(widths):
            for pair in itertools.product(widths[first], widths[second]):
                chosen = {key: options[:1] for key, options in widths.items()}
                chosen |= {first: pair[:1], second: pair[1:]}
                plan = self._planned({**self._decisions, **chosen})
                found |= builders(self._built(self._decisions["epsilon"][0], plan), plan)
        return dict(sorted(found.items()))

    def _built(self, epsilon: str, plan: Plan) -> dict[str, Factory]:
        """Operation -> what builds it, of those in `plan`."""
        words = {layer.operation for layer in plan.candidates()} & self.operations.keys()
        for word in words:
            if (word, epsilon) not in self._factories:
                (factory,) = resolve({word: self.operations[word]}).values()
                made = partial(_with_epsilon, factory, float(epsilon))
                self._factories[word, epsilon] = made
        return {word: self._factories[word, epsilon] for word in words}

    def canonical(self, genotype: Genotype) -> Genotype:
        """The one whose skipped blocks come last in their stages."""
        choices = genotype.choices
        for stage in range(1, len(self.strides)):
            # The first block changes the shape; any other one that is skipped is the identity.
            later = blocks(choices, stage)[1:]
            words = sorted((choices[name] for name in later), key=SKIP.__eq__)
            choices.update(zip(later, words, strict=True))
        return Genotype(self.name, genotype.decisions, tuple(choices.values()))

    def scaled(
        self,
        genotype: Genotype,
        width: float,
        depth: float,
        step: int = STEP,
        layers: str = "up",
    ) -> Genotype:
        """A wider and deeper one (see `mobile_genotype.scaled`)."""
        choices = self.known(genotype).choices
        return Genotype.of(self.name, scaled(choices, width, depth, step, layers))

    def describe(self, genotype: Genotype) -> str:
        """One line a stage: its width and its blocks."""
        choices = self.known(genotype).choices
        lines = [f"stem      {choices['stem/width']:>4} channels: {choices['stem']}"]
        made = steps({key: (option,) for key, option in choices.items()}, self.strides)
        for group, inside in itertools.groupby(made, lambda step: step.group):
            if not group.startswith("stage"):
                continue
            several = list(inside)
            words = [
                f"{len(list(alike))}\N{NO-BREAK SPACE}x\N{NO-BREAK SPACE}{word}"
                for word, alike in itertools.groupby(step.options[0] for step in several)
            ]
            text = f"{group:<9} {several[0].channels:>4} channels: {', '.join(words)}"
            wrapped = textwrap.wrap(text, 100, subsequent_indent=" " * 25)
            lines += [line.replace("\N{NO-BREAK SPACE}", " ") for line in wrapped]
        head = "no convolution" if choices["head"] == SKIP else choices["head"]
        lines.append(
            f"head      {choices['head/width']:>4} channels: {head}, {choices['classifier']}"
        )
        lines.append(f"strides {', '.join(map(str, self.strides))}; epsilon {choices['epsilon']}")
        return "\n".join(lines)


def _words(width: int | Sequence[int]) -> tuple[str, ...]:
    """A number of channels, or those to choose from, as options."""
    return tuple(map(str, width)) if isinstance(width, list | tuple) else (str(width),)


def _with_epsilon(factory: Factory, epsilon: float, *shape: Any, **settings: Any) -> nn.Module:
    """What `factory` makes, its batch norms with this `epsilon`."""
    from torch import nn

    module = factory(*shape, **settings)
    for inside in module.modules():
        if isinstance(inside, nn.BatchNorm2d):
            inside.eps = epsilon
    return module
