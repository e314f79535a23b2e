"""From a genotype to weights and milliseconds: retrain, profile, show."""

import csv
import html
import json
import re
import signal

import pytest
import torch

SMALL = (
    "data=synthetic",
    "data.images=192",
    "training.epochs=2",
    "training.batch_size=32",
    "space.channels=4",
    "accelerator=cpu",
    "device=none",
)
CELL = (*SMALL, "space.cells=3")
BENCHMARK = (
    "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|avg_pool_3x3~2|"
)


def report(run):
    return json.loads((run / "report.json").read_text())


def test_search_then_retrain_as_a_script_does(nas, tmp_path):
    data = ("data=synthetic", "data.images=192", "device=none")
    table = ("strategy=random", "space=nasbench201", "estimator=table", "budget.trials=3")
    searched = nas("search", *table, *data)
    done = nas("retrain", f"genotype={searched.run}", "training.epochs=1", "device=none")
    assert done.code == 0, done.stderr
    assert done.stdout.count("\n") == 1
    outcome = report(tmp_path / done.run)
    assert outcome["genotype"] == report(tmp_path / searched.run)["genotype"]
    # the data and their settings come along with the run
    assert outcome["problem"]["task"] == "synthetic"
    assert sum(outcome["problem"]["images"].values()) == 192


def test_weights_reload_and_score_the_same(nas, tmp_path):
    done = nas("retrain", "genotype=darts_v2", *CELL)
    assert done.code == 0, done.stderr
    run = tmp_path / done.run
    outcome = report(run)
    assert f"a network for {outcome['problem']['networks']} with " in done.stderr
    weights = torch.load(run / "weights.pt", weights_only=True)
    # without buffers: running mean and variance, and how many batches they saw
    counted = sum(
        w.numel()
        for name, w in weights.items()
        if not name.split(".")[-1].startswith(("running", "num_b"))
    )
    assert counted == outcome["costs"]["params"]
    assert outcome["result"]["valid_accuracy"] == outcome["epochs"][-1]["valid_accuracy"]
    assert {"train_accuracy", "valid_accuracy", "test_accuracy"} == set(outcome["result"])
    assert "training" in {p.stem for p in (run / "figures").iterdir()}


def test_an_interrupted_training_ends_as_the_undisturbed_one(nas, start, tmp_path):
    long = [*CELL, "training.epochs=6", "genotype=darts_v1"]
    whole = nas("retrain", *long)
    assert whole.code == 0, whole.stderr
    process = start("retrain", *long, "outputs=other", cwd=tmp_path)
    while process.poll() is None and not list(tmp_path.glob("other/retrain/*/state.pt")):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    (run,) = tmp_path.glob("other/retrain/*")
    again = nas("retrain", f"resume={run}")
    assert again.code == 0, again.stderr
    assert report(run)["epochs"] == report(tmp_path / whole.run)["epochs"]
    assert report(run)["result"] == report(tmp_path / whole.run)["result"]


def test_a_nas_bench_201_string_from_the_shell(nas, tmp_path):
    done = nas("retrain", f"genotype={BENCHMARK}", *SMALL, "space.cells_per_stage=1")
    assert done.code == 0, done.stderr
    assert report(tmp_path / done.run)["genotype"]["space"] == "nasbench201"


def test_show_gives_published_costs(nas):
    done = nas("show", "darts_v1")
    assert done.code == 0, done.stderr
    assert "3,169,414" in done.stdout
    shown = nas("show", BENCHMARK)
    # Dong and Yang 2020: 73,306 + 243,040 per 3x3 + 28,000 per 1x1 convolution
    assert f"{(73_306 + 2 * 243_040 + 28_000) / 1000:.0f}" in shown.stdout.replace(",", "")
    assert f"{7_783_050 + 2 * 35_389_440 + 3_932_160:,}" in shown.stdout


def test_show_a_run(nas):
    table = ("strategy=random", "space=nasbench201", "estimator=table", "budget.trials=5")
    done = nas("search", *table)
    shown = nas("show", str(done.run))
    assert shown.code == 0, shown.stderr
    assert "5 (5 good, 0 infeasible, 0 failed, 0 repeats)" in shown.stdout
    assert "how the best improved" in shown.stdout


def test_show_has_the_networks_of_the_run(nas, tmp_path):
    searched = nas("search", "strategy=random", "budget.trials=1", *CELL, "space.channels=6")
    shown = nas("show", str(searched.run))
    assert shown.code == 0, shown.stderr
    params = report(tmp_path / searched.run)["costs"]["params"]
    assert f"parameters               {params:,.0f}\n" in shown.stdout
    size = "synthetic (3x8x8, 4 classes, channels 6, cells "  # a cost says what it is the cost of
    assert f"as a network for {size}" in shown.stdout
    assert f"what networks for {size}" in searched.stderr
    assert f"network for {size}" in searched.stderr.partition("searching")[2]
    assert size in report(tmp_path / searched.run)["problem"]["networks"]


def test_profile_writes_the_whole_table(nas, tmp_path):
    quick = ("device.repeats=3", "device.warmup=1", "data=synthetic", "space.channels=4")
    done = nas("profile", "device=cpu", "genotype=darts_v2", "space.cells=3", *quick)
    assert done.code == 0, done.stderr
    run = tmp_path / done.run
    rows = list(csv.DictReader((run / "latency_table.csv").open()))
    columns = "operation in_channels out_channels stride height width median_ms p10_ms p90_ms"
    assert {*columns.split(), "repeats", "threads", "dtype", "batch", "torch"} <= set(rows[0])
    operations = {row["operation"] for row in rows}
    space = {"skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"}
    assert space | {"avg_pool_3x3", "max_pool_3x3"} <= operations
    assert {(r["stride"]) for r in rows if r["operation"] == "sep_conv_3x3"} == {"1", "2"}
    network = report(run)["network"]
    assert network["latency_ms"] > 0 and network["table_sum_ms"] > 0
    assert f"the table's sum: {network['table_sum_ms']:.3f} ms" in done.stderr
    assert "channels 4, cells 3" in done.stderr  # which network it is, and where its time goes
    assert "the slowest of its" in done.stderr and "share" in done.stderr
    command = next(line for line in done.stderr.splitlines() if line.startswith("next:"))
    assert "nas retrain" in command and command.endswith("genotype=darts_v2")
    page = html.unescape((run / "report.html").read_text())
    assert command.removeprefix("next:").strip() in page


def test_a_profile_is_searched_by_and_its_answer_measured_beside(nas, tmp_path):
    networks = ("space=nasbench201", "space.channels=4", "data=synthetic", "data.images=192")
    quick = ("device.repeats=9", "device.warmup=1", "device.precision=0")
    done = nas("profile", *networks, "device=cpu", *quick, "networks=10", "check=3")
    assert done.code == 0, done.stderr
    assert "check on 3 networks that it has not seen: mean error" in done.stderr
    assert "networks are measured to within" in done.stderr
    run = tmp_path / done.run
    predicted = report(run)["prediction"]
    assert predicted["networks"] == 3 and predicted["model"] in done.stderr
    assert json.loads((run / "profile.json").read_text())["model"] == predicted["model"]
    assert "predicted_over_measured" in (run / "report.html").read_text()
    command = next(line for line in done.stderr.splitlines() if line.startswith("next:"))
    assert "space.channels=4 data=synthetic data.images=192 device=latency_table" in command
    page = html.unescape((run / "report.html").read_text())
    assert command.removeprefix("next:").strip() in page
    by = ("device=latency_table", f"device.path={run}", "strategy=random", "estimator=table")
    table = ("estimator.dataset=cifar10", "budget.trials=4", "seed=1")
    searched = nas("search", *networks, *by, *table, "device.scale=1")
    assert searched.code == 0, searched.stderr
    found = report(tmp_path / searched.run)
    assert "latency" not in found  # the table's costs are the benchmark's own
    trained = ("training.epochs=1", "budget.trials=2", "accelerator=cpu")
    by = ("device=latency_table", f"device.path={run}", "strategy=random", "device.scale=2")
    searched = nas("search", *networks, *by, *trained)
    assert searched.code == 0, searched.stderr
    latency = report(tmp_path / searched.run)["latency"]
    assert latency["predicted_ms"] == report(tmp_path / searched.run)["costs"]["latency_ms"]
    assert latency["measured_ms"] > 0 and latency["device"] == "cpu"
    off = latency["predicted_ms"] / latency["measured_ms"] - 1
    assert latency["error"] == pytest.approx(off)
    assert f"{latency['predicted_ms']:.3f} ms predicted" in searched.stderr
    other = nas("search", "space=cell", "strategy=darts", *by[:2], "data=synthetic")
    assert other.code == 2 and "is a profile of space 'nasbench201'" in other.stderr


@pytest.mark.parametrize(
    ("verb", "arguments", "says"),
    [
        ("retrain", [], "say which network: genotype=RUN_FOLDER"),
        ("retrain", ["genotype=darts_v3"], "darts_v3"),
        ("retrain", ["genotype=darts_v2", "space=nasbench201"], "of space 'cell', not of space"),
        ("retrain", ["genotype=|nor_conv_3x3~0|+|oops|"], "oops"),
        ("retrain", ["genotype=broken.json"], "broken.json"),
        ("retrain", ["genotype=foreign.json"], "foreign.json"),
        ("show", ["/no/such/run"], "/no/such/run"),
        ("profile", ["device=none"], "nothing to measure: device is none"),
        ("profile", ["device=cuda"], "cuda"),
    ],
)
def test_bad_input_is_one_clear_message(nas, tmp_path, verb, arguments, says):
    if "device=cuda" in arguments and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    (tmp_path / "broken.json").write_text('{"space": ')
    (tmp_path / "foreign.json").write_text('{"name": "package"}')
    done = nas(verb, *arguments)
    assert done.code == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_users_own_operation(nas, tmp_path):
    mine = tmp_path / "mine"
    (mine / "operation").mkdir(parents=True)
    (mine / "operation" / "square.yaml").write_text(
        "# Squares its input.\nsquare:\n  _target_: my_operation.Square\n  _partial_: true\n"
    )
    (mine / "my_operation.py").write_text(
        "from torch import nn\n"
        "class Square(nn.Module):\n"
        "    def __init__(self, in_channels, out_channels, stride, shared):\n"
        "        super().__init__()\n"
        "        self.step = stride\n"
        "    def forward(self, images):\n"
        "        return images[:, :, :: self.step, :: self.step] ** 2\n"
    )
    chosen = "operation@space.operations=[none,skip_connect,square]"
    done = nas("search", "--config-dir", "mine", chosen, *CELL)
    assert done.code == 0, done.stderr
    choices = json.loads((tmp_path / done.run / "genotype.json").read_text())["choices"]
    taken = {value for key, value in choices.items() if not key.endswith("inputs")}
    assert taken <= {"skip_connect", "square"}


def test_a_space_without_a_supernet(nas, tmp_path):
    mine = tmp_path / "mine"
    (mine / "space").mkdir(parents=True)
    (mine / "space" / "plain.yaml").write_text("# One decision.\n_target_: my_space.Plain\n")
    (mine / "my_space.py").write_text(
        "class Plain:\n"
        "    name, decisions = 'plain', {'a': ('0', '1')}\n"
        "    def __init__(self, task): pass\n"
        "    def network(self, genotype): raise NotImplementedError\n"
        "    def canonical(self, genotype): return genotype\n"
        "    def layers(self): return {}\n"
        "    def describe(self, genotype): return str(genotype)\n"
    )
    done = nas("search", "--config-dir", "mine", "strategy=darts", "space=plain")
    assert done.code == 2, done.stderr
    assert (
        "space 'plain' has none; those that have one: space=cell, space=chain, space=hierarchical, "
        "space=mobile, space=nasbench201, " in done.stderr
    )
    other = nas("search", "strategy=random", "estimator=relaxed")
    assert other.code == 2
    assert "which this strategy does not train; take estimator=one_shot" in other.stderr


def test_a_published_mobile_network_is_shown_with_its_exact_size(nas):
    done = nas("show", "mobilenet_v2", "data=synthetic", "data.size=224", "data.classes=1000")
    assert done.code == 0, done.stderr
    assert "(3,504,872)" in done.stdout
    assert "stage 6    160 channels: 3 x mbconv_3x3_e6" in done.stdout


def test_a_published_mobile_network_is_trained(nas, tmp_path):
    few = ("data=synthetic", "data.images=32", "training.epochs=1", "device=none")
    done = nas("retrain", "genotype=mobilenet_v3_small", *few)
    assert done.code == 0, done.stderr
    assert report(tmp_path / done.run)["genotype"]["space"] == "mobile"
    taken = nas("export", f"genotype={done.run}", "format=state_dict")
    assert taken.code == 0, taken.stderr


def test_a_retraining_is_shown_at_its_own_size_and_can_be_run_again(nas, tmp_path):
    """A small network is retrained larger: what is said of the run is of the larger one."""
    few = ("data=synthetic", "data.images=128", "training.epochs=1", "device=none")
    done = nas("search", "strategy=random", "estimator=zero_cost", "space=nasbench201",
               "space.channels=2", "space.cells_per_stage=1", "budget.trials=1",
               "estimator.batch_size=16", *few)  # fmt: skip
    assert done.code == 0, done.stderr
    trained = nas("retrain", f"genotype={done.run}", "space.cells_per_stage=1", *few[1:])
    assert trained.code == 0, trained.stderr
    folder = tmp_path / trained.run
    costs = json.loads((folder / "report.json").read_text())["costs"]
    shown = nas("show", str(trained.run))
    assert f" {costs['params']:,.0f}" in shown.stdout, shown.stdout
    command = json.loads((folder / "environment.json").read_text())["command"]
    assert command == " ".join(
        ["nas", "retrain", f"genotype={done.run}", "space.cells_per_stage=1", *few[1:]]
    )


def test_show_draws_cells_and_stages_of_a_whole_front_and_writes_svg(nas, tmp_path):
    goals = ("objectives.accuracy=max", "objectives.params=min")
    table = ("strategy=nsga2", "space=nasbench201", "estimator=table", "budget.trials=30", *goals)
    run = nas("search", *table).run
    front = sorted(int(file.stem) for file in (tmp_path / run / "front").glob("*.json"))
    shown = nas("show", str(run), "front=true", "svg=drawn")
    assert shown.code == 0, shown.stderr
    assert [int(n) for n in re.findall(r"^trial (\d+)$", shown.stdout, re.MULTILINE)] == front
    assert "they differ in" in shown.stdout and "shares of the whole" in shown.stdout
    best = next(row for row in report(tmp_path / run)["front"] if row["trial"] == front[0])
    line = re.search(rf"^  trial {front[0]} +(.*)$", shown.stdout, re.MULTILINE)[1]
    assert f"{best['accuracy']:.2f} %" in line
    files = {file.name for file in (tmp_path / "drawn").iterdir()}
    assert files == {f"trial_{number}_cell.svg" for number in front}
    assert "front=true shows all" in nas("show", str(run)).stdout
    refused = nas("show", "darts_v2", "front=true")
    assert refused.code == 2 and "'darts_v2' has no front" in refused.stderr
