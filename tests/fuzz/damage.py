"""Damages files: as bytes, and where they hold plain data as data."""

from __future__ import annotations

import copy
import random
from typing import Any

NUMBERS = (0, 1, 2, 3, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1)


def _deep(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e-9, 1e308, float("inf"), float("nan")),
    *(2**31, 2**62, 2**63, 10**12, 10**40, 10**400, -(10**19)),
    *("", "x", "0", "1e3", "nan", "null", "${seed}", "${oc.env:HOME}", "${a}${a}", "???", "~"),
    *("\ud800", "\0", "../..", "x" * 3000, "9" * 5000, "a.b", "_target_", "{}", "[1,2]", "é"),
    *([], {}, [1], [None], ["x"], {"a": 1}, {"": {}}, [[1, 2], [3, 4]], {"_target_": "x"}),
    *({"_target_": "os.system"}, {"_partial_": 1}, {"_recursive_": "x"}, _deep(60), _deep(200)),
)


def damaged(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """The same with one to four places changed."""
    made = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(made)) if made else 0
        if rng.random() < 0.5:  # headers come first
            place = min(place, rng.randrange(64))
        kind = rng.randrange(8)
        if kind == 0:
            del made[place:]
        elif kind == 1:
            made[place : place + 1] = bytes([rng.randrange(256)])
        elif kind == 2:
            size, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
            number = rng.choice(NUMBERS) % 256**size
            made[place : place + size] = number.to_bytes(size, order)  # type: ignore[arg-type]
        elif kind == 3:
            del made[place : place + rng.randint(1, 40)]
        elif kind == 4:
            made[place:place] = made[place : place + rng.randint(1, 200)]
        elif kind == 5:
            other = rng.choice(others)
            start = rng.randrange(max(1, len(other)))
            made[place:] = other[start:]
        elif kind == 6:
            made[place : place + rng.randint(1, 16)] = bytes(rng.randint(1, 16))
        elif made:
            made[place] ^= 1 << rng.randrange(8)
    return bytes(made)


def altered(node: Any, rng: random.Random) -> Any:
    """A copy of plain data with one to three of its nodes replaced, lost, doubled or exchanged."""
    made = [copy.deepcopy(node)]
    for _ in range(rng.randint(1, 3)):
        places = list(_places(made))
        parent, key = rng.choice(places)
        kind = rng.randrange(6)
        if kind == 0 and parent is not made:
            del parent[key]
        elif kind == 1:
            other, name = rng.choice(places)
            parent[key] = copy.deepcopy(other[name])
        elif kind == 2 and isinstance(parent, list) and parent is not made:
            parent.insert(key, copy.deepcopy(parent[key]))
        elif kind == 2 and isinstance(parent, dict):
            parent[rng.choice(("x", "", "9", "_target_"))] = copy.deepcopy(parent[key])
        else:
            parent[key] = copy.deepcopy(rng.choice(STRANGE))
    return made[0]


def _places(node: Any) -> Any:
    """Every place of a value: what holds it, and its key there."""
    if isinstance(node, (list, dict)) and len(node) < 5000:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            yield node, key
            yield from _places(node[key])
