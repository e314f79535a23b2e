"""nas scale: families of larger networks, and the commands that train them."""

import json
import shlex

import pytest
from fixtures import build, composed

from nascli import genotypes
from nascli.core.genotype import Genotype
from nascli.core.space import at


def report(run):
    return json.loads((run / "report.json").read_text())


def test_a_genotype_is_scaled_to_a_family(nas, tmp_path):
    images = ("data=synthetic", "data.classes=1000")
    done = nas("scale", "efficientnet_b0", *images)
    assert done.code == 0, done.stderr
    assert "66,347,960" in done.stderr
    assert "what its networks cost for synthetic (1,000 classes, 3 channels):" in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"next:   nas retrain genotype={done.run}/b7.json data=synthetic data.classes=1000 "
        "data.size=600   # 600 pixels"
    )
    fixed = nas("scale", "mobilenet_v2")
    assert fixed.stderr.splitlines()[-1] == (
        f"next:   nas retrain genotype={fixed.run}/b7.json data=image_folder data.path=FOLDER "
        "data.image_size=600   # 600 pixels, which cifar10 has not: it has 32"
    )
    powers = ("scaling=compound", "scaling.gamma=1", "scaling.phi=[1]")
    said = nas("scale", "mobilenet_v2", *powers).stderr.splitlines()[-2:]
    assert said[0].endswith("/phi=1.json data=cifar10   # 32 pixels")
    assert said[1].endswith("(with the images of cifar10: data.path=FOLDER, or data.download=true)")
    family = report(tmp_path / done.run)["family"]
    assert list(family) == [f"b{number}" for number in range(8)]
    assert family["b1"]["costs"]["params"] == 7_794_184 and family["b1"]["resolution"] == 240
    shown = nas("show", f"{done.run}/b1.json", *images, "data.size=240")
    assert "(7,794,184)" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["OFA"], "does not say what a wider and deeper network of it is"),
        (["mobilenet_v2", "rounding=0", "scaling.members.b0=[1]"], "rounding is 0"),
        (["mobilenet_v2", "rounding=0", "scaling.members.b0=[1]"], "members.b0 is [1]; it must"),
        ([], "say which network"),
    ],
)
def test_what_cannot_be_scaled_is_refused(nas, tmp_path, arguments, says):
    if arguments == ["OFA"]:  # whose genotypes are sizes themselves
        config = composed("space=once_for_all_small", "data=synthetic", "data.size=32")
        made = at(build.stated(config).space, 5)
        (tmp_path / "ofa.json").write_text(genotypes.dump(made))
        arguments = [f"genotype={tmp_path}/ofa.json", "space=once_for_all_small", "data.size=32"]
    done = nas("scale", "data=synthetic", *arguments)
    assert done.code == 2
    assert says in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("genotype", "layers"),
    [
        ("darts_v2", {"cells": [5, 8]}),  # 5 x 1.44 = 7.2
        ("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_1x1~2|", None),
    ],
)
def test_a_cell_is_scaled_by_more_of_it(nas, tmp_path, genotype, layers):
    few = ("data=synthetic", "data.images=32", "data.size=8")
    powers = ("scaling=compound", "scaling.alpha=1.2", "scaling.beta=1.5", "scaling.phi=[0,2]")
    done = nas("scale", f"genotype={genotype}", *few, *powers, "rounding=1")
    assert done.code == 0, done.stderr
    family = report(tmp_path / done.run)["family"]
    assert list(family) == ["phi=0", "phi=2"]
    line = done.stderr.splitlines()[-1]
    keys = "space.channels=36 space.cells=8" if layers else "space.channels=36"  # 16 x 1.5^2
    assert keys in line, line
    words = shlex.split(line.removeprefix("next:   nas ").partition("   #")[0])
    trained = nas(*words, "training.epochs=1", "device=none")
    assert trained.code == 0, trained.stderr
    assert report(tmp_path / trained.run)["costs"]["params"] == family["phi=2"]["costs"]["params"]


def test_a_chain_is_scaled_layer_by_layer(nas, tmp_path):
    few = ("data=synthetic", "data.images=32", "data.size=8")
    names = ["high/1", "high/2", "middle/1", "middle/2", "low/1", "low/2"]
    taken = ["identity", "mbconv_3x3_e3", "mbconv_5x5_e3", "identity", "identity", "identity"]
    made = Genotype.of("chain", dict(zip(names, taken, strict=True)))
    (tmp_path / "chain.json").write_text(genotypes.dump(made))
    powers = ("scaling=compound", "scaling.alpha=1.5", "scaling.beta=1.5", "scaling.gamma=1")
    done = nas("scale", "genotype=chain.json", *few, *powers, "scaling.phi=[1]")
    assert done.code == 0, done.stderr
    larger = genotypes.load(str(tmp_path / done.run / "phi=1.json"))
    assert larger.choices == {
        "high/1": "identity",
        "high/2": "mbconv_3x3_e3",
        "high/3": "mbconv_3x3_e3",
        "middle/1": "mbconv_5x5_e3",
        "middle/2": "identity",
        "middle/3": "mbconv_5x5_e3",
        "low/1": "identity",
        "low/2": "identity",
        "low/3": "identity",
    }
    line = done.stderr.splitlines()[-1]
    words = shlex.split(line.removeprefix("next:   nas ").partition("   #")[0])
    trained = nas(*words, "training.epochs=1", "device=none")
    assert trained.code == 0, trained.stderr
    family = report(tmp_path / done.run)["family"]
    assert report(tmp_path / trained.run)["costs"]["params"] == family["phi=1"]["costs"]["params"]
    again = nas("scale", f"resume={done.run}")
    assert again.code == 2 and "scaling=grid alone can be gone on with" in again.stderr


CELL = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_1x1~2|"
GRID = (
    *(f"genotype={CELL}", "scaling=grid", "data=synthetic", "data.images=64", "data.size=6"),
    *("training.epochs=1", "training.batch_size=16", "space.channels=4", "space.cells_per_stage=1"),
    *("scaling.alpha=[1,2]", "scaling.beta=[1,1.4]", "scaling.gamma=[1,1.4]", "scaling.phi=[0,1]"),
    *("rounding=1", "accelerator=cpu", "threads=1"),
)


def history(run):
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [line["metrics"] for line in lines]


def test_a_grid_finds_the_constants_and_goes_on_where_it_stood(nas, tmp_path):
    done = nas("scale", *GRID)
    assert done.code == 0, done.stderr
    run = tmp_path / done.run
    found = report(run)
    trained = history(run)
    sizes = [(one["width"], one["depth"], one["resolution"]) for one in trained]
    assert sizes == [(1, 2, 6), (1, 1, 8), (1.4, 1, 6), (1, 1, 6)]  # the base last
    best = max(trained[:3], key=lambda one: one["accuracy"])
    assert found["family"]["phi=1"]["accuracy"] == best["accuracy"]
    assert found["family"]["phi=0"]["accuracy"] == trained[3]["accuracy"]
    assert found["family"]["phi=1"]["costs"]["macs"] == best["macs"]
    assert f"the family of {found['chosen']}, and what its networks cost" in done.stderr
    assert {"depth", "width", "resolution"} >= set(found["beside"])
    drawn = {file.stem for file in (run / "figures").iterdir()}
    assert drawn >= {"accuracy_over_macs", "params_over_macs", "costs_of_the_family"}
    begun = nas("scale", *GRID, "budget.trials=2")
    assert begun.code == 0 and len(history(tmp_path / begun.run)) == 2
    ended = nas("scale", f"resume={begun.run}", "budget.trials=null")
    assert ended.code == 0, ended.stderr
    assert history(tmp_path / begun.run) == trained
    assert report(tmp_path / begun.run)["candidates"] == found["candidates"]
    following = done.stderr.splitlines()[-1].replace(str(done.run), str(begun.run))
    assert ended.stderr.splitlines()[-1] == following


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["data=digits"], "up to 11 pixels, and data=digits has 8 only: take data=image_folder"),
        (["depth_rounding=down"], "depth_rounding 'down' is not known; allowed: nearest, up"),
        (
            ["data=synthetic", "estimator=zero_cost"],
            "estimator: it must tell an accuracy, and tells score",
        ),
        (["scaling.trained=[3]"], "scaling.trained has 3, which is not in scaling.phi"),
        (["budget.trials=0"], "budget.trials is 0; it must be a whole number above 0"),
    ],
)
def test_what_no_grid_can_do_is_refused(nas, arguments, says):
    done = nas("scale", *[one for one in GRID if not one.startswith("data")], *arguments)
    assert done.code == 2 and says in done.stderr, done.stderr
