"""The YAML files: where they lie, and what they offer; importing this needs no Hydra."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

FREE = ("objectives", "constraints")  # keys whose contents are the user's to name
GIVEN = "given"  # under training.network: sizes that the user has given, whatever the space


def root() -> Path:
    """The shipped configs: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def description(file: Path) -> str:
    """The first comment line of a YAML file; its `@package` line is not one."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not line.startswith("# @"):
            return line.lstrip("# ").strip()
        if line and not line.startswith("#"):
            break
    return ""


def catalogue(directories: Sequence[Path] = ()) -> dict[str, dict[str, str]]:
    """Group -> option -> one line on it, over the shipped configs and the user's directories."""
    groups: dict[str, dict[str, str]] = {}
    for base in (root(), *directories):
        for file in sorted(base.glob("*/*.yaml")):
            groups.setdefault(file.parent.name, {})[file.stem] = description(file)
    return groups


def targets(directories: Sequence[Path] = ()) -> set[str]:
    """Every `_target_` that some config names: what a foreign config.yaml may ask us to build."""
    from nascli.runs import aliases  # not for a help page

    found: set[str] = set()
    for base in (root(), *directories):
        for file in base.rglob("*.yaml"):
            named = re.findall(r"_target_:\s*([\w.]+)", file.read_text(encoding="utf-8"))
            found.update(map(aliases.target, named))
    return found


def help_page(verb: str, own: Sequence[Path]) -> str:
    """The groups of a verb with their options, and its keys."""
    text = (root() / f"{verb}.yaml").read_text(encoding="utf-8")
    defaults, _, keys = text.partition("\n\n")
    chosen = dict(re.findall(r"^  - (\w+): (\w+)", defaults, flags=re.MULTILINE))
    lines = [f"nas {verb}: {description(root() / f'{verb}.yaml')}", ""]
    lines += [f"usage: nas {verb} [group=option] [key=value] [-m] [--cfg job] [--config-dir DIR]"]
    groups = catalogue(own)
    for group, default in chosen.items():
        lines += ["", f"{group}=..."]
        for option, words in groups.get(group, {}).items():
            mark = "*" if option == default else " "
            lines.append(f" {mark} {option:<16} {words}")
    base = (root() / "base.yaml").read_text(encoding="utf-8")
    shared = base.partition("\n")[2].partition("\nhydra:")[0].strip()
    lines += ["", "* default. Keys (a group's own: nas " + verb + " --cfg job):", ""]
    lines += [f"  {line}" for line in [*keys.strip().splitlines(), *shared.splitlines()] if line]
    return "\n".join(lines)
