"""What programs ask of a task's data: its words, its check, and which image is in which split.

Tasks of users that hold out nothing themselves have no `splits`; they are asked by `split` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from nascli.core.fault import Fault
from nascli.core.words import counted
from nascli.data.membership import Membership, fingerprint
from nascli.data.splits import Splits
from nascli.data.task import SplitName, Task

if TYPE_CHECKING:
    from nascli.data.split import Split

_NAMED = 12  # classes that are listed by name


@runtime_checkable
class Divided(Protocol):
    """A task whose splits are `nascli.data.splits.Splits`."""

    splits: Splits


def was_read(task: object) -> bool:
    """Whether any image was asked for yet, as a search on a table never does."""
    return isinstance(task, Divided) and task.splits.read


def validates(task: Task) -> bool:
    """Whether images are held out to validate on; no image is read for it where that is known."""
    known = not isinstance(task, Divided) or task.splits.holds_out("valid")
    return known and len(task.split("valid")) > 0


def selecting(task: Task) -> Split:
    """The validation split, for whoever chooses among networks by it.

    Raises:
        Fault: nothing is held out for it.
    """
    if not validates(task):
        raise Fault(
            "no image is held out to choose networks by, for data.valid_fraction is 0; give a "
            "share, such as data.valid_fraction=0.1 (a retraining chooses nothing and may do "
            "without)"
        )
    return task.split("valid")


def check(task: Task, names: Sequence[SplitName] = ("train", "valid", "test")) -> None:
    """Opens and checks every image of these splits, so that none is found to be bad later.

    Raises:
        Fault: one cannot be read or does not fit.
    """
    if isinstance(task, Divided):
        task.splits.check(names)
        return
    for name in names:
        source: object = task.split(name).source
        if isinstance(source, _Checked):
            source.check()


def keep(task: Task, before: Membership) -> None:
    """No image that was tested on is trained on from now on: see `Splits.keep`."""
    if isinstance(task, Divided):
        task.splits.keep(before)


def membership(task: Task) -> Membership:
    """Which image is in which split now; the files are read for it, but not decoded."""
    if isinstance(task, Divided):
        return task.splits.membership(_about(task))
    from nascli.data.keys import of_array

    found = {
        str(name): (of_array(split.images().permute(0, 2, 3, 1).numpy()), split.labels.numpy())
        for name, split in _splits(task).items()
    }
    keys = {name: keys for name, (keys, _) in found.items()}
    return Membership(fingerprint(_about(task), found), (0, 0, 0.0, 0.0), keys)


def words(task: Task) -> list[str]:
    """What a run says first: classes and sizes of the splits, then what the user ought to know."""
    splits = _splits(task)
    named = ", ".join(task.class_names[:_NAMED]) + (", ..." if task.classes > _NAMED else "")
    shape = "x".join(map(str, task.input_shape))
    train, valid, test = (f"{len(splits[name]):,}" for name in ("train", "valid", "test"))
    lines = [
        f"{task.name}: {counted(task.classes, 'class')} ({named}), images {shape}: "
        f"{train} to train on, {valid} to validate on, {test} to test on"
    ]
    if not isinstance(task, Divided):
        return lines
    for label in task.splits.small[:_NAMED]:
        lines.append(
            f"class {task.class_names[label]} has too few different images to be in every split"
        )
    for name, missing in task.splits.without(task.classes).items():
        if missing:
            several = ", ".join(task.class_names[label] for label in missing[:_NAMED])
            more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
            lines.append(f"no {name} image of class {several}{more}")
    return [lines[0], *(f"warning: {line}" for line in [*lines[1:], *task.splits.notices])]


def _splits(task: Task) -> dict[SplitName, Split]:
    names: tuple[SplitName, ...] = ("train", "valid", "test")
    return {name: task.split(name) for name in names}


def _about(task: Task) -> str:
    return repr((tuple(task.class_names), tuple(task.input_shape)))


@runtime_checkable
class _Checked(Protocol):
    def check(self) -> None: ...
