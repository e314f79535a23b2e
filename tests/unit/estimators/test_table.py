"""Expected values: the NAS-Bench-201 paper, and formulas over the layers of its network."""

import csv
import math
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
from fixtures import Heard

from nascli.core import space as moves
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.trial import Proposal
from nascli.estimators.table import Table
from nascli.spaces.nasbench201 import NASBench201

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ("1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2")


class Task:
    name, input_shape, classes = "cifar10", (3, 32, 32), 10


@pytest.fixture
def benchmark():
    operations = {name: {"_target_": "unused"} for name in OPERATIONS}
    return Problem(space=NASBench201(Task(), operations), task=Task(), recipe=None)


def cell(*options):
    return Genotype("nasbench201", EDGES, options)


# Dong and Yang 2020, Table 5, row "optimal", as in the averaged table that is shipped
@pytest.mark.parametrize(
    ("dataset", "valid", "test"),
    [("cifar10", 91.61, 94.37), ("cifar100", 73.49, 73.51), ("imagenet16", 46.73, 47.31)],
)
def test_the_best_cells_are_the_published_ones(benchmark, dataset, valid, test):
    table = Table(benchmark, dataset=dataset)
    everything = [moves.at(benchmark.space, n) for n in range(15_625)]
    assert max(table.estimate(Proposal(g))["accuracy"] for g in everything) == pytest.approx(
        valid, abs=0.005
    )
    assert max(table.traits.final(g)["test_accuracy"] for g in everything) == pytest.approx(
        test, abs=0.005
    )


def test_every_row_is_found_under_its_own_cell(benchmark):
    table = Table(benchmark)
    with resources.files("nascli.tables").joinpath("nasbench201.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        cells, accuracy = arrays["cells"], arrays["cifar10_valid_200"]
        short, test = arrays["cifar10_valid_12"], arrays["cifar10_test_200"]
    for row in range(0, 15_625, 61):
        genotype = cell(*(OPERATIONS[o] for o in cells[row]))
        assert table.estimate(Proposal(genotype))["accuracy"] == accuracy[row]
        assert table.estimate(Proposal(genotype, 0.06))["accuracy"] == short[row]
        assert table.traits.final(genotype) == {"test_accuracy": test[row]}


def test_costs_follow_the_published_network(benchmark):
    """Counted layer by layer: 3x3 stem, 3 stages of 5 cells, 2 residual blocks, classifier."""

    def conv(channels_in, channels_out, kernel, side):
        return kernel**2 * channels_in * channels_out * np.array([1, side**2])

    def norm(channels):
        return np.array([2 * channels, 0])

    def network(classes, side, conv3, conv1):
        total = conv(3, 16, 3, side) + norm(16)
        for stage, channels in enumerate((16, 32, 64)):
            pixels = side >> stage
            total += 5 * conv3 * (conv(channels, channels, 3, pixels) + norm(channels))
            total += 5 * conv1 * (conv(channels, channels, 1, pixels) + norm(channels))
            if stage:
                half = channels // 2
                total += conv(half, channels, 3, pixels) + norm(channels)
                total += conv(channels, channels, 3, pixels) + norm(channels)
                total += conv(half, channels, 1, pixels)
        classifier = (64 + 1) * classes
        return total + norm(64) + np.array([classifier, classifier])

    for dataset, classes, side in (
        ("cifar10", 10, 32),
        ("cifar100", 100, 32),
        ("imagenet16", 120, 16),
    ):
        table = Table(benchmark, dataset=dataset)
        for conv3, conv1 in ((0, 0), (6, 0), (1, 2), (3, 3)):
            options = ["nor_conv_3x3"] * conv3 + ["nor_conv_1x1"] * conv1
            genotype = cell(*options, *["skip_connect"] * (6 - len(options)))
            params, macs = network(classes, side, conv3, conv1)
            row = table.estimate(Proposal(genotype))
            assert (row["params"], row["macs"], row["flops"]) == (params, macs, 2 * macs)


def test_published_costs_on_cifar10(benchmark):
    table = Table(benchmark)
    genotype = cell("nor_conv_3x3", "none", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "none")
    row = table.estimate(Proposal(genotype))
    assert row["params"] == 73_306 + 243_040 * 2 + 28_000
    assert row["macs"] / 1e6 == pytest.approx(7.78305 + 35.38944 * 2 + 3.93216)


def test_latency_of_a_device(benchmark):
    table = Table(benchmark, latency="pixel3")
    assert "latency_ms" in table.metrics
    with resources.files("nascli.tables").joinpath("nasbench201.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        row, slowest = int(arrays["latency_ms_pixel3"].argmax()), arrays["latency_ms_pixel3"].max()
        genotype = cell(*(OPERATIONS[o] for o in arrays["cells"][row]))
    assert table.estimate(Proposal(genotype))["latency_ms"] == slowest


def test_a_search_never_sees_the_test_accuracy(benchmark):
    table = Table(benchmark)
    assert not any("test" in name for name in table.metrics)
    assert set(table.estimate(Proposal(moves.at(benchmark.space, 0)))) == set(table.metrics)


def test_the_shipped_table_has_two_fidelities_and_a_users_own_none(benchmark, problem, tmp_path):
    shipped = Table(benchmark).traits
    assert shipped.fidelities and shipped.rungs == (0.06, 1.0)
    rows = [["a", "b", "c", "accuracy"], [0, 1, 0, 71.5]]
    own = Table(problem, path=write(tmp_path / "own.csv", rows)).traits
    assert not own.fidelities and own.rungs == ()


def write(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return str(path)


def test_a_users_own_table_with_a_column_per_decision(problem, tmp_path):
    rows = [["a", "b", "c", "accuracy", "test_accuracy", "energy_mj"], [0, 1, 0, 71.5, 70.0, 3.5]]
    table = Table(problem, path=write(tmp_path / "own.csv", rows))
    genotype = Genotype.of("toy", {"a": "0", "b": "1", "c": "0"})
    assert table.estimate(Proposal(genotype)) == {"accuracy": 71.5, "energy_mj": 3.5}
    assert table.traits.final(genotype) == {"test_accuracy": 70.0}
    # (0, 0, 1) computes the same in the toy space
    twin = Genotype.of("toy", {"a": "0", "b": "0", "c": "1"})
    assert table.estimate(Proposal(twin))["accuracy"] == 71.5
    with pytest.raises(LookupError, match="has no row for toy"):
        table.estimate(Proposal(Genotype.of("toy", {"a": "2", "b": "1", "c": "0"})))


def test_a_users_own_table_with_a_genotype_column(problem, tmp_path):
    rows = [["genotype", "accuracy"], ['{"a": "1", "b": "0", "c": "0"}', 50]]
    table = Table(problem, path=write(tmp_path / "own.csv", rows))
    genotype = Genotype.of("toy", {"a": "1", "b": "0", "c": "0"})
    assert table.estimate(Proposal(genotype)) == {"accuracy": 50.0}
    assert table.traits.final(genotype) == {}


HEAD, BODY = "genotype,accuracy,energy_mj", '"{""a"": ""1"", ""b"": ""0"", ""c"": ""0""}",50.5,3'


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffa,b,c,accuracy,energy_mj\n1,0,0,50.5,3\n",  # a byte order mark
        "a;b;c;accuracy;energy_mj\r\n1;0;0;50,5;3\r\n",  # a spreadsheet where a comma is decimal
        "sep=;\na;b;c;accuracy;energy_mj\n1;0;0;50.5;3",
        "a\tb\tc\taccuracy\tenergy_mj\n1\t0\t0\t50.5\t3\n",
        " a , b, c ,accuracy , energy_mj\n 1, 0 ,0, 50.5 ,3 \n\n , , , , \n",  # blanks
        ",a,b,c,Accuracy,energy_mj\n0,1,0,0,50.5,3\n",  # pandas' index
        "Unnamed: 0,a,b,c,accuracy,energy_mj\n0,1,0,0,50.5,3\n",
        "id,a,b,c,accuracy,energy_mj,\n1,1,0,0,50.5,3,\n",  # row numbers; a comma too many
        "id,a,b,c,accuracy,energy_mj\n2,1,0,0,50.5,3\n",  # the head being line 1
        "a,b,c,accuracy,energy_mj,name\n1,0,0,50.5,3,my network\n",  # text
        "a,b,c,accuracy,energy_mj,loss\n1,0,0,50.5,3,\n",  # nothing there
        f"{HEAD}\n{BODY}\n",
        f"{HEAD}\n" + BODY.replace('"{', '"{""space"": ""toy"", ""choices"": {').replace("}", "}}"),
        "a|b|c|accuracy|energy_mj\n1|0|0|50.5|3\n".encode("utf-16"),
    ],
)
def test_tables_as_people_write_them(problem, tmp_path, text):
    file = tmp_path / "own.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    table = Table(problem, path=str(file))
    genotype = Genotype.of("toy", {"a": "1", "b": "0", "c": "0"})
    assert table.estimate(Proposal(genotype)) == {"accuracy": 50.5, "energy_mj": 3.0}


def test_what_is_left_aside_is_said(problem, tmp_path):
    said = []
    rows = [["id", "a", "b", "c", "accuracy", "name", "loss", "size"]]
    rows += [[3, 1, 0, 0, 50, "mine", "1.5", 7], [9, 1, 1, 0, 60, "yours", "n/a", 8]]
    heard = replace(problem, listener=Heard(warned=said.append))
    table = Table(heard, path=write(tmp_path / "own.csv", rows))
    assert table.metrics == ("id", "accuracy", "size")  # 3 and 9 are no row numbers
    (line,) = said
    aside = "'name' (line 2 has 'mine', no number), 'loss' (line 3 has 'n/a', no number)"
    assert line.endswith(f"own.csv: left aside: {aside}")


def test_a_table_of_nasbench201_strings(benchmark, tmp_path):
    strings = [
        "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|none~2|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|avg_pool_3x3~2|",
    ]
    rows = [["genotype", "accuracy"], *([text, 50 + n] for n, text in enumerate(strings))]
    table = Table(benchmark, path=write(tmp_path / "own.csv", rows))
    genotype = cell("nor_conv_3x3", "none", "nor_conv_1x1", "skip_connect", "nor_conv_3x3", "none")
    assert table.estimate(Proposal(genotype)) == {"accuracy": 50.0}


def test_rows_of_one_genotype_are_averaged_and_counted(problem, tmp_path):
    head = ["a", "b", "c", "accuracy", "test_accuracy"]
    seeds = [[1, 0, 0, 50, 40], [1, 0, 1, 71, 61], [1, 0, 0, 52, 44], [1, 0, 0, 57, 48]]
    path = write(tmp_path / "own.csv", [head, *seeds, [0, 0, 1, 10, 9], [0, 1, 0, 20, 19]])
    table = Table(problem, path=path)
    several = Genotype.of("toy", {"a": "1", "b": "0", "c": "0"})
    assert table.metrics == ("accuracy", "rows_averaged", "accuracy_spread")
    # (50 + 52 + 57) / 3; deviations -3, -1, 4
    spread = math.sqrt((9 + 1 + 16) / 2)
    assert table.estimate(Proposal(several)) == {
        "accuracy": 53.0, "rows_averaged": 3, "accuracy_spread": pytest.approx(spread),
    }  # fmt: skip
    assert table.traits.final(several) == {
        "test_accuracy": 44.0, "test_accuracy_spread": pytest.approx(4.0),
    }  # fmt: skip
    twin = Genotype.of("toy", {"a": "1", "b": "1", "c": "0"})  # of (1, 0, 1)
    alone = {"accuracy": 71.0, "rows_averaged": 1, "accuracy_spread": 0.0}
    assert table.estimate(Proposal(twin)) == alone
    assert len(table.traits.genotypes()) == 3
    own = Genotype.of("toy", {"a": "0", "b": "1", "c": "0"})
    assert table.estimate(Proposal(own))["accuracy"] == 20.0  # its row, not that of its twin
    with pytest.raises(Fault, match="line 4: toy.* stands in line 2 too; leave one of them out"):
        Table(problem, path=path, repeats="refuse")
    with pytest.raises(Fault, match="estimator.repeats 'last' is not known"):
        Table(problem, path=path, repeats="last")


def test_one_without_a_row_gets_the_mean_of_its_function(problem, tmp_path):
    class Merging(type(problem.space)):
        def canonical(self, genotype):
            return Genotype("toy", genotype.decisions, (genotype.options[0], "0", "0"))

    rows = [["a", "b", "c", "accuracy"], [1, 0, 1, 10], [1, 1, 0, 30], [0, 0, 0, 5]]
    table = Table(replace(problem, space=Merging()), path=write(tmp_path / "own.csv", rows))
    asked = Genotype.of("toy", {"a": "1", "b": "0", "c": "0"})
    assert table.estimate(Proposal(asked)) == {"accuracy": 20.0}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([["a", "b", "c", "accuracy", "accuracy"], [0, 0, 0, 1, 2]], "several columns 'accuracy'"),
        ([["a", "b", "c", "accuracy"], [0, 0, 0, 1, 2]], "line 2 has 5 cells, for 4 columns"),
        ([], "neither a column 'genotype' nor one for each decision"),
        ([["a", "b", "accuracy"]], "c missing"),
        ([["a", "b", "c", "loss"], [0, 0, 0, 1]], "has no column 'accuracy'"),
        ([["a", "b", "c", "accuracy"]], "has no rows"),
        (
            [["a", "b", "c", "accuracy"], [0, 0, 0, "high"]],
            "column 'accuracy' holds 'high'",
        ),
        ([["a", "b", "c", "accuracy"], [0, 0, 0, "nan"]], "not a finite number"),
        ([["a", "b", "c", "accuracy"], [0, 0, 0]], "line 2: column 'accuracy'"),
        ([["a", "b", "c", "accuracy"], [7, 0, 0, 1]], "line 2: option of a '7' is not known"),
        ([["genotype", "accuracy"], ["cell", 1]], "line 2"),
        ([["genotype", "accuracy"], ["[1]", 1]], "not a JSON object"),
    ],
)
def test_tables_that_do_not_fit_are_faults(problem, tmp_path, rows, says):
    with pytest.raises(Fault, match=says):
        Table(problem, path=write(tmp_path / "own.csv", rows))


def test_a_table_that_is_no_text(problem, tmp_path):
    file = tmp_path / "own.csv"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Fault, match="cannot read estimator.path"):
        Table(problem, path=str(file))


def test_another_space_is_a_fault(problem):
    with pytest.raises(Fault, match="knows NAS-Bench-201 only, not space 'toy'"):
        Table(problem)


def test_nasbench201_has_nothing_below_twelve_epochs(benchmark):
    genotype = moves.at(benchmark.space, 5)
    table = Table(benchmark)
    assert table.estimate(Proposal(genotype, 12 / 200))["accuracy"] > 0
    with pytest.raises(Fault, match="fidelity 0.05 is below 12 of 200 = 0.06; take strategy.fid"):
        table.estimate(Proposal(genotype, 0.05))


def test_where_a_table_s_accuracies_come_from():
    """The benchmark's own say whose images they are of; a table of one's own does not say."""
    told = Table.provenance({"dataset": "imagenet16", "path": None})
    assert (told.data, told.input_shape, told.classes) == ("imagenet16", (3, 16, 16), 120)
    assert Table.provenance({}).data == "cifar10"
    assert Table.provenance({"dataset": "cifar10", "path": "mine.csv"}) is None
    assert Table.provenance({"dataset": "mnist"}) is None
