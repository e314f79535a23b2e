import json

import pytest
from fixtures import TINY, TINY_SPACE, Heard, asked, composed
from omegaconf import OmegaConf, open_dict

from nascli.config import baselines, sizes
from nascli.config import retrain as config
from nascli.core.fault import Fault
from nascli.core.space import at, size
from nascli.core.trial import Proposal
from nascli.estimators.costs import Costs
from nascli.programs.networks import network_of

BENCH = ("space=nasbench201", *TINY, *TINY_SPACE["nasbench201"], "data.images=64")
NETWORK = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|none~1|none~2|"
NOTHING = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


def built(*words, network=NETWORK, listener=None):
    chosen = composed(*BENCH, f"genotype='{network}'", *words, verb="retrain")
    return config.build(asked(chosen, "retrain"), listener or Heard())


def params(problem, genotype):
    return sum(p.numel() for p in network_of(problem, genotype).parameters())


def test_everything_that_is_wrong_is_said_at_once():
    words = ("seeds=0", "baselines=[resnet81,random,random]", "random_genotypes=0", "threads=0")
    with pytest.raises(Fault) as caught:
        built(*words)
    said = str(caught.value)
    assert "seeds is 0; it must be a whole number of at least 1" in said
    assert "random_genotypes is 0; it must be" in said
    assert "baseline 'resnet81' is not known; allowed: densenet121" in said
    assert "did you mean 'resnet18'?" in said and "threads is 0" in said
    assert "baselines has random more than once" in said
    with pytest.raises(Fault, match=r"random_genotypes is 19, but no .*: baselines=\[random\]"):
        built("random_genotypes=19", "baselines=[resnet18]")


def test_a_network_that_cannot_take_the_images_is_refused():
    with pytest.raises(Fault, match="densenet121 cannot be trained on images of 3 x 4 x 4"):
        built("data.size=4", "baselines=[densenet121,mobilenet_v2]")


def test_random_genotypes_are_of_this_size_and_of_other_functions():
    parts = built("baselines=[random]", "random_genotypes=6")
    assert list(parts.baselines) == [f"random {number}" for number in range(1, 7)]
    space, all_of_them = parts.problem.space, [parts.genotype, *parts.baselines.values()]
    assert len({space.canonical(genotype) for genotype in all_of_them}) == 7
    wanted, *others = (params(parts.problem, genotype) for genotype in all_of_them)
    assert all(abs(other - wanted) <= 0.1 * wanted for other in others)
    again = built("baselines=[random]", "random_genotypes=6")
    assert again.baselines == parts.baselines
    assert built("baselines=[random]", "seed=1").baselines != built("baselines=[random]").baselines


def test_if_there_are_fewer_it_is_said_how_many_and_if_none_it_is_refused():
    words, said = ("baselines=[random]", "random_genotypes=4000"), []
    parts = built(*words, listener=Heard(warned=said.append))
    problem, space = parts.problem, parts.problem.space
    costs = Costs(problem)
    wanted = costs.estimate(Proposal(parts.genotype))["params"]
    alike = {
        space.canonical(one)
        for one in (at(space, number) for number in range(size(space)))
        if abs(costs.estimate(Proposal(one))["params"] - wanted) <= 0.1 * wanted
    } - {space.canonical(parts.genotype)}
    assert {space.canonical(one) for one in parts.baselines.values()} == alike
    assert said == [
        f"{len(alike)} other genotypes of space nasbench201 within 10% of its {wanted:,.0f} "
        "parameters in all of the space, not 4000: these are the baselines"
    ]
    with pytest.raises(Fault, match="there are no other genotypes of space nasbench201 within 10%"):
        built(*words, "operation@space.operations=[none,nor_conv_3x3]", network=NOTHING)


def test_where_they_are_rare_random_walks_find_them(monkeypatch):
    monkeypatch.setattr(baselines, "_WALKED", 10)
    monkeypatch.setattr(baselines, "_PLANNED", 1)
    said = []
    parts = built("baselines=[random]", "random_genotypes=4", listener=Heard(warned=said.append))
    assert len(parts.baselines) == 4 and said == []
    wanted = params(parts.problem, parts.genotype)
    for genotype in parts.baselines.values():
        assert abs(params(parts.problem, genotype) - wanted) <= 0.1 * wanted
    monkeypatch.setattr(baselines, "_STEPS", 0)
    parts = built("baselines=[random]", "random_genotypes=99", listener=Heard(warned=said.append))
    assert 0 < len(parts.baselines) < 99 and "among 1 drawn, not 99" in said[0]


def test_a_folder_of_an_earlier_version_asks_for_nothing():
    chosen = composed(*BENCH, f"genotype='{NETWORK}'", verb="retrain")
    with open_dict(chosen):
        for key in ("seeds", "baselines", "random_genotypes"):
            del chosen[key]
    parts = config.build(asked(chosen, "retrain"))
    assert parts.networks.alone and parts.sizes is None


def test_sizes_in_the_search_stand_beside_those_of_now(tmp_path):
    search = composed("space=nasbench201", "data=synthetic", "training=quick", "device=none")
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(OmegaConf.to_yaml(search))
    problem = {"task": "synthetic", "input_shape": [1, 8, 8], "classes": 3}
    (run / "report.json").write_text(json.dumps({"verb": "search", "problem": problem}))
    now = composed(*BENCH, verb="retrain")
    parts = built()
    whole = (now, parts.problem, parts.genotype)
    found = sizes.sizes(run, *whole)
    assert found == sizes.sizes(run / "front" / "1.json", *whole) and found is not None
    then, now = found
    assert (then["image"], now["image"]) == ("1 x 8 x 8", "3 x 8 x 8")
    assert then["channels"] == search.training.network.nasbench201.channels
    assert now["channels"] == parts.problem.space.channels
    assert now["params"] == params(parts.problem, parts.genotype) != then["params"]
    assert sizes.sizes(tmp_path, *whole) is sizes.sizes("darts_v2", *whole) is None
