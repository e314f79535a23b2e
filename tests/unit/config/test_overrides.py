from pathlib import Path

import numpy as np
import pytest
import torch

from nascli.config import overrides
from nascli.config.following import carried
from nascli.core.fault import Fault

STRING = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|none~2|"


def test_flags_and_overrides_are_told_apart():
    arguments = ["-m", "seed=1", "--config-dir", "mine", "--cfg", "job", "space=cell"]
    flags, rest = overrides.split(arguments, ("--config-dir", "--cfg"))
    assert flags == ["-m", "--config-dir", "mine", "--cfg", "job"]
    assert rest == ["seed=1", "space=cell"]


def test_a_config_folder_must_exist(tmp_path):
    assert overrides.directories(["--config-dir", str(tmp_path)]) == [tmp_path.resolve()]
    assert overrides.directories([f"--config-dir={tmp_path}"]) == [tmp_path.resolve()]
    with pytest.raises(Fault, match="no such folder"):
        overrides.directories(["--config-dir", str(tmp_path / "none")])


@pytest.mark.parametrize(
    ("given", "ready"),
    [
        ("genotype=darts_v2", "genotype=darts_v2"),
        ("genotype=outputs/search/2026-01-31_14-05-09_darts_cell",) * 2,
        (f"genotype={STRING}", f"genotype='{STRING}'"),
        ("data.path=/my photos/a(b)", "data.path='/my photos/a(b)'"),
        ("data.path='/already/quoted'", "data.path='/already/quoted'"),
        ("training.gradient_clip=.inf", "training.gradient_clip=inf"),  # as YAML files write it
        ("genotype=darts_v1,darts_v2", "genotype=darts_v1,darts_v2"),
        ("outputs=it's", "outputs='it\\'s'"),
        ("objectives={accuracy: max}", "objectives={accuracy: max}"),
        ("outputs=new,out=1", "outputs='new,out=1'"),
        ("resume=3", "resume='3'"),
        ("outputs=1e3", "outputs='1e3'"),
        ("outputs=true", "outputs='true'"),
        ("genotype=null", "genotype=null"),
        ("data.path=${outputs}/x", "data.path=${outputs}/x"),
        (f"data.path={'1,' * 300}", f"data.path='{'1,' * 300}'"),
    ],
)
def test_what_hydra_cannot_read_bare_is_quoted(given, ready):
    assert overrides.quoted([given]) == [ready]


@pytest.mark.parametrize(
    "given", [f"genotype={STRING}", "data.path=/my photos/a(b)", "outputs=it's"]
)
def test_hydra_reads_back_what_was_meant(given):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (ready,) = overrides.quoted([given])
    assert OverridesParser.create().parse_override(ready).value() == given.partition("=")[2]


def test_commas_go_over_paths_in_a_multirun_alone():
    assert overrides.quoted(["outputs=a,b"], multirun=True) == ["outputs=a,b"]
    assert overrides.quoted(["outputs=a,b"]) == ["outputs='a,b'"]
    assert overrides.quoted(["outputs=a,b=1"], multirun=True) == ["outputs='a,b=1'"]


def test_what_is_there_is_a_path_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("lr=0.1,seed=1").mkdir()
    shown = overrides.positional("show", "lr=0.1,seed=1", ("show",))
    assert overrides.quoted([shown]) == ["genotype='lr=0.1,seed=1'"]
    with pytest.raises(Fault, match="folder 'lr=0.1,seed=1' has no genotype.json"):
        carried("show", overrides.quoted([shown]))


@pytest.mark.parametrize("text", [",".join(map(str, range(300))), "{" * 5000, "a\0b", "|" * 300])
def test_a_value_that_can_be_no_path_is_no_crash(text):
    assert overrides.positional("show", text, ("show",)) == f"genotype={text}"
    with pytest.raises(Fault, match="no file or run folder|NAS-Bench-201"):
        carried("show", overrides.quoted([f"genotype={text}"]))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32(0.5), "0.5"),
        (np.array(3), "3"),
        (np.array([1, 2]), "[1,2]"),
        (np.array([[0.5], [1.0]]), "[[0.5],[1.0]]"),
        (np.array(["a", "b c"]), "[a,'b c']"),
        (torch.tensor([1.0, 2.0]), "[1.0,2.0]"),
        ([np.int64(3), np.bool_(True)], "[3,true]"),
    ],
)
def test_arrays_are_lists(value, text):
    assert overrides.written(value) == text


def test_keys_of_the_users_own_are_added_and_sizes_beat_the_recipe():
    assert overrides.rewritten(["constraints.params=3", "seed=1"]) == [
        "++constraints.params=3",
        "seed=1",
    ]
    replaced = overrides.rewritten(["objectives={macs: min}"])
    assert replaced == ["~objectives", "+objectives={macs: min}"]
    sized = overrides.rewritten(["space.channels=8"])
    assert sized == ["space.channels=8", "++training.network.given.channels=${space.channels}"]


def test_positional_arguments_are_genotypes():
    assert overrides.positional("show", "darts_v2", ("show",)) == "genotype=darts_v2"
    assert overrides.positional("show", STRING, ("show",)) == f"genotype={STRING}"
    assert overrides.positional("show", "data=digits", ("show",)) == "data=digits"
    assert overrides.positional("search", "seed", ("show",)) == "seed"
