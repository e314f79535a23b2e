"""Few samples of a new device, tried on the shipped ones as if each were new."""

import numpy as np
import pytest
from fixtures import CHECKOUT
from scipy.stats import spearmanr

from nascli.core.fault import Fault
from nascli.costs.few_samples import KnownDevices, hardware

TABLE = np.load(CHECKOUT / "nascli" / "tables" / "nasbench201.npz", allow_pickle=False)
MS = {
    n.removeprefix("latency_ms_"): TABLE[n].astype(float) for n in TABLE.files if n[:7] == "latency"
}
COUNTS = np.array([np.bincount(cell, minlength=5)[1:] for cell in TABLE["cells"]], dtype=float)


def known(*but):
    return KnownDevices({s: ms for s, ms in MS.items() if hardware(s) not in but}, COUNTS)


def test_batch_sizes_are_one_piece_of_hardware():
    assert {hardware(s) for s in ("titan_rtx_1", "titan_rtx_32", "titan_rtx_256")} == {"titan_rtx"}
    assert hardware("gold_6226") == "gold_6226"
    once = KnownDevices({"a_1": MS["fpga"], "b": MS["pixel2"]}, COUNTS)
    thrice = KnownDevices(
        {f"a_{b}": MS["fpga"] for b in (1, 32, 256)} | {"b": MS["pixel2"]}, COUNTS
    )
    samples = {n: float(MS["eyeriss"][n]) for n in range(0, 15_000, 1500)}
    assert np.allclose(once.predict(samples), thrice.predict(samples))


@pytest.mark.parametrize(("setting", "least"), [("titan_rtx_256", 0.99), ("eyeriss", 0.95)])
def test_ten_cells_of_a_new_device_order_all_others(setting, least):
    """Other devices alone, without the ten samples, are what this has to beat."""
    made = known(hardware(setting))
    numbers = made.choose(10, range(0, 15_625, 8))
    assert len(set(numbers)) == 10
    predicted = made.predict({n: float(MS[setting][n]) for n in numbers})
    others = np.setdiff1d(np.arange(15_625), numbers)
    found = spearmanr(predicted[others], MS[setting][others]).statistic
    assert found >= least
    rest = [
        spearmanr(ms, MS[setting]).statistic
        for s, ms in MS.items()
        if hardware(s) != hardware(setting)
    ]
    assert found > np.median(rest)


def test_predictions_follow_the_unit_and_stay_above_zero():
    made = known("fpga")
    samples = {n: float(MS["fpga"][n]) for n in made.choose(10, range(0, 15_625, 8))}
    found = made.predict(samples)
    assert np.allclose(made.predict({n: 1000 * ms for n, ms in samples.items()}), 1000 * found)
    assert found.min() > 0


def test_the_cells_chosen_differ_more_than_random_ones():
    made = known("fpga")
    chosen, random = made.choose(10), np.random.default_rng(0).choice(15_625, 10, replace=False)
    spread = [np.std(np.log(MS["fpga"][list(numbers)])) for numbers in (chosen, random)]
    assert spread[0] > spread[1]


def test_no_cell_is_chosen_twice():
    assert sorted(known().choose(4, [7, 7_000, 9_000, 15_000])) == [7, 7_000, 9_000, 15_000]


def test_a_single_sample_is_a_fault():
    with pytest.raises(Fault, match="from two networks or more, not 1"):
        known().predict({3: 1.0})
