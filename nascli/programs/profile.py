"""Times layers and networks of a space on a device, and checks what predicts others from them."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nascli.core.device import Counting, Kernel, Latency, Tracing, metered, unsteady
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.provenance import given
from nascli.core.randomness import generator
from nascli.core.space import Planned, sample, size
from nascli.core.surrogate import Surrogate
from nascli.core.words import command, counted
from nascli.costs import latency_choice, latency_profile
from nascli.costs.latency_models import Example
from nascli.costs.latency_profile import CHECK, FIT, Measured, Profile
from nascli.costs.latency_table import LatencyTable, layered, measured
from nascli.costs.layer_counts import counts_of
from nascli.costs.live import ignores_images
from nascli.costs.plans import PlanCounter
from nascli.programs.latency import Built
from nascli.programs.networks import costs_of, keep_latencies, layers_of, own_layers, row_of
from nascli.programs.reporting import Then, deployed, write_report
from nascli.report import contents, latency_figures
from nascli.report.page import Content
from nascli.runs.folder import Run

_DRAWS = 100  # times as many as there should be, after which no more different genotypes are sought


@dataclass(frozen=True)
class Parts:
    """What is measured on the problem's device.

    With a `genotype`, the layers of the space and that network. Without one, the layers where they
    add up, `networks` networks to predict others from, and `check` others to see how well that
    goes; `surrogate` makes what may correct predictions. `settings` is the config as plain data;
    `then` gives the command line of another verb, `words` those of it that name the networks.
    """

    problem: Problem
    genotype: Genotype | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    then: Then = command
    networks: int = 0
    check: int = 0
    surrogate: Callable[[Any, int], Surrogate] | None = None
    words: Sequence[str] = ()


@dataclass(frozen=True)
class Outcome:
    """What was measured; no table for a runtime that fuses layers."""

    table: LatencyTable | None
    report: dict[str, Any]


def profile(run: Run, parts: Parts) -> Outcome:
    """Measures, or counts; writes latency_table.csv, profile.json and the report.

    Raises:
        Fault: there are too few networks, the device does not know an operation, or the disk takes
            no more.
    """
    problem, began = parts.problem, time.monotonic()
    device = problem.device
    if isinstance(device, Counting):
        return Outcome(None, _counted(run, parts))
    assert device is not None
    keep_latencies(run, problem)
    table = measured(problem, own_layers(problem, parts.genotype)) if layered(device) else None
    report: dict[str, Any] = {
        "verb": "profile",
        "rows": len(table or ()),
        "networks": str(given(problem)),
        "title": f"profile · {problem.space.name} · {device.name}",
    }
    rows: list[dict[str, Any]] = []
    if parts.genotype is not None:
        report["description"] = problem.space.describe(parts.genotype)
        report["network"] = _whole(problem, parts.genotype, table)
    elif isinstance(problem.space, Planned) and parts.networks:
        found, rows = _predicting(parts, problem.space, table)
        run.write_json(latency_profile.FILE, found.to_json())
        report["conditions"] = dict(found.conditions)
        report["prediction"] = {"model": found.model, **found.check, **_known(found)}
        report["models"] = [{"model": n, "error": error} for n, error in found.errors.items()]
        report["measured"] = rows
    report["seconds"] = round(time.monotonic() - began, 3)
    content = _content(run, parts, report, table)
    figures = {**latency_figures.prediction(rows), **content.figures}
    write_report(run, replace(content, figures=figures))
    return Outcome(table, report)


def idle(parts: Parts) -> bool:
    """Whether of a space neither layers nor networks are measured."""
    networks = parts.networks if isinstance(parts.problem.space, Planned) else 0
    return not networks and not layered(parts.problem.device)


def following(run: Run, parts: Parts) -> str:
    """The command that trains the network, or that searches by what was measured."""
    if parts.genotype is not None:
        this = f"genotype={parts.settings['genotype']}"
        return parts.then("retrain", this, *deployed(parts.settings))
    words = (*parts.words, "device=latency_table", f"device.path={run.path}")
    return parts.then("search", *words)


def _content(
    run: Run, parts: Parts, report: Mapping[str, Any], table: LatencyTable | None
) -> Content:
    """What the page shows: the network's layers, or else all that were timed, the slowest first."""
    problem, genotype = parts.problem, parts.genotype
    if genotype is None:
        slowest = sorted(table or {}, key=lambda layer: -table[layer].ms) if table else []
        layers = [row_of(layer) | {"latency_ms": table[layer].ms} for layer in slowest if table]
        search = [("search by these latencies:", following(run, parts))]
        return Content(
            report, contents.latencies(layers), config=parts.settings, layers=layers,
            then=search if "prediction" in report else (),
        )  # fmt: skip
    layers = layers_of(problem, genotype)
    return Content(
        report, contents.latencies(layers), config=parts.settings, layers=layers,
        then=[("train this network from scratch:", following(run, parts))],
        **contents.drawn_twice(problem.space, genotype),
    )  # fmt: skip


def _counted(run: Run, parts: Parts) -> dict[str, Any]:
    """What a device that counts says of the network, place by place; writes the report."""
    problem, genotype = parts.problem, parts.genotype
    device, space = problem.device, problem.space
    assert isinstance(device, Counting) and isinstance(space, Planned) and genotype is not None
    report = {
        "verb": "profile",
        "networks": str(given(problem)),
        "title": f"profile · {space.name} · {device.name}",
        "description": space.describe(genotype),
        "genotype": genotype.to_json(),
        "costs": costs_of(problem, genotype),
        **device.details(space, space.plan(genotype)),
    }
    write_report(run, _content(run, parts, report, None))
    return report


def _whole(problem: Problem, genotype: Genotype, table: LatencyTable | None) -> dict[str, Any]:
    """The network's measured latency beside the sum of its layers, if there is a table of them."""
    ((latency,), _) = _latencies(problem, [genotype])
    meter = metered(problem.device)
    used = {"energy_mj": meter.energy_mj(*Built(problem, [genotype])[0])} if meter else {}
    found: dict[str, Any] = {
        "genotype": genotype.to_json(),
        "costs": {
            **costs_of(replace(problem, device=None), genotype),
            "latency_ms": latency.ms,
            **used,
        },
        "latency_ms": latency.ms,
        "median_ms": latency.median_ms,
        "p10_ms": latency.p10_ms,
        "p90_ms": latency.p90_ms,
        "repeats": latency.repeats,
        "conditions": dict(latency.conditions),
    }
    if table is not None:
        network, shape = Built(problem, [genotype])[0]
        try:
            found["table_sum_ms"] = table.sum_ms(network, shape)
        except Fault as fault:
            said = f"{fault} (the table was measured for this space: please report it)"
            raise Fault(said) from fault
    return found


def _predicting(
    parts: Parts, space: Planned, table: LatencyTable | None
) -> tuple[Profile, list[dict[str, Any]]]:
    """Networks measured, the model that predicts them best, and a check of it on others."""
    problem, device = parts.problem, parts.problem.device
    assert device is not None
    genotypes = _sampled(problem, parts.networks + parts.check)
    fit = min(parts.networks, len(genotypes) - min(parts.check, len(genotypes) // 4))
    fit = max(fit, latency_choice.LEAST)
    latencies, kernels = _latencies(problem, genotypes, traced=True)
    counter = PlanCounter(space)
    plans = [space.plan(genotype) for genotype in genotypes]
    examples = [
        Example(genotype, counts_of(plan, pruned=table is None), latency.ms, told)
        for genotype, plan, latency, told in zip(genotypes, plans, latencies, kernels, strict=True)
    ]
    several = latency_choice.models(
        space, counter.layer, table, parts.surrogate, traced=any(kernels)
    )
    errors = latency_choice.cross_validated(several, examples[:fit])
    model = latency_choice.chosen(errors)
    predict = latency_choice.fitted(several, model, examples[:fit])
    check = latency_choice.checked(predict, examples[fit:]) if examples[fit:] else None
    uses = [FIT if number < fit else CHECK for number in range(len(genotypes))]
    found = Profile(
        space=space.name,
        networks=str(given(problem)),
        device=device.name,
        conditions=latencies[0].conditions,
        measured=tuple(
            Measured(e.genotype, latency, counter.of(plan).macs, use, told if use == FIT else ())
            for e, latency, plan, use, told in zip(
                examples, latencies, plans, uses, kernels, strict=True
            )
        ),
        model=model,
        errors=errors,
        check=check.to_json() if check else {},
    )
    rows = [
        {
            "network": str(example.genotype),
            "use": use,
            "measured_ms": example.ms,
            "predicted_ms": predict(example.genotype, example.counts),
            "p90_ms": latency.p90_ms,
        }
        for example, latency, use in zip(examples, latencies, uses, strict=True)
    ]
    return found, rows


def _known(profile: Profile) -> dict[str, float]:
    """How well its networks are known themselves, which no prediction of them can better.

    Nothing where half of them or more were measured too few times to tell.
    """
    widths = [one.latency.half_width for one in profile.measured]
    known = statistics.median(math.inf if width is None else width for width in widths)
    return {"known_to": known} if math.isfinite(known) else {}


def _sampled(problem: Problem, number: int) -> list[Genotype]:
    """So many different genotypes, or as many as there are."""
    rng, found = generator(problem.seed, "profile"), dict[Genotype, None]()
    wanted = min(number, size(problem.space))
    for _ in range(_DRAWS * number):
        if len(found) >= wanted:
            break
        genotype = sample(problem.space, rng)
        if not ignores_images(problem.space, genotype):  # nobody wants it, and runtimes skip it
            found[genotype] = None
    if len(found) < latency_choice.LEAST:
        raise Fault(
            f"space '{problem.space.name}' gives {counted(len(found), 'network')} to measure, and "
            f"predicting others takes {latency_choice.LEAST}: say networks=0 to time layers alone"
        )
    return list(found)


def _latencies(
    problem: Problem, genotypes: list[Genotype], *, traced: bool = False
) -> tuple[list[Latency], Sequence[tuple[Kernel, ...]]]:
    """Networks timed in the same rounds; the listener hears of those that other work has spoilt.

    With `traced`, also what the runtime says of the kernels of each, if it says anything.
    """
    device: Any = problem.device
    count = len(genotypes)

    def ready(number: int) -> None:
        problem.listener.progress(number / count, f"network {number + 1} of {count} made ready")

    cases = Built(problem, genotypes, ready)
    kernels: Sequence[tuple[Kernel, ...]] = [()] * count
    latencies: list[Latency]
    if traced and isinstance(device, Tracing):
        latencies, kernels = device.traced(cases)
    else:
        latencies = device.latencies(cases)
    problem.listener.progress(1.0, f"{counted(count, 'network')} timed")
    spoilt = unsteady(latencies, "network")
    if spoilt:
        problem.listener.warn(f"warning: {spoilt}")
    return latencies, kernels
