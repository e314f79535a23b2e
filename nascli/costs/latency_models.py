"""What networks take on a device, from their plans and a few networks that were measured there.

All but the last of them add up over the places of a plan. Sums of a table: Cai et al. 2019,
ProxylessNAS, arXiv 1812.00332. Non-negative least squares: Lawson and Hanson 1974, chapter 23.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from nascli.core.device import Kernel, Latency
from nascli.core.fault import Fault, first_line
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer
from nascli.core.surrogate import Surrogate
from nascli.costs.cost import Cost
from nascli.costs.layer_counts import JOINTS, Counts
from nascli.costs.table_file import lacking

Row = Mapping[Hashable, float]
CostOf = Callable[[Layer], Cost]
NETWORK = "network"  # the key of what every network takes, whatever its layers
CORRECTED = ", corrected by "  # in the name of a model that is
_FLOAT = 4  # bytes
_BARELY = 1e-6  # the pull towards a prior where there is none to speak of


@dataclass(frozen=True)
class Example:
    """A network that was measured: what its plan is made of, milliseconds, and what they go to."""

    genotype: Genotype
    counts: Counts
    ms: float
    kernels: Sequence[Kernel] = ()


class Fitted(Protocol):
    """What a model has become of examples."""

    @property
    def constant(self) -> float:
        """Milliseconds of every network, whatever its layers."""

    def __call__(self, genotype: Genotype, counts: Counts) -> float:
        """Milliseconds."""

    def layer_ms(self, layer: Layer) -> float:
        """What a layer adds to those of a network."""


class Model(Protocol):
    """Something that learns from examples what networks take."""

    @property
    def name(self) -> str:
        """In words."""

    def fit(self, examples: Sequence[Example]) -> Fitted:
        """From at least one example."""


@dataclass
class Additive:
    """`constant` and what each layer takes."""

    constant: float
    of_layer: Callable[[Layer], float]
    _known: dict[Layer, float] = field(default_factory=dict)

    def __call__(self, genotype: Genotype, counts: Counts) -> float:
        """See `Fitted`."""
        del genotype
        known = self._known
        for layer in counts.keys() - known.keys():
            known[layer] = self.of_layer(layer)
        return self.constant + math.fsum(number * known[n] for n, number in counts.items())

    def layer_ms(self, layer: Layer) -> float:
        """See `Fitted`."""
        return self.of_layer(layer)


@dataclass(frozen=True)
class Sum:
    """The sum of a table's rows, for a runtime that runs layers one by one.

    With `calibrated`, a factor and a constant are fitted: what all measurements of the table share,
    and what lies between and around layers.
    """

    table: Mapping[Layer, Latency]
    calibrated: bool

    @property
    def name(self) -> str:
        """See `Model`."""
        return "sum of the layers' rows" + ", calibrated" * self.calibrated

    def fit(self, examples: Sequence[Example]) -> Additive:
        """See `Model`."""
        if not self.calibrated:
            return Additive(0.0, self._row)
        rows: list[Row] = [{NETWORK: 1.0, "rows": self._sum(e.counts)} for e in examples]
        weights = least_squares(rows, examples, {"rows": 1.0}, _BARELY)
        return Additive(weights[NETWORK], lambda layer: weights["rows"] * self._row(layer))

    def _row(self, layer: Layer) -> float:
        return 0.0 if layer.operation in JOINTS else row(self.table, layer).ms

    def _sum(self, counts: Counts) -> float:
        return math.fsum(number * self._row(layer) for layer, number in counts.items())


@dataclass(frozen=True)
class LeastSquares:
    """Milliseconds of every kind of layer, fitted to whole networks.

    Three fits, each of which is held to the one before it by a ridge of `strength`, since there are
    more kinds of layers than networks: what a layer, a multiply-add and a byte take on the whole;
    the same for each operation; each kind of layer. With a `table` the first two are a factor to
    its rows, on the whole and for each operation; so they are for layers whose `times` are known.
    `between` is the ridge that holds operations to the whole, where it is another.
    """

    cost: CostOf
    strength: float
    table: Mapping[Layer, Latency] | None = None
    times: Callable[[Layer], float | None] = lambda _layer: None
    between: float | None = None

    @property
    def name(self) -> str:
        """See `Model`."""
        what = "costs" if self.table is None else "the table's rows"
        return f"least squares on layer counts and {what}, ridge {self.strength:g}"

    def fit(self, examples: Sequence[Example]) -> Additive:
        """See `Model`."""
        whole = self._stage(examples, "", {}, _BARELY)
        between = self.strength if self.between is None else self.between
        each = self._stage(examples, None, whole, between)

        def of_operation(layer: Layer) -> float:
            return sum(
                value * each.get((layer.operation, name), whole.get(("", name), 0.0))
                for name, value in self._features(layer).items()
            )

        kinds = {layer for example in examples for layer in example.counts}
        prior: dict[Hashable, float] = {layer: of_operation(layer) for layer in kinds}
        prior[NETWORK] = each[NETWORK]
        rows: list[Row] = [{NETWORK: 1.0, **dict(e.counts.items())} for e in examples]
        weights = least_squares(rows, examples, prior, self.strength)
        return Additive(weights[NETWORK], lambda n: weights[n] if n in weights else of_operation(n))

    def _stage(
        self,
        examples: Sequence[Example],
        group: str | None,
        above: Mapping[Hashable, float],
        strength: float,
    ) -> dict[Hashable, float]:
        """Weights of features summed over all layers (group ""), or over those of an operation."""
        rows: list[Row] = []
        for example in examples:
            row: dict[Hashable, float] = defaultdict(float, {NETWORK: 1.0})
            for layer, number in example.counts.items():
                for name, value in self._features(layer).items():
                    row[layer.operation if group is None else group, name] += number * value
            rows.append(row)
        prior = {
            key: above.get(("", key[1]) if isinstance(key, tuple) else key, 0.0)
            for row in rows
            for key in row
        }
        return least_squares(rows, examples, prior, strength)

    def _features(self, layer: Layer) -> dict[str, float]:
        known = self.times(layer)
        if known is not None:
            return {"rows": known}
        if self.table is not None and layer.operation not in JOINTS:
            return {"rows": row(self.table, layer).ms}
        inside = layer.in_channels * layer.height * layer.width
        if layer.operation in JOINTS:
            channels, height, width = layer.shape
            return {"layers": 1.0, "bytes": float(_FLOAT * (inside + channels * height * width))}
        cost = self.cost(layer)
        moved = 0 if cost.returns_input else _FLOAT * (inside + cost.params) + cost.output_bytes
        return {"layers": 1.0, "macs": float(cost.macs), "bytes": float(moved)}


@dataclass(frozen=True)
class Learnt:
    """Another model, times what a surrogate learns of how far it is off."""

    of: Model
    surrogate: Callable[[], Surrogate]
    by: str = "a surrogate"

    @property
    def name(self) -> str:
        """See `Model`."""
        return f"{self.of.name}{CORRECTED}{self.by}"

    def fit(self, examples: Sequence[Example]) -> Fitted:
        """See `Model`."""
        base, learnt = self.of.fit(examples), self.surrogate()
        told = [math.log(e.ms / max(base(e.genotype, e.counts), 1e-9)) for e in examples]
        learnt.fit([example.genotype for example in examples], np.array(told))
        return _Corrected(base, learnt)


@dataclass(frozen=True)
class _Corrected:
    base: Fitted
    learnt: Surrogate

    def __call__(self, genotype: Genotype, counts: Counts) -> float:
        means, _ = self.learnt.predict((genotype,))
        return self.base(genotype, counts) * math.exp(float(means[0]))

    @property
    def constant(self) -> float:
        return self.base.constant

    def layer_ms(self, layer: Layer) -> float:
        return self.base.layer_ms(layer)


def row(table: Mapping[Layer, Latency], layer: Layer) -> Latency:
    """That of a layer.

    Raises:
        Fault: there is none.
    """
    if layer not in table:
        raise lacking([layer])
    return table[layer]


def least_squares(
    rows: Sequence[Row],
    examples: Sequence[Example],
    prior: Mapping[Hashable, float],
    strength: float,
) -> dict[Hashable, float]:
    """Weights w >= 0 of the rows' keys, for which rows . w is nearly what the examples take.

    They minimise the mean square of the relative errors, and `strength` times the sum of squares of
    s (w - prior), s being the root mean square of a column over the milliseconds: so a weight costs
    what it changes in the answers, in whatever unit its column is.

    Raises:
        Fault: there are no such weights.
    """
    from scipy.optimize import nnls

    keys = sorted({key for row in rows for key in row}, key=str)
    place = {key: number for number, key in enumerate(keys)}
    shares = np.zeros((len(rows), len(keys)))
    for number, (row, example) in enumerate(zip(rows, examples, strict=True)):
        for key, value in row.items():
            shares[number, place[key]] = value / example.ms
    shares /= math.sqrt(len(rows))
    scale = np.sqrt((shares**2).sum(axis=0))
    before = np.array([prior.get(key, 0.0) for key in keys])
    some = scale > 0
    ridge = math.sqrt(strength) * np.eye(int(some.sum()))
    matrix = np.vstack([shares[:, some] / scale[some], ridge])
    aim = np.concatenate(
        [
            np.full(len(rows), 1 / math.sqrt(len(rows))),
            math.sqrt(strength) * (before * scale)[some],
        ]
    )
    found = before.copy()
    try:
        found[some] = nnls(matrix, aim, maxiter=50 * len(keys))[0] / scale[some]
    except (RuntimeError, ValueError) as error:  # no end in sight, or numbers beyond all bounds
        raise Fault(f"no model fits the latencies measured ({first_line(error)})") from error
    return {key: float(found[place[key]]) for key in keys}
