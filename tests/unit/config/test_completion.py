import os

import pytest

from nascli.config.completion import candidates


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for age, run in enumerate(("search/new", "search/old", "multirun/all/0")):
        folder = tmp_path / "outputs" / run
        folder.mkdir(parents=True)
        for name in ("genotype.json", "history.jsonl"):
            (folder / name).touch()
            os.utime(folder / name, (1000 - age, 1000 - age))
    (tmp_path / "outputs" / "search" / "new" / "genotype.json").unlink()


@pytest.mark.usefixtures("outputs")
def test_run_folders_and_published_names_are_offered():
    found = candidates(["nas", "retrain", "genotype="], "genotype=")
    assert found[:2] == ["genotype=outputs/search/old", "genotype=outputs/multirun/all/0"]
    assert "genotype=darts_v2" in found
    assert candidates([], "resume=outputs/s") == [
        "resume=outputs/search/new",
        "resume=outputs/search/old",
    ]
    assert candidates([], "genotype=darts") == ["genotype=darts_v1", "genotype=darts_v2"]
    assert candidates(["outputs=elsewhere"], "resume=") == []


@pytest.mark.parametrize("word", ["", "genotype", "strategy=dar", "seed="])
def test_all_else_is_hydras(word):
    assert candidates(["nas", "search", word], word) is None
