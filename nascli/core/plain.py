"""Plain data out of files that may come from anyone: JSON, and the kinds of values in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nascli.core.fault import Fault
from nascli.core.regular import contents

_DEPTH = 50  # lists and objects in one another; the deepest that is written here has 8
_LARGEST = 2**63


def parsed(text: bytes | str) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: it is no JSON, not UTF-8, deeper than anything written here, or has an integer
            of more than 64 bits or half a character.
    """
    try:
        found = json.loads(text, parse_int=_integer)
        _check_depth(found)
        if (b"\\u" in text) if isinstance(text, bytes) else ("\\u" in text):
            json.dumps(found, ensure_ascii=False).encode()  # half a character cannot be written
    except RecursionError:
        raise ValueError(f"it is more than {_DEPTH} lists and objects deep") from None
    return found


def json_object(file: Path, most: int, kind: str = "") -> dict[str, Any]:
    """The JSON object in a regular file of at most `most` bytes; `kind` is what it should be.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no such file.
        Fault: it cannot be read, or holds something else.
    """
    verdict = f"'{file}' is not {kind}" if kind else f"'{file}' is damaged"
    try:
        found = parsed(contents(file, most))
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise Fault(f"cannot read '{file}': {error.strerror}") from error
    except ValueError as error:
        raise Fault(f"{verdict}: {error}") from error
    if not isinstance(found, dict):
        raise Fault(f"{verdict}: it holds {found!r:.80}, not an object")
    return found


def whole(data: Mapping[str, Any], key: str) -> int:
    """An integer of at least 0 and at most 63 bits.

    Raises:
        Fault: it is something else.
        KeyError: it is not there.
    """
    value = data[key]
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise Fault(f"{key} is {value!r:.80}; it must be a whole number of at least 0")
    return value


def amount(data: Mapping[str, Any], key: str) -> float:
    """A finite number of at least 0, as it was written: 3 stays 3.

    Raises:
        Fault: it is something else.
        KeyError: it is not there.
    """
    value = data[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _LARGEST:
        raise Fault(f"{key} is {value!r:.80}; it must be a number of at least 0")
    return value


def text(data: Mapping[str, Any], key: str) -> str | None:
    """A text; None for null.

    Raises:
        Fault: it is something else.
        KeyError: it is not there.
    """
    value = data[key]
    if value is not None and type(value) is not str:
        raise Fault(f"{key} is {value!r:.80}; it must be text or null")
    return value


def numbers(data: Mapping[str, Any], key: str) -> dict[str, float]:
    """Names with a number each, as they were written: 3 stays 3, and 3.0 stays 3.0.

    Raises:
        Fault: it is something else.
        KeyError: it is not there.
    """
    found = data[key]
    if not isinstance(found, Mapping):
        raise Fault(f"{key} is {found!r:.80}; it must be an object of numbers")
    for name, value in found.items():
        if type(value) is not float and (
            not isinstance(value, (int, float)) or abs(value) >= _LARGEST
        ):
            raise Fault(f"{key}.{name:.80} is {value!r:.80}; it must be a number")
    return dict(found)


def _integer(digits: str) -> int:
    if len(digits) > 20 or abs(number := int(digits)) >= _LARGEST:
        raise ValueError(f"{digits:.30}... has more than 64 bits")
    return number


def _check_depth(found: object) -> None:
    """Raises a ValueError where lists and objects lie too deep in one another."""
    level, depth = [found], 0
    while level:
        depth += 1
        if depth > _DEPTH:
            raise ValueError(f"it is more than {_DEPTH} lists and objects deep")
        inside = [node for node in level if isinstance(node, (dict, list))]
        level = [
            child
            for node in inside
            for child in (node.values() if isinstance(node, dict) else node)
        ]
