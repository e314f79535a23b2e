"""A network as text: what the rails of a cell say, and whose shares are whose."""

import random
import re

import pytest
from fixtures import ToyTask

from nascli.core.space import sample
from nascli.report import terminal
from nascli.report.cells import Cell, cells_of
from nascli.spaces.cell import Cell as CellSpace

OPTIONS = ("none", "sep_conv_3x3", "skip_connect", "max_pool_3x3")


def test_a_small_cell_is_drawn_rail_by_rail():
    cell = Cell(["0"], [("1", [(0, "conv")]), ("2", [(0, "skip"), (1, "pool_3")])], None)
    assert terminal.graph(cell) == [
        "  0  ●",
        "     ├────── conv ───┐",
        "  1  │ ●─────────────┘",
        "     ╰─┼──── skip ───┐",
        "       ╰──── pool_3 ─┤",
        "  2      ●───────────┘",
    ]


def test_a_node_that_nothing_enters_is_said():
    cell = Cell(["a", "b"], [("1", [(0, "none")]), ("2", [(0, "skip"), (1, "pool")])], "out")
    lines = terminal.graph(cell)
    assert lines[2] == "  1  │ │ ●     nothing enters" and not any("none" in x for x in lines)
    assert lines[-1] == "  out = 1, 2 side by side"


def read_back(lines, inputs):
    """The edges of every node as the rails tell them: (source, operation)."""
    start = re.search("●", lines[0]).start()
    nodes, entering, alive = [], [], {0}
    for line in lines[1:]:
        rails = line[start:]
        if "●" in rails:
            place = rails.index("●") // 2
            if place >= inputs:
                nodes.append(entering)
                entering = []
            alive.add(place)
        elif found := re.search(r"─ (\w+) ", rails):
            source = next(n for n, mark in enumerate(rails) if mark in "├╰") // 2
            assert source in alive, "it leaves a rail that has ended"
            if rails[2 * source] == "╰":
                alive.discard(source)
            crossed = {n // 2 for n, mark in enumerate(rails) if mark == "┼"}
            assert crossed <= alive
            entering.append((source, found[1]))
    return nodes


@pytest.mark.parametrize("seed", range(20))
def test_the_rails_tell_the_cell(seed):
    space = CellSpace(ToyTask(), {name: {} for name in OPTIONS}, nodes=2 + seed % 4)
    for cell in cells_of(space, sample(space, random.Random(seed))).values():
        lines = terminal.graph(cell)
        expected = [[e for e in edges if e[1] != "none"] for _, edges in cell.nodes]
        assert read_back(lines, len(cell.inputs)) == expected
        assert max(map(len, lines)) <= 80


def layer(name, operation="conv", params=1, macs=1, output="8x4x4"):
    return {"layer": name, "operation": operation, "params": params, "macs": macs, "cell": "",
            "output": output, "output_mb": 0.0}  # fmt: skip


def test_parts_that_are_alike_have_one_line_and_the_shares_of_all():
    rows = [layer("stem", params=10, macs=50)]
    rows += [layer(f"blocks.{n}.{part}", params=20, macs=5) for n in range(3) for part in "ab"]
    rows += [layer("blocks.3.a", "pool", params=0, macs=20), layer("head", params=30, macs=0)]
    head, stem, blocks, last, classifier = terminal.stages(rows)
    assert head.split() == ["output", "params", "MACs"]  # no memory is known
    assert stem.split() == ["stem", "conv", "8x4x4", "6.2%", "50.0%"]
    assert " ".join(blocks.split()) == "blocks.0 to 2 3 x 2 x conv 8x4x4 75.0% 30.0%"
    assert last.split() == ["blocks.3", "pool", "8x4x4", "0.0%", "20.0%"]
    assert classifier.split()[-2:] == ["18.8%", "0.0%"]


def test_no_line_is_wider_than_a_terminal():
    long = "a_very_long_operation_with_many_words"
    table = [["", "what", "output"], [f"{long}.{long}", long, "1234x112x112"], ["b", "c", "d"]]
    lines = terminal.aligned(table, left=2)
    assert max(map(len, lines)) <= 80
    assert f"{long}.{long}" in lines[1].strip() and lines[2].split() == [long, "1234x112x112"]
