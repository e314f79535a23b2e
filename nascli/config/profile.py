"""The parts of `nas profile`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from omegaconf import DictConfig

from nascli.config import building, deployment, recorded
from nascli.config.compose import Asked
from nascli.config.files import GIVEN
from nascli.config.overrides import written
from nascli.core.device import Counting, available, measures, metered
from nascli.core.fault import Fault
from nascli.core.listener import SILENT, Listener
from nascli.costs.latency_choice import LEAST
from nascli.programs import profile as program
from nascli.programs.profile import Parts
from nascli.runs.folder import Run

_WRITTEN = f"training.network.{GIVEN}"
"""What is written for the user where sizes of a space are given, and would be again."""


def begin(asked: Asked, listener: Listener = SILENT) -> tuple[Run, Parts]:
    """A new run folder, and the parts.

    Raises:
        Fault: everything that is wrong with the config; no run folder is made.
    """
    parts = build(asked, listener)
    return recorded.claimed(asked, "device", "space"), parts


def build(asked: Asked, listener: Listener = SILENT) -> Parts:
    """The problem whose layers are to be timed, and a network of it if one is named.

    Raises:
        Fault: everything that is wrong with the config.
    """
    config, faults = asked.config, building.Faults()
    made, network, surrogate = None, None, None
    if config.genotype:
        network = faults.attempt(lambda: deployment.network(asked, listener))
    else:
        faults.attempt(lambda: deployment.by_recipe(config, asked.directories))
        made = building.problem(config, faults, listener)
        surrogate = faults.attempt(lambda: building.component(config, "surrogate"))
    networks, check = config.networks, config.check
    if networks != 0 and networks < LEAST:
        faults.found.append(f"networks is {networks}; it must be {LEAST} or more, or 0")
    if check < 0:
        faults.found.append(f"check is {check}; it must be 0 or more")
    faults.check()
    then = partial(asked.then, outputs=config.outputs)
    if network is not None:
        parts = Parts(*network, asked.plain(), then)
    else:
        assert made is not None
        words = list(_of_networks(config, made.space.name, asked.overrides))
        parts = Parts(
            made.as_deployed, None, asked.plain(), then, networks, check, surrogate, words
        )
    if isinstance(parts.problem.device, Counting):
        if parts.genotype is None:
            raise Fault(
                f"device={parts.problem.device.name} counts whole networks: say which, "
                "genotype=RUN_FOLDER, a genotype.json or a published name"
            )
        return parts
    if parts.genotype is None and metered(parts.problem.device):
        raise Fault(
            "device.energy=true: a profile of a space predicts latencies alone; say which network, "
            "genotype=..., or leave it out"
        )
    if not measures(device := parts.problem.device):
        named = "none" if device is None else f"{device.name}, which times nothing"
        raise Fault(f"nothing to measure: device is {named}; take device=cpu or device=cuda")
    available(parts.problem.device)
    if parts.genotype is None and program.idle(parts):
        raise Fault(
            "nothing to measure: the device runs layers fused with each other, so that their times "
            "say nothing; and networks=0, or the space gives no plans to predict others by"
        )
    return parts


def _of_networks(config: DictConfig, space: str, overrides: Sequence[str]) -> Iterator[str]:
    """Those that say which networks are built, as a search takes them."""
    sized = (config.training.get("network") or {}).get(space)
    deploy = dict(config.get("deploy") or {})
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if key == "training" and sized:
            deploy = {"training": value, **deploy}
            continue
        sizes = key.startswith("training.network") and not key.startswith(_WRITTEN)
        if sizes or key.partition(".")[0] in ("space", "data"):
            yield override
    if deploy:
        yield f"deploy={written(deploy, 'deploy')}"


check = build
