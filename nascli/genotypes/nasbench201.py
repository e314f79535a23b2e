"""The string that NAS-Bench-201 names its cells by (Dong & Yang, 2020, arXiv 2001.00326).

`|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`: the nodes 1, 2 and 3, each with its operations on the nodes
before it.
"""

from __future__ import annotations

import re

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype

SPACE = "nasbench201"
PLACES = tuple((source, target) for target in (1, 2, 3) for source in range(target))
EDGES = tuple(f"{target}<-{source}" for source, target in PLACES)

_FORM = "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|"
_NODE = re.compile(r"\|(?:[\w.-]+~\d\|)+")


def parse(text: str) -> Genotype:
    """The genotype that the string names; a node may list its inputs in any order.

    Raises:
        Fault: it has another form.
    """
    choices: dict[str, str] = {}
    nodes = text.strip().split("+")
    for target, node in enumerate(nodes, start=1):
        if not _NODE.fullmatch(node):
            raise Fault(
                f"'{text:.200}' is not a NAS-Bench-201 string, because of '{node:.80}'; {_HELP}"
            )
        for entry in node.strip("|").split("|"):
            operation, source = entry.split("~")
            choices[f"{target}<-{source}"] = operation
    if sorted(choices) != sorted(EDGES):
        raise Fault(f"'{text:.200}' does not have the edges of NAS-Bench-201; {_HELP}")
    return Genotype(SPACE, EDGES, tuple(choices[edge] for edge in EDGES))


_HELP = f"it must look like {_FORM}"


def to_string(genotype: Genotype) -> str:
    """The string that names `genotype`."""
    choices = genotype.choices
    nodes = ("|".join(f"{choices[f'{t}<-{s}']}~{s}" for s in range(t)) for t in (1, 2, 3))
    return "+".join(f"|{node}|" for node in nodes)
