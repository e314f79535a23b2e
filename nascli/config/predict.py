"""The parts of `nas predict`."""

from __future__ import annotations

from nascli.config import building, trained
from nascli.config.compose import Asked
from nascli.core.fault import Fault
from nascli.programs.predict import Parts, image_files


def build(asked: Asked) -> Parts:
    """A network and the images that it is to look at.

    Raises:
        Fault: everything that is wrong with the config.
    """
    config, faults = asked.config, building.Faults()
    found = faults.attempt(lambda: trained.of(config.genotype, asked.directories))
    files = faults.attempt(lambda: image_files([str(image) for image in config.images]))
    if files == []:
        faults.attempt(_none)
    if not (isinstance(config.top, int) and config.top > 0):
        faults.found.append(f"top is {config.top!r}; it must be a whole number above 0")
    faults.check()
    assert found is not None and files is not None
    return Parts(found, files, config.top)


def _none() -> None:
    raise Fault("say which images: nas predict RUN IMAGE ..., files or folders")


check = build
