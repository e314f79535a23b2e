"""Energy of passes, by hardware whose power is a formula of a clock's time."""

import dataclasses

import pytest
import torch
from fixtures import TINY, TINY_SPACE, asked, build, composed
from torch import nn

from nascli.config import feasibility, search
from nascli.config import profile as profiling
from nascli.core.device import Latency
from nascli.core.fault import Fault
from nascli.core.goal import Constraint, Goal
from nascli.core.space import at
from nascli.core.trial import Proposal
from nascli.devices import cpu, cuda, energy
from nascli.devices.cpu import Cpu
from nascli.devices.cuda import Cuda
from nascli.estimators.costs import Costs
from nascli.programs.profile import Parts, profile
from nascli.runs.folder import Run


class Hardware:
    """Uses `watts`, in steps of `period` seconds; reading its counter takes a microsecond."""

    def __init__(self, period, watts=lambda seconds: 20.0):
        self.period, self.watts = period, watts
        self.now = self.used = self.shown = 0.0
        self.next = period

    def millijoules(self):
        self.spend(1e-6)
        return self.shown

    def spend(self, seconds):
        while self.now + seconds >= self.next:
            self.shown = self.used + 1e3 * self.watts(self.now) * (self.next - self.now)
            self.used, seconds = self.shown, seconds - (self.next - self.now)
            self.now, self.next = self.next, self.next + self.period
        self.used += 1e3 * self.watts(self.now) * seconds
        self.now += seconds

    def clock(self):
        return self.now


@pytest.mark.parametrize("period", [0.001, 0.1])
@pytest.mark.parametrize("seconds", [1e-4, 0.0037, 0.42])
def test_it_is_power_times_time_to_a_hundredth(period, seconds):
    hardware = Hardware(period)
    found = energy.millijoules(lambda: hardware.spend(seconds), hardware, hardware.clock)
    assert found == pytest.approx(1e3 * 20 * seconds, rel=0.01 + 2e-6 / seconds)


def test_windows_that_other_work_shares_do_not_count():
    hardware = Hardware(0.001, lambda now: 20.0 if 0.3 < now < 0.7 else 60.0)
    found = energy.millijoules(lambda: hardware.spend(0.002), hardware, hardware.clock)
    assert found == pytest.approx(40, rel=0.01)


def test_a_counter_that_stands_still_is_refused_and_named(monkeypatch):
    monkeypatch.setattr(energy, "_STILL", 0.01)
    hardware = Hardware(1e9)
    with pytest.raises(Fault, match=r"device.energy=true: .* stands still; leave it out to go"):
        energy.opened(lambda: hardware, hardware.clock)
    with pytest.raises(Fault, match="stands still"):
        energy.millijoules(lambda: hardware.spend(0.01), hardware, hardware.clock)
    assert hardware.now < 0.1


def test_the_processor_is_asked_before_a_search_and_only_where_it_is_wanted(monkeypatch):
    def refuse():
        raise Fault("the counter is for root only")

    monkeypatch.setattr(cpu, "Rapl", refuse)
    monkeypatch.setattr(cuda, "_counter", refuse)
    monkeypatch.setattr(cuda, "cuda_there", lambda: True)
    Cpu().check(), Cuda().check()
    for device in (Cpu(energy=True), Cuda(energy=True)):
        with pytest.raises(Fault, match=r"device.energy=true: the counter is for root only; leave"):
            device.check()


def test_a_pass_is_run_as_it_is_timed(monkeypatch):
    seen = []

    class Witness(nn.Module):
        def forward(self, images):
            seen.append((images.shape, torch.get_num_threads(), torch.is_inference_mode_enabled()))
            assert not self.training
            return images

    def run_once(run, counter):
        run()
        return counter

    monkeypatch.setattr(cpu, "opened", lambda make: 12.5)
    monkeypatch.setattr(cpu, "millijoules", run_once)
    threads = torch.get_num_threads()
    network = Witness().train()
    assert Cpu(threads=2, batch=3, energy=True).energy_mj(network, (1, 4, 5)) == 12.5
    assert seen == [((3, 1, 4, 5), 2, True)]
    assert torch.get_num_threads() == threads and network.training


class Meter:
    """Takes 3 ms and 7 mJ."""

    name, energy = "meter", True

    def latency(self, network, shape):
        return Latency(3.0, 3.0, 3.0, 1)

    def latencies(self, cases):
        return [self.latency(*case) for case in cases]

    def energy_mj(self, network, shape):
        return 7.0


def test_energy_is_a_cost_where_the_device_is_asked_for_it():
    stated = build.stated(composed("space=nasbench201", *TINY, *TINY_SPACE["nasbench201"]))
    genotype = Proposal(at(stated.space, 5))

    def costs(energy, *bounds):
        device = Meter()
        device.energy = energy
        return Costs(dataclasses.replace(stated, device=device, goal=Goal(constraints=bounds)))

    assert costs(True).estimate(genotype)["energy_mj"] == 7.0
    assert "energy_mj" in costs(True).metrics and "energy_mj" not in costs(False).metrics
    assert "energy_mj" not in costs(False).estimate(genotype)
    found = costs(True, Constraint("latency_ms", 2.0)).estimate(genotype)
    assert "energy_mj" not in found  # infeasible already


def searched(*words):
    tiny = [word for word in TINY if word != "device=none"]
    tiny += ["space=nasbench201", *TINY_SPACE["nasbench201"], "estimator=zero_cost"]
    return search.build(asked(composed(*tiny, "strategy=random", "device=cpu", *words)))


def test_a_bound_on_energy_needs_the_counter(monkeypatch):
    with pytest.raises(
        Fault, match=r"constraints names energy_mj, which only .*device.energy=true"
    ):
        searched("+constraints.energy_mj=5")
    monkeypatch.setattr(Cpu, "check", lambda self: None)
    monkeypatch.setattr(Cpu, "latency", lambda *_: Latency(1.0, 1.0, 1.0, 1))
    monkeypatch.setattr(Cpu, "energy_mj", lambda *_: 9.0)
    for limit in ("_FEW", "_MOST_TIMED"):
        monkeypatch.setattr(feasibility, limit, 1)
    with pytest.raises(Fault, match="constraints.energy_mj is 5 mJ, but none of those looked at"):
        searched("+constraints.energy_mj=5", "device.energy=true")
    with pytest.raises(Fault, match="counts all that the hardware does.*workers=serial"):
        searched("device.energy=true", "workers=processes")
    searched("+constraints.energy_mj=9", "device.energy=true")


def test_a_profile_tells_the_energy_of_a_network_and_of_no_space(tmp_path, monkeypatch):
    monkeypatch.setattr(Cpu, "check", lambda self: None)
    tiny = ("space=nasbench201", *TINY_SPACE["nasbench201"], "data=synthetic")
    with pytest.raises(Fault, match="a profile of a space predicts latencies alone; say which"):
        profiling.build(asked(composed(*tiny, "device.energy=true", verb="profile"), "profile"))
    stated = build.stated(composed(*tiny, *TINY))
    run = Run.claim(tmp_path, "profile", "meter", {})
    parts = Parts(
        dataclasses.replace(stated, device=Meter()), at(stated.space, 5), {"genotype": "x"}
    )
    costs = profile(run, parts).report["network"]["costs"]
    run.close()
    assert costs["energy_mj"] == 7.0 and costs["latency_ms"] == 3.0
