"""The verbs as functions: the command line's keys and faults, and a `Run` instead of its path.

    run = nascli.search("strategy=evolution", "space=nasbench201", estimator="table", seed=3)
    run = nascli.search(resume=run, budget={"trials": 200})

Strings are overrides as on the command line. Keywords are `key=value` with Python values: numbers,
strings, paths, None, lists, dicts; a dict of a component's settings may be nested, and a key with
dots is given as `**{"budget.trials": 5}`. What is wrong is one `nascli.Fault` with all of it.

A call leaves the process as it was: random states, torch's threads, `sys.path`, signal handlers and
a Hydra that the program around it uses. It neither prints nor ends the process.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascli import genotypes
from nascli.core import history_file
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.listener import Listener
from nascli.core.regular import is_there
from nascli.core.trial import Trial
from nascli.programs.callbacks import CallbackError, Hears, Progress
from nascli.programs.process import as_it_was, importing
from nascli.runs import folder, reading

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nascli.config.compose import Asked
    from nascli.programs.trained import Trained

Text = str | os.PathLike[str]
Folders = Text | Sequence[Text] | None


@dataclass(frozen=True)
class Run:
    """A run folder, and what came of it; it may stand wherever a path may.

    Everything is read on first use and then kept: `load` the folder again to see what is new.
    """

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    @cached_property
    def report(self) -> dict[str, Any]:
        """What report.json says; empty as long as the run has not ended."""
        return reading.report(self.path) or {}

    @cached_property
    def history(self) -> list[Trial]:
        """All trials in the order in which they ended; empty where there are none."""
        file = self.path / folder.HISTORY
        return [entry.trial for entry in history_file.read(file)] if file.is_file() else []

    @cached_property
    def genotype(self) -> Genotype | None:
        """The genotype that was found or trained; None if there is none."""
        there = (self.path / genotypes.FILE).is_file()
        return genotypes.load(f"{self.path}") if there else None

    @cached_property
    def front(self) -> list[Trial]:
        """The trials that no other one beats in all objectives; empty with one objective."""
        trials = {trial.number: trial for trial in self.history}
        return [trials[row["trial"]] for row in self.report.get("front", ())]

    @cached_property
    def network(self) -> Trained:
        """The network that was trained, with its weights and what one must know to use it.

        Raises:
            Fault: this run has trained none.
        """
        from nascli.config import trained

        return trained.of(self.path)

    def predict(self, images: Any) -> NDArray[np.float32]:
        """Probabilities (N, classes): see `nascli.programs.trained.Trained.predict`.

        Raises:
            Fault: this run has trained no network, or the images are not of its kind.
        """
        return self.network.predict(images)


def load(path: Text) -> Run:
    """A run folder that is there already.

    Raises:
        Fault: it is none.
    """
    place, there = Path(path), is_there(os.fspath(path))
    if not there or not (place / folder.CONFIG).is_file():
        why = f"it has no {folder.CONFIG}" if there else "there is no such folder"
        raise Fault(f"'{place!s:.200}' is not a run folder: {why}")
    return Run(place.absolute())


def search(
    *overrides: Text,
    config_dir: Folders = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
    **keys: object,
) -> Run:
    """`nas search`: searches a space for the best genotype.

    Args:
        overrides: strings such as "strategy=darts".
        config_dir: folders of your own components.
        listener: hears of progress, warnings and every trial (see `nascli.core.listener`).
        progress: called with how far a long step is (0 to 1) and where it stands, in words.
        keys: key=value with Python values.

    Raises:
        Fault: everything that is wrong, as the command line would say it.
    """
    return _run("search", overrides, keys, config_dir, Hears(listener, progress))


def retrain(
    *overrides: Text,
    config_dir: Folders = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
    **keys: object,
) -> Run:
    """`nas retrain`: trains a genotype from scratch; arguments as for `search`.

    Raises:
        Fault: everything that is wrong, as the command line would say it.
    """
    return _run("retrain", overrides, keys, config_dir, Hears(listener, progress))


def profile(
    *overrides: Text,
    config_dir: Folders = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
    **keys: object,
) -> Run:
    """`nas profile`: times the layers of a space; arguments as for `search`.

    Raises:
        Fault: everything that is wrong, as the command line would say it.
    """
    return _run("profile", overrides, keys, config_dir, Hears(listener, progress))


def export(
    *overrides: Text,
    config_dir: Folders = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
    **keys: object,
) -> Run:
    """`nas export`: a trained network as a file, network.* in the run; arguments as for `search`.

    Raises:
        Fault: everything that is wrong, as the command line would say it.
    """
    return _run("export", overrides, keys, config_dir, Hears(listener, progress))


def scale(
    *overrides: Text,
    config_dir: Folders = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
    **keys: object,
) -> Run:
    """`nas scale`: a family of larger networks from a genotype; arguments as for `search`.

    Raises:
        Fault: everything that is wrong, as the command line would say it.
    """
    return _run("scale", overrides, keys, config_dir, Hears(listener, progress))


def audit(
    *overrides: Text,
    config_dir: Folders = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
    **keys: object,
) -> Run:
    """`nas audit`: how far an estimator can be trusted; arguments as for `search`.

    Raises:
        Fault: everything that is wrong, as the command line would say it.
    """
    return _run("audit", overrides, keys, config_dir, Hears(listener, progress))


def compare(
    *runs: Text,
    config_dir: Folders = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
    **keys: object,
) -> Run:
    """`nas compare`: searches of one problem side by side; arguments as for `search`.

    Raises:
        Fault: everything that is wrong, as the command line would say it.
    """
    hears = Hears(listener, progress)
    with _asked("compare", runs, keys, config_dir, hears) as asked:
        from nascli.config import compare as config
        from nascli.config import recorded
        from nascli.programs import compare as program

        parts = config.build(asked)
        comparison = program.read(parts, hears)
        run = recorded.named(asked, parts.label)
        with hears.logging_to(run):
            program.compare(run, parts, comparison)
        return Run(run.place)


def _run(
    verb: str, words: Sequence[Text], keys: dict[str, object], config_dir: Folders, hears: Hears
) -> Run:
    """What every verb does that has a run folder to begin with: built, run, handed out."""
    from nascli.config import ended

    with _asked(verb, words, keys, config_dir, hears) as asked:
        if (done := ended.already(asked)) is not None:
            hears.warn(done[1])
            return Run(done[0])
        config = importlib.import_module(f"nascli.config.{verb}")
        program = importlib.import_module(f"nascli.programs.{verb}")
        run, parts = config.begin(asked, hears)
        with hears.logging_to(run):
            getattr(program, verb)(run, parts)
        return Run(run.place)


@contextmanager
def _asked(
    verb: str,
    words: Sequence[Text],
    keys: dict[str, object],
    config_dir: Folders,
    hears: Hears,
) -> Iterator[Asked]:
    """What such a call asks for; the process is as it was afterwards."""
    from nascli.config import overrides
    from nascli.config.command_line import asked_for

    given = [] if config_dir is None else config_dir
    folders = [given] if isinstance(given, (str, os.PathLike)) else given
    flags = [text for each in folders for text in ("--config-dir", os.fspath(each))]
    directories = overrides.directories(flags)
    texts = [*(os.fspath(word) for word in words), *overrides.keywords(verb, keys)]
    own = [str(Path.cwd()), *map(str, directories)]  # where a user's own modules lie
    with importing(own), as_it_was():
        wanted = asked_for(verb, texts, directories)
        for old in wanted.old_names:
            hears.warn(f"a config of yours uses an old name: {old}; please change it")
        try:
            yield wanted
        except CallbackError as raised:
            raise raised.error from None
