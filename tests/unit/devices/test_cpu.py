import random
import time

import pytest
import torch
from torch import nn

from nascli.core.fault import Fault
from nascli.devices.cpu import Cpu
from nascli.devices.processor import processor


class Witness(nn.Module):
    """Notes under what conditions it runs; copies share the notes."""

    def __init__(self, notes):
        super().__init__()
        self.notes = [notes]

    def __deepcopy__(self, memo):
        return Witness(self.notes[0])

    def forward(self, images):
        about = {
            "threads": torch.get_num_threads(),
            "shape": tuple(images.shape),
            "dtype": images.dtype,
            "inference": torch.is_inference_mode_enabled(),
            "training": self.training,
        }
        self.notes[0].append(about)
        return images


def test_measures_under_the_conditions_that_it_states():
    notes = []
    device = Cpu(threads=1, batch=3, warmup=2, repeats=4, dtype="bfloat16")
    latency = device.latency(Witness(notes), (2, 5, 5))
    assert len(notes) >= 6  # one that was kept waiting is called again
    assert all(note == notes[0] for note in notes)
    assert notes[0] == {
        "threads": 1,
        "shape": (3, 2, 5, 5),
        "dtype": torch.bfloat16,
        "inference": True,
        "training": False,
    }
    assert latency.repeats == 4
    assert 0 < latency.p10_ms <= latency.ms <= latency.median_ms <= latency.p90_ms
    assert latency.conditions == {
        "threads": 1,
        "dtype": "bfloat16",
        "batch": 3,
        "layout": "contiguous",
        "torch": torch.__version__,
        "device": processor(),
        "runtime": "eager",
    }
    assert latency.conditions == device.conditions()


@pytest.mark.parametrize("fails", [False, True])
def test_restores_threads_even_after_a_failure(fails):
    before = torch.get_num_threads()
    network = nn.Linear(7, 7) if fails else nn.Identity()
    device = Cpu(threads=before + 1, repeats=1, warmup=1)
    try:
        device.latency(network, (1, 2, 2))
    except RuntimeError:
        assert fails
    assert torch.get_num_threads() == before


def test_leaves_the_random_state_alone():
    network = nn.Conv2d(3, 4, 3)
    before = torch.get_rng_state()
    Cpu(repeats=2).latency(network, (3, 8, 8))
    assert torch.equal(torch.get_rng_state(), before)


def test_gives_one_latency_a_case_in_order():
    small, large = nn.Identity(), nn.Conv2d(64, 64, 3, padding=1)
    cases = [(large, (64, 64, 64)), (small, (1, 1, 1))]
    slow, fast = Cpu(repeats=5).latencies(cases)
    assert slow.median_ms > fast.median_ms  # 150 million multiply-adds against none
    assert Cpu().latencies([]) == []


def test_refuses_an_unknown_dtype():
    with pytest.raises(Fault, match="dtype of device cpu 'int8' is not known"):
        Cpu(dtype="int8")


def test_compiled_networks_are_compiled_each_as_a_graph_of_its_own(monkeypatch):
    compiled = []

    def compile(graph, *, fullgraph, dynamic):
        assert fullgraph and not dynamic  # else a full cache would leave networks as they are
        compiled.append(graph)
        return lambda images: graph(images)

    monkeypatch.setattr(torch, "compile", compile)
    device = Cpu(compile=True, repeats=3, warmup=1)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    latencies = device.latencies([(network, (3, 8, 8))] * 2)
    assert all(isinstance(graph, torch.fx.GraphModule) for graph in compiled)
    assert len({type(graph).forward for graph in compiled}) == len(compiled) == 2
    assert {latency.conditions["runtime"] for latency in latencies} == {"compiled"}


def test_what_does_not_compile_is_said(monkeypatch):
    def compile(graph, **_):
        raise RuntimeError("no such kernel\nand a long trace")

    monkeypatch.setattr(torch, "compile", compile)
    with pytest.raises(Fault, match=r"compile=true: a network does not compile \(.*kernel\)$"):
        Cpu(compile=True).latency(nn.Conv2d(3, 4, 3), (3, 8, 8))


def test_compiling_needs_a_compiler(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    Cpu().check()
    with pytest.raises(Fault, match=r"device.compile=true needs a C\+\+ compiler"):
        Cpu(compile=True).check()


def test_the_processor_has_a_name():
    assert processor().strip()


def test_layers_are_timed_until_their_sum_is_known():
    """Rounds of parts end sooner: one of two is hardly there, and no round knows it as well."""
    draw = random.Random(1)

    class Sleepy(nn.Module):
        def __init__(self, least, more):
            super().__init__()
            self.least, self.more = least, more

        def forward(self, images):
            end = time.thread_time() + self.least + self.more * draw.random()
            while time.thread_time() < end:
                pass
            return images

    cases = [(Sleepy(2e-3, 0), (3, 4, 4)), (Sleepy(1e-5, 3e-5), (3, 4, 4))]
    device = Cpu(repeats=60, seconds=9, precision=0.05)
    together, each = device.parts(cases), device.latencies(cases)
    assert together[0].repeats < each[0].repeats
