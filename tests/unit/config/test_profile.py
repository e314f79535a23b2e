"""What `nas profile` is asked for, and the search that it says comes next."""

import pytest

from nascli.config import profile
from nascli.config.compose import Asked, composed
from nascli.core.fault import Fault


def words(*overrides):
    config = composed("profile", list(overrides))
    return list(profile._of_networks(config, "cell", overrides))


def test_the_search_that_comes_next_is_for_the_networks_that_were_measured():
    assert words("space=cell", "device=cpu", "space.cells=5", "seed=1") == [
        "space=cell",
        "space.cells=5",
    ]
    recipe = ("space=cell", "training=darts_cifar10", "data.size=32", "data=synthetic")
    kept = [word for word in recipe if not word.startswith("training")]
    assert words(*recipe) == [*kept, "deploy={training: darts_cifar10}"]
    deployed = words(*recipe[:2], "~deploy", "+deploy={channels: 12}")
    assert deployed == ["space=cell", "deploy={training: darts_cifar10, channels: 12}"]
    more = "+training.network.cell.auxiliary=true"
    assert words("training=search", more) == [more, "deploy={training: search}"]
    sizes = ("space=cell", "space.cells=5", "++training.network.given.cells=5")
    assert words(*sizes) == list(sizes[:2])  # the last is written for the user
    assert words("training=nasbench201") == []  # it leaves the size of a cell space open


def test_numbers_of_networks_are_checked(build_asked):
    for given, said in (
        ("networks=3", "networks is 3; it must be 8 or more, or 0"),
        ("check=-1", "check is -1; it must be 0 or more"),
    ):
        with pytest.raises(Fault, match=said):
            build_asked("space=nasbench201", "data=synthetic", given)
        with pytest.raises(Fault, match=said):  # also where one network is named
            build_asked("space=cell", "data=synthetic", "genotype=darts_v2", given)
    with pytest.raises(Fault, match=r"'nope' is not known.*\nnetworks is 3.*\ncheck is -1"):
        build_asked("space=cell", "genotype=nope", "networks=3", "check=-1")
    assert build_asked("space=nasbench201", "data=synthetic").networks == 32


def test_a_profile_that_would_measure_nothing_is_refused(build_asked):
    fused = ("space=nasbench201", "data=synthetic", "device.compile=true")
    assert build_asked(*fused).networks == 32
    with pytest.raises(Fault, match="nothing to measure: the device runs layers fused"):
        build_asked(*fused, "networks=0")


@pytest.fixture
def build_asked(tmp_path):
    def made(*overrides):
        config = composed("profile", [*overrides, f"outputs={tmp_path}"])
        return profile.build(Asked("profile", config, {}, list(overrides), ""))

    return made
