import ctypes
from pathlib import Path
from types import SimpleNamespace

import pytest

from nascli.core import energy
from nascli.core.energy import Nvml, Rapl
from nascli.core.fault import Fault


@pytest.fixture
def zone(tmp_path):
    """Sets a counter of powercap that turns over at 1 J: its folder, microjoules, its name."""

    def sets(folder, microjoules, name=None):
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        (place / "max_energy_range_uj").write_text("1000000\n")
        (place / "energy_uj").write_text(f"{microjoules}\n")
        if name is not None:
            (place / "name").write_text(f"{name}\n")

    return sets


def test_packages_are_added_up_each_with_its_turns(zone, tmp_path):
    zone("intel-rapl:0", 900_000, "package-0")
    zone("intel-rapl:1", 0, "package-1-die-0")
    counter = Rapl(tmp_path)
    assert counter.millijoules() == 0
    zone("intel-rapl:0", 950_000)
    zone("intel-rapl:1", 20_000)
    assert counter.millijoules() == 50 + 20
    zone("intel-rapl:0", 150_000)  # it has turned over: 50 mJ to the end, and 150 from there
    assert counter.millijoules() == 70 + 200
    zone("intel-rapl:0", 100_000)  # once more: 850 and 100
    zone("intel-rapl:1", 999_999)
    assert counter.millijoules() == pytest.approx(270 + 950 + 979.999)


def test_parts_of_a_package_and_the_whole_board_are_not_added(zone, tmp_path):
    zone("intel-rapl:0", 0, "package-0")
    zone("intel-rapl:0:0", 0, "core")
    zone("intel-rapl:1", 0, "psys")
    zone("intel-rapl-mmio:0", 0, "package-0")
    counter = Rapl(tmp_path)
    for folder in ("intel-rapl:0:0", "intel-rapl:1", "intel-rapl-mmio:0"):
        zone(folder, 500_000)
    assert counter.millijoules() == 0
    zone("intel-rapl:0", 1_000)
    assert counter.millijoules() == 1


def test_no_counter_is_said(tmp_path):
    with pytest.raises(Fault, match=r"shows no energy counter of its processor .*intel-rapl:0' is"):
        Rapl(tmp_path / "none")


def test_a_counter_for_root_alone_is_said_with_how_to_open_it(zone, tmp_path, monkeypatch):
    zone("intel-rapl:0", 0, "package-0")
    counter, read = Rapl(tmp_path), Path.read_text

    def refused(path, *args):
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, *args)

    monkeypatch.setattr(Path, "read_text", refused)
    says = rf"energy_uj' is for root only: .* sudo chmod a\+r {tmp_path}/intel-rapl:\*/energy_uj$"
    with pytest.raises(Fault, match=says):
        Rapl(tmp_path)
    with pytest.raises(Fault, match="for root only"):
        counter.millijoules()


def test_a_damaged_counter_is_said(zone, tmp_path):
    zone("intel-rapl:0", "much", "package-0")
    with pytest.raises(Fault, match=r"energy_uj' cannot be read: .*much"):
        Rapl(tmp_path)


class Library(SimpleNamespace):
    """NVIDIA's management library as its header has it, over one GPU."""

    def __init__(self, supported=True):
        self.used, self.supported = 5_000, supported
        self.nvmlInit_v2 = lambda: 0
        self.nvmlErrorString = lambda code: {3: b"Not Supported", 6: b"Not Found"}[code]

    def nvmlDeviceGetHandleByUUID(self, uuid, gpu):
        if uuid != b"GPU-12ab-34":
            return 6
        gpu._obj.value = 77
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu, energy):
        assert gpu.value == 77 and isinstance(energy._obj, ctypes.c_ulonglong)
        energy._obj.value = self.used
        return 0 if self.supported else 3


def test_a_gpu_counts_from_when_it_is_asked():
    library = Library()
    counter = Nvml("12ab-34", library)
    assert counter.millijoules() == 0
    library.used += 1_250
    assert counter.millijoules() == 1_250


def test_what_nvml_refuses_is_said(monkeypatch):
    with pytest.raises(Fault, match=r"cannot be read: Not Supported \(nvmlDeviceGetTotalEnergyCon"):
        Nvml("12ab-34", Library(supported=False))
    with pytest.raises(Fault, match=r"Not Found \(nvmlDeviceGetHandleByUUID\)"):
        Nvml("other", Library())
    monkeypatch.setattr(energy, "_NVML", "no-such-library.so.1")
    with pytest.raises(Fault, match=r"'no-such-library.so.1', which reads .* is not there"):
        Nvml("12ab-34")
