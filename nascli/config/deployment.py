"""Networks at the size of `deploy`, which may be that of the recipe that will train them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from nascli.config import building, values
from nascli.config.compose import Asked, composed
from nascli.config.files import catalogue
from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.listener import SILENT, Listener
from nascli.core.problem import Problem


def network(asked: Asked, listener: Listener = SILENT) -> tuple[Problem, Genotype]:
    """The problem and the genotype of what is asked for, at the size of its `deploy`.

    Raises:
        Fault: everything that is wrong with the config.
    """
    config, faults = asked.config, building.Faults()
    faults.attempt(lambda: by_recipe(config, asked.directories))
    made = faults.attempt(lambda: building.network(config, listener))
    faults.check()
    assert made is not None
    problem, genotype = made
    return problem.as_deployed, genotype


def by_recipe(config: DictConfig, directories: Sequence[Path] = ()) -> None:
    """Writes the recipe's sizes of the space into `deploy`, beside those given, which win.

    A config that is gone on with has them already.

    Raises:
        Fault: there is no such recipe, or it leaves the size of this space's networks open.
    """
    named = (config.get("deploy") or {}).get("training")
    if named is None or config.get("resume"):
        return
    recipes = catalogue(directories)["training"]
    if named not in recipes:
        raise Fault(unknown("recipe in deploy.training", str(named), list(recipes)))
    network = composed("search", [f"training={named}"], directories).training.get("network") or {}
    space = getattr(values.made_by(config, "space"), "name", "")
    sizes = {key: v for key, v in (network.get(space) or {}).items() if type(v) is int}
    if not sizes:
        known = f"it sizes those of {', '.join(map(str, network))}" if network else "it sizes none"
        raise Fault(
            f"deploy.training={named} leaves the size of networks of space '{space}' open ({known}"
            "): state it, as in deploy={channels: 36}"
        )
    config.deploy = {**sizes, **config.deploy}
