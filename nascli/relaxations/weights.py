"""Architecture weights as most relaxations hold them: one an option."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from nascli.core.fault import Fault
from nascli.core.supernet import Supernet

Self = TypeVar("Self", bound="Weights")


class Weights:
    """One weight alpha an option, from a normal distribution, and a generator for what is sampled.

    Args:
        supernet: where options compete.
        seed: of the first weights and of all that is sampled.
        scale: standard deviation of the first weights; 0.001 is published.
        least: how many options every choice must have.

    Raises:
        Fault: a choice has fewer.
    """

    def __init__(self, supernet: Supernet, seed: int, scale: float = 1e-3, least: int = 1) -> None:
        choices = supernet.choices
        for choice in choices:
            if len(choice.options) < least:
                raise Fault(
                    f"choice {choice.name} of the space has {len(choice.options)} option(s); this "
                    f"relaxation needs {least} at every choice: give the space more operations, or "
                    "take relaxation@strategy.relaxation=softmax"
                )
        counts = torch.tensor([len(choice.options) for choice in choices])
        self._generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(len(choices), int(counts.max()), generator=self._generator)
        self._alpha = torch.nn.Parameter(scale * drawn)  # (choices, options)
        self._absent = torch.arange(drawn.shape[1]) >= counts[:, None]  # this one on the host
        self._mask = self._absent
        self._kept: tuple[tuple[int, ...], ...] | None = None
        self.prices: Tensor | None = None

    def priced(self) -> Tensor:
        """(choices, options): alpha less the prices (see `core.supernet.Priced`)."""
        return self._alpha if self.prices is None else self._alpha - self.prices

    def logits(self) -> Tensor:
        """(choices, options): the same, and -inf where a choice lacks the option."""
        return self.priced().masked_fill(self._mask, -torch.inf)

    def parameters(self) -> Sequence[torch.nn.Parameter]:
        """Alpha."""
        return (self._alpha,)

    def keep(self, options: Sequence[Sequence[int]]) -> None:
        """From now on only these options of each choice take part."""
        self._kept = tuple(tuple(sorted(numbers)) for numbers in options)
        absent = torch.ones(self._absent.shape, dtype=torch.bool)
        for row, numbers in zip(absent, self._kept, strict=True):
            row[list(numbers)] = False
        self._absent, self._mask = absent, absent.to(self._mask.device)

    def to(self: Self, device: str) -> Self:
        """Moves alpha, in place."""
        torch.utils.swap_tensors(self._alpha, torch.nn.Parameter(self._alpha.detach().to(device)))  # type: ignore[no-untyped-call]
        self._mask = self._absent.to(device)
        return self

    def state_dict(self) -> dict[str, Any]:
        """A copy of alpha, the prices, which options are kept, and where the generator stands."""
        return {
            "alpha": self._alpha.detach().clone(),
            "prices": self.prices,
            "kept": self._kept and [list(numbers) for numbers in self._kept],
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        with torch.no_grad():
            self._alpha.copy_(state["alpha"])
        prices = state.get("prices")  # earlier versions had none
        self.prices = None if prices is None else prices.to(self._alpha.device)
        if state["kept"] is not None:
            self.keep(state["kept"])
        self._generator.set_state(state["generator"])
