"""Retraining with inherited weights: `nas retrain genotype=RUN init=inherit`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nascli.config import building, recorded, shared_weights
from nascli.config.compose import Asked
from nascli.config.files import GIVEN
from nascli.config.following import carried
from nascli.config.overrides import key_of, rewritten
from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.programs.shared_weights import load
from nascli.runs import reading
from nascli.runs.folder import CONFIG

Weights = Callable[[], Mapping[str, Any]]
"""Gives the state dict that a network starts from."""
_INITS = ("scratch", "inherit")
_BATCHES = "recalibration_batches"
_SIZE = f"training.network.{GIVEN}."
_SPACE = re.compile(r"[+~]*(space\b|operation@space\b|training\.network\b)")  # says what it is


def adopt(
    config: DictConfig, overrides: Sequence[str] = (), directories: Sequence[Path] = ()
) -> None:
    """Makes the networks of a retraining that inherits those of the supernet.

    It is that of the search which the genotype is of, unless `supernet` names another.

    Raises:
        Fault: there is none, or another space or size is asked for besides.
    """
    init = config.get("init", "scratch")
    if init not in _INITS:
        raise Fault(unknown("init", init, _INITS))
    if init == "scratch":
        if config.get("supernet"):
            raise Fault("supernet=... is for init=inherit; leave it out, or add init=inherit")
        return
    if config.get("seeds", 1) > 1 or config.get("baselines"):
        raise Fault(
            "init=inherit trains one network with weights that nothing else has; leave out seeds "
            "and baselines, or take init=scratch"
        )
    if not config.get("supernet"):
        config.supernet = _above(config.genotype)
    shared_weights.adopt(config, directories, ())
    if given := _given(config, overrides):
        raise Fault(
            f"{', '.join(given)} cannot be chosen with init=inherit: a network that inherits its "
            "weights is the one that it is in the supernet, of its space and size"
        )
    config.space = building.sized(recorded.load(Path(config.supernet), directories)).space
    config.training.network = {}


def _given(config: DictConfig, overrides: Sequence[str]) -> list[str]:
    """What is said of the space besides what follows from the genotype and the supernet's run."""
    of_the_space = [text for text in overrides if _SPACE.match(text)]
    if not of_the_space:
        return []
    choices, said = _run(config)
    following = [f"space={choices.get('space')}", *said]
    if config.genotype:
        following += carried("retrain", [f"genotype={config.genotype}"])
    given = [text for text in of_the_space if text not in rewritten(following)]
    keys = [key_of(text) for text in given]
    return list(dict.fromkeys(re.sub(rf"^{re.escape(_SIZE)}", "space.", key) for key in keys))


def _run(config: DictConfig) -> tuple[Mapping[str, str], list[str]]:
    """What the supernet's run has chosen, and what was said there of its space."""
    its = reading.environment(Path(config.supernet))
    said = [str(text) for text in its.get("overrides", ()) if _SPACE.match(str(text))]
    return its.get("choices", {}), said


def on_record(asked: Asked) -> Asked:
    """The same, the space being that of the supernet's run: so whoever goes on from here finds it.

    Its sizes are said one by one, for the recipe of a retraining has other ones.
    """
    config = asked.config
    if config.get("init", "scratch") == "scratch":
        return asked
    choices, said = _run(config)
    numbers = {f"space.{k}": v for k, v in config.space.items() if type(v) in (int, float)}
    said = [text for text in said if text.startswith(("space.", "operation@"))]
    said = [text for text in said if text.partition("=")[0] not in numbers]
    said += [f"{key}={value}" for key, value in numbers.items()]
    kept = [text for text in asked.overrides if not _SPACE.match(text)]
    space = {key: name for key, name in choices.items() if key == "space"}
    return replace(asked, choices={**asked.choices, **space}, overrides=[*said, *kept])


def _above(genotype: object) -> str:
    """The run folder that a genotype is of: RUN, RUN/genotype.json, RUN/front/3.json."""
    path = Path(str(genotype or "")).expanduser()
    for folder in (path, *path.parents[:2]):
        if genotype and (folder / CONFIG).is_file():
            return str(folder)
    raise Fault(
        f"init=inherit: genotype={genotype} is of no run folder, so nothing is known of its "
        "weights; give supernet=RUN_FOLDER of the search that has trained them"
    )


def weights(
    config: DictConfig, problem: Problem, genotype: Genotype, directories: Sequence[Path] = ()
) -> Weights | None:
    """What a network starts from; None for first weights of its own.

    Those are its path's in the supernet, with the batch-norm statistics that it is scored with
    there: from the same training images, augmented as there, if the retraining has the same data.

    Raises:
        Fault: the supernet is not trained, or does not fit.
    """
    if config.get("init", "scratch") == "scratch":
        return None
    from nascli.supernet.scoring import Scoring

    folder = Path(config.supernet)
    its = recorded.load(folder, directories)
    recipe = building.component(its, "training")  # which augments the images of its statistics
    problem = replace(problem, seed=int(its.seed), recipe=recipe)
    shared = shared_weights.new(problem, "nobody")
    problem.listener.warn(load(shared, folder, trained=True))
    estimator = its.get("estimator") or {}
    size, count = (int(estimator.get(k, v)) for k, v in (("batch_size", 256), (_BATCHES, 4)))
    images = str(estimator.get("recalibration_images", "plain"))  # of earlier versions' runs
    scoring = Scoring(problem, shared, size, count, recalibration_images=images)
    return lambda: scoring.network(genotype).state_dict()
