"""The accuracy in 8 bits beside a training's own, where the device counts in 8 bits."""

import json

import pytest
import torch

GENOTYPE = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|"
RETRAIN = (
    "retrain", f"genotype={GENOTYPE}", "space=nasbench201", "data=digits", "training.epochs=1",
    "data.limit_train=200", "training.network.nasbench201.channels=4",
    "training.network.nasbench201.cells_per_stage=1", "accelerator=cpu", "device=mcu",
)  # fmt: skip


def report(tmp_path, done):
    assert done.code == 0, done.stderr
    return json.loads((tmp_path / done.run / "report.json").read_text())


def test_a_training_for_a_microcontroller_ends_with_both_accuracies(nas, tmp_path):
    done = nas(*RETRAIN)
    found = report(tmp_path, done)
    small, full = found["int8"]["test_accuracy"], found["int8"]["float_test_accuracy"]
    assert full == pytest.approx(found["result"]["test_accuracy"], abs=0.3)
    assert found["result"]["int8_test_accuracy"] == small
    assert found["int8"]["images"] == found["problem"]["images"]["test"]
    assert found["int8"]["calibrated_on"] == len_calibrated(found)
    assert {"flash_kib", "ram_kib"} <= found["costs"].keys()
    said = f"accuracy in 8 bits: {small:.2f} %, {small - full:+.2f} points"
    assert said in done.stderr


def len_calibrated(found):
    return min(256, found["problem"]["images"]["train"])


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    from nascli.formats import onnx
    from nascli.programs import quantised

    monkeypatch.setattr(onnx, "find_spec", lambda name: None)
    said = quantised.scored(None, None, torch.nn.Identity())
    assert said == {"unknown": "it needs onnx, onnxscript, onnxruntime: pip install 'nascli[onnx]'"}


def test_what_cannot_be_quantised_loses_nothing_of_the_training():
    from nascli.programs import quantised

    class Broken:
        @property
        def task(self):
            raise RuntimeError("no such thing\nas that")

    assert quantised.scored(Broken(), None, torch.nn.Identity()) == {
        "unknown": "quantising the network failed: no such thing"
    }
