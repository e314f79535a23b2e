"""Networks at the size of `deploy`: that of the recipe which will train it, that of its search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig

from nascli.config import building, values
from nascli.config.compose import Asked, composed
from nascli.config.files import catalogue
from nascli.config.overrides import written
from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.listener import SILENT, Listener
from nascli.core.problem import Problem
from nascli.core.regular import is_there
from nascli.runs import reading
from nascli.runs.folder import CONFIG

_LOOK = ("show", "profile")  # verbs that say of a search's network what the search said of it
_IMAGES = ("data", "data.image_size", "data.size")  # what says how large images are


def carried(verb: str, overrides: Sequence[str]) -> list[str]:
    """What follows from `genotype=RUN` of a search with `deploy`: its network has that size.

    Sizes that the overrides state stand.

    Raises:
        Fault: the run's config is damaged.
    """
    given = {o.partition("=")[0].lstrip("+~"): o.partition("=")[2] for o in overrides}
    reference = given.get("genotype", "").strip("'\"")
    if verb not in _LOOK or "deploy" in given or not reference or not is_there(reference):
        return []
    folder = Path(reference).expanduser()
    folder = folder.parent.parent if folder.parent.name == "front" else folder
    its = reading.config(folder).get("deploy") if (folder / CONFIG).is_file() else None
    sizes = {k: v for k, v in its.items() if type(v) is int} if isinstance(its, Mapping) else {}
    if any(key in given for key in _IMAGES):
        sizes.pop("image", None)
    if "space" in given:
        sizes = {key: value for key, value in sizes.items() if key == "image"}
    sizes = {key: value for key, value in sizes.items() if f"space.{key}" not in given}
    return [f"deploy={written(sizes, 'deploy')}"] if sizes else []


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
