"""The published latencies: found under their cells, used as any latency, refused elsewhere."""

import json

import numpy as np
import pytest
from fixtures import CHECKOUT, ToySpace, build, composed
from scipy.stats import spearmanr

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.space import at
from nascli.core.trial import Proposal
from nascli.devices.nasbench201_devices import NASBench201Devices
from nascli.estimators.costs import Costs
from nascli.genotypes.nasbench201 import to_string

TABLE = np.load(CHECKOUT / "nascli" / "tables" / "nasbench201.npz", allow_pickle=False)
NAMES = [name.removeprefix("latency_ms_") for name in TABLE.files if name[:7] == "latency"]
WORDS = ("space=nasbench201", "device=nasbench201_devices", "device.setting=eyeriss")


def stated(*words):
    return build.stated(composed(*WORDS, *words))


def test_every_setting_gives_the_latency_of_the_cell_that_was_asked_for():
    problem = stated()
    assert len(NAMES) == 27
    for name in NAMES:
        device = NASBench201Devices(name)
        for row in range(7, 15_625, 3001):
            options = tuple(str(TABLE["operations"][digit]) for digit in TABLE["cells"][row])
            genotype = Genotype("nasbench201", tuple(problem.space.decisions), options)
            assert device.latency_ms(genotype) == TABLE[f"latency_ms_{name}"][row]


@pytest.mark.parametrize(("name", "count"), [("pixel3", 273), ("raspi4", 284), ("pixel2", 0)])
def test_glitches_are_counted_and_named(name, count):
    device, space = NASBench201Devices(name), stated().space
    assert device.notice[:3] == (f"{count}" if count else "")
    every = [at(space, number) for number in range(15_625)]
    doubted = [genotype for genotype in every if device.doubt(genotype)]
    assert len(doubted) == count
    median = float(np.median(TABLE[f"latency_ms_{name}"]))
    assert all((device.latency_ms(g) < median / 20) == bool(device.doubt(g)) for g in every[::7])


def test_a_setting_that_is_none_and_a_typo_are_faults_that_name_all():
    with pytest.raises(
        Fault, match="device.setting is missing; take one of: 1080ti_1, .*titanxp_32"
    ):
        NASBench201Devices()
    with pytest.raises(Fault, match="'titan_rtx256' is not known; .* did you mean 'titan_rtx_256'"):
        NASBench201Devices("titan_rtx256")


def test_another_space_is_refused_by_name():
    with pytest.raises(Fault, match="knows NAS-Bench-201 only, not space 'toy'; take space=nasb"):
        NASBench201Devices("fpga").fits(ToySpace())
    with pytest.raises(Fault, match="not space 'cell'"):
        build.stated(composed(*WORDS, "space=cell"))


def test_costs_look_up_and_know_the_extremes():
    costs = Costs(stated())
    assert costs.cheap
    least, most = costs.extremes()["latency_ms"]
    column = TABLE["latency_ms_eyeriss"]
    found = [costs.estimate(Proposal(genotype))["latency_ms"] for genotype in (least, most)]
    assert found == [column.min(), column.max()]


def test_a_bound_below_every_cell_is_refused_before_a_gradient_search(nas):
    done = nas("search", *WORDS, "strategy=darts", "constraints.latency_ms=1")
    assert done.code == 2
    assert "constraints.latency_ms is 1 ms, but no network is below 1.68 ms" in done.stderr
    assert "this is certain" in done.stderr


def test_a_table_search_keeps_a_bound_and_doubts_a_glitch(nas, tmp_path):
    words = ("search", *WORDS[:2], "estimator=table", "strategy=evolution", "budget.trials=30")
    done = nas(*words, "device.setting=eyeriss", "constraints.latency_ms=3")
    history = [
        json.loads(line)
        for line in (tmp_path / done.run / "history.jsonl").read_text().splitlines()
    ]
    good = [t["metrics"]["latency_ms"] for t in history if not t.get("infeasible")]
    assert len(good) == 30 and max(good) <= 3
    answer = json.loads((tmp_path / done.run / "genotype.json").read_text())
    assert NASBench201Devices("eyeriss").latency_ms(Genotype.from_json(answer)) <= 3
    done = nas(*words, "device.setting=pixel3", "constraints.latency_ms=0.4")
    assert "warning: 273 of 15,625 latencies on pixel3 are below a 20th" in done.stderr
    assert "warning: the answer's 0." in done.stderr and "a glitch of" in done.stderr


def test_two_sources_of_one_latency_are_a_fault():
    words = ("estimator=table", "strategy=random", "estimator.latency=fpga")
    with pytest.raises(
        Fault, match="the table and device=nasbench201_devices both tell latency_ms"
    ):
        build.search(composed(*WORDS, *words))


def written(path, numbers, change=lambda text: text):
    space = stated().space
    device = NASBench201Devices("fpga")
    cells = [at(space, number) for number in numbers]
    lines = [f"{to_string(cell)},{device.latency_ms(cell)}" for cell in cells]
    path.write_text(change("genotype,latency_ms\n" + "\n".join(lines) + "\n"))
    return cells


def test_a_device_of_ones_own_is_predicted_from_measured_cells(tmp_path):
    cells = written(tmp_path / "mine.csv", range(100, 15_000, 1500))
    device, truth = NASBench201Devices(path=str(tmp_path / "mine.csv")), NASBench201Devices("fpga")
    space = stated().space
    every = [at(space, number) for number in range(0, 15_625, 7)]
    found, right = ([d.latency_ms(g) for g in every] for d in (device, truth))
    assert spearmanr(found, right).statistic > 0.98
    assert np.median(np.abs(np.array(found) / np.array(right) - 1)) < 0.1
    assert len(cells) == 10 and not device.notice


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.replace("latency_ms", "ms"), "has not the columns genotype and latency_ms in"),
        (lambda t: t.replace("|+|", "|-|", 1), "line 2: .* is not a NAS-Bench-201 string"),
        (lambda t: t.replace("none~0", "nine~0"), "'nine' is none of none, skip_connect"),
        (lambda t: t.rstrip() + "x\n", "could not convert string to float"),
        (
            lambda t: t + t.splitlines()[1].rpartition(",")[0] + ",0\n",
            "line 12: .* must be above 0",
        ),
        (lambda t: t + t.splitlines()[1] + "\n", "line 12: this cell stands there twice"),
        (lambda t: t + '"' + "x" * 140_000, "line 11: no CSV .field larger than field limit"),
        (lambda t: "\n".join(t.splitlines()[:2]), "from two networks or more, not 1"),
    ],
)
def test_a_damaged_list_of_measured_cells_is_a_fault_with_its_line(tmp_path, change, says):
    written(tmp_path / "mine.csv", range(100, 15_000, 1500), change)
    with pytest.raises(Fault, match=says):
        NASBench201Devices(path=str(tmp_path / "mine.csv"))


def test_a_list_that_is_not_there_and_two_devices_at_once_are_faults():
    with pytest.raises(Fault, match="cannot read device.path=nowhere.csv"):
        NASBench201Devices(path="nowhere.csv")
    with pytest.raises(Fault, match="device.setting and device.path name two devices"):
        NASBench201Devices("fpga", path="nowhere.csv")
