"""What is said of folders that hold no trained network."""

import pytest

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
    for name in files:
        (folder / name).touch()
    with pytest.raises(Fault) as fault:
        trained.of("a run")
    assert str(fault.value) == f"'{folder}' has no weights.pt; {what}"
