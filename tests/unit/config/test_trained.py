"""What is said of folders that hold no trained network."""

import shutil

import pytest

from nascli import genotypes
from nascli.config import trained
from nascli.core.fault import Fault


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ((), "give the folder of a run of nas retrain"),
        (("genotype.json",), "its training has not ended; go on with: nas retrain 'resume=a run'"),
        (
            ("genotype.json", "report.json"),
            "train the network first: nas retrain 'genotype=a run'",
        ),
    ],
)
def test_a_folder_without_weights_says_what_to_do(files, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a run"
    folder.mkdir()
    for name in files:  # what a genotype.json is, and any file else
        shutil.copy(genotypes.published()["darts_v1"], folder / name)
    with pytest.raises(Fault) as fault:
        trained.of("a run")
    assert str(fault.value) == f"'{folder}' has no weights.pt; {what}"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("darts_v1", "train the network first: nas retrain genotype=darts_v1"),
        ("outputs", "give the folder of a run of nas retrain"),
    ],
)
def test_what_is_no_folder_is_to_be_trained_if_it_is_a_genotype(name, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Fault) as fault:
        trained.of(name)
    assert str(fault.value) == f"no folder at '{tmp_path / name}'; {what}"
