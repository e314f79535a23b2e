"""What a genotype grows to at a scale."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from fixtures import composed
from omegaconf import OmegaConf

from nascli import genotypes
from nascli.config import scale as config
from nascli.config.building import network
from nascli.config.compose import Asked
from nascli.config.scale import Growing
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.scaling import Scale

CELL = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_1x1~2|"


def grown(space, genotype, rule, depth):
    config = composed(f"space={space}", "data=synthetic", "training=search", verb="scale")
    config.genotype, config.depth_rounding = str(genotype), rule
    return Growing(config, said=[f"space={space}"]).member(Scale(1, depth, 8))


@pytest.mark.parametrize(("rule", "layers"), [("up", (11, 7, 5)), ("nearest", (10, 6, 4))])
def test_layers_are_rounded_by_the_rule_that_is_asked_for(tmp_path, rule, layers):
    cells, cells_per_stage, repeats = layers
    found = [
        grown("cell", "darts_v2", rule, 1.3).words,  # 8 x 1.3 = 10.4
        grown("nasbench201", CELL, rule, 1.28).words,  # 5 x 1.28 = 6.4
    ]
    assert f"space.cells={cells}" in found[0]
    assert f"space.cells_per_stage={cells_per_stage}" in found[1]
    names = [f"{stage}/{n}" for stage in ("high", "middle", "low") for n in (1, 2)]
    chain = Genotype.of("chain", dict.fromkeys(names, "mbconv_3x3_e3"))
    (tmp_path / "chain.json").write_text(genotypes.dump(chain))
    deeper = grown("chain", tmp_path / "chain.json", rule, 2.2)  # 2 x 2.2 = 4.4
    assert len(deeper.genotype.choices) == 3 * repeats
    stages = grown("mobile", "mobilenet_v2", rule, 1.1).genotype.choices
    assert ("2/3" in stages) == (rule == "up")  # 2 x 1.1 = 2.2


def test_a_space_whose_file_leaves_out_a_size_has_it_at_other_scales(tmp_path):
    names = [f"{stage}/{n}" for stage in ("high", "middle", "low") for n in (1, 2)]
    chain = Genotype.of("chain", dict.fromkeys(names, "mbconv_3x3_e3"))
    (tmp_path / "chain.json").write_text(genotypes.dump(chain))
    stated = composed("space=chain", "data=synthetic", "~space.width", verb="scale")
    stated.genotype = str(tmp_path / "chain.json")
    shipped = grown("chain", tmp_path / "chain.json", "up", 2)
    own = Growing(stated, said=["space=chain"]).member(Scale(1, 2, 8))
    assert own.genotype == shipped.genotype
    assert OmegaConf.create(own.space) == OmegaConf.create(shipped.space)


@pytest.mark.parametrize(
    ("space", "genotype", "said", "words"),
    [
        ("cell", "darts_v2", ["space.auxiliary=true", "space.cells=8"], ["space.channels=16"]),
        ("mobile", "mobilenet_v2", ["space.head_width=640"], []),
    ],
)
def test_a_member_keeps_the_other_settings_of_its_space(space, genotype, said, words):
    stated = composed(f"space={space}", *said, "data=synthetic", "training=search", verb="scale")
    stated.genotype = genotype
    line = [*said, "++training.network.given.cells=${space.cells}"]
    words_of = config._space(Asked("scale", stated, {"space": space}, line, ""))
    found = Growing(stated, said=words_of).member(Scale(1, 1, 8)).words
    sizes = [*words, "space.cells=8"] if words else []
    assert found == [f"space={space}", said[0], *sizes]
    assert not grown("mobile", "mobilenet_v2", "up", 1).words  # which its genotype says by itself


def written(tmp_path, space, genotype, depth):
    """What nas scale writes of a member, as network() of another command's config finds it."""
    member = grown(space, genotype, "up", depth)
    file = tmp_path / "phi=1.json"
    file.write_text(genotypes.dump(member.genotype, scale={"space": member.settings}))

    def found(*words):
        config = composed(
            f"space={space}", "data=synthetic", "training=search", *words, verb="scale"
        )
        config.genotype = str(file)
        return network(config)[1]

    return member, found


def test_a_member_is_refused_where_its_space_has_not_its_size(tmp_path):
    member, found = written(tmp_path, "nasbench201", CELL, 1.28)
    with pytest.raises(Fault, match=r"add space\.channels=16 space\.cells_per_stage=7$"):
        found()
    assert found("space.cells_per_stage=7") == member.genotype
    assert written(tmp_path, "nasbench201", CELL, 1)[1]() == member.genotype  # needs no words


def test_a_member_whose_space_is_a_file_names_that(tmp_path):
    names = [f"{stage}/{n}" for stage in ("high", "middle", "low") for n in (1, 2)]
    chain = Genotype.of("chain", dict.fromkeys(names, "mbconv_3x3_e3"))
    (tmp_path / "chain.json").write_text(genotypes.dump(chain))
    same, found = written(tmp_path, "chain", tmp_path / "chain.json", 1)
    assert found() == same.genotype
    with pytest.raises(Fault, match=r"add --config-dir FOLDER space=phi_1$"):
        found("space.width=2")
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "phi_1.yaml").write_text(same.space)
    with pytest.raises(Fault, match=f"add --config-dir {tmp_path} space=phi_1$"):
        found("space.width=2")
    damaged = json.loads((tmp_path / "phi=1.json").read_text())
    damaged["scale"]["space"]["width"] = "${oc.env:HOME}"  # is never looked up
    (tmp_path / "phi=1.json").write_text(json.dumps(damaged))
    with pytest.raises(Fault, match=f"add --config-dir {tmp_path} space=phi_1$"):
        found()
    deeper, found = written(tmp_path, "chain", tmp_path / "chain.json", 2)
    with pytest.raises(Fault, match=f"add --config-dir {tmp_path} space=phi_1\n.*high/3"):
        found()
    assert len(deeper.genotype.choices) == 12


@pytest.mark.parametrize(("given", "place"), [([], "a"), (["data.path=b"], "b")])
def test_commands_after_a_resume_say_where_the_images_are(tmp_path, given, place):
    (tmp_path / "base.json").write_text("{}")
    said = {"overrides": ["data=image_folder", "data.path=a"], "choices": {"data": "image_folder"}}
    (tmp_path / "environment.json").write_text(json.dumps(said))
    run = SimpleNamespace(place=tmp_path, path=tmp_path)
    words = ("data=image_folder", f"data.path={place}", "data.image_size=8", f"resume={tmp_path}")
    asked = config._as_begun(run, Asked("scale", composed(*words, verb="scale"), {}, given, ""))
    command = asked.then("retrain", *config._data(asked, None, 9))
    assert command == f"nas retrain data=image_folder data.image_size=9 data.path={place}"
