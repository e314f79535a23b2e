"""What every device keeps to; the YAML folder says which there are."""

import pytest
import torch
from fixtures import build, composed, options
from torch import nn

from nascli.core.device import Counting, LooksUp, available, measures
from nascli.core.estimator import COSTS
from nascli.core.fault import Fault

NEEDED = {
    "remote": ("device.command=sh -c 'test -s {network} && echo 1.5 1.25 2.5'",),
    "nasbench201_devices": ("device.setting=eyeriss",),
}
"""What a device cannot do without."""


@pytest.fixture(params=options("device"))
def device(request):
    name = request.param
    config = composed(f"device={name}")
    for text in NEEDED.get(name, ()):
        key, _, value = text.partition("=")
        config.device[key.partition(".")[2]] = value
    made = build.component(config, "device")
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA GPU")
    return name, made


def test_is_named_as_its_file_and_measures(device):
    name, made = device
    if made is None:
        assert name == "none"
        return
    assert made.name == name
    available(made)
    if not measures(made):
        assert not isinstance(made, Counting) or set(made.counts) <= set(COSTS)
        said = f"device={name} looks .* up and measures nothing; take"
        said = said if isinstance(made, LooksUp) else "times nothing"
        with pytest.raises(Fault, match=said):
            made.latency(nn.Conv2d(3, 4, 3), (3, 16, 16))
        return
    latency = made.latency(nn.Conv2d(3, 4, 3), (3, 16, 16))
    assert 0 < latency.p10_ms <= latency.ms <= latency.median_ms <= latency.p90_ms
    assert latency.repeats >= 1
    assert {"dtype", "batch", "torch", "threads", "runtime", "device"} <= set(latency.conditions)
    assert latency.conditions == made.conditions()


def test_leaves_the_random_state_threads_and_networks_alone(device):
    _, made = device
    if not measures(made):
        return
    convolution = nn.Conv2d(3, 4, 3).train()
    weights = convolution.weight.clone()
    torch.manual_seed(3)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    assert len(made.latencies([(convolution, (3, 9, 8)), (nn.ReLU(), (3, 9, 8))])) == 2
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert convolution.training and torch.equal(convolution.weight, weights)


def test_nothing_to_measure_is_measured_at_once(device):
    _, made = device
    assert not measures(made) or made.latencies([]) == []
