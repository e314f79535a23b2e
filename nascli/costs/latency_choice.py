"""Which model predicts latencies best, told by networks that it has not seen; and how well it does.

Stone 1974, Cross-validatory choice and assessment of statistical predictions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from nascli.core.device import Latency
from nascli.core.fault import Fault
from nascli.core.plan import Layer
from nascli.core.space import Planned
from nascli.core.surrogate import Surrogate
from nascli.costs.calls import OnCalls, calls_of, cost_of, network_calls
from nascli.costs.latency_models import (
    CORRECTED,
    CostOf,
    Example,
    Fitted,
    Learnt,
    LeastSquares,
    Model,
    Sum,
)

_FOLDS = 8
_STRENGTHS = (10.0, 1.0, 0.1, 0.01, 0.001)  # of ridges: the less, the more is left to learn
_BETTER = 0.95  # of the error of a simpler model: what a less simple one has to reach
_NEAR = 0.1  # how far off a prediction may be to be called within ten percent
LEAST = 8
"""Networks that must have been measured for a model to be fitted."""


def models(
    space: Planned,
    cost: CostOf,
    table: Mapping[Layer, Latency] | None,
    surrogate: Callable[[Planned, int], Surrogate] | None = None,
    *,
    traced: bool = False,
) -> list[Model]:
    """All that may be chosen of, the simplest first.

    Args:
        space: whose networks are told.
        cost: what a layer costs.
        table: what layers take, where that adds up; None for a runtime that fuses them.
        surrogate: makes one of a space, for the models that learn; None leaves those out.
        traced: the runtime has said what the kernels of measured networks take.
    """
    found: list[Model] = []
    if table is not None:
        found += [Sum(table, calibrated=False), Sum(table, calibrated=True)]
        found += [LeastSquares(cost, strength, table) for strength in _STRENGTHS]
    calls = calls_of(space)
    network = network_calls(space, calls) if table is None else None
    on_calls = [LeastSquares(cost_of, strength) for strength in _STRENGTHS]
    if traced:
        found += [OnCalls(model, calls, network, timed=True) for model in on_calls]
    found += [OnCalls(model, calls, network) for model in on_calls]
    found += [LeastSquares(cost, strength) for strength in _STRENGTHS]
    if surrogate is not None:
        made, by = partial(surrogate, space, 0), getattr(surrogate, "func", surrogate).__name__
        found += [Learnt(model, made, by) for model in found if isinstance(model, LeastSquares)]
    return found


def cross_validated(several: Sequence[Model], examples: Sequence[Example]) -> dict[str, float]:
    """Model -> its mean absolute error as a share, on examples that it was not fitted to.

    Learnt models are tried on the best of what they correct, and on no other. What cannot be fitted
    is left out.

    Raises:
        Fault: there are too few examples, or nothing fits.
    """
    if len(examples) < LEAST:
        raise Fault(f"{len(examples)} measured networks are too few to predict from: {LEAST}")
    errors: dict[str, float] = {}
    why = Fault("nothing predicts the latencies measured")

    def tried(model: Model) -> None:
        nonlocal why
        try:
            errors[model.name] = _error(model, examples)
        except Fault as fault:
            why = fault

    for model in several:
        if not isinstance(model, Learnt):
            tried(model)
    learnt = [m for m in several if isinstance(m, Learnt) and m.of.name in errors]
    if learnt:
        tried(min(learnt, key=lambda model: errors[model.of.name]))
    if not errors:
        raise why
    return errors


def _error(model: Model, examples: Sequence[Example]) -> float:
    off = []
    for fold in range(min(_FOLDS, len(examples))):
        kept = [e for number, e in enumerate(examples) if number % _FOLDS != fold]
        fitted = model.fit(kept)
        off += [abs(fitted(e.genotype, e.counts) / e.ms - 1) for e in examples[fold::_FOLDS]]
    return float(np.mean(off))


def chosen(errors: Mapping[str, float]) -> str:
    """The simplest model that no later one is clearly better than; simpler ones come first."""
    best = min(errors.values())
    return next(name for name, error in errors.items() if _BETTER * error <= best)


def fitted(several: Sequence[Model], name: str, examples: Sequence[Example]) -> Fitted:
    """The model of that name, fitted to all examples.

    Raises:
        Fault: there is none of that name.
    """
    for model in several:
        if model.name == name:
            return model.fit(examples)
    made_by = name.partition(CORRECTED)[2]
    others = {model.by for model in several if isinstance(model, Learnt)} - {made_by}
    if made_by and others:
        raise Fault(
            f"predictions were corrected by {made_by:.100}, and device.surrogate is "
            f"{', '.join(sorted(others))}: give device.surrogate._target_ as the profile had it"
        )
    raise Fault(
        f"latencies cannot be predicted by '{name:.100}': this version knows no such model; make "
        "another profile with nas profile"
    )


@dataclass(frozen=True)
class Check:
    """How well predictions fit networks that no model has seen."""

    networks: int
    mape: float
    median_error: float
    within_10: float
    spearman: float
    worst_error: float
    worst_genotype: str

    def to_json(self) -> dict[str, Any]:
        """Plain data; shares, not percentages."""
        return asdict(self)


def checked(predict: Fitted, examples: Sequence[Example]) -> Check:
    """Predictions beside what was measured, for at least one network."""
    from scipy.stats import spearmanr

    told = np.array([predict(example.genotype, example.counts) for example in examples])
    taken = np.array([example.ms for example in examples])
    off = told / taken - 1
    worst = int(np.argmax(np.abs(off)))
    several = len(set(taken)) > 1 and len(set(told)) > 1
    return Check(
        networks=len(examples),
        mape=float(np.mean(np.abs(off))),
        median_error=float(np.median(np.abs(off))),
        within_10=float(np.mean(np.abs(off) <= _NEAR)),
        spearman=float(spearmanr(told, taken)[0]) if several else 0.0,
        worst_error=float(off[worst]),
        worst_genotype=str(examples[worst].genotype),
    )
