"""What a command line, or a call from Python, becomes before Hydra sees it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nascli.config.files import FREE, GIVEN
from nascli.core.fault import Fault
from nascli.core.regular import is_there

_REFERENCES = (
    "genotype",
    "resume",
    "data.path",
    "device.path",
    "estimator.path",
    "reference.path",
    "outputs",
    "supernet",
)
_FLAGS = (
    *("help", "hydra-help", "version", "multirun", "cfg", "config-dir", "config-path"),
    *("config-name", "package", "info", "resolve", "run", "shell-completion"),
    "experimental-rerun",
)  # Hydra's
_WHOLE = {"compare": ("reference", "ideal")}  # mappings that are values
_WORD = r"[A-Za-z_]\w*"
_TAKEN = ("true", "false", "null", "nan", "inf")  # words that are no strings


def split(arguments: Sequence[str], valued: Sequence[str]) -> tuple[list[str], list[str]]:
    """Flags with their values, and overrides."""
    flags: list[str] = []
    overrides: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if not argument.startswith("-") or argument.startswith("-="):
            overrides.append(argument)
            continue
        if (key := _as_key(argument)) is not None:  # `--strategy darts` is strategy=darts
            value = "" if "=" in key else next(rest, None)
            if value is None:
                raise Fault(f"{argument} has no value; write {key}=VALUE")
            overrides.append(key if "=" in key else f"{key}={value}")
            continue
        flags.append(argument)
        if argument in valued and (value := next(rest, None)) is not None:
            flags.append(value)
    return flags, overrides


def _as_key(flag: str) -> str | None:
    """The key that is meant by a flag as other tools have it; None for a flag of ours."""
    name, equals, value = flag.removeprefix("--").partition("=")
    if not flag.startswith("--") or name in _FLAGS or not re.fullmatch(rf"{_WORD}[\w.@-]*", name):
        return None
    return name.replace("-", "_") + equals + value


def directories(flags: Sequence[str]) -> list[Path]:
    """The user's own config folders.

    Raises:
        Fault: one does not exist.
    """
    found = []
    for place, flag in enumerate(flags):
        name, equals, value = flag.partition("=")
        if name in ("-cd", "--config-dir"):
            text = value if equals else "".join(flags[place + 1 : place + 2])
            folder = Path(text)
            if not text or not is_there(text) or not folder.is_dir():
                raise Fault(f"--config-dir {text:.200}: no such folder")
            found.append(folder.resolve())
    return found


def positional(verb: str, override: str, verbs: Sequence[str]) -> str:
    """`nas show X` is short for `genotype=X`, and `reference=X` for `estimator@reference=X`."""
    from nascli.genotypes import namedtuple  # not for a help page

    if verb == "audit" and override.startswith("reference="):
        return f"estimator@{override}"
    bare = "=" not in override or override.startswith("|") or is_there(override)
    bare = bare or namedtuple.looks_like(override)
    if verb in verbs and bare and override[:1] != "~":
        return f"genotype={override}"
    return override


def gathered(overrides: Sequence[str]) -> list[str]:
    """`nas compare A B` is short for `nas compare runs=[A,B]`; what exists is a path, = or not."""
    bare = [o for o in overrides if o[:1] != "~" and ("=" not in o or is_there(o))]
    runs = ",".join(map(_quotes, bare))
    return [*([f"runs=[{runs}]"] if bare else []), *(o for o in overrides if o not in bare)]


def looked_at(overrides: Sequence[str]) -> list[str]:
    """`nas predict RUN A B` is short for `nas predict genotype=RUN images=[A,B]`."""
    bare = [o for o in overrides if o[:1] != "~" and ("=" not in o or is_there(o))]
    rest = [o for o in overrides if o not in bare]
    if bare and not any(o.startswith("genotype=") for o in rest):
        rest.append(f"genotype={bare.pop(0)}")
    return [*rest, *([f"images=[{','.join(map(_quotes, bare))}]"] if bare else [])]


def quoted(overrides: Sequence[str], *, multirun: bool = False) -> list[str]:
    """Puts paths and NAS-Bench-201 strings in the quotes that Hydra's grammar needs.

    A comma is one of a path, unless a `multirun` goes over the parts or all of them are there.
    What YAML files write .inf is inf here.
    """
    ready = []
    for override in overrides:
        key, equals, value = override.partition("=")
        if value in (".inf", "-.inf"):
            override = f"{key}={value.replace('.', '')}"
        if equals and key.lstrip("+") in _REFERENCES and _bare(value):
            parts = value.split(",")
            several = parts[1:] and "|" not in value and not is_there(value)
            sweep = "=" not in value if multirun else all(map(named, parts))
            if not (several and sweep):
                override = f"{key}={_quotes(value)}"
        ready.append(override)
    return ready


def _bare(value: str) -> bool:
    """Whether Hydra would not take it as the text that it is; null and references stay."""
    if value[:1] in ("'", '"') or value.startswith("${") or value == "null":
        return False
    if not re.fullmatch(r"[\w/\-+.%*@?]*", value) or value.lower() in _TAKEN:
        return True
    try:
        float(value)
    except ValueError:
        return False
    return True


def named(reference: str) -> bool:
    """Whether a path or a genotype goes by it."""
    from nascli.genotypes import published

    return reference in published() or is_there(reference)


def key_of(override: str) -> str:
    """The key that it is about, whether it changes, adds or removes it."""
    return override.lstrip("+~").partition("=")[0]


def rewritten(overrides: Sequence[str]) -> list[str]:
    """Overrides as Hydra wants them.

    Keys that are the user's to name (`constraints.params=3`) are added; a mapping given whole
    replaces the default one. A size of network given by hand beats the one that a recipe asks for.
    """
    ready: list[str] = []
    for override in overrides:
        key = override.partition("=")[0]
        if key in FREE:
            ready += [f"~{key}", f"+{override}"]
        elif key.split(".")[0] in FREE:
            ready.append(f"++{override}")
        else:
            ready.append(override)
        size = re.fullmatch(r"space\.(\w+)", key)
        if size:
            ready.append(f"++training.network.{GIVEN}.{size[1]}=${{space.{size[1]}}}")
    return ready


def keywords(verb: str, given: Mapping[str, object]) -> Iterator[str]:
    """Keywords of a Python call as overrides; a nested dict is so many keys with dots.

    Raises:
        Fault: a value is of a kind that no config holds.
    """
    for key, value in given.items():
        whole = key in FREE or key in _WHOLE.get(verb, ())
        if isinstance(value, Mapping) and value and not whole:
            yield from keywords(verb, {f"{key}.{name}": inner for name, inner in value.items()})
        else:
            yield f"{key}={written(value, key)}"


def written(value: object, key: str = "") -> str:
    """A Python value in Hydra's grammar; what Hydra reads back is that value.

    Raises:
        Fault: it is of a kind that no config holds.
    """
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, (int, float)):
        return repr(float(value) if isinstance(value, float) else int(value))
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
        return text if re.fullmatch(_WORD, text) and text.lower() not in _TAKEN else _quotes(text)
    if isinstance(value, Mapping):
        inside = (f"{_name(name, key)}: {written(inner, key)}" for name, inner in value.items())
        return "{" + ", ".join(inside) + "}"
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return f"[{','.join(written(inner, key) for inner in value)}]"
    if callable(plain := getattr(value, "tolist", None)):  # of numpy or torch: a number or a list
        return written(plain(), key)
    raise Fault(
        f"{key} is {value!r:.80}; it must be None, a bool, a number, a string, a path, a list or a "
        "dict of such"
    )


def _name(name: object, key: str) -> str:
    """A key of a mapping."""
    if isinstance(name, str) and re.fullmatch(_WORD, name):
        return name
    raise Fault(f"{key} has a key {name!r:.80}; keys must be words of letters, digits and _")


def _quotes(text: str) -> str:
    """The text in quotes; Hydra takes backslashes as they are, unless a quote follows."""
    doubled = re.sub(r"(\\+)(?='|\Z)", r"\1\1", text)
    return "'" + doubled.replace("'", "\\'") + "'"
