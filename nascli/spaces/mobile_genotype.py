"""How the genotype of a mobile network is read: what is wrong with it, and the steps it stands for.

Its decisions are those that `nascli.spaces.mobile.Mobile` names; which stages there are and how
many blocks each has, the decisions themselves say.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

from nascli.core.channels import MOST_CHANNELS, deeper, wider
from nascli.core.choice import SKIP
from nascli.core.fault import unknown
from nascli.spaces.chain_plan import Step
from nascli.spaces.mobile_words import BLOCKS, LINEAR, block, convolution, hidden

FIXED = ("stem", "stem/width", "head", "head/width", "classifier", "epsilon")
"""The decisions that every genotype has; a stage has a width and blocks besides."""

_PLACE = re.compile(r"([1-9]\d*)/([1-9]\d*|width)")
_WHOLE = re.compile(r"[1-9]\d{0,4}")
_EPSILON = re.compile(r"\d+(\.\d+)?(e-?\d+)?")


def faults(choices: Mapping[str, str], stages: int) -> list[str]:
    """What keeps `choices` from being a network of at most `stages` stages; nothing if all fits."""
    found = [f"it does not say what to take at {key}" for key in FIXED if key not in choices]
    known = [*FIXED, "STAGE/width", "STAGE/BLOCK"]
    for decision, option in choices.items():
        place = _PLACE.fullmatch(decision)
        if place is None and decision not in FIXED:
            found.append(unknown("decision of space mobile", decision, known))
        elif place is not None and int(place[1]) > stages:
            found.append(f"{decision} is of a stage that there is not: strides are for {stages}")
        else:
            wrong = _wrong(decision, option)
            found += [f"{decision} is '{option:.80}'; {wrong}"] if wrong else []
    if found:
        return found
    for stage in _stages(choices):
        count = sum(decision.startswith(f"{stage}/") for decision in choices)
        names = ["width", *map(str, range(1, max(count, 2)))]
        lacking = [f"{stage}/{name}" for name in names if f"{stage}/{name}" not in choices]
        found += [f"it does not say what to take at {key}" for key in lacking]
        if choices.get(f"{stage}/1") == SKIP:
            found.append(
                f"{stage}/1 is '{SKIP}'; the first block of a stage makes its shape: leave the "
                "whole stage out, or skip a later block"
            )
    if not _stages(choices):
        found.append("it has no stage: there is no decision such as 1/width or 1/1")
    return found


def _wrong(decision: str, option: str) -> str | None:
    """What an option must be, if it is not that."""
    if decision.endswith("width"):
        many = _WHOLE.fullmatch(option) is not None and int(option) <= MOST_CHANNELS
        return None if many else f"it must be a number of channels, from 1 to {MOST_CHANNELS:,}"
    if decision == "epsilon":
        fits = _EPSILON.fullmatch(option)
        return None if fits and float(option) > 0 else "it must be a number above 0, such as 1e-05"
    if decision in ("stem", "head"):
        if convolution(option) or (decision == "head" and option == SKIP):
            return None
        return "it must look like conv_3x3 or conv_1x1_hswish" + (
            f", or be {SKIP}" if decision == "head" else ""
        )
    if decision == "classifier":
        fine = option == LINEAR or hidden(option)
        return None if fine else f"it must be {LINEAR} or look like hidden_1280_hswish"
    return None if block(option) else BLOCKS + f", or are {SKIP}"


def _stages(choices: Mapping[str, object]) -> list[int]:
    """The numbers of the stages."""
    places = map(_PLACE.fullmatch, choices)
    return sorted({int(place[1]) for place in places if place is not None})


def steps(options: Mapping[str, tuple[str, ...]], strides: Sequence[int]) -> Iterator[Step]:
    """The steps of a network, or of all that take one of the `options` of every block.

    `options` has a single one of everything else. `strides` are of the stem and of each stage, by
    its number; the first block of a stage has it.
    """
    yield Step("stem", "stem", "stem", options["stem"], _width(options, "stem"), strides[0])
    for index, stage in enumerate(_stages(options)):
        width, group = _width(options, str(stage)), f"stage {stage}"
        for number, decision in enumerate(blocks(options, stage)):
            path, stride = f"stages.{index}.{number}", 1 if number else strides[stage]
            yield Step(decision, path, group, options[decision], width, stride)
    if options["head"] != (SKIP,):
        yield Step("head", "head", "head", options["head"], _width(options, "head"))


def scaled(
    choices: Mapping[str, str], width: float, depth: float, step: int, layers: str
) -> dict[str, str]:
    """`choices` with `width` times the channels and `depth` times the blocks of every stage.

    Channels are rounded as published networks do (see `core.channels.wider`), blocks by the rule
    `layers` (see `core.channels.deeper`). More blocks are like the last; blocks that are skipped
    are left out first. A hidden layer of the classifier stays as it is.
    """
    found = {key: choices[key] for key in FIXED}
    for stage in _stages(choices):
        words = [choices[key] for key in blocks(choices, stage) if choices[key] != SKIP]
        count = deeper(len(words), depth, layers)
        words = (words + words[-1:] * count)[:count]
        if words:
            found[f"{stage}/width"] = choices[f"{stage}/width"]
        found |= {f"{stage}/{number}": word for number, word in enumerate(words, start=1)}
    for key in found:
        if key.endswith("width"):
            found[key] = str(wider(int(found[key]), width, step))
    return found


def blocks(choices: Mapping[str, object], stage: int) -> list[str]:
    """The decisions on the blocks of a stage, in order."""
    names = (f"{stage}/{number}" for number in itertools.count(1))
    return list(itertools.takewhile(choices.__contains__, names))


def _width(options: Mapping[str, tuple[str, ...]], name: str) -> int:
    (width,) = options[f"{name}/width"]
    return int(width)
