import pytest
from fixtures import composed
from omegaconf import OmegaConf

from nascli.config import compose, shapes
from nascli.core.fault import Fault

VERBS = ("search", "audit", "retrain", "profile", "show", "compare", "export", "predict")


def plain(verb, **changes):
    found = OmegaConf.to_container(composed(verb=verb), resolve=True)
    return {**found, **changes}


@pytest.mark.parametrize("verb", VERBS)
def test_shipped_configs_are_sound_and_need_every_key_of_theirs(verb):
    sound = plain(verb)
    shapes.check(verb, sound)
    spared = {"device", "scalarisation", "workers", "objectives", "constraints", "fidelity"}
    spared |= {"seeds", "baselines", "random_genotypes", "surrogate"}  # folders of before have none
    spared |= {"logger", "kernels", "trust"}
    spared |= {"init", "deploy"} if verb == "audit" else {"init", "deploy", "supernet"}
    for key in sound.keys() - spared:
        with pytest.raises(Fault, match=f"^{key} is missing; nas {verb} needs it"):
            shapes.check(verb, {k: v for k, v in sound.items() if k != key})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"strategy": None}, "strategy is empty; it must be one of those that nas list strategy"),
        ({"strategy": ["a"]}, "strategy is ['a']; it must be one of"),
        ({"strategy": {"population": 3}}, "it must be one of those that nas list strategy shows"),
        ({"device": 3}, "device is 3; it must be one of"),
        ({"budget": None}, "budget is null; it must be a mapping {key: value}"),
        ({"budget": {"trials": "x"}}, "budget.trials is 'x'; it must be a whole number or null"),
        (
            {"budget": {"trial": 1}},
            "'trial' is not known; allowed: failures, proposals, repeats, seconds, trials",
        ),
        ({"resume": ""}, "resume is empty; give a run folder, or leave it out"),
        ({"constraints": ["params"]}, "constraints is ['params']; it must be a mapping"),
        ({"deploy": 36}, "deploy is 36; it must be a mapping {key: value} or null"),
        (
            {"objectives": {"params": "low"}},
            "objectives.params is 'low'; it must be max or min",
        ),
        ({"deploy": {"channels": "???"}}, "deploy.channels is '???', which stands for what is mis"),
        ({"constraints": {"params": "???"}}, "constraints.params is '???', which stands for what"),
        ({"resume": 3}, "resume is 3; it must be a word or null"),
        ({"seed": None}, "seed is null; it must be a whole number"),
        ({"outputs": "a" * 300}, "that is no possible path: File name too long"),
        ({"outputs": "a\0b"}, "that is no possible path: embedded null byte"),
    ],
)
def test_what_is_of_another_kind_is_said(changes, says):
    with pytest.raises(Fault) as caught:
        shapes.check("search", plain("search", **changes))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("verb", "key"), [("audit", "supernet"), ("compare", "runs"), ("export", "genotype")]
)
def test_every_key_that_is_a_path_is_looked_at(verb, key):
    value = ["a" * 300] if key == "runs" else "a" * 300
    with pytest.raises(Fault, match=f"^{key} is 'aaa.*; that is no possible path: File name too"):
        shapes.check(verb, plain(verb, **{key: value}))


def test_words_of_hydra_are_looked_at_at_any_depth():
    config = plain("search")
    config["estimator"] = {"_target_": "a.B", "of": [{"_target_": 3, "_partial_": "yes"}]}
    with pytest.raises(Fault) as caught:
        shapes.check("search", config)
    assert str(caught.value).splitlines() == [
        "estimator.of[0]._target_ is 3; it must be a word",
        "estimator.of[0]._partial_ is 'yes'; it must be true or false",
    ]


def test_what_refers_to_nothing_is_named():
    with pytest.raises(Fault, match="^outputs: Interpolation key 'x' not found"):
        compose.composed("search", ["outputs='a${x}'"])
