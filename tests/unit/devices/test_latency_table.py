"""The device that looks latencies up, and what stands between a profile and its predictions."""

import dataclasses
import json
import math
import random
import shutil
import subprocess
import sys
from collections import Counter

import pytest
import torch
from fixtures import CHECKOUT, Heard, ToyTask, build, composed
from hydra.utils import instantiate

from nascli.config import measuring
from nascli.core.device import Kernel, Latency
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer
from nascli.core.problem import Deployed, Problem
from nascli.core.space import sample
from nascli.core.trial import Proposal
from nascli.costs import latency_choice, latency_profile
from nascli.costs.additive import _joints, sums
from nascli.costs.latency_models import Example, LeastSquares
from nascli.costs.latency_table import LatencyTable as Table
from nascli.costs.latency_table import measure
from nascli.costs.layer_counts import JOINTS, counts_of
from nascli.costs.live import ignores_images
from nascli.costs.plans import PlanCounter
from nascli.devices.cpu import Cpu
from nascli.devices.latency_table import LatencyTable
from nascli.estimators.costs import Costs
from nascli.programs import profile as programs
from nascli.programs.profile import Parts, profile
from nascli.runs.folder import Run

CONDITIONS = {
    "threads": 1, "dtype": "float32", "batch": 1, "layout": "contiguous", "torch": "2",
    "device": "a clock", "runtime": "eager",
}  # fmt: skip


@dataclasses.dataclass
class Clock:
    """Takes a microsecond for every thousand weights, and so much longer on some days."""

    name: str = "clock"
    slower: float = 1.0
    odd: float = 1.0  # times as long for every second network
    runtime: str = "eager"
    seen: list = dataclasses.field(default_factory=list)

    def conditions(self):
        return {**CONDITIONS, "runtime": self.runtime}

    def latency(self, network, shape):
        return self.latencies([(network, shape)])[0]

    def latencies(self, cases):
        found = []
        for network, _ in cases:
            weights = sum(p.numel() for p in network.parameters())
            self.seen.append(weights)
            ms = self.slower * (1 + weights) / 1000 * (self.odd if len(self.seen) % 2 else 1)
            found.append(Latency(ms, ms, ms, 9, self.conditions(), ms))
        return found


def space_of(channels=4):
    make = instantiate(composed("space=nasbench201").space, _partial_=True)
    return make(ToyTask(input_shape=(3, 8, 8)), channels=channels, cells_per_stage=1)


def problem_of(device, channels=4, **more):
    space = space_of(channels)
    return Problem(space=space, task=space.task, recipe=None, device=device, **more)


class Tracing(Clock):
    """Says of each convolution that it takes as long as its weights have it."""

    def traced(self, cases):
        found = []
        for network, shape in cases:
            whole = sum(p.numel() for p in network.parameters())
            kernels, hooks = [], []

            def note(module, images, made, kernels=kernels, whole=whole):
                _, *inside = images[0].shape
                _, *after = made.shape
                name = f"conv {module.kernel_size[0]}x{module.kernel_size[1]}"
                share = module.weight.numel() / whole
                kernels.append(Kernel(name, tuple(inside), tuple(after), share))

            for module in network.modules():
                if isinstance(module, torch.nn.Conv2d):
                    hooks.append(module.register_forward_hook(note))
            network.eval()(torch.zeros(1, *shape))
            found.append(tuple(kernels))
        return self.latencies(cases), found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A profile by a clock."""
    run = Run.claim(tmp_path_factory.mktemp("x"), "profile", "clock", {})
    profile(run, Parts(problem_of(Clock()), None, networks=24, check=6))
    run.close()
    return run.path


def genotypes(number, seed=9):
    rng, space = random.Random(seed), space_of()
    return [sample(space, rng) for _ in range(number)]


def bound(path, space=None, **settings):
    device = LatencyTable(str(path), **settings)
    device.fits(space or space_of())
    return device


def weights(space, genotype):
    return sum(p.numel() for p in space.network(genotype).parameters())


def test_a_profile_is_predicted_from_and_its_check_says_how_well(folder):
    report = json.loads((folder / "report.json").read_text())
    assert report["prediction"]["mape"] < 0.01 and report["prediction"]["networks"] == 6
    assert {row["use"] for row in report["measured"]} == {"fit", "check"}
    assert (folder / "figures" / "predicted_over_measured.svg").is_file()
    assert (folder / "report.html").is_file() and (folder / "latency_table.csv").is_file()
    space = space_of()
    device = bound(folder, space)
    for genotype in genotypes(8):
        took = weights(space, genotype) / 1000
        assert device.latency_ms(genotype) == pytest.approx(took, rel=0.02)
    twice = bound(folder, space, scale=2.0)
    assert twice.latency_ms(genotype) == pytest.approx(2 * device.latency_ms(genotype))
    layer = Layer("nor_conv_3x3", 8, 8, 1, 4, 4)  # 9 * 8 * 8 weights and 2 * 8 of its batch norm
    assert device.layer_ms(layer) == pytest.approx(0.592, rel=0.1)
    assert twice.layer_ms(layer) == 2 * device.layer_ms(layer)
    assert device.conditions() == CONDITIONS
    assert device.how == report["prediction"]["model"]


def test_costs_are_predicted_without_building_or_measuring(folder, monkeypatch):
    costs = Costs(problem_of(bound(folder)))
    assert costs.cheap and "latency_ms" in costs.metrics
    genotype = genotypes(1)[0]
    expected = bound(folder).latency_ms(genotype)
    monkeypatch.setattr(type(costs.problem.space), "network", None)
    assert costs.estimate(Proposal(genotype))["latency_ms"] == expected


@pytest.mark.parametrize("kind", ["sum of the layers' rows, calibrated", "kernel calls", "layer"])
def test_expected_costs_are_what_networks_are_predicted_to_take(folder, tmp_path, kind):
    """Constant, layers, additions: sure of one option everywhere, no other number comes out."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    data = json.loads((copy / "profile.json").read_text())
    name = next(name for name in data["errors"] if kind in name and "surrogate" not in name)
    for row in data["measured"]:  # and half a millisecond for whatever network it is
        for key in ("lower_quartile_ms", "median_ms", "p10_ms", "p90_ms"):
            row[key] += 0.5
    (copy / "profile.json").write_text(json.dumps(data | {"model": name}))
    problem = problem_of(bound(copy, scale=3.0))
    space, plan = problem.space, problem.space.plan()
    found = sums(problem, space, plan, "latency_ms")[None]
    if kind.startswith("sum"):
        assert problem.device.constant_ms() == pytest.approx(3 * 0.5, rel=0.1)
    for option in ("nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3"):
        sure = dict.fromkeys(space.decisions, option)
        taken = [
            row[c.options.index(option)] for c, row in zip(plan.choices, found.options, strict=True)
        ]
        expected = problem.device.latency_ms(Genotype.of(space.name, sure))
        assert found.fixed + math.fsum(taken) == pytest.approx(expected)
    of_layer = problem.device.layer_ms
    choice = plan.choices[0]
    number = choice.options.index("nor_conv_3x3")
    layers = [place.options[number] for place in plan.by_choice[choice]]
    assert found.options[0][number] == pytest.approx(math.fsum(map(of_layer, layers)))


@pytest.mark.parametrize("name", ["cell", "nasbench201", "hierarchical", "mobile"])
def test_expected_additions_are_those_that_networks_have(name):
    """Of a node that keeps two of its edges, the sum of two; whatever the genotype."""
    space = instantiate(composed(f"space={name}").space, _partial_=True)(
        ToyTask(input_shape=(3, 32, 32))
    )
    rng = random.Random(4)
    for _ in range(4):
        taken = sample(space, rng)
        if "none" in taken.options:
            continue
        counts = counts_of(space.plan(taken))
        found = Counter(
            joint
            for when in (None, *space.plan().conditions)
            for joint in _joints(space.plan(), when)
            if when is None or taken[when.choice.name] in there(when)
        )
        assert found == Counter({n: c for n, c in counts.items() if n.operation in JOINTS})


def there(when):
    return [when.choice.options[number] for number in when.numbers]


def test_what_a_profile_has_no_rows_for_is_named(folder, tmp_path):
    """A table that is gone, or lacks an operation that the space has by now."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    file = copy / "latency_table.csv"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not line.startswith("nor_conv_3x3,4,")))
    with pytest.raises(Fault, match="no row for nor_conv_3x3 4->4 channels, stride 1"):
        bound(copy)
    file.write_text("".join(lines))
    more = (
        "+space.operations.wide={_target_: nascli.operations.convolution.ReluConvNorm, kernel: 7}"
    )
    make = instantiate(composed("space=nasbench201", more).space, _partial_=True)
    wider = make(ToyTask(input_shape=(3, 8, 8)), channels=4, cells_per_stage=1)
    with pytest.raises(Fault, match="no row for wide 4->4 channels"):  # nothing measured has it
        bound(copy, wider)
    file.write_bytes(b"\xef\xbb\xbf" + "".join(lines).encode())  # as spreadsheets write it
    assert bound(copy).latency_ms(genotypes(1)[0]) > 0
    file.unlink()
    with pytest.raises(Fault, match=r"copy' lacks its latency_table.csv: make another with nas"):
        bound(copy)


def test_a_profile_of_other_networks_is_refused_with_both_named(folder):
    with pytest.raises(
        Fault, match=r"profile of space 'nasbench201', networks for toy.*this search"
    ):
        bound(folder, space_of(channels=6))
    other = instantiate(composed("space=cell").space, _partial_=True)(ToyTask(), channels=4)
    with pytest.raises(Fault, match="builds others, of space 'cell'"):
        bound(folder, other)


def test_a_csv_is_summed_and_what_it_lacks_is_named(folder, tmp_path):
    file = folder / "latency_table.csv"
    space = space_of()
    device = bound(file, space)
    assert device.how == "sum of the layers' rows" and not device.anchors
    genotype, table = genotypes(1)[0], Table.from_csv(file)
    assert device.latency_ms(genotype) == pytest.approx(table.sum_ms(space.plan(genotype)))
    layer = space.plan().candidates()[0]
    assert device.layer_ms(layer) == table[layer].ms
    lines = file.read_text().splitlines()
    fewer = [line for line in lines if not line.startswith("nor_conv_3x3,4,")]
    cut = tmp_path / "cut.csv"
    cut.write_text("\n".join(fewer) + "\n")
    with pytest.raises(Fault, match="cut.csv': .*no row for nor_conv_3x3 4->4 channels, stride 1"):
        bound(cut, space)


def test_rows_of_a_runtime_that_fuses_are_not_summed(folder, tmp_path):
    file = tmp_path / "fused.csv"
    file.write_text((folder / "latency_table.csv").read_text().replace(",eager", ",onnxruntime 1"))
    with pytest.raises(Fault, match=r"runtime onnxruntime 1.*do not add up. Give a nas profile"):
        LatencyTable(str(file))


def test_what_is_no_profile_is_refused(tmp_path):
    with pytest.raises(Fault, match="holds no profile: give the run folder of a nas profile"):
        LatencyTable(str(tmp_path))
    with pytest.raises(Fault, match="cannot read the latency table '.*/none'"):
        LatencyTable(str(tmp_path / "none"))
    for scale in (0, -1, float("nan")):
        with pytest.raises(Fault, match=r"device.scale is .*; it must be above 0"):
            LatencyTable(str(tmp_path), scale=scale)


def test_a_device_that_fuses_has_no_rows_and_no_sums(tmp_path):
    run = Run.claim(tmp_path, "profile", "clock", {})
    found = profile(run, Parts(problem_of(Clock(runtime="compiled")), None, networks=12, check=4))
    run.close()
    assert found.table is None and not (run.path / "latency_table.csv").exists()
    assert not any("rows" in row["model"] for row in found.report["models"])
    genotype = genotypes(1)[0]
    took = weights(space_of(), genotype) / 1000
    assert bound(run.path).latency_ms(genotype) == pytest.approx(took, rel=0.1)


def test_a_profile_keeps_what_the_runtime_says_of_the_networks_that_it_learns_from(tmp_path):
    run = Run.claim(tmp_path, "profile", "clock", {})
    parts = Parts(problem_of(Tracing(runtime="compiled")), None, networks=12, check=4)
    report = profile(run, parts).report
    run.close()
    kept = latency_profile.read(run.path)
    assert all(one.kernels for one in kept.of("fit"))
    assert not any(one.kernels for one in kept.of("check"))
    told = [row for row in report["models"] if "what the runtime says" in row["model"]]
    assert len(told) == 5 and told == report["models"][:5]  # held to be simpler than the others


def test_networks_that_ignore_their_images_are_not_measured():
    """A fifth of the edges are none: of 500 cells some have no path."""
    found = programs._sampled(problem_of(Clock()), 500)
    space = space_of()
    assert len(found) == 500 and not any(ignores_images(space, genotype) for genotype in found)
    assert any(ignores_images(space, genotype) for genotype in genotypes(500))


def test_of_a_small_space_all_networks_are_fitted_to_and_none_is_left_to_check(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(programs, "_sampled", lambda problem, number: genotypes(8))
    run = Run.claim(tmp_path, "profile", "clock", {})
    report = profile(run, Parts(problem_of(Clock()), None, networks=32, check=12)).report
    run.close()
    assert [row["use"] for row in report["measured"]] == ["fit"] * 8
    assert "mape" not in report["prediction"]
    assert bound(run.path).latency_ms(genotypes(1)[0]) > 0


def test_a_model_that_cannot_be_fitted_is_left_out(folder):
    measured = latency_profile.read(folder).of(latency_profile.FIT)
    space = space_of()
    examples = [Example(m.genotype, counts_of(space.plan(m.genotype)), 1.0) for m in measured]

    class Never:
        name = "never"

        def fit(self, _examples):
            raise Fault("no model fits the latencies measured (too many steps)")

    good = LeastSquares(PlanCounter(space).layer, 1.0)
    assert list(latency_choice.cross_validated([Never(), good], examples)) == [good.name]
    with pytest.raises(Fault, match="no model fits the latencies measured"):
        latency_choice.cross_validated([Never()], examples)


def test_the_simplest_model_is_taken_that_no_later_one_beats_by_a_twentieth():
    assert latency_choice.chosen({"a": 1.0, "b": 0.96, "c": 0.93}) == "b"
    assert latency_choice.chosen({"a": 1.0, "b": 0.951}) == "a"
    assert latency_choice.chosen({"a": 1.0, "b": 0.94, "c": 0.9}) == "b"


@pytest.mark.parametrize(
    ("device", "kind"),
    [
        (Clock(), "kernel calls and costs"),
        (Clock(), "layer counts"),
        (Clock(runtime="compiled"), "kernel calls and costs"),
        (Clock(runtime="compiled"), "layer counts"),
        (Tracing(runtime="compiled"), "what the runtime says of them"),
    ],
)
def test_who_reads_a_profile_predicts_what_it_has_predicted(tmp_path, monkeypatch, device, kind):
    def chosen(errors):
        return next(name for name in errors if kind in name and "ridge 1" in name)

    monkeypatch.setattr(latency_choice, "chosen", chosen)
    run = Run.claim(tmp_path, "profile", "clock", {})
    parts = Parts(problem_of(device), None, networks=12, check=4)
    rows = profile(run, parts).report["measured"]
    run.close()
    device = bound(run.path)
    kept = latency_profile.read(run.path).measured
    told = [device.latency_ms(one.genotype) for one in kept]
    assert told == pytest.approx([row["predicted_ms"] for row in rows])


def test_the_model_of_kernel_calls_is_read_back_as_it_was_chosen(folder, tmp_path):
    """It is fitted anew by its name, and told apart from the one of layers."""
    told = {}
    for kinds in ("counts of kernel calls", "layer counts"):
        copy = tmp_path / kinds.replace(" ", "_")
        shutil.copytree(folder, copy)
        data = json.loads((copy / "profile.json").read_text())
        name = f"least squares on {kinds} and costs, ridge 1"
        assert name in data["errors"]
        (copy / "profile.json").write_text(json.dumps(data | {"model": name}))
        device = bound(copy)
        assert device.how == name
        told[kinds] = [device.latency_ms(genotype) for genotype in genotypes(4)]
    space = space_of()
    took = [weights(space, genotype) / 1000 for genotype in genotypes(4)]
    calls, layers = told.values()
    assert calls == pytest.approx(took, rel=0.1) and calls != layers


@pytest.fixture
def anchored(folder, monkeypatch):
    """What `measuring.anchored` makes of that profile on a clock of today, and says."""

    def anchor(clock, scale=None, channels=4, **more):
        monkeypatch.setattr(measuring, "_of_profile", lambda *_: clock)
        config = composed("device=latency_table", f"device.path={folder}")
        config.device.scale = scale
        said = []
        device = build.component(config, "device")
        problem = problem_of(device, channels, listener=Heard(warned=said.append), **more)
        device.fits(problem.as_deployed.space)
        return measuring.anchored(config, problem), config, " | ".join(said)

    return anchor


def test_anchors_are_networks_as_they_are_deployed(anchored, folder):
    """The profile is of 4 channels, which are deployed; searched on are networks of 2."""
    clock, space = Clock(), space_of()
    problem, _, _ = anchored(clock, channels=2, deployed=Deployed(space, space.task))
    anchors = [genotype for genotype, _ in problem.device.anchors]
    assert clock.seen == [weights(space, genotype) for genotype in anchors]
    assert problem.device.latency_ms(anchors[0]) == pytest.approx(clock.seen[0] / 1000, rel=0.02)


def test_anchors_are_measured_again_and_predictions_scaled(anchored, folder):
    clock = Clock(slower=1.5)
    problem, config, said = anchored(clock)
    assert len(clock.seen) == 5
    assert config.device.scale == pytest.approx(1.5) == problem.device.scale
    assert "predictions are scaled by 1.5" in said and "a clock, threads 1" in said
    genotype = genotypes(1)[0]
    plain = bound(folder).latency_ms(genotype)
    assert Costs(problem).estimate(Proposal(genotype))["latency_ms"] == pytest.approx(1.5 * plain)


def test_a_scale_that_is_given_is_taken(anchored):
    clock = Clock(slower=1.5)
    problem, _, said = anchored(clock, scale=1.2)
    assert clock.seen == [] and problem.device.scale == 1.2 and said == ""


def test_anchors_that_disagree_end_it_before_a_search(anchored):
    with pytest.raises(Fault, match="which no factor mends"):
        anchored(Clock(odd=2.0))


def test_other_conditions_are_said(anchored):
    _, _, said = anchored(Clock(runtime="compiled"))
    assert "measured under other conditions: runtime 'eager' then and 'compiled' now" in said


def test_a_profile_of_another_device_is_taken_as_it_is(folder, tmp_path):
    """Its folder has no config here, so nothing can be measured again."""
    config = composed("device=latency_table", f"device.path={folder}")
    said = []
    device = build.component(config, "device")
    problem = problem_of(device, listener=Heard(warned=said.append))
    assert measuring.device(config, problem) is None
    assert measuring.anchored(config, problem).device.scale == config.device.scale == 1.0
    assert "taken as they were measured: what measured them is not on record" in said[-1]
    assert measuring.device(config, problem_of(Clock())) is not None


def test_layers_without_networks_are_warned_of_and_the_answer_is_measured(tmp_path):
    """A profile of layers alone: nothing says how far their sum is off."""
    table = measure(space_of(), Cpu(repeats=1, seconds=0.01))
    (tmp_path / "latency_table.csv").write_text(table.to_csv())
    config = composed("device=latency_table", f"device.path={tmp_path}")
    said = []
    problem = problem_of(build.component(config, "device"), listener=Heard(warned=said.append))
    assert measuring.device(config, problem) is None
    (tmp_path / "config.yaml").write_text("device: {_target_: nascli.devices.cpu.Cpu}")
    assert measuring.device(config, problem).name == "cpu"
    measuring.anchored(config, problem)
    assert said[0].startswith("latencies are predicted (sum of the layers' rows)")
    assert said[1].startswith("warning: that leaves out what lies between layers")
    assert said[2].endswith("as they were measured: there are no networks to measure again")


@pytest.mark.parametrize(
    ("node", "says"),
    [
        ({"_target_": "nascli.devices.cpu.Cpu"}, "this machine has another one"),
        ({"_target_": "nascli.devices.remote.Remote", "command": "touch {network}"}, "a command"),
        ({"_target_": "subprocess.Popen", "args": ["true"]}, "would build 'subprocess.Popen'"),
    ],
)
def test_a_folder_starts_nothing_and_stands_for_no_other_machine(node, says, folder, tmp_path):
    for name in (latency_profile.FILE, "latency_table.csv"):
        (tmp_path / name).write_text((folder / name).read_text())
    (tmp_path / "config.yaml").write_text(json.dumps({"device": node}))
    config = composed("device=latency_table", f"device.path={tmp_path}")
    said = []
    problem = problem_of(
        build.component(config, "device"), listener=Heard(warned=said.append)
    )  # fmt: skip
    assert measuring.anchored(config, problem).device.scale == 1.0
    assert says in said[-1]


def test_predicting_needs_no_torch(folder):
    code = (
        "import sys\n"
        "from nascli.config.compose import composed\n"
        "from nascli.config import building\n"
        "from nascli.core.trial import Proposal\n"
        "from nascli.core.space import sample\n"
        "from nascli.estimators.costs import Costs\n"
        "import random\n"
        f"words = ['space=nasbench201', 'device=latency_table', {f'device.path={folder}'!r},\n"
        "    'training.network.nasbench201.channels=4', 'data=synthetic', 'data.size=8',\n"
        "    'training.network.nasbench201.cells_per_stage=1', 'data.classes=10',\n"
        "    'device.scale=1']\n"
        "faults = building.Faults()\n"
        "made = building.problem(composed('search', words), faults)\n"
        "faults.check()\n"
        "costs = Costs(made)\n"
        "genotype = sample(made.space, random.Random(0))\n"
        "assert costs.estimate(Proposal(genotype))['latency_ms'] > 0\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
