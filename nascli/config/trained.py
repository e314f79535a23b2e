"""A trained network out of a run folder: what `genotype=RUN` means to those who use one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from omegaconf import DictConfig

from nascli import genotypes
from nascli.config import building, images, recorded
from nascli.core.fault import Fault, first_line
from nascli.core.listener import SILENT, Listener
from nascli.core.space import known
from nascli.core.words import command
from nascli.data.task import Task
from nascli.runs import card as cards
from nascli.runs.folder import REPORT, WEIGHTS, Run

if TYPE_CHECKING:
    from nascli.programs.trained import Trained


def of(reference: object, directories: Sequence[Path] = ()) -> Trained:
    """The network that `nas retrain` has left in a run folder.

    Raises:
        Fault: it is no such folder, something in it is damaged, or the data of a folder without
            network.json, which versions before 0.3 left, are not at hand.
    """
    folder = _folder(reference)
    from nascli.programs.trained import Trained, card_of  # torch, which a wrong folder does without

    config = recorded.load(folder, directories)
    card = cards.read(folder)
    task: Any = card or data(config)
    space = building.space(config, task)
    genotype = known(space, genotypes.load(str(folder)))
    network = space.network(genotype)
    try:
        network.load_state_dict(cast(dict[str, Any], Run(folder).load(WEIGHTS)))
    except Exception as error:  # of whatever kind, for anything may stand there
        wrong = (str(error).splitlines() or [type(error).__name__])[-1].strip()
        raise Fault(f"'{folder / WEIGHTS}' does not fit the network of its run: {wrong}") from error
    if card is None:
        train, names = task.split("train"), task.class_names
        card = card_of(train, space.describe(genotype), task.name, names, {})
    return Trained(network.eval(), card, genotype)


def data(config: DictConfig) -> Task:
    """The images that the run was trained on.

    Raises:
        Fault: they are not at hand.
    """
    building.absolute(config)
    return cast(Task, images.task(config, building.component(config, "data")))


def at_hand(reference: object, directories: Sequence[Path], listener: Listener = SILENT) -> Any:
    """The same for `genotype=RUN`; None, and why, where they are not at hand any more."""
    folder = _folder(reference)
    try:
        found = data(recorded.load(folder, directories))
        found.split("test")
        card = cards.read(folder)
        if card is not None and found.input_shape != card.input_shape:
            raise Fault(f"they are {found.input_shape} now, and were {card.input_shape}")
    except Fault as fault:
        listener.warn(f"not compared on test images: {first_line(fault)}")
        return None
    return found


def _folder(reference: object) -> Path:
    if not reference:
        raise Fault("say which network: genotype=FOLDER of a run of nas retrain")
    folder = Path(str(reference)).expanduser().absolute()
    if not (folder / WEIGHTS).is_file():
        there = f"'{folder}' has no {WEIGHTS}" if folder.is_dir() else f"no folder at '{folder}'"
        raise Fault(f"{there}; {_before(folder, reference)}")
    return folder


def _before(folder: Path, reference: object) -> str:
    """What there is to do before a network of this folder can be used."""
    try:
        genotypes.load(str(reference))
    except Fault:  # nothing that could be trained
        return "give the folder of a run of nas retrain"
    if folder.is_dir() and not (folder / REPORT).is_file():  # a search that has found one has both
        go_on = command("retrain", f"resume={reference}")
        return f"its training has not ended; go on with: {go_on}"
    return f"train the network first: {command('retrain', f'genotype={reference}')}"
