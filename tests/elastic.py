"""A chain whose options are taken for sizes: what samplers ask of an elastic supernet."""

from __future__ import annotations

from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.supernet import Shrinking
from nascli.supernet.planned import PlannedSupernet


class ElasticChain(PlannedSupernet):
    """Its stages let in one more option each, of every choice; the second is said to be widths."""

    sorted = 0

    @property
    def stages(self):
        ordered = {c.name: tuple(reversed(c.options)) for c in self.choices}
        return tuple(
            Shrinking(f"{more} options", {n: o[:more] for n, o in ordered.items()}, more == 3)
            for more in (2, 3)
        )

    def sort_channels(self):
        self.sorted += 1


def chain(*overrides):
    """A tiny chain: three options at each of three layers."""
    made = instantiate(composed("space=nasbench_macro", *overrides).space, _partial_=True)
    return made(ToyTask(input_shape=(3, 8, 8)), layers=LAYERS)


LAYERS = [
    {"name": "stem", "options": ["conv_3x3_relu"], "channels": 4},
    {"name": "high", "channels": 8, "stride": 2, "repeats": 3},
]


def elastic(space=None):
    """The space, and its supernet with elastic sizes, as it were."""
    space = space or chain()
    return space, ElasticChain(space, space.plan(), space.factories)
