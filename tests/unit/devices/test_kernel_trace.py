import pytest
from torch import nn

from nascli.core.device import Kernel
from nascli.devices.kernel_trace import kernels_of


def event(node, name, took, read=(), written=(), cat="Node", suffix="_kernel_time"):
    shapes = {
        f"{what}_type_shape": [{"float": list(shape)} for shape in shapes]
        for what, shapes in (("input", read), ("output", written))
    }
    arguments = {"op_name": name, "node_index": str(node), **shapes}
    return {"cat": cat, "name": f"{name}{suffix}", "dur": took, "args": arguments}


IMAGES, WEIGHTS, BIAS = (2, 3, 8, 6), (16, 3, 5, 5), (16,)
AFTER = (2, 16, 4, 3)


def run(conv, depthwise, rest):
    return [
        event(0, "run", 999, cat="Session", suffix=""),
        event(1, "Conv", 5, suffix="_fence_before"),
        event(1, "Conv", conv, [IMAGES, WEIGHTS, BIAS], [AFTER]),
        event(2, "FusedConv", depthwise, [AFTER, (16, 1, 3, 3), AFTER], [AFTER]),
        event(3, "MaxPool", rest, [AFTER], [AFTER]),
    ]


def test_convolutions_are_told_with_their_shares_of_all_kernels():
    found = kernels_of(run(30, 10, 60))
    assert found == (
        Kernel("conv 5x5", (3, 8, 6), (16, 4, 3), 0.3),
        Kernel("depthwise 3x3", (16, 4, 3), (16, 4, 3), 0.1),
    )
    assert kernels_of([]) == kernels_of(run(0, 0, 0)) == ()


def test_the_faster_half_of_the_runs_counts_together():
    found = kernels_of([*run(900, 10, 90), *run(31, 9, 60), *run(500, 20, 10), *run(30, 11, 59)])
    assert [one.share for one in found] == [61 / 200, 20 / 200]


def test_a_convolution_of_one_channel_and_those_of_8_bits_are_convolutions():
    (one,) = kernels_of([event(1, "Conv", 4, [(1, 1, 8, 8), (4, 1, 3, 3)], [(1, 4, 6, 6)])])
    assert one == Kernel("conv 3x3", (1, 8, 8), (4, 6, 6), 1.0)
    read = [(1, 8, 5, 5), (), (), (4, 8, 1, 1), (4,), (4,)]
    (one,) = kernels_of([event(1, "QLinearConv", 4, read, [(1, 4, 5, 5)])])
    assert one == Kernel("conv 1x1", (8, 5, 5), (4, 5, 5), 1.0)
    rows = [event(1, "Conv", 4, [(1, 8, 5), (4, 8, 1)], [(1, 4, 5)])]  # of one dimension
    assert kernels_of(rows) == ()


def test_the_runtime_tells_the_convolutions_of_a_network():
    pytest.importorskip("onnxruntime")
    from nascli.devices.onnxruntime import OnnxRuntime

    def network(width):
        return nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 5, padding=2, groups=width),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 16, 1),
            nn.Flatten(),
            nn.Linear(256, 10),
        )

    device = OnnxRuntime(warmup=1, repeats=9, precision=0)
    cases = [(network(width), (3, 16, 16)) for width in (16, 32)]
    latencies, kernels = device.traced(cases)
    assert [one.repeats for one in latencies] == [9, 9]
    assert latencies[0].conditions == device.latencies(cases[:1])[0].conditions
    for width, found in zip((16, 32), kernels, strict=True):  # whole vectors of any processor
        assert [(one.name, one.inside, one.shape) for one in found] == [
            ("conv 3x3", (3, 16, 16), (width, 8, 8)),
            ("depthwise 5x5", (width, 8, 8), (width, 8, 8)),
            ("conv 1x1", (width, 4, 4), (16, 4, 4)),
        ]
        assert all(one.share > 0 for one in found) and sum(one.share for one in found) < 1
