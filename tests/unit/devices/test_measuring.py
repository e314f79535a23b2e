import pytest
import torch
from torch import nn

from nascli.core.fault import Fault
from nascli.devices import measuring, settings


def script(log, name, milliseconds):
    """A pass that notes its turn and takes the next of the given times."""
    times = iter(milliseconds)

    def run():
        log.append(name)
        return next(times)

    return run


def test_rounds_alternate_and_drop_the_warm_up():
    log = []
    passes = [script(log, "a", [9, 9, 1, 2, 3]), script(log, "b", [9, 9, 4, 5, 6])]
    assert measuring.rounds(passes, warmup=2, repeats=3, seconds=1) == [[1, 2, 3], [4, 5, 6]]
    assert "".join(log) == "ab" * 5


def test_a_slow_pass_drops_out_and_the_others_go_on():
    log = []
    passes = [script(log, "a", [400] * 9), script(log, "b", [1] * 9)]
    slow, fast = measuring.rounds(passes, warmup=3, repeats=6, seconds=1)
    # 1,000 ms are reached with the third call; warm-up is at most half of the three
    assert slow == [400, 400]
    assert fast == [1] * 6
    assert log.count("a") == 3


def test_a_very_slow_pass_is_warmed_once_and_timed_once():
    (values,) = measuring.rounds([script([], "a", [9000, 8000])], 5, 50, seconds=1)
    assert values == [8000]


def test_quantiles():
    latency = measuring.quantiles([float(n) for n in range(11)], {"batch": 1})
    assert (latency.p10_ms, latency.median_ms, latency.p90_ms) == (1.0, 5.0, 9.0)
    assert (latency.repeats, latency.conditions) == (11, {"batch": 1})


def test_ready_copies_the_network_and_fixes_the_images():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before = torch.get_rng_state()
    how = {"place": "cpu", "batch": 2, "dtype": "float64", "channels_last": True}
    ours, images = measuring.ready(network, (3, 8, 8), **how)
    assert torch.equal(torch.get_rng_state(), before)
    assert images.shape == (2, 3, 8, 8)
    assert images.dtype == ours[0].weight.dtype == torch.float64
    for tensor in (images, ours[0].weight):
        assert tensor.is_contiguous(memory_format=torch.channels_last)
    assert not ours.training
    assert network.training
    assert network[0].weight.dtype == torch.float32
    assert torch.equal(images, measuring.ready(network, (3, 8, 8), **how)[1])


def test_refuses_what_cannot_be_measured_with():
    with pytest.raises(Fault, match=r"dtype of device cpu 'flot32' is not known; .*'float32'\?"):
        settings.check("cpu", "flot32", 1.0, threads=1)
    with pytest.raises(Fault, match="device cpu: threads must be above 0, not 0"):
        settings.check("cpu", "float32", 1.0, threads=0)
    with pytest.raises(Fault, match="device cpu: seconds must be above 0, not -1"):
        settings.check("cpu", "float32", -1, threads=1)
