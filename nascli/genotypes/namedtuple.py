"""The genotype of a cell as papers' code has it; it is read as text and never run.

`Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), ...], normal_concat=range(2, 6),
reduce=[...], reduce_concat=[2, 3, 4, 5])`: two (operation, state) for every node, as in DARTS
(github.com/quark0/darts, cnn/genotypes.py) and what was made from it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype

SPACE = "cell"
_FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
_GROUPS = {"normal": "normal", "reduce": "reduction"}  # their name -> ours
_FORM = re.compile(r"\s*(\w+\s*=\s*)?(\w+\.)*Genotype\(")
_MOST = 100_000  # characters
_NODES = 1000


def looks_like(text: str) -> bool:
    """Whether it is meant as one, with the name that it is assigned to or without."""
    return _FORM.match(text) is not None


def parse(text: str) -> Genotype:
    """The genotype that the text means.

    Raises:
        Fault: it has another form, or means a cell that the space does not have.
    """
    try:
        if len(text) > _MOST:
            raise ValueError(f"it has {len(text):,} characters")
        fields = _fields(text)
        choices: dict[str, str] = {}
        for theirs, ours in _GROUPS.items():
            edges, joined = ast.literal_eval(fields[theirs]), _joined(fields[f"{theirs}_concat"])
            choices |= dict(_decisions(ours, edges, joined))
    except (SyntaxError, ValueError, TypeError, KeyError, RecursionError, MemoryError) as error:
        said = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
        raise Fault(
            f"'{text:.120}' is not a genotype as papers' code has it ({said:.120}); it must look "
            "like Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=[2, 3, 4, 5], "
            "reduce=[...], reduce_concat=[...])"
        ) from error
    return Genotype.of(SPACE, choices)


def _fields(text: str) -> dict[str, ast.expr]:
    (statement,) = ast.parse(text.strip()).body
    if not isinstance(statement, (ast.Expr, ast.Assign)) or not isinstance(
        call := statement.value, ast.Call
    ):
        raise ValueError("it is no call")
    named = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    return {**dict(zip(_FIELDS, call.args, strict=False)), **named}


def _joined(node: ast.expr) -> list[int]:
    """The nodes that are concatenated: a list, or a range of numbers."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        nodes = range(*(int(ast.literal_eval(one)) for one in node.args))
        if len(nodes) > _NODES:
            raise ValueError(f"{nodes} has more than {_NODES} nodes")
        return list(nodes)
    return [int(one) for one in ast.literal_eval(node)]


def _decisions(group: str, edges: object, joined: list[int]) -> Iterator[tuple[str, str]]:
    """The decisions on one kind of cell."""
    if not isinstance(edges, (list, tuple)) or len(edges) % 2 or not edges:
        raise ValueError(f"{group} must have two (operation, state) for every node")
    nodes = range(2, 2 + len(edges) // 2)
    if sorted(joined) != list(nodes):
        raise ValueError(
            f"the {group} cell concatenates {joined}; cells of space={SPACE} concatenate all nodes"
        )
    for node in nodes:
        pair = sorted(edges[2 * (node - 2) : 2 * (node - 1)], key=lambda edge: int(edge[1]))
        (first, one), (second, other) = pair
        if not 0 <= one < other < node:
            raise ValueError(
                f"node {node} of the {group} cell reads the states {one} and {other}; they must be "
                f"two different ones below {node}"
            )
        yield f"{group}/{node}/inputs", f"{one}+{other}"
        yield f"{group}/{node}/first", str(first)
        yield f"{group}/{node}/second", str(second)
