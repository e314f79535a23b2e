"""Looks accuracies up: NAS-Bench-201 as shipped, or a CSV of the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from nascli.core.device import LooksUp
from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.provenance import Provenance
from nascli.core.traits import Traits
from nascli.core.trial import Proposal
from nascli.costs.plans import PlanCounter
from nascli.estimators.rows import Row, joined, read
from nascli.tables.nasbench201 import SIZES, shipped

_REPEATS = ("average", "refuse")
_SHORT = 0.06  # the share of NAS-Bench-201's short recipe: 12 of 200 epochs
_SPACE = "nascli.spaces.nasbench201.NASBench201"
# (classes, pixels of the side): what the published network's costs depend on
_DATASETS: Mapping[str, tuple[int, int]] = {
    "cifar10": (10, 32),
    "cifar100": (100, 32),
    "imagenet16": (120, 16),
}
_CONVOLUTION = "nascli.operations.convolution.ReluConvNorm"
_OPERATIONS = {
    "none": {"_target_": "nascli.operations.skip.Zero"},
    "nor_conv_3x3": {"_target_": _CONVOLUTION, "kernel": 3},
    "nor_conv_1x1": {"_target_": _CONVOLUTION, "kernel": 1},
}


class _Published(NamedTuple):
    """The images that the benchmark's networks are for."""

    input_shape: tuple[int, int, int]
    classes: int


class Table:
    """Answers from a table instead of training; the test accuracy is kept for the final report.

    Without `path`, the table is NAS-Bench-201 (Dong and Yang 2020, arXiv 2001.00326): validation
    accuracy in percent, mean over the benchmark's seeds, after `epochs` = 200 at fidelity 1, and
    after the separate 12-epoch recipe at any from 0.06 to below 1; parameters and multiply-adds of
    the benchmark's own networks; `latency` names one of its devices.

    With `path`, the table is a CSV file: either a column `genotype` or one column per decision of
    the space; every other column of numbers is a metric (see `nascli.estimators.rows.read`). A
    column `test_accuracy` is shown in the final report only. Where a genotype has several rows,
    such as one a seed, it gets their means, `rows_averaged` and a spread of every metric, unless
    `repeats` is "refuse"; one without a row gets the mean over the rows of its function.

    Raises:
        Fault: the space, data set, device or file does not fit.
    """

    traits = Traits(by_genotype=True, immediate=True)

    def __init__(
        self,
        problem: Problem,
        path: str | None = None,
        dataset: str = "cifar10",
        latency: str | None = None,
        repeats: str = "average",
    ) -> None:
        if repeats not in _REPEATS:
            raise Fault(unknown("estimator.repeats", repeats, _REPEATS))
        self._table: _NASBench201 | _CSV
        if path is None:
            self._table = _NASBench201(problem, dataset, latency)
        else:
            self._table = _CSV(problem, Path(path), refuse=repeats == "refuse")
        self.metrics = self._table.metrics
        self._device = problem.device if isinstance(problem.device, LooksUp) else None
        if self._device is not None:
            if "latency_ms" in self.metrics:
                raise Fault(
                    f"the table and device={self._device.name} both tell latency_ms: leave out "
                    "estimator.latency, or take device=none"
                )
            self.metrics = (*self.metrics, "latency_ms")
        source = f"in {path}" if path else f"in NAS-Bench-201 on {dataset}, after 200 epochs"
        self.traits = replace(
            self.traits,
            fidelities=path is None,
            rungs=(_SHORT, 1.0) if path is None else (),
            final=self._table.final,
            genotypes=self._table.genotypes,
        )
        self.meaning = f"on the validation split, as it stands {source}"

    @classmethod
    def provenance(cls, settings: Mapping[str, Any]) -> Provenance | None:
        """The benchmark's data and networks; None for a CSV, which does not say."""
        dataset = str(settings.get("dataset", "cifar10"))
        if settings.get("path") is not None or dataset not in _DATASETS:
            return None
        classes, side = _DATASETS[dataset]
        return Provenance(dataset, (3, side, side), classes, SIZES)

    def estimate(self, proposal: Proposal) -> Mapping[str, float]:
        """The row of the genotype, without what belongs to the test split.

        Raises:
            Fault: NAS-Bench-201 is asked for fewer epochs than its short recipe has.
        """
        row = self._table.row(proposal.genotype, proposal.fidelity)
        if self._device is not None:
            row["latency_ms"] = self._device.latency_ms(proposal.genotype)
        return row


class _CSV:
    """A table of the user's own."""

    def __init__(self, problem: Problem, path: Path, *, refuse: bool) -> None:
        self._path, self._space = path, problem.space
        spelt: dict[Genotype, list[Row]] = {}
        functions: dict[Genotype, list[Row]] = {}
        for genotype, row in read(path, problem, refuse=refuse):
            spelt.setdefault(genotype, []).append(row)
            functions.setdefault(problem.space.canonical(genotype), []).append(row)
        counted = any(len(rows) > 1 for rows in spelt.values())
        self._rows = {g: joined(rows, counted=counted) for g, rows in spelt.items()}
        self._functions = {g: joined(rows, counted=counted) for g, rows in functions.items()}
        columns = next(iter(self._rows.values()))
        self.metrics = tuple(name for name in columns if not name.startswith("test_accuracy"))

    def row(self, genotype: Genotype, _fidelity: float) -> Row:
        """The metrics of the genotype, or the mean over those that it is equivalent to."""
        row = self._find(genotype)
        return {name: row[name] for name in self.metrics}

    def genotypes(self) -> Sequence[Genotype]:
        """One for every function that has a row."""
        return list(self._functions)

    def final(self, genotype: Genotype) -> Row:
        """The test accuracy, if there is such a column."""
        row = self._find(genotype)
        return {name: row[name] for name in row if name.startswith("test_accuracy")}

    def _find(self, genotype: Genotype) -> Row:
        row = self._rows.get(genotype)
        row = row or self._functions.get(self._space.canonical(genotype))
        if row is None:
            raise LookupError(f"{self._path} has no row for {genotype}")
        return row


class _NASBench201:
    """The shipped benchmark: 15,625 cells on three data sets."""

    def __init__(self, problem: Problem, dataset: str, latency: str | None) -> None:
        if dataset not in _DATASETS:
            raise Fault(unknown("estimator.dataset", dataset, _DATASETS))
        self._dataset = dataset
        self._rows = shipped()
        if not self._rows.holds(problem.space.decisions):
            raise Fault(
                f"estimator=table knows NAS-Bench-201 only, not space '{problem.space.name}'; "
                "take space=nasbench201 with its own five operations, or give estimator.path=CSV"
            )
        self._accuracy = {e: self._rows.column(f"{dataset}_valid_{e}") for e in (12, 200)}
        self._latency = self._device(latency) if latency else None
        self._costs: dict[tuple[int, int], Row] = {}  # by the numbers of 3x3 and 1x1 convolutions
        self.metrics = ("accuracy", "params", "macs", "flops") + (
            ("latency_ms",) if latency else ()
        )

    def _device(self, name: str) -> list[float]:
        if name not in self._rows.settings:
            raise Fault(unknown("estimator.latency", name, self._rows.settings))
        return self._rows.latencies(name)

    def row(self, genotype: Genotype, fidelity: float) -> Row:
        """Validation accuracy in percent and costs."""
        options = genotype.options
        number = self._rows.number(options)
        if fidelity < _SHORT:
            raise Fault(
                f"NAS-Bench-201 has 12 and 200 epochs, and fidelity {fidelity:g} is below 12 of "
                f"200 = {_SHORT}; take strategy.fidelities=[{_SHORT},1] or lowest={_SHORT}"
            )
        row = {"accuracy": self._accuracy[200 if fidelity >= 1 else 12][number]}
        convolutions = options.count("nor_conv_3x3"), options.count("nor_conv_1x1")
        row.update(self._costs.get(convolutions) or self.costs(*convolutions))
        if self._latency is not None:
            row["latency_ms"] = self._latency[number]
        return row

    def genotypes(self) -> None:
        """All."""

    def final(self, genotype: Genotype) -> Row:
        """Test accuracy in percent after 200 epochs."""
        return {"test_accuracy": self._test[self._rows.number(genotype.options)]}

    @cached_property
    def _test(self) -> list[float]:
        return self._rows.column(f"{self._dataset}_test_200")

    def costs(self, conv3: int, conv1: int) -> Row:
        """Parameters and multiply-adds of the published network (16 channels, 15 cells).

        Every edge adds what its operation costs at all of its places, whatever the other edges are.
        """
        (params, macs), *each = self._parts
        for (more_params, more_macs), edges in zip(each, (conv3, conv1), strict=True):
            params += more_params * edges
            macs += more_macs * edges
        row = self._costs[conv3, conv1] = {"params": params, "macs": macs, "flops": 2 * macs}
        return row

    @cached_property
    def _parts(self) -> list[tuple[int, int]]:
        """Parameters and multiply-adds without convolutions, of a 3x3 and of a 1x1 convolution.

        From the plans of the benchmark's own networks; the searched space may be of another size.
        """
        module, _, name = _SPACE.rpartition(".")
        classes, side = _DATASETS[self._dataset]
        space = getattr(import_module(module), name)(
            _Published((3, side, side), classes), _OPERATIONS, **SIZES
        )
        counter, edges = PlanCounter(space), tuple(space.decisions)
        counts = [
            counter(Genotype(space.name, edges, (option, *("none",) * (len(edges) - 1))))
            for option in ("none", "nor_conv_3x3", "nor_conv_1x1")
        ]
        (params, macs), *others = [(c.params, c.macs) for c in counts]
        return [(params, macs), *((p - params, m - macs) for p, m in others)]
