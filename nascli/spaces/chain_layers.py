"""The layers of a chain as YAML states them, read and checked; no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nascli.core.channels import MOST_CHANNELS, MOST_LAYERS, whole, wider
from nascli.core.choice import NONE
from nascli.core.fault import unknown
from nascli.spaces.chain_plan import Step

KEYS = ("channels", "name", "options", "repeats", "stride")


def read(
    layers: object, options: Sequence[str], operations: Mapping[str, Any], width: float
) -> tuple[list[Step], list[str]]:
    """The steps of a chain, and everything that is wrong with them.

    `options` are those of a layer that has none of its own. `width` multiplies all channels, which
    are then rounded to 8.
    """
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not layers:
        return [], [f"space.layers is {layers!r:.80}; it must list at least one layer"]
    steps: list[Step] = []
    wrong: list[str] = []
    for number, entry in enumerate(layers, start=1):
        if not isinstance(entry, Mapping):
            wrong.append(f"layer {number} is {entry!r:.80}; it must have {', '.join(KEYS)}")
            continue
        layer: dict[str, Any] = {"name": f"layer{number}", "options": options}
        layer |= {"repeats": 1, "stride": 1, **entry}
        found = list(_wrong(layer, operations))
        wrong += [f"layer {number} ({layer['name']}): {fault}" for fault in found]
        if not found:
            wide = wider(layer["channels"], width)
            steps += _steps(layer, wide, len(steps))
    if len(steps) > MOST_LAYERS:
        wrong.append(f"there are {len(steps):,} layers, repeats counted; at most {MOST_LAYERS}")
    widest = max((step.channels for step in steps), default=1)
    if widest > MOST_CHANNELS:
        wrong.append(
            f"space.width is {width:g}, which makes {widest:,} channels; at most {MOST_CHANNELS:,}"
        )
    names = [step.decision for step in steps]
    wrong += [f"two layers have the name '{n}'" for n in dict.fromkeys(names) if names.count(n) > 1]
    return steps, wrong


def _wrong(layer: Mapping[str, Any], operations: Mapping[str, Any]) -> Iterator[str]:
    yield from (unknown("its key", key, KEYS) for key in layer if key not in KEYS)
    if "channels" not in layer:
        yield "it has no channels"
    for key, most in (("channels", MOST_CHANNELS), ("repeats", MOST_LAYERS)):
        if wanted := whole(layer.get(key, 1), most):
            yield f"{key} is {layer[key]!r:.80}; it must be {wanted}"
    if type(layer["stride"]) is not int or layer["stride"] not in (1, 2):
        yield f"stride is {layer['stride']!r:.80}; it must be 1 or 2"
    name, options = layer["name"], layer["options"]
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w*", name):
        yield "its name must be a letter, then letters, digits or _"
    if not isinstance(options, Sequence) or isinstance(options, str) or not options:
        yield f"options is {options!r:.80}; it must list at least one operation"
        return
    for option in dict.fromkeys(map(str, options)):
        if option not in operations:
            yield unknown("option", option, operations)
        elif option == NONE:
            yield f"its option '{NONE}' lets nothing through to the layers behind"
        elif list(options).count(option) > 1:
            yield f"it has the option '{option}' twice"


def _steps(layer: Mapping[str, Any], channels: int, before: int) -> Iterator[Step]:
    """As many as it repeats; the first has the stride, and `before` stand in front of it."""
    name, repeats = layer["name"], layer["repeats"]
    for number in range(repeats):
        yield Step(
            decision=name if repeats == 1 else f"{name}/{number + 1}",
            path=f"body.{before + number}",
            group=name,
            options=tuple(layer["options"]),
            channels=channels,
            stride=1 if number else layer["stride"],
        )
