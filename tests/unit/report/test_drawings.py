import itertools
import random
import re
import xml.etree.ElementTree as ET

import pytest

from nascli.core.genotype import Genotype
from nascli.report import drawings
from nascli.report.drawings import draw

OPS = (
    "sep_conv_3x3",
    "dil_conv_5x5",
    "max_pool_3x3",
    "skip_connect",
    "my_very_long_operation_name",
)
EDGES = ("1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2")


def random_cell(seed, nodes=4):
    rng = random.Random(seed)
    choices = {}
    for group, node in itertools.product(("normal", "reduction"), range(2, 2 + nodes)):
        low, high = sorted(rng.sample(range(node), 2))
        choices[f"{group}/{node}/inputs"] = f"{low}+{high}"
        choices[f"{group}/{node}/first"] = rng.choice(OPS)
        choices[f"{group}/{node}/second"] = rng.choice(OPS)
    return Genotype.of("cell", choices)


def texts(svg):
    """All words of an SVG; reading it as XML also proves that it is well formed."""
    found = (t.text for t in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"))
    return [text for text in found if text]


def test_a_cell_is_drawn_per_kind_with_all_its_operations():
    genotype = random_cell(0)
    pictures = draw(genotype)
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
    pictures = draw(Genotype("nasbench201", EDGES, options))
    assert list(pictures) == ["cell"]
    words = texts(pictures["cell"])
    assert sorted(w for w in words if not w.isdigit()) == sorted(options)
    assert sorted(w for w in words if w.isdigit()) == list("0123")


def test_any_other_space_is_a_table_and_user_text_stays_text():
    choices = {"depth": "3", "<script>alert(1)</script>": "$x_{1}$ & </svg>"}
    pictures = draw(Genotype.of("mine", choices))
    assert list(pictures) == ["decisions"]
    assert sorted(texts(pictures["decisions"])) == sorted([*choices, *choices.values()])
    assert "<script" not in pictures["decisions"]


@pytest.mark.parametrize("count", [1, 24, 25, 100])
def test_a_table_holds_every_decision(count):
    choices = {f"decision{n}": f"option{n}" for n in range(count)}
    assert len(texts(draw(Genotype.of("mine", choices))["decisions"])) == 2 * count


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
    assert list(draw(Genotype.of("odd", choices))) == ["decisions"]


@pytest.mark.parametrize("seed", range(30))
def test_no_labels_meet_and_no_line_runs_through_a_label(seed):
    (cell, _) = drawings._pair_cells(random_cell(seed, nodes=2 + seed % 5).choices).values()
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
            boxes[name] = (end - layout.label, end, y - 9, y + 9)
            turned = layout.rights[source] + drawings._GAP
            lines.append((name, y, turned, end - layout.label))
    return boxes, lines


def test_the_same_genotype_gives_the_same_file():
    assert draw(random_cell(1)) == draw(random_cell(1))
