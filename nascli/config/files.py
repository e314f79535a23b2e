"""The YAML files: where they lie, and what they offer; importing this needs no Hydra."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from nascli.core.fault import Fault
from nascli.core.regular import contents

_MOST_BYTES = 1_000_000_000
FREE = ("objectives", "constraints", "deploy")  # keys whose contents are the user's to name
OWN = "own"  # no group: whatever configs of the user's name
GIVEN = "given"  # under training.network: sizes that the user has given, whatever the space


def root() -> Path:
    """The shipped configs: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def description(file: Path) -> str:
    """The first comment line of a YAML file; its `@package` line is not one."""
    for line in _text(file).splitlines():
        if line.startswith("#") and not line.startswith("# @"):
            return line.lstrip("# ").strip()
        if line and not line.startswith("#"):
            break
    return ""


def _text(file: Path) -> str:
    """What a YAML file says; what is no text in it is replaced, for composing it says more.

    Raises:
        Fault: it cannot be read.
    """
    try:
        return contents(file, _MOST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise Fault(f"cannot read '{file}': {error.strerror}") from error


def catalogue(directories: Sequence[Path] = ()) -> dict[str, dict[str, str]]:
    """Group -> option -> one line on it, over the shipped configs and the user's directories.

    Raises:
        Fault: a file of the user's has the name of another option, whose file would be taken.
    """
    groups: dict[str, dict[str, str]] = {}
    taken: dict[Path, Path] = {}
    clashes = []
    for base in (root(), *directories):
        for file in sorted([*base.glob("*.yaml"), *base.glob("*/*.yaml")]):
            name = file.relative_to(base)
            first = taken.setdefault(name, file)
            if first != file and _text(first) != _text(file):
                whose = "a shipped one" if root() in first.parents else f"'{first}'"
                clashes.append(f"'{file}' has the name of {whose}, which is taken: rename it")
            elif name.parent.name:
                groups.setdefault(name.parent.name, {})[name.stem] = description(file)
    if clashes:
        raise Fault("\n".join(clashes))
    return groups


def targets(directories: Sequence[Path] = ()) -> set[str]:
    """Every `_target_` that some config names: what a foreign config.yaml may ask us to build."""
    return set().union(*grouped_targets(directories).values())


def grouped_targets(directories: Sequence[Path] = ()) -> dict[str, set[str]]:
    """Group -> every `_target_` that some config of it names; those of the user's under OWN."""
    from nascli.runs import aliases  # not for a help page

    found: dict[str, set[str]] = {OWN: set()}
    for base in (root(), *directories):
        for file in base.rglob("*.yaml"):
            named = re.findall(r"_target_:\s*([\w.]+)", _text(file))
            group = file.relative_to(base).parts[0] if base == root() else OWN
            found.setdefault(group, set()).update(map(aliases.target, named))
    return found


def help_page(verb: str, own: Sequence[Path], words: Sequence[str] = ()) -> str:
    """The groups of a verb with their options, and its keys.

    With `group=option` among the `words` it is the keys of that option, with what is said of each.
    """
    asked = [tuple(word.partition("=")[::2]) for word in words]
    files = [base / group / f"{option}.yaml" for base in (root(), *own) for group, option in asked]
    if found := [file for file in files if file.is_file()]:
        return "\n\n".join(_keys_of(file) for file in found)
    text = (root() / f"{verb}.yaml").read_text(encoding="utf-8")
    defaults, _, keys = text.partition("\n\n")
    chosen = dict(re.findall(r"^  - (\w+): (\w+)", defaults, flags=re.MULTILINE))
    lines = [f"nas {verb}: {description(root() / f'{verb}.yaml')}", ""]
    lines += [f"usage: nas {verb} [group=option] [key=value] [-m] [--cfg job] [--config-dir DIR]"]
    groups = catalogue(own)
    for group, default in chosen.items():
        lines += ["", f"{group}=..."]
        options = groups.get(group, {})
        width = max([16, *map(len, options)])
        for option, words in options.items():
            mark = "*" if option == default else " "
            lines.append(f" {mark} {option:<{width}} {words}")
    base = (root() / "base.yaml").read_text(encoding="utf-8")
    shared = base.partition("\n")[2].partition("\nhydra:")[0].strip()
    lines += ["", "* default. Keys (a group's own: nas " + verb + " --cfg job):", ""]
    lines += [f"  {line}" for line in [*keys.strip().splitlines(), *shared.splitlines()] if line]
    return "\n".join(lines)


def _keys_of(file: Path) -> str:
    """An option of a group: what it is, and its keys as its file has them."""
    group, lines = file.parent.name, _text(file).splitlines()
    shown = [line for line in lines if not re.match(r"# @|\s*_\w+_:|#", line)]
    keys = [line if re.match(r"\s|$", line) else f"{group}.{line}" for line in shown]
    if "# @package _global_" in lines:
        keys = shown
    body = "\n".join(f"  {line}" for line in keys).strip("\n")
    return f"{group}={file.stem}: {description(file)}\n\n{body}"
