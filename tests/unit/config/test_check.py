import inspect

import pytest
from omegaconf import OmegaConf

from nascli import config
from nascli.config import check, command_line
from nascli.core.fault import Fault
from nascli.core.imported import target


def faults(*overrides, verb="search", multirun=False, directories=()):
    return check.faults(verb, overrides, directories, multirun=multirun)[0]


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["strategy=evolution", "strategy.population=10"],
        ["relaxation@strategy.relaxation=softmax"],
        ["operation@space.operations=[none,skip_connect]"],
        ["constraints.params=3"],
        ["objectives={params: min}"],
        ["+strategy.anything=3"],
        ["budget.seconds=1.5"],
        ["training.learning_rate=1"],
        ["data.path=/somewhere", "data=cifar10"],
        ["~budget.proposals"],
        ["hydra.verbose=true"],
        ["training.label_smoothing=0.1"],
        ["workers=processes", "workers.count=3"],
        ["training.architecture.weight_decay=1"],
        ["threads=2"],
        ["seed=${budget.trials}"],
    ],
)
def test_right_overrides(overrides):
    assert faults(*overrides) == []


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["strategy=drats"], "strategy 'drats' is not known"),
        (["operation@space.operations=[none,skip]"], "operation 'skip' is not known"),
        (["strategy=evolution", "strategy.popluation=1"], "did you mean 'strategy.population'?"),
        (["strategy=random", "strategy.population=1"], "key 'strategy.population' is not known"),
        (["space.channels=many"], "it must be a whole number (default: 16)"),
        (["space.auxiliary=2"], "it must be true or false"),
        (["training.learning_rate=high"], "it must be a number"),
        (["budget=5"], "it must be a mapping"),
        (["training.architecture.betas=0.5"], "it must be a list"),
        (["seed=[1,2]"], "it must be a whole number"),
        (["outputs=[a]"], "it must be a word"),
        (["training.epochs=1.5"], "training.epochs is 1.5; it must be a whole number (default: 4)"),
        (["training.epochs=null"], "training.epochs is null; it must be a whole number"),
        (["data.limit_train=many"], "it must be a whole number or null (default: null)"),
        (["budget.seconds=soon"], "it must be a number or null"),
        (["budget=null"], "budget is null; it must be a mapping"),
        (["threads=many"], "threads is 'many'; it must be a whole number or auto"),
        (["kernels=fast"], "kernels is 'fast'; it must be one of auto, native, torch"),
        (["~strategy"], "strategy is missing; nas search needs it"),
        (
            ["strategy=darts", "strategy.relaxation=gdas"],
            "strategy.relaxation is a component: choose it with relaxation@strategy.relaxation=",
        ),
        (
            ["strategy=darts", "strategy.relaxation=gumbel"],
            "choose it with relaxation@strategy.relaxation=gumbel",
        ),
        (["device=gpu"], "did you mean 'cuda'?"),
        (["lr=0.1"], "did you mean 'training.learning_rate'?"),
        (["batch_size=4", "estimator=one_shot"], "did you mean 'training.batch_size'?"),
        (["epochs=3"], "did you mean 'training.epochs'?"),
        (["budget.epochs=3"], "did you mean 'training.epochs'?"),
        (["strategy=darts", "strategy.epochs=3"], "did you mean 'training.epochs'?"),
        (["training.lr=3"], "did you mean 'training.learning_rate'?"),
        (["params=1e6"], "did you mean 'constraints.params'?"),
        (["population=3"], "did you mean 'strategy.population'? (it is a key of strategy=evo"),
        (["data.path=photos"], "it is a key of data=arrays, data=cifar10"),
        (["genotype"], "cannot read 'genotype'"),
        (["seed=1,2"], "add -m"),
    ],
)
def test_wrong_overrides(overrides, says):
    assert any(says in line for line in faults(*overrides)), faults(*overrides)


@pytest.mark.parametrize(
    ("verb", "word", "says"),
    [
        ("profile", "constraints.bogus=7", "key 'constraints' is not known; allowed: accel"),
        ("retrain", "constraints={params: 3}", "; it is a key of nas search"),
        ("retrain", "deploy.channels=3", "key 'deploy' is not known"),
        ("show", "objectives={params: min}", "key 'objectives' is not known"),
        ("profile", "~constraints", "key 'constraints' is not known"),
        ("profile", "budget.trials=3", "; it is a key of nas scale, nas search"),
        ("profile", "params=1e6", "; constraints.params is a key of nas search"),
        (
            "export",
            "device=mcu",
            "takes a device; what does: nas audit, nas profile, nas retrain, ",
        ),
        ("profile", "defaults=3", "key 'defaults' is not known"),
    ],
)
def test_a_key_of_another_verb_is_none_of_this_one(verb, word, says):
    found = faults(word, verb=verb)
    assert len(found) == 1 and says in found[0], found


def settings_of_fractions():
    """Every shipped key that takes a fraction and whose default is spelt as a whole number."""
    for group in ("training", "strategy", "workers", "data", "device", "estimator", "space"):
        for file in sorted((config.root() / group).glob("*.yaml")):
            node = OmegaConf.to_container(OmegaConf.load(file)) or {}
            node = node.get(group, node)
            made = target(node["_target_"], group) if "_target_" in node else None
            parameters = inspect.signature(made).parameters if made else {}
            for key, parameter in parameters.items():
                if str(parameter.annotation).startswith("float") and type(node.get(key)) is int:
                    yield {group: node}, (group, key)


def test_a_fraction_may_stand_where_yaml_has_a_whole_number():
    given = list(settings_of_fractions())
    assert len(given) > 20
    for whole, (group, key) in given:
        assert check._mismatch(whole, (group, key), whole[group][key], 0.5) is None, key
        assert check._mismatch(whole, (group, key), whole[group][key], "half") is not None, key


def test_an_option_of_many_without_annotations_takes_any_number(tmp_path):
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy" / "mine.yaml").write_text("# My own.\n_target_: mine.Mine\nspeed: 3\n")
    own = ["strategy=mine", "strategy.speed=0.5"]
    assert faults(*own, directories=[tmp_path]) == []
    own = ["strategy=mine", "strategy.speed=fast"]
    assert "it must be a number" in faults(*own, directories=[tmp_path])[0]


def test_a_sweep_is_checked_element_by_element():
    sweep = ["strategy=random,evolution", "seed=1,2"]
    assert faults(*sweep, multirun=True) == []
    both = ["strategy=random,evolution", "strategy.population=5"]
    assert any("strategy.population" in line for line in faults(*both, multirun=True))
    assert any("'drats'" in line for line in faults("strategy=random,drats", multirun=True))
    assert any("often" in line for line in faults("seed=1,often", multirun=True))


def test_what_is_right_is_told_apart():
    given = ["strategy=random", "seed=often", "space.channels=8", "data=digit"]
    _, good = check.faults("search", given, (), multirun=False)
    assert good == ["strategy=random", "space.channels=8"]


def test_every_yaml_says_what_it_is():
    for group, options in config.catalogue().items():
        for option, words in options.items():
            assert words, f"{group}/{option}.yaml has no first comment line"


def test_the_users_own_options_count(tmp_path):
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy" / "mine.yaml").write_text("# My own.\n_target_: mine.Mine\nspeed: 3\n")
    assert config.catalogue([tmp_path])["strategy"]["mine"] == "My own."
    assert "mine.Mine" in config.targets([tmp_path])
    own = ["strategy=mine", "strategy.speed=4"]
    assert faults(*own, directories=[tmp_path]) == []


def test_targets_are_those_of_the_shipped_configs():
    assert "nascli.strategies.random.Random" in config.targets()
    assert "os.system" not in config.targets()


def test_an_option_that_has_moved_names_its_new_place():
    assert faults("strategy=random_ws", "relaxation@strategy.relaxation=uniform") == [
        "relaxation@strategy.relaxation=uniform is now sampler@strategy.sampler=uniform: "
        "write that instead"
    ]


def test_a_file_that_would_not_be_taken_is_named(tmp_path):
    shipped = (config.root() / "operation/sep_conv_3x3.yaml").read_text()
    for name in ("operation/sep_conv_3x3.yaml", "strategy/mine.yaml", "search.yaml"):
        (tmp_path / "a" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "a" / name).write_text("# Mine.\nx: 1\n")
    (tmp_path / "b/strategy").mkdir(parents=True)
    (tmp_path / "b/strategy/mine.yaml").write_text("# Another.\n")
    with pytest.raises(Fault) as caught:
        config.catalogue([tmp_path / "a", tmp_path / "b"])
    assert str(caught.value).splitlines() == [
        f"'{tmp_path}/a/operation/sep_conv_3x3.yaml' has the name of a shipped one, which is "
        "taken: rename it",
        f"'{tmp_path}/a/search.yaml' has the name of a shipped one, which is taken: rename it",
        f"'{tmp_path}/b/strategy/mine.yaml' has the name of '{tmp_path}/a/strategy/mine.yaml', "
        "which is taken: rename it",
    ]
    (tmp_path / "a/operation/sep_conv_3x3.yaml").write_text(shipped)
    (tmp_path / "a/search.yaml").unlink()
    assert config.catalogue([tmp_path / "a"])["strategy"]["mine"] == "Mine."


@pytest.mark.parametrize(
    "text",
    ["a: [", "- 1", "3", "\0", "a: \ud800", "defaults: 3", "defaults: [[1]]", "defaults: [{}]",
     "# @package x y\na: 1", "a: 1\na: 2", "[" * 300, "strategy: [1]", "_target_: 3"],
)  # fmt: skip
def test_a_config_of_ones_own_may_hold_anything(text, tmp_path):
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy/mine.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(Fault):
        command_line.asked_for("search", ["strategy=mine", "space=nasbench201"], [tmp_path])


@pytest.mark.parametrize(("outer", "inner"), [("enas", "darts"), ("screening", "spos")])
def test_a_strategy_with_parts_of_its_own_is_none_to_be_wrapped(outer, inner):
    words = [f"strategy={outer}", f"strategy@strategy.of={inner}"]
    with pytest.raises(Fault, match=rf"^strategy@strategy.of={inner} brings an estimator or more"):
        command_line.asked_for("search", words, [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["strategy=spos", "estimator=train"],
            "strategy=spos brings a sampler for the estimator, and estimator=train has none: "
            "leave estimator=train out (strategy=spos brings its own estimator), or take another "
            "strategy",
        ),
        (
            ["strategy=spos", "sampler=fair"],
            "sampler=fair: a sampler is a part of the estimator here; write "
            "sampler@estimator.sampler=fair",
        ),
        (
            ["strategy=darts", "penalty=beta_decay"],
            "penalty=beta_decay: a penalty is a part of the strategy here; write "
            "+penalty@strategy.penalties.beta_decay=beta_decay",
        ),
        (
            ["strategy=random", "sampler=fair"],
            "sampler=fair: nothing that is chosen takes a sampler; what does: estimator=one_shot, "
            "strategy=darts, strategy=fairnas, strategy=ofa, strategy=random_ws, strategy=spos",
        ),
    ],
)
def test_parts_that_do_not_go_together_are_told_as_they_were_written(words, said):
    found, _ = check.faults("search", words, (), multirun=False)
    assert found[0] == said
