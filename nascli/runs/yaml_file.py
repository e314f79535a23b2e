"""YAML that may come from anyone: no aliases, no resolvers, nothing deep, nothing that swells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf._utils import get_yaml_loader

from nascli.core.fault import Fault, first_line
from nascli.core.regular import contents

_MOST_BYTES = 60_000  # a composed config has a few thousand, and these take a second
_DEPTH = 40  # lists and mappings in one another
_CHAIN = 8  # references that lead to references
_LARGEST = 2**63
_REFERENCE = re.compile(r"\$\{([^${}]*)\}")
_KEY = re.compile(r"\w+(\.\w+)*")


def read(file: Path) -> Any:
    """What the file holds, as plain data, with its `${references.to.keys}` as they stand.

    Raises:
        Fault: it is no such YAML.
    """
    try:
        text = contents(file, _MOST_BYTES).decode("utf-8")
        for event in yaml.parse(text, Loader=yaml.SafeLoader) if "&" in text else ():
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1
                raise Fault(f"line {line} has the alias *{event.anchor}; write out what it means")
        found = yaml.load(text, Loader=get_yaml_loader())
        for node, depth in _nodes(found):
            _check(node, depth)
    except OSError as error:
        raise Fault(f"'{file}' is not a readable config: {error.strerror}") from error
    except (ValueError, RecursionError, yaml.YAMLError, Fault) as error:
        said = first_line(error) or type(error).__name__
        raise Fault(f"'{file}' is not a readable config: {said:.300}") from error
    return found


def own(text: str) -> bool:
    """Whether all references in a text are to keys of the same file: `resolved` takes no other."""
    references = _REFERENCE.findall(text)
    return all(map(_KEY.fullmatch, references)) and "${" not in _REFERENCE.sub("", text)


def resolved(plain: dict[str, Any], file: Path) -> dict[str, Any]:
    """What `read` gave with the values of its own keys in the place of references to them.

    Raises:
        Fault: a reference is to no key of it, or calls a resolver.
    """
    try:
        _check_size(plain, plain)
        found: dict[str, Any] = OmegaConf.to_container(OmegaConf.create(plain), resolve=True)  # type: ignore[assignment]
    except Exception as error:  # OmegaConf has many kinds
        said = first_line(error) or type(error).__name__
        raise Fault(f"'{file}' is not a readable config: {said:.300}") from error
    return found


def _nodes(node: Any) -> Iterator[tuple[Any, int]]:
    """Every node with its depth; without recursion, for it may be deep."""
    left = [(node, 1)]
    while left:
        node, depth = left.pop()
        yield node, depth
        if isinstance(node, dict):
            left += [(child, depth + 1) for pair in node.items() for child in pair]
        elif isinstance(node, list):
            left += [(child, depth + 1) for child in node]


def _check(node: Any, depth: int) -> None:
    """Raises a Fault for what no config has."""
    if depth > _DEPTH:
        raise Fault(f"it is more than {_DEPTH} lists and mappings deep")
    if isinstance(node, int) and abs(node) >= _LARGEST:
        raise Fault(f"the integer {node!s:.30} has more than 64 bits")
    if not isinstance(node, (dict, list, str, int, float, type(None))):
        raise Fault(f"it holds {node!r:.80}; a config holds texts, numbers, lists and mappings")
    if isinstance(node, dict):
        bad = [key for key in node if not isinstance(key, str)]
        if bad:
            raise Fault(f"the key {bad[0]!r:.80} is no text")
    if isinstance(node, str):
        node.encode("utf-8")


def _check_size(node: Any, root: Mapping[str, Any]) -> None:
    """Raises a Fault where references are to something else than keys, or swell what they are in.

    A reference is counted with what it refers to; each reference is followed once.
    """
    known: dict[str, int] = {}

    def size(node: Any, chain: int) -> int:
        if isinstance(node, Mapping):
            return sum(size(child, chain) for child in node.values()) + len(node)
        if isinstance(node, list):
            return sum(size(child, chain) for child in node) + len(node)
        if not isinstance(node, str) or "${" not in node:
            return len(str(node))
        if chain > _CHAIN:
            raise Fault(f"'{node:.80}' is the end of more than {_CHAIN} references")
        if not own(node):
            raise Fault(
                f"'{node:.80}' refers to more than keys of the file itself; nothing else is looked "
                "up for a file that may come from anyone"
            )
        total = len(node)
        for reference in _REFERENCE.findall(node):
            if reference not in known:
                known[reference] = size(_at(root, reference), chain + 1)
            total += known[reference]
        if total > _MOST_BYTES:
            raise Fault(f"'{node:.80}' would swell to {total:,} characters")
        return total

    size(node, 0)


def _at(root: Any, reference: str) -> Any:
    """What a reference refers to."""
    node = root
    for part in reference.split("."):
        if not isinstance(node, Mapping) or part not in node:
            raise Fault(f"Interpolation key '{reference:.80}' not found")
        node = node[part]
    return node
