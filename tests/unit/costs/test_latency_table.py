import csv
import dataclasses
import io
import json
import pickle
import subprocess
import sys

import pytest
import torch
from fixtures import CHECKOUT, Heard
from torch import nn

from nascli.core.device import Latency
from nascli.core.fault import Fault
from nascli.core.plan import IMAGES, Layer, Place, Plan
from nascli.costs.latency_table import LatencyTable, layers_of, measure, measured
from nascli.costs.table_file import COLUMNS
from nascli.gradient.additive import AdditiveCost

CONDITIONS = {
    "threads": 1,
    "dtype": "float32",
    "batch": 1,
    "layout": "contiguous",
    "torch": "2.6.0",
    "device": "a processor, with a comma",
}


def tagged(operation, layer):
    wrapped = nn.Sequential(layer)
    wrapped.operation = operation
    wrapped.in_channels, wrapped.out_channels = layer.in_channels, layer.out_channels
    wrapped.stride = layer.stride[0]
    return wrapped


class Network(nn.Module):
    """A stem, one layer run twice, and a reduction that holds a tagged layer of its own."""

    def __init__(self):
        super().__init__()
        self.stem = tagged("conv", nn.Conv2d(1, 4, 3, padding=1))
        self.body = tagged("conv", nn.Conv2d(4, 4, 3, padding=1))
        self.down = tagged("down", nn.Conv2d(4, 8, 2, stride=2))
        self.down.inner = tagged("inner", nn.Conv2d(8, 8, 1))
        self.unused = tagged("auxiliary", nn.Conv2d(4, 4, 1))
        self.head = nn.Linear(8, 3)

    def forward(self, images):
        features = self.stem(images)
        features = features + self.body(self.body(features))
        return self.head(self.down(features).mean((2, 3)))


STEM, BODY, DOWN = (
    Layer("conv", 1, 4, 1, 6, 10),
    Layer("conv", 4, 4, 1, 6, 10),
    Layer("down", 4, 8, 2, 6, 10),
)


class Space:
    name = "small"

    def layers(self):
        return {
            STEM: lambda: nn.Conv2d(1, 4, 3, padding=1),
            BODY: lambda: nn.Conv2d(4, 4, 3, padding=1),
            DOWN: lambda: nn.Conv2d(4, 8, 2, stride=2),
        }


class Stopwatch:
    """Says that a case takes as many milliseconds as its module has parameters."""

    name = "stopwatch"

    def latencies(self, cases):
        for network, shape in cases:
            network(torch.zeros(1, *shape))
        sizes = [float(sum(p.numel() for p in network.parameters())) for network, _ in cases]
        return [Latency(s, s - 1, s + 1, 5, CONDITIONS) for s in sizes]


@pytest.fixture
def table():
    return measure(Space(), Stopwatch())


def test_measures_every_layer_of_the_space(table):
    assert list(table) == [STEM, BODY, DOWN]
    assert table[STEM].median_ms == 4 * 9 + 4
    assert table[BODY].median_ms == 4 * 4 * 9 + 4
    assert table[DOWN].median_ms == 8 * 4 * 4 + 8


def test_layers_are_parts_to_a_device_that_times_those(table):
    class Adds(Stopwatch):
        def parts(self, cases):
            return [dataclasses.replace(one, repeats=3) for one in self.latencies(cases)]

    rows = dict(measure(Space(), Adds()))
    assert rows == {layer: dataclasses.replace(one, repeats=3) for layer, one in table.items()}


def test_measures_in_lots_but_keeps_the_order(monkeypatch):
    monkeypatch.setattr("nascli.costs.latency_table._AT_ONCE", 2)
    steps = []
    before = torch.get_rng_state()
    table = measure(Space(), Stopwatch(), lambda done, total: steps.append((done, total)))
    assert steps == [(2, 3), (3, 3)]
    assert list(table) == [STEM, BODY, DOWN]
    assert torch.equal(torch.get_rng_state(), before)


def test_lots_are_told_at_the_speed_of_the_first(monkeypatch):
    """The machine takes twice as long by the second lot; layers of the first are in it, too."""
    monkeypatch.setattr("nascli.costs.latency_table._AT_ONCE", 2)
    plain, calls = measure(Space(), Stopwatch()), []

    class Slows(Stopwatch):
        def latencies(self, cases):
            calls.append(len(cases))
            return [one.times(len(calls)) for one in super().latencies(cases)]

    rows = measure(Space(), Slows())
    assert calls == [2, 3]
    assert {layer: one.ms for layer, one in rows.items()} == {n: t.ms for n, t in plain.items()}


def test_finds_the_layers_that_a_network_runs():
    network = Network().train()
    assert layers_of(network, (1, 6, 10)) == [STEM, BODY, BODY, DOWN]
    assert network.training
    pickle.dumps(network)  # no hook is left behind


def test_sums_what_the_network_runs(table):
    assert table.sum_ms(Network(), (1, 6, 10)) == 40 + 2 * 148 + 136


def plan_of(*layers):
    names = [f"layers.{number}" for number in range(len(layers))]
    places = [
        Place("layer", name, (read,), layer.shape, layer)
        for name, read, layer in zip(names, [IMAGES, *names], layers, strict=False)
    ]
    return Plan((1, 6, 10), tuple(places), names[-1])


def test_sums_the_layers_of_a_plan(table):
    assert table.sum_ms(plan_of(STEM, BODY, BODY, DOWN)) == 40 + 2 * 148 + 136
    other = dataclasses.replace(DOWN, settings=(("groups", 2),))
    with pytest.raises(Fault, match="no row for down 4->8 channels, stride 2, 6x10, groups=2; it"):
        table.sum_ms(plan_of(STEM, other))


def test_a_sum_over_a_plan_needs_no_torch(table, tmp_path):
    file = tmp_path / "latency_table.csv"
    file.write_text(table.to_csv(), encoding="utf-8")
    code = (
        "import sys, pathlib\n"
        "from nascli.core.plan import IMAGES, Layer, Place, Plan\n"
        "from nascli.costs.latency_table import LatencyTable\n"
        f"table = LatencyTable.from_csv(pathlib.Path({str(file)!r}))\n"
        "layer = next(iter(table))\n"
        "plan = Plan((1, 6, 10), (Place('layer', 'a', (IMAGES,), layer.shape, layer),), 'a')\n"
        "sys.exit(table.sum_ms(plan) != 40 or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT).returncode == 0


def test_a_missing_row_is_named(table):
    with pytest.raises(Fault, match="no row for conv 1->4 channels, stride 1, 8x8; conv 4->4"):
        table.sum_ms(Network(), (1, 8, 8))


def test_csv_comes_back_unchanged(table, tmp_path):
    text = table.to_csv()
    assert dict(LatencyTable.from_csv(text)) == dict(table)
    file = tmp_path / "latency_table.csv"
    file.write_text(text, encoding="utf-8")
    assert dict(LatencyTable.from_csv(file)) == dict(table)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0]["operation"] == "conv"
    assert float(rows[1]["p90_ms"]) == 149
    assert rows[2]["device"] == CONDITIONS["device"]


def test_settings_have_a_column_where_some_layer_has_any(table):
    assert "settings" not in table.to_csv()
    settings = (("groups", 2), ("mode", "a, b"), ("share", 0.5), ("wide", True))
    more = dataclasses.replace(BODY, settings=settings)
    rows = {**table, more: table[BODY]}
    text = LatencyTable(rows).to_csv()
    assert dict(LatencyTable.from_csv(text)) == rows
    assert text.splitlines()[0] == ",".join((*COLUMNS, "settings"))
    last = list(csv.DictReader(io.StringIO(text)))
    assert [json.loads(row["settings"]) for row in last] == [{}, {}, {}, dict(settings)]
    for bad in ("x", "[1]", '{"a": [1]}', '{"a": null}', ""):
        cells = list(csv.reader(io.StringIO(text)))
        cells[4][-1] = bad
        out = io.StringIO()
        csv.writer(out).writerows(cells)
        with pytest.raises(Fault, match="line 5, column settings: '.*' is not a JSON object of"):
            LatencyTable.from_csv(out.getvalue())
    with pytest.raises(
        Fault,
        match="line 1, column 17: 'more' should be one of lower_quartile_ms, runtime, settings",
    ):
        LatencyTable.from_csv(text.replace("settings", "more"))


def test_the_quartile_and_the_runtime_have_columns_where_every_row_has_them(table):
    conditions = {**CONDITIONS, "runtime": "compiled"}
    rows = {
        layer: Latency(one.median_ms, one.p10_ms, one.p90_ms, 5, conditions, one.median_ms - 0.5)
        for layer, one in table.items()
    }
    text = LatencyTable(rows).to_csv()
    assert dict(LatencyTable.from_csv(text)) == rows
    assert text.splitlines()[0] == ",".join((*COLUMNS, "lower_quartile_ms", "runtime"))
    assert LatencyTable(rows).sum_of([STEM, BODY]) == 40 + 148 - 1
    old = {**rows, STEM: table[STEM]}  # a row of an earlier version among them
    head = LatencyTable(old).to_csv().splitlines()[0]
    assert head == ",".join(COLUMNS)
    told = LatencyTable.from_csv(
        text.replace(",147.5,", ",47.5,")
    )  # at another speed of the machine
    assert told.sum_of([BODY]) == 47.5
    with pytest.raises(Fault, match="lower_quartile_ms: 7.5 lies far outside p10_ms to p90_ms"):
        LatencyTable.from_csv(text.replace(",147.5,", ",7.5,"))
    with pytest.raises(Fault, match="lower_quartile_ms: 11147.5 lies far outside p10_ms to p90_ms"):
        LatencyTable.from_csv(text.replace(",147.5,", ",11147.5,"))
    with pytest.raises(Fault, match="column 18: 'lower_quartile_ms' should be settings"):
        LatencyTable.from_csv(
            text.replace("lower_quartile_ms,runtime", "runtime,lower_quartile_ms")
        )


def test_absurd_times_are_refused(table):
    text = table.to_csv().replace("148.0,147.0,149.0", "1e7,147.0,1e7")
    with pytest.raises(Fault, match=r"line 3, column median_ms: 1e\+07 ms is more than"):
        LatencyTable.from_csv(text)


class Fusing(Stopwatch):
    name = "fusing"

    def conditions(self):
        return {**CONDITIONS, "runtime": "onnxruntime 1.2.3"}


def test_layers_are_not_timed_where_a_runtime_fuses_them(problem):
    made = dataclasses.replace(problem, space=Space(), device=Fusing())
    with pytest.raises(Fault, match="'fusing' runs layers fused with each other.*latency_table"):
        measured(made)
    with pytest.raises(Fault, match="'fusing' runs layers fused with each other"):
        AdditiveCost(made, "latency_ms", "expected_cost")  # before a search, not at its first step


def test_rows_that_other_work_has_spoilt_are_told_of(problem):
    class Busy(Stopwatch):
        def latencies(self, cases):
            return [dataclasses.replace(one, p90_ms=1e3) for one in super().latencies(cases)]

    said = []
    made = dataclasses.replace(
        problem, space=Space(), device=Busy(), listener=Heard(warned=said.append)
    )
    measured(made)
    assert len(said) == 1 and "latency of 3 of 3 layers is uncertain" in said[0]


def cell(text, line, column, value):
    """`text` with one cell replaced; line 1 holds the heads."""
    rows = list(csv.reader(io.StringIO(text)))
    rows[line - 1][COLUMNS.index(column)] = value
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize(
    ("line", "column", "value", "message"),
    [
        (1, "stride", "step", "line 1, column 4: 'step' should be 'stride'"),
        (2, "median_ms", "fast", "line 2, column median_ms: 'fast' is not a time in milliseconds"),
        (3, "median_ms", "nan", "line 3, column median_ms: 'nan' is not a time"),
        (3, "p10_ms", "-1", "line 3, column p10_ms: '-1' is not a time"),
        (3, "median_ms", "1e7", "line 3, column median_ms: 10000000.0 lies outside"),
        (3, "p10_ms", "999", "line 3, column median_ms: 148.0 lies outside"),
        (4, "height", "6.5", "line 4, column height: '6.5' is not a whole number from 1 up"),
        (4, "stride", "0", "line 4, column stride: '0' is not a whole number"),
        (4, "operation", "", "line 4, column operation: empty"),
        (4, "threads", "2", "line 4, column threads: '2', but the rows above have '1'"),
        (3, "in_channels", "1", "line 3: a second row for conv 1->4 channels, stride 1, 6x10"),
    ],
)
def test_a_damaged_cell_is_named(table, line, column, value, message):
    with pytest.raises(Fault) as fault:
        LatencyTable.from_csv(cell(table.to_csv(), line, column, value))
    assert f"the latency table, {message}" in str(fault.value)


def test_a_foreign_file_is_refused(table, tmp_path):
    text = table.to_csv()
    with pytest.raises(Fault, match="line 1, column 1: 'a' should be 'operation'"):
        LatencyTable.from_csv("a,b\n1,2\n")
    with pytest.raises(Fault, match="line 1: 0 columns, not 16"):
        LatencyTable.from_csv("")
    with pytest.raises(Fault, match="has no rows"):
        LatencyTable.from_csv(text.splitlines()[0] + "\n")
    with pytest.raises(Fault, match="line 5: 2 columns, not 16"):
        LatencyTable.from_csv(text + "conv,1\n")
    with pytest.raises(Fault, match="line 5: not a CSV row"):
        LatencyTable.from_csv(text + '"conv" x,1\n')
    with pytest.raises(Fault, match=r"cannot read the latency table '.*none.csv': No such file"):
        LatencyTable.from_csv(tmp_path / "none.csv")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Fault, match="it is not text"):
        LatencyTable.from_csv(binary)
