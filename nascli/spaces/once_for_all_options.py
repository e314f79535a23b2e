"""What is wrong with the options of a once-for-all space; no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nascli.core.channels import MOST_CHANNELS, MOST_LAYERS, SQUEEZES, odd, whole, wider
from nascli.core.fault import unknown
from nascli.core.plan import Shape
from nascli.spaces.mobile_words import ACTIVATIONS, BLOCKS, LINEAR, block, convolution, hidden


def faults(given: Mapping[str, Any], images: Shape) -> list[str]:
    """All that is wrong with the options of the space for images of that shape.

    Each begins with the name of the option. `given` has all of them.
    """
    found = [*_lists(given), *_words(given), *_counts(given)]
    wrong = {fault.split()[0].rstrip(",") for fault in found}
    if not wrong & {"widths", "multipliers", "stem_width", "head_width"}:
        found += _multipliers(given)
    if not wrong & {"resolutions", "strides"}:
        found += _sizes(given, images)
    return found


def _lists(given: Mapping[str, Any]) -> Iterator[str]:
    channels, layers = whole(None, MOST_CHANNELS), whole(None, MOST_LAYERS)
    kinds = {
        "resolutions": (channels, _channels),
        "widths": (channels, _channels),
        "depths": (layers, lambda v: not whole(v, MOST_LAYERS)),
        "kernels": (odd(None), lambda v: not odd(v)),
        "expansions": ("a number from 0.001 to 1000", _times),
        "multipliers": ("a number from 0.001 to 1000", _times),
        "strides": ("1 or 2", lambda v: type(v) is int and v in (1, 2)),
        "activations": ("", lambda _: True),
        "squeezes": ("", lambda _: True),
    }
    for key, (kind, fits) in kinds.items():
        values = given[key]
        if not _listed(values):
            yield f"{key} is {values!r:.80}; it must list at least one value"
            continue
        yield from (f"{key} has {v!r:.80}; each must be {kind}" for v in values if not fits(v))
        choices = key in ("resolutions", "depths", "kernels", "expansions", "multipliers")
        twice = [v for number, v in enumerate(values) if choices and v in values[:number]]
        yield from (f"{key} has {v!r:.80} twice" for v in twice)
    for key in ("stem_width", "head_width"):
        if wanted := whole(given[key], MOST_CHANNELS):
            yield f"{key} is {given[key]!r:.80}; it must be {wanted}"


def _words(given: Mapping[str, Any]) -> Iterator[str]:
    known = {"activations": ACTIVATIONS, "squeezes": SQUEEZES}
    for key, allowed in known.items():
        values = given[key] if isinstance(given[key], Sequence) else ()
        for stage, value in enumerate(values, start=1):
            if value not in allowed:
                yield unknown(f"{key}, stage {stage}:", value, allowed)
    for key in ("stem", "head"):
        if not convolution(str(given[key])):
            yield f"{key} is '{given[key]:.80}'; it must look like conv_3x3 or conv_1x1_hswish"
    if not block(str(given["first"])):
        yield f"first is '{given['first']:.80}'; {BLOCKS}"
    word = str(given["classifier"])
    if word != LINEAR and not hidden(word):
        yield f"classifier is '{word:.80}'; it must be {LINEAR} or look like hidden_1280_hswish"


def _counts(given: Mapping[str, Any]) -> Iterator[str]:
    if not _listed(given["widths"]):
        return
    count = len(given["widths"])
    for key, more in (("activations", 0), ("squeezes", 0), ("strides", 1)):
        if _listed(given[key]) and len(given[key]) != count + more:
            each = "the stem and each" if more else "each"
            yield (
                f"{key} is {list(given[key])}; it must have one for {each} of the {count} stages "
                f"that space.widths lists"
            )


def _multipliers(given: Mapping[str, Any]) -> Iterator[str]:
    widths = [given["stem_width"], *given["widths"], given["head_width"]]
    seen: dict[tuple[int, ...], float] = {}
    for times in given["multipliers"]:
        wide = tuple(wider(w, times) for w in widths)
        if wide in seen:
            yield f"multipliers {seen[wide]:g} and {times:g} give the same channels, {list(wide)}"
        seen.setdefault(wide, times)
        if max(wide) > MOST_CHANNELS:
            many = f"{max(wide):,} channels; at most {MOST_CHANNELS:,}"
            yield f"multipliers has {times:g}, which makes {many}"


def _sizes(given: Mapping[str, Any], images: Shape) -> Iterator[str]:
    least, (_, height, width) = math.prod(given["strides"]), images
    sides = [side for side in given["resolutions"] if side <= min(height, width)]
    if not sides:
        other = ", or take space=once_for_all_small" if given["name"] == "once_for_all" else ""
        yield (
            f"resolutions start at {min(given['resolutions'])}, and the images are of "
            f"{height}x{width} pixels; give space.resolutions up to {min(height, width)}{other}"
        )
    small = sorted(side for side in sides if side < least)
    if small:
        yield (
            f"resolutions {', '.join(map(str, small))} are too small for the strides "
            f"{list(given['strides'])}; the smallest allowed is {least}"
        )


def _listed(values: object) -> bool:
    return isinstance(values, Sequence) and not isinstance(values, str) and bool(values)


def _channels(value: object) -> bool:
    return not whole(value, MOST_CHANNELS)


def _times(value: object) -> bool:
    return type(value) in (int, float) and 0.001 <= value <= 1000  # type: ignore[operator]
