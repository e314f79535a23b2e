"""What lies in a folder of images: the folders of the splits, the class folders, the files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nascli.core.fault import Fault

NAMES = {
    "train": ("train", "training"),
    "valid": ("valid", "val", "validation", "validate", "dev"),
    "test": ("test", "testing"),
}
_NAMES_1 = {"train": ("train",), "valid": ("valid", "val"), "test": ("test",)}  # with rule 1
_NO_CLASS = ("__MACOSX", "@eaDir", "lost+found")  # left by other programs


@dataclass
class Tree:
    """The folders and files below `root`; nothing is followed out of it, only files are read.

    `passed_over` counts what lies among the images and is no image, by kind.

    Args:
        root: the tree.
        suffixes: those of images.
        rule: of the splits; with 1 their folders go by the names of that time.
    """

    root: Path
    suffixes: frozenset[str]
    rule: int = 2
    passed_over: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._real = os.path.realpath(self.root)
        try:
            self._top = self.folders(str(self.root)) if self.root.is_dir() else None
        except OSError as error:
            raise Fault(f"cannot read data.path={self.root}: {error.strerror}") from error
        if self._top is None:
            raise Fault(
                f"data.path={self.root} is no folder; give one that holds a folder for each class"
            )

    def parts(self) -> tuple[dict[str, str], list[str]]:
        """The folder of each split that has one, and a line on every other that is left aside.

        Raises:
            Fault: it cannot be told which folder is which split.
        """
        found = {part: self._named(part) for part in NAMES}
        if self.rule == 1:
            return self._parts_1(found), []
        there = {part: names for part, names in found.items() if names}
        if not there:
            return {"train": str(self.root)}, []
        inside = {name: self.folders(self._at(name)) for names in there.values() for name in names}
        if not any(inside.values()):  # they hold images: perhaps classes that are called so
            if len(inside) == len(self._top or ()):
                names = ", ".join(inside)
                raise Fault(
                    f"data.path={self.root} holds {names}, which are names of splits, but no "
                    "class folders in them; sort the images of each into a folder for each class"
                )
            return {"train": str(self.root)}, []
        _single(there, self.root)
        if "train" not in there or not inside[there["train"][0]]:
            others = ", ".join(inside)
            raise Fault(
                f"data.path={self.root} holds {others}, but no folder with classes to train on; "
                f"call it train (or {', '.join(NAMES['train'][1:])}), with a folder for each class"
            )
        lines = self._beside(inside, set(inside[there["train"][0]]))
        parts = {part: self._at(names[0]) for part, names in there.items() if inside[names[0]]}
        return parts, lines

    def _beside(self, inside: dict[str, list[str]], classes: set[str]) -> list[str]:
        """A line on each folder that is no split, or one without classes."""
        lines = [
            f"{self._at(name)} has no class folders, so its images are passed over"
            for name, folders in inside.items()
            if not folders
        ]
        for name in self._top or ():
            if name in inside:
                continue
            if classes & set(self.folders(self._at(name))):
                known = "; ".join(f"{part}: {', '.join(names)}" for part, names in NAMES.items())
                raise Fault(
                    f"{self._at(name)} has the class folders of a split, but not its name; rename "
                    f"it ({known}), or move it elsewhere"
                )
            if self._images(self._at(name), Counter()):
                lines.append(f"{self._at(name)} is no split; its images are passed over")
        return lines

    def _parts_1(self, found: dict[str, list[str]]) -> dict[str, str]:
        if not found["train"] or not self.folders(self._at(found["train"][0])):
            return {"train": str(self.root)}
        _single(found, self.root)
        return {part: self._at(names[0]) for part, names in found.items() if names}

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in it, sorted; hidden ones are passed over."""
        with os.scandir(folder) as entries:
            found = [
                entry.name
                for entry in entries
                if not entry.name.startswith(".") and entry.name not in _NO_CLASS and entry.is_dir()
            ]
        for name in found:
            place = os.path.join(folder, name)  # noqa: PTH118 - once for every folder
            if os.path.islink(place) and not self._inside(place):  # noqa: PTH114
                raise Fault(
                    f"{place} is a link that leads out of data.path={self.root}; give the folder "
                    "that it leads to, or copy it"
                )
        return sorted(found)

    def images(self, folder: str) -> list[str]:
        """All image files under `folder`, at any depth, sorted; hidden ones are passed over."""
        return self._images(folder, self.passed_over)

    def _images(self, folder: str, passed_over: Counter[str]) -> list[str]:
        found: list[str] = []
        open_folders, nested = [folder], False
        while open_folders:
            with os.scandir(open_folders.pop()) as entries:
                for entry in entries:
                    name = entry.name
                    if name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        open_folders.append(entry.path)
                        nested = True
                    elif (suffix := os.path.splitext(name)[1].lower()) not in self.suffixes:  # noqa: PTH122
                        passed_over[suffix or "without a suffix"] += 1
                    elif entry.is_file(follow_symlinks=False) or self._linked(entry, passed_over):
                        found.append(entry.path)
        # As paths compare: folder by folder, whatever characters their names have.
        return sorted(found, key=lambda path: Path(path).parts) if nested else sorted(found)

    def _linked(self, entry: os.DirEntry[str], passed_over: Counter[str]) -> bool:
        """Whether what is no plain file is a link to one inside the tree."""
        if not entry.is_symlink():
            passed_over["no regular file"] += 1
        elif not self._inside(entry.path):
            passed_over[f"a link that leads out of {self.root}"] += 1
        elif not entry.is_file():
            passed_over["a link to no file"] += 1
        else:
            return True
        return False

    def _inside(self, path: str) -> bool:
        real = os.path.realpath(path)
        return real.startswith(self._real.rstrip(os.sep) + os.sep)

    def _named(self, part: str) -> list[str]:
        if self.rule == 1:
            return [name for name in _NAMES_1[part] if name in (self._top or ())]
        return [name for name in self._top or () if name.lower() in NAMES[part]]

    def _at(self, name: str) -> str:
        return str(self.root / name)


def _single(parts: Mapping[str, list[str]], root: Path) -> None:
    """Raises a Fault where a split has two folders."""
    for part, names in parts.items():
        if len(names) > 1:
            several = " and ".join(str(root / name) for name in names)
            raise Fault(f"{several} are two {part} folders; keep one")
