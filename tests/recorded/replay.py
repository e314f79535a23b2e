"""Runs a search inside the test's own process: what recorded tests know of the package's inside.

A test that replays a recording calls only what is here (and `fixtures.composed`), so where modules
move or classes change their names this file alone follows. What it hands out is plain: genotypes as
digits, numbers and lists of numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fixtures import build
from hydra.utils import get_class

from nascli.core.evaluation import Evaluation
from nascli.core.loop import Search
from nascli.core.traits import traits_of
from nascli.workers.serial import Serial


def shares_weights(config: Any) -> bool:
    """Whether the config's strategy trains a supernet."""
    return traits_of(get_class(config.strategy._target_)).weight_sharing


class Replay:
    """One search, serially, from a composed config."""

    def __init__(self, config: Any) -> None:
        self._parts = build.search(config)
        self._evaluation = Evaluation(self._parts.problem, self._parts.estimators)
        workers = Serial(lambda: self._evaluation)
        self._search = Search(self._parts.strategy, self._evaluation, workers, self._parts.budget)

    def run(self, ended: Callable[[Any], None] = lambda _trial: None) -> Any:
        """The genotype that is recommended in the end; `ended` is called with every trial."""
        return self._search.run(ended)

    @property
    def trials(self) -> list[Any]:
        """All trials so far, in the order in which they ended."""
        return list(self._search.history)

    def digits(self, genotype: Any) -> str:
        """Which option of every decision, by its place in the space: `031420`."""
        decisions = self._parts.problem.space.decisions
        pairs = zip(genotype.options, decisions.values(), strict=True)
        return "".join(str(options.index(option)) for option, options in pairs)

    def readout(self) -> dict[str, float]:
        """What a gradient search has said of its last epoch beside the trial's metrics."""
        return {}

    def architecture(self) -> dict[str, list[Any]]:
        """Name -> architecture weights, as nested lists."""
        state = self._parts.strategy.state_dict()["bilevel"].get("relaxation", {})
        return {name: value.tolist() for name, value in _tensors(state)}

    def supernet(self) -> dict[str, Any]:
        """Name -> tensor of the supernet as it now is."""
        return dict(self._parts.strategy.state_dict()["bilevel"]["supernet"])


def _tensors(state: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The floating-point tensors of a flat state."""
    for name, value in state.items():
        if getattr(value, "is_floating_point", lambda: False)():
            yield name, value


@contextmanager
def double_precision() -> Iterator[None]:
    """Networks, architecture weights and images in float64 for as long as it lasts."""
    import torch

    from nascli.data import batches

    prepared = batches._preparing

    def preparing(split: Any, device: str) -> Any:
        prepare = prepared(split, device)

        def doubled(*arguments: Any) -> Any:
            return prepare(*arguments).double()

        return doubled

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    batches._preparing = preparing
    try:
        yield
    finally:
        batches._preparing = prepared
        torch.set_default_dtype(before)
