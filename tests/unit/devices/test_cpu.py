import pytest
import torch
from torch import nn

from nascli.core.fault import Fault
from nascli.devices.cpu import Cpu, processor


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
    assert len(notes) == 6
    assert all(note == notes[0] for note in notes)
    assert notes[0] == {
        "threads": 1,
        "shape": (3, 2, 5, 5),
        "dtype": torch.bfloat16,
        "inference": True,
        "training": False,
    }
    assert latency.repeats == 4
    assert 0 < latency.p10_ms <= latency.median_ms <= latency.p90_ms
    assert latency.conditions == {
        "threads": 1,
        "dtype": "bfloat16",
        "batch": 3,
        "layout": "contiguous",
        "torch": torch.__version__,
        "device": processor(),
    }


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


def test_the_processor_has_a_name():
    assert processor().strip()
