import numpy as np
import pytest
import torch
from torch import nn

from nascli.core.device import adds_up
from nascli.core.fault import Fault
from nascli.devices.onnxruntime import OnnxRuntime

pytest.importorskip("onnxruntime")


@pytest.fixture
def sessions(monkeypatch):
    """What is asked of the runtime: the options of every session and the images of every pass."""
    import onnxruntime

    asked = []

    class Session(onnxruntime.InferenceSession):
        def __init__(self, file, sess_options, **rest):
            super().__init__(file, sess_options, **rest)
            self.asked = {"threads": sess_options.intra_op_num_threads, "images": []}
            asked.append(self.asked)

        def run(self, outputs, images):
            answer = super().run(outputs, images)
            self.asked["images"].append(images["images"].shape)
            self.asked["answer"] = images["images"], answer[0]
            return answer

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    return asked


def test_runs_the_exported_network_under_the_conditions_that_it_states(sessions):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    network[1].running_mean.fill_(0.3)
    device = OnnxRuntime(threads=2, batch=3, warmup=2, repeats=4, precision=0)
    latency = device.latency(network.train(), (3, 6, 6))
    assert len(sessions) == 3  # of two repeats each, the four rounded up
    for asked in sessions:
        assert asked["threads"] == 2 and set(asked["images"]) == {(3, 3, 6, 6)}
        assert len(asked["images"]) in (4, 8, 12)  # other work can spoil what takes so little
        images, answer = asked["answer"]
        with torch.no_grad():
            expected = network.eval()(torch.from_numpy(images)).numpy()
        assert np.abs(answer - expected).max() < 1e-4
    assert latency.repeats == 6
    conditions = latency.conditions
    assert (conditions["threads"], conditions["batch"], conditions["dtype"]) == (2, 3, "float32")
    assert conditions["runtime"].startswith("onnxruntime 1.") and not adds_up(conditions)


def test_networks_are_loaded_anew_for_each_set_of_rounds_in_another_order(monkeypatch):
    import onnxruntime

    loaded, original = [], onnxruntime.InferenceSession

    def session(path, *options, **more):
        loaded.append(path.stem)
        return original(path, *options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    cases = [(nn.Conv2d(3, width, 3), (3, 6, 6)) for width in range(1, 6)]
    latencies = OnnxRuntime(warmup=1, repeats=6, seconds=9, precision=0).latencies(cases)
    sets = [loaded[start : start + 5] for start in (0, 5, 10)]
    assert len(loaded) == 15 and all(set(one) == set("01234") for one in sets)
    assert len({tuple(one) for one in sets}) == 3
    assert [one.repeats for one in latencies] == [6] * 5
    assert all(one.half_width is not None for one in latencies)


def test_operators_are_read_once_and_files_are_those_of_one_that_reads_them_anew(
    monkeypatch, tmp_path
):
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    from nascli.formats import onnx

    torch.manual_seed(5)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()).eval()
    original, read = vars(ONNXRegistry)["from_torchlib"], []

    def noted(opset_version):
        read.append(opset_version)
        return original.__get__(None, ONNXRegistry)(opset_version=opset_version)

    def written(name):
        onnx.save(network, torch.zeros(2, 3, 6, 6), tmp_path / name, batch=1)
        return (tmp_path / name).read_bytes()

    monkeypatch.setattr(onnx, "_OPERATORS", {})
    noting = staticmethod(noted)
    monkeypatch.setattr(ONNXRegistry, "from_torchlib", noting)
    first, second = written("first.onnx"), written("second.onnx")
    assert len(read) == 1  # else this version of torch keeps them elsewhere
    assert vars(ONNXRegistry)["from_torchlib"] is noting  # for whoever else writes ONNX
    monkeypatch.setattr(onnx, "_OPERATORS", {})
    assert first == second == written("anew.onnx") and len(read) == 2


def test_eight_bits_are_another_condition(sessions):
    device = OnnxRuntime(int8=True, repeats=1, warmup=1)
    latency = device.latency(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), (3, 6, 6))
    assert latency.conditions["dtype"] == "int8"
    _, answer = sessions[-1]["answer"]
    assert len(np.unique(answer)) <= 256 and answer.std() > 0


def test_a_missing_package_is_named_before_anything_is_measured(monkeypatch):
    monkeypatch.setattr("nascli.formats.onnx.find_spec", lambda name: None)
    with pytest.raises(Fault, match=r"device=onnxruntime needs onnx, .*'nascli\[onnx\]'"):
        OnnxRuntime().check()


def test_answers_of_8_bits_do_not_saturate(tmp_path):
    """Two of the largest products are beyond 16 bits: 2 x 255 x 127 > 32,767."""
    from nascli.formats import onnx

    network = nn.Sequential(nn.Conv2d(64, 8, 1), nn.Flatten()).eval()
    with torch.no_grad():
        network[0].weight.copy_(torch.rand(8, 64, 1, 1) / 10 + 0.9)
        network[0].bias.zero_()
    images = torch.rand(16, 64, 4, 4)
    images[0], images[1] = 0.0, 1.0
    onnx.save(network, images, tmp_path / "int8.onnx", int8=True, batch=16)
    (answer,) = onnx.exact(tmp_path / "int8.onnx").run(None, {"images": images.numpy()})
    with torch.no_grad():
        expected = network(images)
    step = float(expected.max()) / 255  # of the result's own 8 bits
    assert np.abs(answer - expected.numpy()).max() < 3 * step
