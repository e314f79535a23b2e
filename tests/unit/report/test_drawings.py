import itertools
import random
import re
import xml.etree.ElementTree as ET

import pytest
from fixtures import ToySpace, ToyTask, composed

from nascli.core.choice import Choice, Edge
from nascli.core.genotype import Genotype
from nascli.core.plan import Plan
from nascli.core.space import sample
from nascli.report import drawings
from nascli.report.cells import cells_of
from nascli.report.drawings import draw
from nascli.spaces.cell import Cell
from nascli.spaces.nasbench201 import NASBench201

OPS = (
    "sep_conv_3x3",
    "dil_conv_5x5",
    "max_pool_3x3",
    "skip_connect",
    "my_very_long_operation_name",
)
EDGES = ("1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2")
BENCH = NASBench201(
    ToyTask(), {name: {} for name in composed("space=nasbench201").space.operations}
)


def cell_space(nodes=4, **settings):
    return Cell(ToyTask(), {name: {} for name in ("none", *OPS)}, nodes=nodes, **settings)


def random_cell(seed, nodes=4):
    return sample(cell_space(nodes), random.Random(seed))


class Listed(ToySpace):
    """A space that nobody but its decisions tells anything of."""

    def __init__(self, choices):
        super().__init__("mine", {decision: (option,) for decision, option in choices.items()})


def table_of(choices):
    return draw(Listed(choices), Genotype.of("mine", choices))


def texts(svg):
    """All words of an SVG; reading it as XML also proves that it is well formed."""
    found = (t.text for t in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"))
    return [text for text in found if text]


def test_a_cell_is_drawn_per_kind_with_all_its_operations():
    genotype = random_cell(0)
    pictures = draw(cell_space(), genotype)
    assert list(pictures) == ["normal_cell", "reduction_cell"]
    for group in ("normal", "reduction"):
        words = texts(pictures[f"{group}_cell"])
        chosen = [
            o for d, o in genotype.choices.items() if re.match(f"{group}/.*(first|second)", d)
        ]
        assert sorted(w for w in words if w in OPS) == sorted(chosen)
        assert [w for w in words if w in "2345"] == list("2345")


def test_nasbench201_is_one_cell_with_six_edges():
    options = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "none")
    pictures = draw(BENCH, Genotype("nasbench201", EDGES, options))
    assert list(pictures) == ["cell"]
    words = texts(pictures["cell"])
    assert sorted(w for w in words if not w.isdigit()) == sorted(options)
    assert sorted(w for w in words if w.isdigit()) == list("0123")


def test_any_other_space_is_a_table_and_user_text_stays_text():
    choices = {"depth": "3", "<script>alert(1)</script>": "$x_{1}$ & </svg>"}
    pictures = table_of(choices)
    assert list(pictures) == ["decisions"]
    assert sorted(texts(pictures["decisions"])) == sorted([*choices, *choices.values()])
    assert "<script" not in pictures["decisions"]


@pytest.mark.parametrize("count", [1, 24, 25, 100])
def test_a_table_holds_every_decision(count):
    choices = {f"decision{n}": f"option{n}" for n in range(count)}
    assert len(texts(table_of(choices)["decisions"])) == 2 * count


@pytest.mark.parametrize(
    "choices",
    [
        {"../../x/2/inputs": "0+1", "../../x/2/first": "a", "../../x/2/second": "b"},
        {"normal/2/inputs": "0+7", "normal/2/first": "a", "normal/2/second": "b"},
        {"normal/2/inputs": "zero", "normal/2/first": "a", "normal/2/second": "b"},
        {"normal/2/inputs": "0+1", "normal/2/first": "a"},
        {"normal/3/inputs": "0+1", "normal/3/first": "a", "normal/3/second": "b"},
        {"1<-0": "a", "1<-2": "b"},
        {"2<-0": "a"},
    ],
)
def test_what_only_looks_like_a_cell_is_a_table(choices):
    assert list(table_of(choices)) == ["decisions"]


class Chosen(Listed):
    """A space whose open plan has these choices and no places."""

    def __init__(self, *choices):
        super().__init__({choice.name: choice.options[0] for choice in choices})
        self.choices = choices

    def plan(self, genotype=None):
        return Plan((1, 8, 8), (), "", decided=self.choices)

    def taken(self, genotype):
        return genotype.choices


def test_a_plan_of_edges_is_drawn_and_any_other_is_a_table():
    edges = [
        Edge("a", "../../x", ("conv",), 0, 2),
        Edge("b", "../../x", ("pool",), 1, 2),
        Edge("c", "../../x", ("none",), 2, 5),
    ]
    genotype = Genotype.of("mine", {"a": "conv", "b": "pool", "c": "none"})
    (picture,) = draw(Chosen(*edges), genotype).items()
    assert picture[0] == "______x_cell"
    words = ["c(k-2)", "c(k-1)", "2", "5", "conv", "pool", "none"]
    assert {word for word in words if word[0] != "$"} <= set(texts(picture[1]))
    other = Choice("d", "", ("x",))
    genotype = Genotype.of("mine", {**genotype.choices, "d": "x"})
    assert list(draw(Chosen(*edges, other), genotype)) == ["decisions"]
    backwards = Edge("d", "cell", ("x",), 3, 2)
    assert list(draw(Chosen(*edges, backwards), genotype)) == ["decisions"]


def test_a_kind_of_cell_that_networks_do_not_contain_is_drawn_all_the_same():
    space = cell_space(cells=2)
    assert draw(space, random_cell(0)) == draw(cell_space(), random_cell(0))


@pytest.mark.parametrize("seed", range(30))
def test_no_labels_meet_and_no_line_runs_through_a_label(seed):
    nodes = 2 + seed % 5
    (cell, _) = cells_of(cell_space(nodes), random_cell(seed, nodes)).values()
    layout = drawings._layout(cell)
    boxes, lines = geometry(cell, layout)
    for (name, box), (other, second) in itertools.combinations(boxes.items(), 2):
        apart = box[1] <= second[0] or second[1] <= box[0]
        apart |= box[3] <= second[2] or second[3] <= box[2]
        assert apart, f"{name} meets {other}"
    for target, y, left, right in lines:
        for name, box in boxes.items():
            through = box[2] < y < box[3] and left < box[1] and box[0] < right
            assert not through or name == target, f"a line to {target} runs through {name}"


def geometry(cell, layout):
    """Boxes as name -> (left, right, top, bottom), and level lines as (target, y, left, right)."""
    boxes, lines = {}, []
    inputs = len(cell.inputs)
    for state, (right, y) in enumerate(zip(layout.rights, layout.middles, strict=True)):
        width = layout.start if state < inputs else drawings._NODE
        half = drawings._NODE / 2
        boxes[f"state {state}"] = (right - width, right, y - half, y + half)
    for node, (_, edges) in enumerate(cell.nodes):
        end = layout.rights[inputs + node] - drawings._NODE - drawings._ARROW
        for lane, (source, _) in enumerate(edges):
            y = layout.tops[node] + drawings._LANE * (lane + 0.5)
            name = f"edge {node} {lane}"
            boxes[name] = (
                end - layout.label,
                end,
                y - drawings._LABEL / 2,
                y + drawings._LABEL / 2,
            )
            turned = layout.rights[source] + drawings._GAP
            lines.append((name, y, turned, end - layout.label))
    return boxes, lines


def test_the_same_genotype_gives_the_same_file():
    assert draw(cell_space(), random_cell(1)) == draw(cell_space(), random_cell(1))


def test_a_narrow_drawing_fits_a_telephone_and_has_every_edge():
    genotype = random_cell(3)
    for name, svg in draw(cell_space(), genotype, narrow=True).items():
        taken = [o for d, o in genotype.choices.items() if d.startswith(name[:6])]
        operations = [option for option in taken if option in OPS]
        assert sorted(w for w in texts(svg) if w in OPS) == sorted(operations)
        wide = int(ET.fromstring(svg).get("width"))
        assert wide < 328 or "my_very_long_operation_name" in operations


def test_a_table_of_decisions_has_two_columns_where_there_is_room():
    choices = {f"d{n}": "x" for n in range(40)}
    space, genotype = Listed(choices), Genotype.of("mine", choices)
    rows = {}
    for narrow in (False, True):
        svg = ET.fromstring(draw(space, genotype, narrow=narrow)["decisions"])
        rows[narrow] = round((int(svg.get("height")) - 20) / 24)
    assert rows == {False: 20, True: 40}
