"""A trained supernet is there for later searches, and for networks that inherit its weights."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import pytest
import torch
from fixtures import Heard, asked, composed

import nascli
from nascli.config import inheriting, retrain, search, shared_weights
from nascli.config.following import carried
from nascli.config.overrides import rewritten
from nascli.core.fault import Fault
from nascli.data.batches import batches
from nascli.programs.from_scratch import FromScratch
from nascli.runs.folder import Run

TEN = {"budget.trials": 10, "strategy": "random"}


def searched(at, **chosen):
    layers = [{"options": ["conv_3x3_relu"], "channels": 4}, {"channels": 6, "repeats": 3}]
    training = {"training.epochs": 1, "training.batch_size": 16, **chosen}
    return nascli.search(
        space="nasbench_macro", data="synthetic", device="none", seed=3, accelerator="cpu",
        outputs=str(at), **{"space.layers": layers, **training},
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A search that has trained a supernet, and ten trials."""
    return searched(tmp_path_factory.mktemp("trained"), estimator="one_shot", **TEN)


ENAS = {"strategy": "enas", "strategy.trials": 3}
TWO = {"training.epochs": 2, "training.learning_rate": 0.1}  # over before a checkpoint is due


@pytest.fixture(scope="module")
def alternated(tmp_path_factory):
    """A search whose strategy has trained one."""
    return searched(tmp_path_factory.mktemp("alternated"), **ENAS, **TWO)


def asking(trained, *chosen, verb="search"):
    config = composed(*chosen, verb=verb)
    config.supernet = str(trained.path)
    return asked(config, verb, chosen)


ONE_SHOT = ("strategy=random", "estimator=one_shot", "device=none", "accelerator=cpu")


def test_it_is_scored_as_by_its_own_search_and_not_trained(trained, monkeypatch):
    monkeypatch.setattr(torch.optim, "SGD", None)
    again = nascli.search(supernet=str(trained.path), device="none", seed=3, **TEN,
                          outputs=str(trained.path.parents[1]))  # fmt: skip
    scores = [{t.genotype: t.metrics["accuracy"] for t in run.history} for run in (trained, again)]
    assert scores[0] == scores[1] and len(scores[0]) >= 10
    assert len(set(scores[0].values())) > 1
    # space and data are on record, so that whoever goes on from here finds them
    environment = json.loads((again.path / "environment.json").read_text())
    assert environment["choices"]["space"] == "nasbench_macro"
    kept = carried("retrain", [f"genotype={again.path}"])
    assert "data=synthetic" in kept and any(o.startswith("space.layers=") for o in kept)


def test_whose_weights_are_scored_is_said_once(trained):
    heard = []
    first = asking(trained, *ONE_SHOT, "+constraints.params=60%")
    first.config.budget.trials = 1
    search.build(shared_weights.adopted(first), Heard(warned=heard.append))
    told = f"shared weights of {trained.path.resolve()}, trained to the end"
    assert [line for line in heard if line.startswith("shared weights")] == [told]


def test_what_is_asked_of_a_training_that_there_is_not_is_said(trained):
    heard = []
    more = ("sampler@estimator.sampler=fair", "estimator.at_once=5", "fidelity=0.3")
    first = asking(trained, *ONE_SHOT, *more)
    search.build(shared_weights.adopted(first), Heard(warned=heard.append))
    assert (
        "warning: sampler@estimator.sampler=fair changes nothing: nothing is trained; "
        "fidelity=0.3 changes nothing: this estimator answers the same at every fidelity"
    ) in heard


def test_a_search_that_has_trained_none_leads_to_the_one_that_has(trained, tmp_path):
    first = asking(trained, *ONE_SHOT)
    adopted = shared_weights.adopted(first)
    run = Run.claim(tmp_path, "search", "second", {})
    run.write("config.yaml", nascli_yaml(adopted.config))
    run.write("environment.json", (trained.path / "environment.json").read_text())
    second = asking(trained, *ONE_SHOT)
    second.config.supernet = str(run.path)
    assert shared_weights.adopted(second).config.supernet == str(trained.path.resolve())


def nascli_yaml(config):
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(config)


def test_space_data_and_recipe_are_those_of_its_run_and_the_seed_is_free(trained):
    first = asking(trained, *ONE_SHOT, "seed=8")
    parts = search.build(shared_weights.adopted(first), survey=False)
    assert (parts.problem.space.name, parts.problem.seed) == ("nasbench_macro", 8)
    assert parts.shared.trainer == "nobody"
    width = ["space.width=2", "++training.network.given.width=${space.width}"]
    with pytest.raises(Fault, match=r"^space\.width cannot be chosen"):
        shared_weights.adopted(replace(first, overrides=width))
    for bad in ("space=cell", "data.limit_train=9", "training.epochs=3"):
        wrong = asking(trained, *ONE_SHOT)
        wrong = replace(wrong, overrides=[bad])
        with pytest.raises(Fault, match=f"{bad.split('=')[0]} cannot be chosen with supernet="):
            shared_weights.adopted(wrong)
    with pytest.raises(Fault, match="operation@space.operations cannot be chosen"):
        shared_weights.adopted(replace(first, overrides=["operation@space.operations=[identity]"]))


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        (("strategy=darts", "estimator=one_shot"), "this strategy trains one of its own; take a"),
        (("strategy=enas",), "this strategy trains one of its own; take a strategy that only"),
        (("strategy=random", "estimator=train"), "this estimator does not score with shared"),
    ],
)
def test_what_does_not_go_with_it_is_refused(trained, chosen, says):
    with pytest.raises(Fault, match=says):
        search.check(asking(trained, *chosen, "device=none", "accelerator=cpu"))


def test_it_is_specialised_by_what_its_own_search_has_scored(trained):
    heard = []
    few = {"strategy.candidates": 12, "strategy.keep": 2, "budget.trials": 2}
    found = nascli.search(
        supernet=str(trained.path), device="none", outputs=str(trained.path.parents[1]),
        listener=Heard(warned=heard.append), **few, **{"constraints.macs": "80%"},
    )  # fmt: skip
    choices = json.loads((found.path / "environment.json").read_text())["choices"]
    assert (choices["strategy"], choices["estimator"]) == ("specialise", "one_shot")
    good = [trial for trial in found.history if trial.infeasible is None]
    assert len(good) == 2
    (said,) = [line for line in heard if line.startswith("candidates: accuracy predicted from")]
    assert f"{len({t.genotype for t in trained.history})} trials in {trained.path}" in said
    assert "(Kendall's tau" in said and "in 5-fold cross-validation), not measured" in said


def test_what_scores_and_specialises_it_need_not_be_said():
    both = ["strategy=specialise", "estimator=one_shot"]
    assert carried("search", ["supernet=RUN"]) == both
    assert carried("search", ["supernet=RUN", "estimator=zero_cost"]) == both[:1]
    assert carried("search", ["supernet=RUN", "strategy=nsga2"]) == both[1:]
    assert carried("search", ["supernet=null"]) == []


@pytest.fixture
def copied(trained, tmp_path):
    return replace(trained, path=shutil.copytree(trained.path, tmp_path / "run"))


def changed(run, change):
    """state.pt with something else in it, as a run of another kind would have it."""
    state = Run(run.path).load_state()
    change(state["estimators"][-1])
    Run(run.path).save_state(state)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda kept: kept.update(optimizer={}, epoch=1), "stands after 1 epoch; go on with: nas"),
        (
            lambda kept: kept["supernet"].popitem(),
            "do not fit the space: (Missing|Unexpected) key.*another version",
        ),
        (
            lambda kept: kept.update(supernet={k: v[None] for k, v in kept["supernet"].items()}),
            "do not fit the space: .*trained for another space, other images",
        ),
        (lambda kept: kept.pop("supernet"), "holds no shared weights"),
    ],
)
def test_a_supernet_that_is_not_finished_or_does_not_fit(copied, change, says):
    changed(copied, change)
    with pytest.raises(Fault, match=says):
        search.check(asking(copied, *ONE_SHOT))


def test_another_versions_and_no_runs_are_refused(copied, tmp_path):
    state = Run(copied.path).load("state.pt")
    Run(copied.path).save("state.pt", {**state, "format": 99})
    with pytest.raises(Fault, match="has format 99, and this nascli reads formats up to"):
        search.check(asking(copied, *ONE_SHOT))
    whole = (copied.path / "state.pt").read_bytes()
    (copied.path / "state.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Fault, match=r"is corrupt or was not .*take a copy, or another run's"):
        search.check(asking(copied, *ONE_SHOT))
    (copied.path / "state.pt").unlink()
    with pytest.raises(Fault, match="holds no shared weights"):
        search.check(asking(copied, *ONE_SHOT))
    with pytest.raises(Fault, match="is not a run folder: it has no config.yaml"):
        search.check(asking(replace(copied, path=tmp_path), *ONE_SHOT))


TRAINING = ("space=nasbench_macro", "data=synthetic", "device=none", "accelerator=cpu")


def retraining(run, *chosen):
    config = composed(*TRAINING, *chosen, verb="retrain")
    config.genotype = str(run.path)
    config.training.epochs, config.training.batch_size = 1, 16
    return asked(config, "retrain", chosen)


@pytest.mark.parametrize("trainer", ["trained", "alternated"])
def test_a_network_that_inherits_scores_as_in_the_supernet_before_its_first_step(trainer, request):
    run = request.getfixturevalue(trainer)
    others = "training.crop_padding=0", "training.flip=false"  # are the retraining's alone
    parts = retrain.build(retraining(run, "init=inherit", *others))
    assert parts.problem.recipe.crop_padding == 0
    network = parts.problem.space.network(parts.genotype)
    network.load_state_dict(parts.weights())
    network.eval()
    right = count = 0
    with torch.no_grad():
        for images, labels in batches(parts.problem.task.split("valid"), 500, "cpu"):
            right += int((network(images).argmax(1) == labels).sum())
            count += len(labels)
    (*_, last) = (t for t in run.history if t.genotype == parts.genotype)
    assert 100 * right / count == pytest.approx(last.metrics["accuracy"])


@pytest.mark.parametrize("strategy", [ENAS, {"strategy": "darts"}])
def test_what_a_strategy_trains_is_whole_at_its_own_end_alone(strategy, tmp_path):
    def scored(run):
        nascli.search(
            supernet=str(run.path), device="none", outputs=str(tmp_path),
            **{"strategy": "random", "budget.trials": 1},
        )  # fmt: skip

    run = searched(tmp_path, **strategy, **TWO)
    enough = searched(tmp_path, **strategy, **TWO, **{"budget.trials": len(run.history)})
    for whole in (run, enough):
        assert Run(whole.path).load_state()["trials"] == len(run.history)
        scored(whole)
    cut = searched(tmp_path, **strategy, **TWO, **{"budget.trials": 1})
    with pytest.raises(Fault, match=r"not trained to the end: .*resume=\S* budget.trials=MORE$"):
        scored(cut)


def test_a_supernet_whose_folder_is_gone_is_missed(copied, tmp_path):
    one = {"strategy": "random", "budget.trials": 1}
    run = nascli.search(supernet=str(copied.path), device="none", outputs=str(tmp_path), **one)
    shutil.rmtree(copied.path)
    with pytest.raises(Fault, match="there is no such folder any more"):
        nascli.search(resume=str(run.path), **{"budget.trials": 2})


def test_the_training_starts_there(trained, tmp_path, monkeypatch):
    begun, said = [], []
    parts = retrain.build(retraining(trained, "init=inherit"), Heard(warned=said.append))
    monkeypatch.setattr(
        FromScratch, "_train", lambda _self, _problem, net: begun.append(net.state_dict())
    )
    monkeypatch.setattr(FromScratch, "_scores", lambda *_: {})
    from nascli.core.trial import Proposal

    training = FromScratch(Run(tmp_path), parts.networks, parts.weights)
    training.estimate(Proposal(parts.genotype))
    assert ", from its weights in the supernet, on " in said[-1]
    expected = parts.weights()
    assert all(torch.equal(begun[0][key], value) for key, value in expected.items())
    from_scratch = composed(verb="retrain")
    assert inheriting.weights(from_scratch, parts.problem, parts.genotype) is None


@pytest.mark.parametrize("within", ["genotype.json", "front/3.json"])
def test_the_supernet_is_that_of_the_genotypes_run(trained, within):
    config = retraining(trained, "init=inherit").config
    config.genotype = str(trained.path / within)
    inheriting.adopt(config)
    assert config.supernet == str(trained.path.resolve())
    assert [dict(layer)["channels"] for layer in config.space.layers] == [4, 6]


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        (("init=inhert",), "init 'inhert' is not known; allowed: inherit, scratch; did you mean"),
        (("supernet=x",), "supernet=... is for init=inherit; leave it out"),
        (("init=inherit", "baselines=[random]"), "leave out seeds and baselines"),
        (("init=inherit", "seeds=2"), "leave out seeds and baselines"),
    ],
)
def test_what_goes_not_with_inherited_weights(trained, chosen, says):
    with pytest.raises(Fault, match=says):
        retrain.build(retraining(trained, *chosen))


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("space.width=1", "space.width"),
        ("++space.width=2", "space.width"),
        ("~space.width", "space.width"),
        ("space=chain", "space"),
        ("operation@space.operations=[identity]", "operation@space.operations"),
        ("+training.network.nasbench_macro.width=2", "training.network.nasbench_macro.width"),
    ],
)
def test_no_other_space_or_size_has_the_supernets_weights(trained, given, key):
    words = [*carried("retrain", [f"genotype={trained.path}"]), "init=inherit"]
    other = replace(retraining(trained, "init=inherit"), overrides=[*words])
    assert retrain.build(other).weights is not None  # what follows from the genotype is no choice
    other = replace(other, overrides=[*words, *rewritten([given])])
    with pytest.raises(Fault, match=f"^{re.escape(key)} cannot be chosen with init=inherit"):
        retrain.build(other)


def test_whoever_goes_on_from_such_a_network_finds_the_supernets_space(trained, tmp_path):
    shutil.copy(trained.path / "genotype.json", tmp_path / "best.json")
    first = retraining(trained, "init=inherit")
    first.config.genotype, first.config.supernet = str(tmp_path / "best.json"), str(trained.path)
    first.config.outputs = str(tmp_path)
    run, _ = retrain.begin(replace(first, choices={"space": "chain", "data": "synthetic"}))
    run.close()
    words = carried("show", [f"genotype={run.path}"])
    assert "space=nasbench_macro" in words and "space=chain" not in words
    layers = [word for word in words if word.startswith("space.layers=")]
    assert len(layers) == 1 and "channels: 6" in layers[0]
    assert "space.width=1.0" in words  # a size, which the recipe of who goes on could replace


def test_a_genotype_of_no_run_has_no_weights(trained):
    published = retraining(trained, "init=inherit")
    published.config.genotype = "darts_v2"
    with pytest.raises(Fault, match="genotype=darts_v2 is of no run folder"):
        retrain.build(published)
