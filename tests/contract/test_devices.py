"""What every device keeps to; the YAML folder says which there are."""

import random

import pytest
import torch
from fixtures import ToyTask, build, composed, options
from hydra.utils import instantiate
from torch import nn

from nascli.core.device import Counting, Latency, LooksUp, Predicting, available, measures
from nascli.core.estimator import COSTS
from nascli.core.fault import Fault
from nascli.core.space import sample
from nascli.costs.latency_table import LatencyTable

CONDITIONS = {"threads": 1, "dtype": "float32", "batch": 1, "layout": "x", "torch": "2"}
NEEDED = {
    "remote": ("device.command=sh -c 'test -s {network} && echo 1.5 1.25 2.5'",),
    "nasbench201_devices": ("device.setting=eyeriss",),
}
"""What a device cannot do without."""


@pytest.fixture(scope="module")
def space():
    make = instantiate(composed("space=nasbench201").space, _partial_=True)
    return make(ToyTask(input_shape=(3, 8, 8)), channels=2, cells_per_stage=1)


@pytest.fixture(scope="module")
def table(tmp_path_factory, space):
    latency = Latency(2.0, 1.0, 3.0, 9, {**CONDITIONS, "device": "x"})
    file = tmp_path_factory.mktemp("table") / "table.csv"
    file.write_text(LatencyTable(dict.fromkeys(space.plan().candidates(), latency)).to_csv())
    return file


@pytest.fixture(params=options("device"))
def device(request, table):
    name = request.param
    config = composed(f"device={name}")
    if name == "latency_table":
        config.device.path = str(table)
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
    assert len(made.latencies([(convolution, (3, 9, 8))])) == 1
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert convolution.training and torch.equal(convolution.weight, weights)


def test_one_that_looks_up_tells_of_genotypes(device, space):
    _, made = device
    if not isinstance(made, LooksUp):
        return
    made.fits(space)
    genotype = sample(space, random.Random(0))
    assert made.latency_ms(genotype) > 0
    assert isinstance(made.doubt(genotype), str) and isinstance(made.notice, str)
    if isinstance(made, Predicting):
        assert {"dtype", "batch", "device"} <= set(made.conditions())
        assert made.how and made.scale is None and not made.anchors
        assert made.layer_ms(space.plan().candidates()[0]) > 0


def test_nothing_to_measure_is_measured_at_once(device):
    _, made = device
    if measures(made):
        assert made.latencies([]) == []
