"""Predicted and measured latencies, for the screen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

_ROUGH = 0.02  # a network that is not known better than that is worth more time


def beside(report: Mapping[str, Any]) -> Iterator[str]:
    """What a search's answer was said to take, and takes."""
    found = report.get("latency") or {}
    told = []
    if "measured_ms" in found:
        told.append(
            f"{found['measured_ms']:.3f} ms measured now (median {found['median_ms']:.3f}, "
            f"p10 {found['p10_ms']:.3f}, p90 {found['p90_ms']:.3f}, {found['repeats']} repeats)"
        )
    if "predicted_ms" in found:
        off = [f"{found['error']:+.1%}"] if "error" in found else []
        if "predicted_now_ms" in found:
            now = f"{found['predicted_now_ms']:.3f} ms, {found['error_now']:+.1%}"
            off.append(f"as fast as its anchors are now: {now}")
        by = f" ({'; '.join(off)})" if off else ""
        told.append(f"{found['predicted_ms']:.3f} ms predicted{by} by: {found['predicted_by']}")
    if "in_search_ms" in found:
        told.append(f"{found['in_search_ms']:.3f} ms measured in the search")
    if told:
        yield f"latency: {'; '.join(told)}"
    if above(report) and (then := _then(found)) <= _bound(report):
        yield (
            f"{_above(report)}; at the speed that its anchors had it takes {then:.4g} ms and "
            "keeps it"
        )


def doubts(report: Mapping[str, Any]) -> Iterator[str]:
    """Why a measured answer may not be what was asked for."""
    found = report.get("latency") or {}
    if "uncertain" in found:
        yield found["uncertain"]
    if not above(report) or _then(found) <= _bound(report):
        return
    if found.get("in_search_ms", math.inf) < _bound(report):
        yield (
            f"{_above(report)}, and {found['in_search_ms']:.4g} ms in the search: the machine's "
            "speed has changed; measure it again by nas profile genotype=RUN"
        )
    else:
        yield _above(report)


def above(report: Mapping[str, Any]) -> bool:
    """Whether the answer of a search was measured to take longer than its bound."""
    return bool((report.get("latency") or {}).get("measured_ms", 0) > _bound(report))


def _bound(report: Mapping[str, Any]) -> float:
    """Milliseconds; infinite without one."""
    return float(report["problem"]["constraints"].get("latency_ms", math.inf))


def _then(found: Mapping[str, Any]) -> float:
    """What was measured, at the speed that the machine had when the anchors were."""
    if "predicted_now_ms" not in found:
        return float(found["measured_ms"])
    return float(found["measured_ms"] * found["predicted_ms"] / found["predicted_now_ms"])


def _above(report: Mapping[str, Any]) -> str:
    return (
        f"measured now, the answer takes {report['latency']['measured_ms']:.4g} ms, above "
        f"constraints.latency_ms={_bound(report):.4g}"
    )


def prediction(report: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """How well latencies of a profile are predicted; `settings` are those of its device."""
    found = report["prediction"]
    keys = [f"device.{key}" for key in ("seconds", "repeats", "rounds") if key in settings]
    more = f"; longer: {', '.join(keys)}" if keys else ""
    said = f"chosen: {found['model']}"
    if "known_to" in found:
        rough = more if found["known_to"] > _ROUGH else ""
        said += f"\nnetworks are measured to within {found['known_to']:.1%} (median{rough})"
    else:
        said += f"\nnetworks are measured too few times to say how well{more}"
    if "mape" not in found:
        return said
    return (
        f"{said}\ncheck on {found['networks']} networks that it has not seen: mean error "
        f"{found['mape']:.1%} (median {found['median_error']:.1%}), "
        f"{found['within_10']:.0%} within 10 %, Spearman {found['spearman']:.3f}, "
        f"worst {found['worst_error']:+.1%}: {found['worst_genotype']}"
    )
