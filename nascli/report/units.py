"""Metrics in words: what they are called and how a value of theirs is written."""

from __future__ import annotations

import math

_NAMES = {
    "params": "parameters",
    "macs": "multiply-adds (MACs)",
    "energy_mj": "energy (whole chip)",
    "flash_kib": "flash (int8 weights)",
    "ram_kib": "RAM (int8)",
    "live_params": "parameters on a path",
    "live_macs": "multiply-adds on a path",
    "flops": "FLOPs (2 x MACs)",
    "anytime": "best so far",
    "readout": "signs of a collapse",
    "median_ms": "median",
    "p10_ms": "10th percentile",
    "p90_ms": "90th percentile",
    "valid_accuracy": "validation accuracy",
    "all_images_accuracy": "accuracy on all validation images",
    "valid_loss": "validation loss",
    "train_accuracy": "training accuracy",
    "train_loss": "training loss",
    "corrected": "Holm-corrected p",
    "macro_f1": "F1, mean over classes",
    "balanced_accuracy": "accuracy, mean over classes",
    "top5_accuracy": "accuracy among the five likeliest",
    "search_epoch_seconds": "time of a search epoch",
    "search_memory_mb": "peak memory of the search",
    "search_epoch_joules": "energy of a search epoch",
    "mape": "mean error",
    "known_to": "networks measured to within",
    "within_10": "networks within 10 %",
    "error_now": "error at the speed of now",
    "predicted_now_ms": "predicted at the speed of now",
    "in_search_ms": "measured in the search",
}
_SHARES = {"mape", "known_to", "within_10", "error", "error_now", "median_error", "worst_error"}
_COUNTS = {"params", "auxiliary_params", "macs", "flops", "live_params", "live_macs"}
_SUFFIXES = {"_ms": "ms", "_mb": "MB", "_kib": "KiB", "_seconds": "s", "_joules": "J", "_mj": "mJ"}


def unit(metric: str) -> str:
    """The unit of a metric, as its name tells it: %, ms, MB, KiB, s, J, mJ, or none."""
    if metric in ("accuracy", "macro_f1") or metric.endswith(("_accuracy", "_accuracies")):
        return "%"
    if metric == "seconds":
        return "s"
    if metric.startswith("pressure_"):  # a weight, not a share of what it weighs
        return ""
    return next((unit for end, unit in _SUFFIXES.items() if metric.endswith(end)), "")


def words(metric: str) -> str:
    """The metric's name as people write it, without its unit."""
    if metric in _NAMES:
        return _NAMES[metric]
    end = next((end for end in _SUFFIXES if metric.endswith(end)), "")
    return metric.removesuffix(end).replace("_", " ")


def label(metric: str) -> str:
    """What stands beside an axis: name and unit."""
    return f"{words(metric)} ({unit(metric)})" if unit(metric) else words(metric)


def readable(metric: str, value: float) -> str:
    """A value with its unit, to the digits that matter: 93.78 %, 3.35 M, 12.6 ms, 2 min 5 s.

    >>> readable("params", 3349342)
    '3.35 M'
    """
    if not math.isfinite(value):
        return str(value)
    if unit(metric) == "s":
        return duration(value)
    if unit(metric) == "%":
        return f"{value:.2f} %"
    if metric in _COUNTS:
        return _scaled(value)
    if metric in _SHARES:
        return f"{100 * value:.1f} %"
    if unit(metric) == "MB" and abs(value) < 1:
        return f"{1000 * value:.4g} kB"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{text} {unit(metric)}".strip()


def duration(seconds: float) -> str:
    """Seconds as people say them: 8.2 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _scaled(value: float) -> str:
    for power, prefix in ((9, "G"), (6, "M")):
        if abs(value) >= 10**power:
            scaled = value / 10**power
            return f"{scaled:.{2 if scaled < 100 else 1}f} {prefix}"
    return f"{value:,.0f}"
