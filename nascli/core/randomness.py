"""Where random numbers come from: a seed of its own for every seed of a problem and every name.

`seed_of` makes the seeds of all new generators. A resumed search takes its recorded steps again, so
what has decided recorded steps in another way before keeps that way: the tables below name it.
Outside of this, first weights of whole networks are drawn from the problem's seed itself, and data
sets are drawn and split by seeds of their own.
"""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# random.Random of the text SEED/NAME
_BY_TEXT = frozenset(
    {
        "asha",
        "audit",
        "bohb",
        "evolution",
        "hyperband",
        "local_search",
        "nsga2",
        "predictor",
        "random",
        "reinforce",
        "survey",
    }
)
# CPython's hash of (SEED, NUMBER), in 63 bits
_BY_HASH = frozenset({"mlp", "graph"})
# numpy's SeedSequence of (SEED, NUMBER)
_BY_SEQUENCE = frozenset({"forest", "boosting"})


def seed_of(seed: int, *names: str | int) -> int:
    """A seed for every seed and names, the same on every machine.

    32 bits, which is what torch's generator on the CPU reads of its seed; more for the surrogates
    of `_BY_HASH`.
    """
    if names[:1] and names[0] in _BY_HASH:
        return hash((seed, *names[1:])) % 2**63
    if names[:1] and names[0] in _BY_SEQUENCE:
        import numpy as np

        numbers = (seed, *map(int, names[1:]))
        return int(np.random.SeedSequence(numbers).generate_state(1)[0])
    digest = hashlib.blake2b(repr((seed, *names)).encode(), digest_size=4)
    return int.from_bytes(digest.digest(), "little")


def generator(seed: int, *names: str | int) -> random.Random:
    """A generator of plain numbers."""
    if names[:1] and names[0] in _BY_TEXT:
        return random.Random("/".join(map(str, (seed, *names))))
    return random.Random(seed_of(seed, *names))


def array_generator(seed: int, *names: str | int) -> np.random.Generator:
    """A generator of numpy arrays."""
    import numpy as np

    if names[:1] and names[0] in _BY_SEQUENCE:
        return np.random.default_rng((seed, *map(int, names[1:])))
    return np.random.default_rng(seed_of(seed, *names))
