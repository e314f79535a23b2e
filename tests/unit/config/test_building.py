import sys
import types
from pathlib import Path

import pytest
from fixtures import Heard, ToyTask, asked, build, composed
from omegaconf import OmegaConf

from nascli.config import building, profile, retrain, search
from nascli.core.fault import Fault
from nascli.spaces.nasbench201 import NASBench201
from nascli.strategies.random import Random


class Plain:
    """A space whose networks need code of their own; it has no layers to list."""

    name = "plain"
    decisions = {"a": ("0", "1")}  # noqa: RUF012

    def __init__(self, task):
        pass

    def network(self, genotype):
        raise NotImplementedError

    def describe(self, genotype):
        return ""


class Whole(Plain):
    def canonical(self, genotype):
        return genotype


class Forgetful(Random):
    recommend = None


class Images(ToyTask):
    """Has classes and a shape, and no images."""


def made_random(problem, repeats=False):
    return Random(problem, repeats)


@pytest.fixture
def own(monkeypatch):
    """The classes above, as a module of a user's."""
    module = types.ModuleType("own")
    vars(module).update(
        Plain=Plain, Whole=Whole, Forgetful=Forgetful, Images=Images, made_random=made_random
    )
    monkeypatch.setitem(sys.modules, "own", module)


TABLE = ("strategy=random", "space=nasbench201", "estimator=table", "device=none")


@pytest.mark.parametrize(
    ("key", "target", "says"),
    [
        ("strategy", "own.Forgetful", r"^strategy: Forgetful has no recommend\(history\); what "),
        ("strategy", "own.Nothing", "^strategy: _target_ 'own.Nothing' cannot be used: "),
        ("estimator", "nowhere.Nothing", "^estimator: _target_ 'nowhere.Nothing' cannot be used"),
        ("strategy", "os.getcwd", "^strategy: "),
        ("training", "nowhere.Recipe", "^training: _target_ 'nowhere.Recipe' cannot be used"),
    ],
)
def test_a_component_that_cannot_do_is_refused_when_it_is_built(own, key, target, says):
    config = composed(*TABLE)
    config[key]._target_ = target
    with pytest.raises(Fault, match=says):
        search.build(asked(config), survey=False)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["strategy=darts", "strategy.stages=[aaa]"], "strategy.stages is ['aaa']; it must be a "),
        (["estimator=zero_cost", "estimator.scores=[2]"], "estimator.scores is [2]; it must be a "),
        (["strategy=darts", "data=synthetic", "data.images=2"], "data: too few images (2): none "),
        (["estimator=one_shot", "data=synthetic", "data.images=2"], "data: too few images (2): "),
        ([*TABLE, "device=remote", "device.command=./time"], "device.command './time' does not "),
    ],
)
def test_faults_are_of_what_is_wrong(words, says):
    with pytest.raises(Fault) as caught:
        search.build(asked(composed("device=none", *words)), survey=False)
    assert str(caught.value).startswith(says)


def test_a_function_may_make_a_component(own):
    config = composed(*TABLE)
    config.strategy._target_ = "own.made_random"
    assert isinstance(search.build(asked(config), survey=False).strategy, Random)


def test_a_space_without_canonical_forms_is_refused(own):
    config = composed(*TABLE)
    config.space = {"_target_": "own.Plain"}
    with pytest.raises(Fault, match=r"^space: Plain has no canonical\(genotype\); what it needs"):
        build.stated(config)


def test_layers_are_asked_for_where_they_are_timed(own):
    config = composed(*TABLE)
    config.space = {"_target_": "own.Whole"}
    assert build.stated(config).space.name == "plain"
    timed = composed("space=nasbench201", "device=cpu", "data=synthetic", verb="profile")
    timed.space = {"_target_": "own.Whole"}
    with pytest.raises(Fault, match=r"^space: Whole has no layers\(\); "):
        profile.build(asked(timed, "profile"))


def test_data_without_images_are_refused_for_a_training(own):
    config = composed("space=cell", "genotype=darts_v2", "device=none", verb="retrain")
    config.data = {"_target_": "own.Images"}
    with pytest.raises(Fault, match=r"data: Images has no class_names, no flips, no split"):
        retrain.build(asked(config, "retrain"))


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_no_generator_takes_is_refused(seed):
    with pytest.raises(Fault, match=f"^seed is {seed}; it must be a whole number from 0 to 9223"):
        build.stated(composed(*TABLE, f"seed={seed}"))


@pytest.mark.parametrize("verb", ["search", "retrain", "profile"])
def test_hardware_that_is_not_there_is_missed_before_anything_starts(verb, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    genotype = [] if verb == "search" else ["genotype=darts_v2"]
    config = composed("device=cuda", "data=synthetic", *genotype, verb=verb)
    module = {"search": search, "retrain": retrain, "profile": profile}[verb]
    with pytest.raises(Fault, match="device 'cuda' needs an NVIDIA GPU, and torch .* finds none"):
        module.build(asked(config, verb))


def test_a_device_that_nothing_is_measured_on_need_not_be_there(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    config = composed("device=cuda", *TABLE[:3])
    assert isinstance(build.search(config).problem.space, NASBench201)


class Enormous:
    """A component whose numbers no machine takes."""

    def __init__(self, channels):
        raise RuntimeError(f"Storage size calculation overflowed with sizes=[{channels}]\nframe #0")


def test_a_size_out_of_reach_is_no_crash():
    config = OmegaConf.create({"space": {"_target_": f"{__name__}.Enormous", "channels": 2**62}})
    with pytest.raises(Fault, match=r"^space: Storage size calculation overflowed .*\]$"):
        building.component(config, "space")


def test_a_size_that_is_no_size_is_named():
    config = composed("space=cell", "strategy=random")
    config.training.network = {"cell": {"operations": [1, 2]}}
    with pytest.raises(Fault, match="training.network does not fit space 'cell'"):
        building.sized(config)


@pytest.mark.parametrize("wrapped", ["word", 3, ["a"], None])
def test_paths_of_what_is_no_component_are_left_to_those_who_say_so(wrapped):
    config = OmegaConf.create({"estimator": {"path": "a.csv", "of": wrapped}, "device": wrapped})
    building.absolute(config)
    assert Path(config.estimator.path).is_absolute()
    assert config.estimator.of == wrapped


TIMED = ("space=cell", "strategy=random", "data=synthetic", "+constraints.latency_ms=5")


def test_every_bound_that_is_none_is_told():
    wrong = ("+constraints.params=abc", "+constraints.macs=0", "+constraints.flops=60%")
    with pytest.raises(Fault) as caught:
        build.stated(composed(*TABLE, *wrong))
    begins = [line.partition(";")[0] for line in str(caught.value).splitlines()]
    assert begins == ["constraints.params is 'abc'", "constraints.macs is 0"]


def test_the_fault_of_a_device_is_all_that_is_told():
    with pytest.raises(Fault) as caught:
        search.build(asked(composed(*TIMED, "device=onnxruntime", "device.threads=0")))
    assert str(caught.value) == "device: device onnxruntime: threads must be above 0, not 0"


def test_of_a_device_with_a_fault_only_its_own_costs_are_offered_and_each_once():
    words = ("device=mcu", "device.chip=foo", "+constraints.ram=3", "+constraints.flash_kib=3")
    with pytest.raises(Fault) as caught:
        search.build(asked(composed("strategy=random", "space=nasbench201", *words)))
    (line,) = [x for x in str(caught.value).splitlines() if x.startswith("metric in constraints")]
    offered = line.partition("allowed: ")[2].partition(";")[0].split(", ")
    assert len(offered) == len(set(offered)) and {"ram_kib", "flash_kib", "params"} < set(offered)
    assert not {"latency_ms", "energy_mj"} & set(offered)


def test_a_device_that_does_not_fit_the_space_is_asked_for_nothing():
    words = ("device=nasbench201_devices", "device.setting=pixel2", "constraints.latency_ms=5")
    with pytest.raises(Fault) as caught:
        search.build(asked(composed(*TIMED[:3], *words[:2], f"+{words[2]}")))
    assert str(caught.value).startswith("device=nasbench201_devices knows NAS-Bench-201 only, not")
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_there_is_asked_once(monkeypatch):
    asked_of = []

    def check(self):
        asked_of.append(self)
        raise Fault(f"not there, {len(asked_of)}")

    monkeypatch.setattr("nascli.devices.onnxruntime.OnnxRuntime.check", check)
    with pytest.raises(Fault) as caught:
        search.build(asked(composed(*TIMED, "device=onnxruntime")))
    assert str(caught.value) == "not there, 1"


def test_what_only_trained_networks_tell_is_said_where_none_is_trained():
    config = composed(*TABLE, "+objectives.macro_f1=max")
    with pytest.raises(Fault, match="^objectives names macro_f1, which only estimator=train tells"):
        search.build(asked(config), survey=False)


def test_patience_without_images_to_validate_on_is_refused_before_there_is_a_run():
    words = ["space=cell", "genotype=darts_v2", "device=none", "data=synthetic"]
    words += ["training.patience=2", "data.images=600"]
    retrain.build(asked(composed(*words, "data.valid_fraction=0.2", verb="retrain"), "retrain"))
    with pytest.raises(Fault, match=r"^training.patience is 2, and no image is held out to valid"):
        retrain.build(asked(composed(*words, "data.valid_fraction=0", verb="retrain"), "retrain"))


def test_once_something_is_wrong_no_torch_is_imported_to_find_more():
    faults, finders, reached = build.Faults(), list(sys.meta_path), []

    def heavy():
        sys.meta_path[0].find_spec("torch")  # as an import would, had nobody imported it yet
        reached.append(True)

    def wrong(text):
        raise Fault(text)

    faults.attempt(lambda: wrong("budget"))
    assert faults.attempt(heavy) is None and not reached
    faults.attempt(lambda: wrong("workers"))
    assert faults.found == ["budget", "workers"] and sys.meta_path == finders


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("training.auxiliary_weight=0.4",), "no auxiliary head (space.auxiliary=true gives it"),
        (("training.auxiliary_weight=0.4", "space.auxiliary=true"), ""),
        (("training.drop_path=0.2",), ""),
        (("space=mobile", "genotype=mobilenet_v2", "training.drop_path=0.2"), "no path that can"),
    ],
)
def test_what_of_a_recipe_a_network_has_no_place_for_is_said(words, said):
    heard = []
    first = ("space=cell", "genotype=darts_v2", "device=none", "data=synthetic", "data.images=60")
    config = composed(*first, *words, verb="retrain")
    retrain.build(asked(config, "retrain"), Heard(warned=heard.append))
    found = [line for line in heard if "changes nothing" in line]
    assert len(found) == bool(said) and all(said in line for line in found)


SCORED = ("sampler@estimator.sampler=fair", "estimator.at_once=5", "estimator.race=2")
PATIENT = ("training.patience=2", "training.average=0.9")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("strategy=darts", *PATIENT, "training.drop_path=0.1"),
            "training.drop_path=0.1, training.average=0.9, training.patience=2 change nothing: a "
            "supernet is trained without",
        ),
        (("strategy=spos", "training.average=0.9"), "training.average=0.9 changes nothing: a sup"),
        (("strategy=spos", "trust=5", "training.average=0.9"), ""),
        (("strategy=spos", "trust=5", *PATIENT), ": training.patience=2 changes nothing: a sup"),
        (("strategy=random", *PATIENT), "training.patience=2 changes nothing: trials train all"),
        (
            ("strategy=random", "estimator=cached", *PATIENT),
            "training.patience=2 changes nothing: trials train all",
        ),
        (
            ("strategy=random", "training.auxiliary_weight=0.4", "training.patience=2"),
            "no auxiliary head (space.auxiliary=true gives it one); training.patience=2 changes",
        ),
        (("strategy=random", "training.average=0.9", "training.drop_path=0.1"), ""),
        (
            ("strategy=random", "space=nasbench201", "estimator=table", "training.epochs=9"),
            "training.epochs=9 changes nothing: nothing is trained",
        ),
        (("strategy=random", "space=nasbench201", "estimator=table", "training=search"), ""),
        (("strategy=darts", "fidelity=0.5"), ""),
        (("strategy=spos", "fidelity=0.5", "estimator.at_once=5", "estimator.race=2"), ""),
        (
            ("strategy=random", "estimator=zero_cost", "estimator.scores=[zen]", "fidelity=0.5"),
            "fidelity=0.5 changes nothing: this estimator answers the same at every fidelity",
        ),
        (
            ("strategy=enas", "space=nasbench_macro", *SCORED, "training.average=0.9"),
            "training.average=0.9 changes nothing: a supernet is trained without; "
            "sampler@estimator.sampler=fair changes nothing: the strategy draws the paths that are "
            "trained; estimator.at_once=5, estimator.race=2 change nothing: paths are scored one",
        ),
    ],
)
def test_what_a_search_does_not_heed_of_its_recipe_is_said_in_one_warning(words, said):
    heard = []
    first = ("device=none", "data=synthetic", "data.images=60", "training.epochs=1")
    first = first[:3] if "estimator=table" in words else first
    config = composed(*first, *words)
    search.build(asked(config, overrides=words), Heard(warned=heard.append))
    found = [line for line in heard if "nothing" in line and "warning" in line]
    assert len(found) == bool(said) and all(said in line for line in found), heard
