"""The parts of `nas export`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nascli.config import building, recorded, trained
from nascli.config.compose import Asked
from nascli.core.fault import Fault
from nascli.core.listener import SILENT, Listener
from nascli.runs.folder import Run

if TYPE_CHECKING:
    from nascli.programs.export import Parts


def begin(asked: Asked, listener: Listener = SILENT) -> tuple[Run, Parts]:
    """A new run folder, and the parts.

    Raises:
        Fault: everything that is wrong with the config; no run folder is made.
    """
    parts = build(asked, listener)
    return recorded.claimed(asked, "format"), parts


def build(asked: Asked, listener: Listener = SILENT) -> Parts:
    """The parts of an export.

    Raises:
        Fault: everything that is wrong with the config.
    """
    config, faults = asked.config, building.Faults()
    found = faults.attempt(lambda: trained.of(config.genotype, asked.directories))
    written = faults.attempt(lambda: building.component(config, "format"))
    faults.check()
    from nascli.programs.export import Parts  # torch, which a wrong one does without

    task = trained.at_hand(config.genotype, asked.directories, listener)
    if task is None and config.format.get("int8"):
        raise Fault("format.int8=true takes its ranges from the training images; give them back")
    assert found is not None and written is not None
    return Parts(found, written, task, listener)


check = build
