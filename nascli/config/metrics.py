"""Which metrics a search can be asked for."""

from __future__ import annotations

from collections.abc import Iterable

from omegaconf import DictConfig

from nascli.config import own_data, values
from nascli.core.estimator import COSTS
from nascli.core.fault import Fault, unknown
from nascli.core.problem import Problem

_TRAINED = "estimator=train tells: take it, with a strategy that trains no supernet"
_ONLY = {  # metric -> what alone has it
    **dict.fromkeys(("flash_kib", "ram_kib"), "device=mcu counts: add device=mcu"),
    "latency_ms": "a device tells: add device=cpu, or another of nas list device",
    "energy_mj": "a device with a counter tells: add device=cpu (or cuda) and device.energy=true",
    **dict.fromkeys(("balanced_accuracy", "macro_f1", "top5_accuracy"), _TRAINED),
}


def check(config: DictConfig, made: Problem, reported: Iterable[str]) -> None:
    """Raises a Fault if a metric in objectives, constraints or scalarisation is not `reported`."""
    known = list(reported)
    if made.device is None and config.get("device"):  # it has a fault of its own, which is told
        counts = getattr(values.made_by(config, "device"), "counts", None)
        known += counts if isinstance(counts, tuple) else COSTS
    wanted = [("objectives", o.metric) for o in made.goal.objectives]
    wanted += [("constraints", metric) for metric in config.get("constraints") or {}]
    scalar = made.goal.scalarisation
    wanted += [("scalarisation", metric) for metric in (scalar.metrics if scalar else ())]
    bad = [
        f"{key} names {_who_has(metric, config)}"
        if metric in _ONLY
        else unknown(f"metric in {key}", metric, known)
        for key, metric in wanted
        if metric not in known
    ]
    if bad:
        raise Fault("\n".join(bad))


def _who_has(metric: str, config: DictConfig) -> str:
    """The metric, and what to take for it."""
    if metric == "latency_ms" and own_data.apart(config):
        return (
            f"{metric}, and the networks that this estimator tells of are not built here: take "
            "device=nasbench201_devices, which looks theirs up, or another estimator"
        )
    return f"{metric}, which only {_ONLY[metric]}"
