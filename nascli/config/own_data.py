"""Estimators with data of their own: what is built, shown and compared follows them, or it is said.

A search on NAS-Bench-201's table tells of networks on CIFAR-10, whatever data a config names: so
`data` and the sizes of the space become those of the table, unless the user has chosen others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from nascli.config import values
from nascli.config.compose import Asked
from nascli.config.files import GIVEN, root
from nascli.config.overrides import key_of, rewritten
from nascli.core.estimator import COSTS, COUNTED, Estimator
from nascli.core.fault import Fault
from nascli.core.imported import imported
from nascli.core.problem import Problem
from nascli.core.provenance import HasProvenance, Provenance, given
from nascli.core.traits import traits_of


def provenance(
    config: Mapping[str, Any] | DictConfig, key: str = "estimator", *, shipped: bool = False
) -> Provenance | None:
    """What the answers of `config[key]` are of; None for those that are of the task given to it.

    A recorded config is data of whoever wrote it: of such, only `shipped` components are looked at.
    """
    node = config.get(key)
    while isinstance(node, Mapping) and node.get("of"):  # what it wraps
        node = node["of"]
    target = node.get("_target_") if isinstance(node, Mapping) else None
    if not isinstance(target, str) or (shipped and not target.startswith("nascli.")):
        return None
    made: object = None
    with suppress(Fault):  # what is wrong with a component is said where it is built
        made = imported(target)
    if not isinstance(node, Mapping) or not isinstance(made, HasProvenance):
        return None
    return made.provenance({str(k): v for k, v in node.items() if not str(k).startswith("_")})


def followed(asked: Asked) -> Asked:
    """A search with the data and sizes of its estimator, as far as nothing else was chosen."""
    config = asked.config
    if asked.verb != "search" or config.get("resume"):
        return asked
    found = provenance(config)
    if found is None:
        return asked
    keys = {key_of(override) for override in asked.overrides}
    chosen = any(key == "data" or key.startswith("data.") for key in keys)
    file = _option(found.data, asked.directories)
    if file is None or (chosen and asked.choices.get("data") != found.data):
        return asked
    choices, more = dict(asked.choices), list[str]()
    if not chosen:
        config.data = OmegaConf.load(file)
        choices["data"] = found.data
        more.append(f"data={found.data}")
    sizes = {k: v for k, v in found.sizes.items() if k in config.space}
    if not any(f"space.{name}" in keys for name in sizes):
        config.space.update(sizes)
        OmegaConf.update(config, f"training.network.{GIVEN}", sizes, force_add=True)
        more += [f"space.{name}={value}" for name, value in sizes.items()]
    overrides = [*rewritten(more), *asked.overrides]
    return replace(asked, choices=choices, overrides=overrides)


def as_followed(plain: dict[str, Any], choices: dict[str, Any]) -> None:
    """A recorded search's config and choices, with no word of other data than its estimator's."""
    found = provenance(plain, shipped=True)
    if found is None:
        return
    space = cast(dict[str, Any], plain.get("space") or {})
    space.update({name: value for name, value in found.sizes.items() if name in space})
    plain["data"], choices["data"] = {"_target_": found.data}, found.data


def carried(plain: Mapping[str, Any]) -> list[str]:
    """What a recorded search hands on to what goes on from it: its estimator's data and sizes."""
    found = provenance(plain, shipped=True)
    if found is None:
        return []
    space = plain.get("space") or {}
    sizes = [f"space.{name}={value}" for name, value in found.sizes.items() if name in space]
    return [f"data={found.data}", *sizes]


def mismatch(config: DictConfig, problem: Problem, *keys: str) -> str | None:
    """Says that the components at `keys` do not all tell of the same; None if they do.

    Of a single one: that it tells of something else than what everything else is built for.
    """
    own = {key: found for key in keys if (found := provenance(config, key)) is not None}
    if not own:
        return None
    built = given(problem)
    others = {key: built for key in keys if key not in own}
    sides = {**own, **(others if keys[1:] else {"everything else": built})}
    if len(set(map(str, sides.values()))) == 1:
        return None
    several = "; ".join(f"{key}: {told}" for key, told in sides.items())
    return f"results are not of the same networks ({several})"


def apart(config: DictConfig) -> str:
    """Which group's answers are of networks of its own sizes, whatever is built; "" for none."""
    return next((key for key in ("estimator", "device") if provenance(config, key)), "")


def networks(config: DictConfig, problem: Problem, estimators: Sequence[Estimator]) -> str:
    """Whose costs the metrics of a search are: data set and size of network."""
    found = provenance(config)
    if found is None and len(estimators) == 1 and isinstance(estimators[0], HasProvenance):
        return "as the table has them"  # a user's own
    return str(found or given(problem.as_deployed))


def _option(name: str, directories: Sequence[Path]) -> Path | None:
    files = [base / "data" / f"{name}.yaml" for base in (*directories, root())]
    return next((file for file in files if file.is_file()), None)


def idle(config: DictConfig, estimators: Sequence[Estimator], *keys: str) -> tuple[str, ...]:
    """The groups that play no part, as `estimators` answer: a page should not list them.

    `keys` name what is asked for answers. A table's are there already, and nothing is trained or
    timed for them; but a strategy may train something of its own.
    """
    own = all(provenance(config, key) is not None for key in keys)
    strategy = values.made_by(config, "strategy")
    shares = strategy is not None and traits_of(strategy).weight_sharing
    trains = not own or shares or "by" in (config.get("strategy") or {})
    told = {metric for estimator in estimators for metric in estimator.metrics}
    on_device = told & (set(COSTS) - set(COUNTED))
    return (*(() if trains else ("training",)), *(() if on_device else ("device",)))
