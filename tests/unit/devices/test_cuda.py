import pytest
import torch
from torch import nn

from nascli.core.fault import Fault
from nascli.devices.cuda import Cuda


def test_without_a_gpu_it_says_so_on_use(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    device = Cuda()
    with pytest.raises(Fault, match=r"device 'cuda' needs an NVIDIA GPU.*device=cpu"):
        device.latency(nn.Identity(), (1, 2, 2))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_times_a_network_on_the_gpu():
    latency = Cuda(batch=2, repeats=5).latency(nn.Conv2d(3, 8, 3), (3, 16, 16))
    assert 0 < latency.p10_ms <= latency.median_ms <= latency.p90_ms
    assert latency.conditions["device"] == torch.cuda.get_device_name()
