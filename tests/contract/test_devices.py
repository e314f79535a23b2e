"""What every device keeps to; the YAML folder says which there are."""

import pytest
import torch
from fixtures import build, composed, options
from torch import nn

from nascli.core.device import Counting, times
from nascli.core.estimator import COSTS
from nascli.core.fault import Fault


@pytest.fixture(params=options("device"))
def device(request):
    made = build.component(composed(f"device={request.param}"), "device")
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA GPU")
    return request.param, made


def test_is_named_as_its_file_and_measures(device):
    name, made = device
    if made is None:
        assert name == "none"
        return
    assert made.name == name
    if isinstance(made, Counting):
        assert set(made.counts) <= set(COSTS)
        with pytest.raises(Fault, match="times nothing"):
            made.latency(nn.Conv2d(3, 4, 3), (3, 16, 16))
        return
    latency = made.latency(nn.Conv2d(3, 4, 3), (3, 16, 16))
    assert 0 < latency.p10_ms <= latency.median_ms <= latency.p90_ms
    assert latency.repeats >= 1
    assert {"dtype", "batch", "torch"} <= set(latency.conditions)


def test_leaves_the_random_state_and_threads_alone(device):
    _, made = device
    if not times(made):
        return
    cases = [(nn.Linear(4, 4), (4,)), (nn.ReLU(), (4,))]
    torch.manual_seed(3)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    made.latencies(cases)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
