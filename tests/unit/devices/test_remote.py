"""The remote device, over commands of this machine."""

import sys
import time

import pytest
from torch import nn

from nascli.core.device import adds_up
from nascli.core.fault import Fault
from nascli.devices.remote import Remote


@pytest.fixture(autouse=True)
def written(monkeypatch):
    """Networks are written as they print, for what an export is, is tested elsewhere."""

    def save(network, some, file, **settings):
        file.write_text(f"{type(network).__name__} {tuple(some.shape)} {settings}")

    monkeypatch.setattr("nascli.formats.onnx.save", save)


def shell(script, **settings):
    return Remote(f"sh -c '{script}'", **settings)


CASES = [(nn.ReLU(), (3, 8, 8)), (nn.Conv2d(3, 4, 3), (3, 6, 6))]


def test_runs_the_command_on_every_network_in_turn(tmp_path):
    log = tmp_path / "log"
    device = shell(
        f"cut -d\" \" -f1 {{network}} >> {log}; echo working; echo {{batch}} {{threads}}; "
        "grep -q ReLU {network} && echo 1 2 3 || echo 7.5,7.5",
        rounds=2, batch=4, threads=3,
    )  # fmt: skip
    relu, convolution = device.latencies(CASES)
    assert log.read_text().split() == ["ReLU", "Conv2d"] * 2
    assert (relu.median_ms, relu.repeats) == (2, 6)
    assert (convolution.ms, convolution.p90_ms, convolution.repeats) == (7.5, 7.5, 4)
    conditions = relu.conditions
    assert (conditions["batch"], conditions["threads"]) == (4, 3)
    assert device.command in conditions["device"] and not adds_up(conditions)


def test_what_the_command_gets_is_told_in_its_own_words(tmp_path):
    device = shell(f"echo {{batch}} {{threads}} {{other}} > {tmp_path}/said; echo 1; : {{network}}")
    device.latency(*CASES[0])
    assert (tmp_path / "said").read_text() == "1 1 {other}\n"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo no route to host >&2; exit 3", "ended with exit code 3 and said: no route to host"),
        ("exit 1", "ended with exit code 1 and said: nothing"),
        ("true", "printed nothing on its last line, where milliseconds belong"),
        ("echo 3.5; echo done", "printed 'done' on its last line, where milliseconds belong"),
        ("echo 1 -2", "printed -2, which is no time in milliseconds"),
        ("echo 0", "printed 0, which is no time"),
        ("echo nan", "printed nan, which is no time"),
        ("echo 1e9", "printed 1e+09, which is no time"),
    ],
)
def test_a_command_that_fails_is_named_with_why(script, says):
    device = shell(
        f"{script}; : {{network}}" if "exit" not in script else f": {{network}}; {script}"
    )
    with pytest.raises(Fault) as fault:
        device.latency(*CASES[0])
    assert str(fault.value).startswith(f"device.command '{device.command}' ")
    assert says in str(fault.value)


def test_a_command_that_does_not_end_is_ended_with_all_that_it_started(tmp_path):
    late = tmp_path / "late"
    device = shell(f": {{network}}; (sleep 0.6; touch {late}) & sleep 60", timeout=0.3)
    began = time.monotonic()
    with pytest.raises(Fault, match=r"has not ended after 0.3 s"):
        device.latency(*CASES[0])
    assert time.monotonic() - began < 10
    time.sleep(0.8)
    assert not late.exists()


def test_settings_that_cannot_be_are_refused_when_they_are_read():
    with pytest.raises(Fault, match="does not say where the network's file goes: write {network}"):
        Remote("ssh pi ./time")
    with pytest.raises(Fault, match="cannot be split: No closing quotation"):
        Remote("sh -c 'x {network}")
    with pytest.raises(Fault, match="timeout must be above 0, not 0"):
        Remote("x {network}", timeout=0)
    with pytest.raises(Fault, match="rounds must be above 0, not 0"):
        Remote("x {network}", rounds=0)


def test_is_tried_once_before_anything_is_measured(tmp_path):
    tried = tmp_path / "tried"
    device = shell(f"echo x >> {tried}; echo 1; : {{network}}")
    device.check()
    device.check()
    assert tried.read_text() == "x\n"
    with pytest.raises(Fault, match="starts 'no-such-program', which is no program of this mach"):
        Remote("no-such-program {network}").check()
    with pytest.raises(Fault, match="ended with exit code 255"):
        shell(": {network}; exit 255").check()


def test_a_network_gets_there_as_it_was_written(monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.undo()
    script = (
        "import sys, onnxruntime as o; s = o.InferenceSession(sys.argv[1]); "
        "print(*s.get_inputs()[0].shape)"
    )
    device = Remote(f'{sys.executable} -c "{script}" {{network}}', rounds=1, batch=2)
    latency = device.latency(nn.Conv2d(3, 4, 3).eval(), (3, 6, 7))
    assert (latency.p10_ms, latency.repeats) == (2.3, 4)  # of 2, 3, 6 and 7: 2 + 0.3 * (3 - 2)
