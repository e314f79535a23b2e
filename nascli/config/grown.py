"""Genotypes that `nas scale` has written: their networks are of a space of a certain size."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from nascli import genotypes
from nascli.config.overrides import written
from nascli.core.channels import STEP
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.scaling import SPACES, option
from nascli.core.space import Resizable, SearchSpace, known


def of_its_size(space: SearchSpace, genotype: Genotype, reference: object) -> Genotype:
    """The genotype as the space knows it (see `core.space.known`).

    Raises:
        Fault: it has none, or `reference` is a file of nas scale whose network has another size.
    """
    sizes = genotypes.sizes(str(reference))
    if not sizes or not isinstance(space, Resizable):
        return known(space, genotype)
    try:
        found = known(space, genotype)
        here, _ = space.resized(found, 1, 1, STEP)
    except Fault as fault:
        raise Fault(f"{_wrong(sizes, Path(str(reference)))}\n{fault}") from fault
    if OmegaConf.to_container(OmegaConf.create(dict(here))) != sizes:
        raise Fault(_wrong(sizes, Path(str(reference))))
    return found


def _wrong(sizes: Mapping[str, Any], file: Path) -> str:
    """That the space has other sizes, and the words that give it those of the file."""
    keys = " and ".join(f"space.{key}" for key in sizes)
    said = f"genotype={file}: nas scale has made its network with {keys} of its own, which "
    if not any(isinstance(value, Sequence) for value in sizes.values()):
        words = " ".join(f"space.{key}={written(value)}" for key, value in sizes.items())
        return f"{said}are others here: add {words}"
    folder = file.expanduser().parent
    chosen = option(file.stem)
    if (folder / SPACES / f"{chosen}.yaml").is_file():
        return f"{said}are others here: add --config-dir {shlex.quote(str(folder))} space={chosen}"
    return (
        f"{said}are in {SPACES}/{chosen}.yaml of the folder where it wrote them both: add "
        f"--config-dir FOLDER space={chosen}"
    )
