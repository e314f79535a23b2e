"""Flash and RAM on a microcontroller: what a search is told, bounded by and refused for."""

import json
from dataclasses import replace

import microcontrollers as published
import pytest
from fixtures import ToySpace, build, composed
from torch import nn

from nascli.core.device import Counting, times
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.space import at
from nascli.core.trial import Proposal
from nascli.costs.arena import arena, tail
from nascli.costs.footprint import network_of
from nascli.devices.chips import CHIPS
from nascli.devices.mcu import Mcu
from nascli.estimators.costs import Costs

CHAIN = ["space=chain", "data=synthetic", "data.size=12", "device=mcu"]


def problem(*words):
    return build.stated(composed(*CHAIN, *words))


def test_counts_and_times_nothing():
    assert isinstance(Mcu(), Counting)
    assert not times(Mcu())


def test_its_costs_are_flash_and_the_arena_with_what_the_runtime_keeps():
    made = problem()
    genotype = at(made.space, 4_321)
    network = network_of(made.space, made.space.plan(genotype))
    told = Costs(made).estimate(Proposal(genotype))
    assert told["flash_kib"] == network.flash_bytes / 1024
    assert told["ram_kib"] == pytest.approx((arena(network) + tail(network)) / 1024)
    assert "latency_ms" not in told and told["macs"] > 0
    stated = Costs(problem("device.allowance_kib=3")).estimate(Proposal(genotype))
    assert stated["ram_kib"] == arena(network) / 1024 + 3


# The interpreter's totals on MLPerf Tiny's own files less their heads; those of the first three
# have a RESHAPE and a SOFTMAX more, of 160 bytes each.
@pytest.mark.parametrize(
    ("network", "kept"),
    [
        (published.mobilenet(0.25, 2, 96), 103_680 - 73_728 - 320),
        (published.keywords(), 24_272 - 16_000 - 320),
        (published.wake_word(), 16_640 - 6_656 - 320),
        (published.toy_car(), 3_984 - 768),
    ],
)
def test_the_allowance_is_what_the_interpreter_keeps(network, kept):
    assert tail(network) == pytest.approx(kept, rel=0.005)


def test_a_chip_bounds_a_search_that_states_no_bounds_of_its_own():
    chip = CHIPS["stm32f103c8"]
    config = composed(*CHAIN, "device.chip=stm32f103c8", "+constraints.ram_kib=12")
    made = build.stated(config)
    assert {c.metric: c.maximum for c in made.goal.constraints} == {
        "flash_kib": chip.flash_kib, "ram_kib": 12
    }  # fmt: skip
    assert dict(config.constraints) == {"flash_kib": 64.0, "ram_kib": 12}
    assert problem().goal.constraints == ()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"chip": "stm32f446"}, "'stm32f446'.*stm32f446re"),
        ({"allowance_kib": -1}, "allowance_kib is -1; it must be 0 or above, or null"),
    ],
)
def test_wrong_settings_are_refused(settings, said):
    with pytest.raises(Fault, match=said):
        Mcu(**settings)


def test_a_search_under_bounds_never_trains_what_breaks_them(nas, tmp_path):
    done = nas(
        "search", *CHAIN, "strategy=random", "estimator=train", "training.epochs=1",
        "data.limit_train=32", "space.options=[identity,mbconv_3x3_e3]", "budget.trials=1",
        "constraints={flash_kib: 40, ram_kib: 24}",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    assert "flash (int8 weights)" in done.stderr and "KiB" in done.stderr
    report = json.loads((tmp_path / done.run / "report.json").read_text())
    assert report["costs"]["flash_kib"] <= 40 and report["costs"]["ram_kib"] <= 24
    assert report["trials"]["good"] == 1
    (following,) = [line for line in done.stderr.splitlines() if line.startswith("next:")]
    assert following.endswith(" device=mcu")
    assert "size searched" not in done.stderr  # genotypes of chains say all sizes


def test_bounds_that_nothing_keeps_are_refused_with_what_needs_so_much(nas):
    done = nas("search", *CHAIN, "strategy=random", "constraints={flash_kib: 2, ram_kib: 2}")
    assert done.code == 2
    assert "constraints.flash_kib is 2 KiB, but no network is below" in done.stderr
    proved = "ram_kib is 2 KiB, but no network is below 3.375 KiB (this is certain): the least "
    assert f"constraints.{proved}option of body.3 alone reads 2.25 and writes" in done.stderr


def test_bounds_that_none_looked_at_keeps_say_which_tensors_are_held(nas):
    done = nas("search", *CHAIN, "strategy=random", "constraints={ram_kib: 4}")
    assert done.code == 2
    assert "none of those looked at is below" in done.stderr
    assert "most is held at " in done.stderr and "KiB are for the runtime" in done.stderr


def test_a_table_is_joined_by_what_the_device_counts(nas, tmp_path):
    done = nas(
        "search", "strategy=random", "space=nasbench201", "estimator=table", "device=mcu",
        "budget.trials=3", "constraints={ram_kib: 100, flash_kib: 400}",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    report = json.loads((tmp_path / done.run / "report.json").read_text())
    assert {"flash_kib", "ram_kib", "params"} <= report["costs"].keys()
    said = " ".join(done.stderr.split())
    assert "the bounds are of the network at the size searched, and a recipe of nas retrain" in said
    assert "deploy=" not in said  # which the table refuses


def test_without_the_device_the_bound_names_it(nas):
    done = nas("search", "strategy=random", "estimator=train", "constraints.ram_kib=20")
    assert done.code == 2
    assert "constraints names ram_kib, which only device=mcu counts: add device=mcu" in done.stderr


def test_a_profile_shows_layers_the_three_names_of_ram_and_what_fits(nas, tmp_path):
    cell = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|nor_conv_1x1~2|"
    words = ("space=nasbench201", "space.channels=4", "data=synthetic", "data.size=12")
    done = nas("profile", "device=mcu", *words, f"genotype={cell}")
    assert done.code == 0, done.stderr
    report = json.loads((tmp_path / done.run / "report.json").read_text())
    ram, costs = report["ram"], report["costs"]
    assert sum(row["flash_kib"] for row in report["places"]) == pytest.approx(costs["flash_kib"])
    assert ram["arena_kib"] + ram["allowance_kib"] == pytest.approx(costs["ram_kib"])
    assert ram["certain"] and ram["bound_kib"] <= ram["arena_kib"]
    assert {row["chip"]: row["fits"] for row in report["chips"]}["stm32f103c8"]
    page = (tmp_path / done.run / "report.html").read_text()
    assert "stm32f103c8" in page and report["places"][0]["place"] in page and "{&#x27;" not in page
    for said in ("lifetime bound (best order)", "arena of TensorFlow Lite Micro", "vendors' tools"):
        assert said in done.stderr
    assert "most is held at" in done.stderr and "latency" not in done.stderr
    assert "nas retrain" in done.stderr.partition("next:")[2] and "nas retrain" in page


def test_a_profile_of_no_network_says_what_to_give(nas):
    done = nas("profile", "device=mcu")
    assert done.code == 2
    assert "device=mcu counts whole networks: say which, genotype=RUN_FOLDER" in done.stderr


def test_what_does_not_fit_says_so():
    made = problem("device.allowance_kib=30")
    plan = made.space.plan(at(made.space, 4_321))
    fits = {row["chip"]: row["fits"] for row in made.device.details(made.space, plan)["chips"]}
    assert not fits["stm32f103c8"] and fits["stm32f446re"]


def test_a_space_that_cannot_be_counted_is_refused_and_what_is_not_used_is_let_be():
    made = problem()
    with pytest.raises(Fault, match="counts over plans, and space 'toy' has none"):
        Mcu().fits(ToySpace())
    made.space.operations["unused"] = composed
    Mcu().fits(made.space)
    made.space.operations["identity"] = composed
    with pytest.raises(Fault, match=r"know what operation 'identity' \(fixtures.composed\) is"):
        Mcu().fits(made.space)


def test_an_operation_of_ones_own_is_refused_before_anything_is_built():
    config = composed(*CHAIN)
    config.space.operations["identity"] = {"_target_": "torch.nn.Identity"}
    with pytest.raises(Fault, match=r"operation 'identity' \(torch.nn.Identity\) is on a"):
        build.stated(config)


def test_networks_without_plans_are_told_their_other_costs():
    made = replace(problem(), space=Bare())
    told = Costs(made).estimate(Proposal(Genotype.of("bare", {"a": "0"})))
    assert told["params"] == 432 + 2 and not {"flash_kib", "ram_kib", "latency_ms"} & told.keys()


class Bare(ToySpace):
    """A space without plans."""

    def network(self, genotype):
        return nn.Sequential(nn.Flatten(), nn.Linear(432, 1, bias=False), nn.Linear(1, 1))
