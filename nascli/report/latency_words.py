"""Predicted and measured latencies, for the screen."""

from __future__ import annotations

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
    if "uncertain" in found:
        yield f"warning: {found['uncertain']}"
    bound = report["problem"]["constraints"].get("latency_ms")
    if bound is not None and found.get("measured_ms", 0) > bound:
        said = f"measured now, the answer takes {found['measured_ms']:.4g} ms, above "
        said += f"constraints.latency_ms={bound:.4g}"
        then = found["measured_ms"]
        if "predicted_now_ms" in found:
            then *= found["predicted_ms"] / found["predicted_now_ms"]
        if then <= bound:
            yield f"{said}; at the speed that its anchors had it takes {then:.4g} ms and keeps it"
        elif found.get("in_search_ms", bound) < bound:
            yield (
                f"warning: {said}, and {found['in_search_ms']:.4g} ms in the search: the machine's "
                "speed has changed; measure it again by nas profile genotype=RUN"
            )
        else:
            yield f"warning: {said}"


def prediction(report: Mapping[str, Any]) -> str:
    """How well latencies of a profile are predicted."""
    found = report["prediction"]
    said = f"chosen: {found['model']}"
    if "known_to" in found:
        more = "; longer: device.seconds, device.repeats" if found["known_to"] > _ROUGH else ""
        said += f"\nnetworks are measured to within {found['known_to']:.1%} (median{more})"
    else:
        said += "\nnetworks are measured too few times to say how well; longer: device.seconds"
    if "mape" not in found:
        return said
    return (
        f"{said}\ncheck on {found['networks']} networks that it has not seen: mean error "
        f"{found['mape']:.1%} (median {found['median_error']:.1%}), "
        f"{found['within_10']:.0%} within 10 %, Spearman {found['spearman']:.3f}, "
        f"worst {found['worst_error']:+.1%}: {found['worst_genotype']}"
    )
