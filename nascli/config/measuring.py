"""What can measure where latencies are predicted; anchors, measured before predictions are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from omegaconf import DictConfig, OmegaConf

from nascli.config import building, recorded
from nascli.core.device import Device, LooksUp, Predicting, Stated, available, measures
from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.words import counted
from nascli.costs import conditions
from nascli.programs.latency import Built
from nascli.runs import reading
from nascli.runs.folder import CONFIG


def device(config: DictConfig, problem: Problem, directories: Sequence[Path] = ()) -> Device | None:
    """What networks of the problem can be timed on: its device, or that of the profile it goes by.

    None where there is none, or where that one is not this machine's.
    """
    found = problem.device
    if not isinstance(found, Predicting):
        return found if measures(found) else None
    try:
        return _of_profile(config, found, directories)
    except Fault:
        return None


def anchored(config: DictConfig, problem: Problem, directories: Sequence[Path] = ()) -> Problem:
    """The problem, whose predictions are those of today's machine; the config gets the scale.

    The listener hears what predictions come from.

    Raises:
        Fault: the networks that are measured again disagree.
    """
    source = problem.device
    if not isinstance(source, Predicting) or source.scale is not None:
        return problem
    hear = problem.listener.warn
    hear(f"latencies are predicted ({source.how}) for {conditions.words(source.conditions())}")
    anchors = source.anchors
    if not anchors:
        hear(
            "warning: that leaves out what lies between layers, and no whole network was measured "
            "beside it: the answer may take longer than a bound; a nas profile with networks=32 "
            "corrects it"
        )
    try:
        if not anchors:
            raise Fault("there are no networks to measure again")
        made = _of_profile(config, source, directories)
    except Fault as fault:
        hear(f"they are taken as they were measured: {fault}")
        config.device.scale = 1.0
    else:
        now = made.conditions() if isinstance(made, Stated) else source.conditions()
        other = conditions.differing(source.conditions(), now)
        if other:
            hear(f"warning: measured under other conditions: {other}")
        hear(f"measuring {counted(len(anchors), 'network')} again, for how fast the machine is now")
        again = made.latencies(Built(problem.as_deployed, [genotype for genotype, _ in anchors]))
        scale, told = conditions.scale([ms for _, ms in anchors], again)
        hear(told)
        config.device.scale = float(f"{scale:.4g}")
    scaled: LooksUp = building.component(config, "device")
    scaled.fits(problem.as_deployed.space)
    return replace(problem, device=cast(Device, scaled))


def _of_profile(config: DictConfig, found: Predicting, directories: Sequence[Path]) -> Device:
    """The device that a profile was measured on.

    A program that it was measured with is never started: a folder may come from anyone.

    Raises:
        Fault: it cannot be used here; says why.
    """
    folder = Path(str(config.device.get("path", "")))
    if not (folder / CONFIG).is_file():
        raise Fault("what measured them is not on record")
    plain = reading.config(folder)
    recorded.check_targets(plain, folder / CONFIG, directories)
    node = plain.get("device") or {}
    if "command" in node:
        raise Fault("a command measured them, and no folder is to start one")
    made = building.component(OmegaConf.create({"device": node}), "device")
    if not measures(made):
        raise Fault("what measured them is not on record")
    available(made)
    then = found.conditions()
    now = made.conditions() if isinstance(made, Stated) else then
    if now.get("device") != then.get("device"):
        raise Fault(f"this machine has another one, {now.get('device')}")
    measuring: Device = made
    return measuring
