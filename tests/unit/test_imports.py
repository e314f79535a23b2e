"""Imports run one way; the table below is the rule."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nascli.core.accelerator import cuda_there

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "nascli"

# room -> rooms it may import from (itself is checked apart: siblings in some rooms are strangers)
ALLOWED = {
    "api": {"config", "programs", "runs", "genotypes", "core"},
    "classifier": {"api", "core", "runs.card", "programs.trained"},
    "__main__": {"cli"},
    "cli": {"commands", "config", "ui", "core"},
    "commands": {"programs", "config", "ui", "runs", "report", "genotypes", "core"}
    | {"costs.latency_table", "data.task"},
    "config": {"core", "programs", "runs", "genotypes", "report.units"}
    | {"estimators.costs", "supernet.shared", "supernet.scoring", "training.steps"}
    | {"networks.known", "data.identity", "data.membership", "data.task"}
    | {"costs.conditions", "costs.latency_choice", "costs.live"},
    "programs": {"core", "runs", "report", "analysis", "genotypes", "data", "training", "formats"}
    | {"estimators.costs", "costs", "workers.serial"},
    "programs.kernels": {"core", "runs", "kernels.native.library"},
    "ui": {"runs", "report.units", "core"},
    "runs": {"core"},
    "runs.environment": {"core", "devices.processor"},
    "runs.searches": {"core", "analysis.comparison"},
    "analysis": {"core"},
    "report": {"core", "genotypes", "analysis"},
    "genotypes": {"core"},
    "strategies": {"core"},
    "strategies.policy": {"core", "training.optimizers"},
    "strategies.gradient": {"core", "gradient", "training"},
    "strategies.alternating": {"core", "supernet", "training"},
    "gradient": {"core", "supernet", "training", "data"},
    "gradient.bilevel": {"core", "supernet", "training", "data", "costs.within"}
    | {"kernels.native.library"},
    "gradient.unrolled": {"core", "kernels.native.library"},
    "gradient.additive": {"core", "costs"},
    "gradient.penalties.budget": {"core", "costs.additive"},
    "formats": {"core", "kernels", "runs.card"},
    "estimators": {"core", "costs", "supernet", "training", "data"},
    "estimators.zero_cost": {"core", "costs", "data", "zero_cost"},
    "zero_cost": {"core", "data"},
    "estimators.table": {"core", "costs", "tables.nasbench201"},
    "estimators.rows": {"core", "genotypes"},
    "costs": {"core"},
    "surrogates": {"core", "training.optimizers"},
    "relaxations": {"core"},
    "samplers": {"core"},
    "spaces": {"core", "operations", "networks", "supernet", "genotypes"},
    "networks": {"core", "operations"},
    "operations": {"core", "kernels"},
    "kernels": {"core"},
    "supernet": {"core", "data", "training"},
    "supernet.planned": {"core", "networks", "operations.Factory", "operations.blocks"}
    | {"costs.extremes", "costs.plans"},
    "supernet.elastic": {"core", "networks"},
    "supernet.evaluating": {"core", "kernels", "operations.inverted"},
    "supernet.channel_order": {"core", "operations.inverted"},
    "supernet.graph": {"core", "kernels"},
    "supernet.leaving": {"core", "kernels"},
    "supernet.stacked": {"core", "operations.blocks", "kernels"},
    "training": {"core", "data"},
    "data": {"core"},
    "devices": {"core"},
    "devices.running": {"core", "formats.tracing"},
    "devices.onnxruntime": {"core", "formats.onnx"},
    "devices.remote": {"core", "formats.onnx"},
    "devices.nasbench201_devices": {"core", "tables.nasbench201"},
    "devices.nasbench201_samples": {"core", "tables.nasbench201", "costs.few_samples"}
    | {"genotypes.nasbench201"},
    "devices.mcu": {"core", "costs"},
    "devices.latency_table": {"core", "costs"},
    "workers": {"core"},
    "scalarisations": {"core"},
    "scalings": {"core"},
    "tables": set(),
    "core": set(),
}
# rooms whose files may import each other: they are one piece of work, not a choice of components
TOGETHER = {"core", "commands", "config", "programs", "report", "data", "training", "genotypes"}
TOGETHER |= {"supernet", "operations", "zero_cost", "gradient", "runs", "analysis"}
TOGETHER |= {"networks", "costs", "kernels", "formats"}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def room_of(file):
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return parts[0], ".".join(p for p in parts if p != "__init__")


def imports(file):
    """Every nascli module that a file imports, as dotted paths below nascli."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("nascli.") and not name.endswith(".__version__"):
                yield name.removeprefix("nascli.")


@pytest.mark.parametrize("file", modules(), ids=lambda f: str(f.relative_to(PACKAGE)))
def test_imports_run_one_way(file):
    room, dotted = room_of(file)
    if room == "__init__":
        return
    allowed = ALLOWED.get(dotted, ALLOWED.get(room))
    assert allowed is not None, f"{room} is a new room: give it a line in the table"
    for name in imports(file):
        target = name.split(".")[0]
        if target == room:
            ours = name.startswith(dotted) or room in TOGETHER or _shared(file, name)
            assert ours, f"{dotted} imports its sibling {name}"
        else:
            fits = any(name == a or name.startswith(a + ".") for a in allowed)
            assert fits, f"{dotted} imports {name}"


def _shared(file, name):
    """A sibling that is no component of its own: no config names it as a `_target_`."""
    module = ".".join(["nascli", *name.split(".")])
    configs = (ROOT / "configs").rglob("*.yaml")
    return not any(f"_target_: {module.rsplit('.', 1)[0]}." in c.read_text() for c in configs)


SEES_CONFIGS = ("config", "cli", "operations")  # rooms
SEES_CONFIGS_TOO = ("runs.yaml_file",)  # what stands in a config.yaml, which is data there


@pytest.mark.parametrize("file", modules(), ids=lambda f: str(f.relative_to(PACKAGE)))
def test_configs_are_seen_in_few_places(file):
    room, dotted = room_of(file)
    hydra = {"hydra", "omegaconf"} & set(foreign(file))
    assert not hydra or room in SEES_CONFIGS or dotted in SEES_CONFIGS_TOO


def test_programs_neither_print_nor_end_the_process_nor_handle_signals():
    for file in [*sorted((PACKAGE / "programs").glob("*.py")), PACKAGE / "api.py"]:
        assert not {"signal", "rich", "logging"} & set(foreign(file)), file
        text = file.read_text(encoding="utf-8")
        assert not any(word in text for word in ("print(", "sys.exit", "sys.stderr")), file


def foreign(file):
    """The top of every module that a file imports from elsewhere."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("file", modules(), ids=lambda f: str(f.relative_to(PACKAGE)))
def test_no_file_outgrows_its_room(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 330


def test_a_table_search_needs_no_torch():
    names = ["nascli.core.loop", "nascli.strategies.random", "nascli.strategies.evolution"]
    names += ["nascli.estimators.table", "nascli.spaces.nasbench201", "nascli.workers.serial"]
    names += ["nascli.commands.search", "nascli.data.digits", "nascli.training.recipe"]
    names += ["nascli.devices.cpu", "nascli.devices.cuda", "nascli.devices.onnxruntime"]
    names += ["nascli.devices.remote", "nascli.devices.nasbench201_devices"]
    names += ["nascli.devices.latency_table"]
    names += ["nascli.api", "nascli.config.search", "nascli.programs.search"]
    names += ["nascli.strategies.predictor", "nascli.surrogates.gaussian_process"]
    names += ["nascli.spaces.cell", "nascli.surrogates.graph", "nascli.networks.building"]
    names += ["nascli.spaces.mobile", "nascli.scalings.listed", "nascli.commands.scale"]
    code = f"import sys, {', '.join(names)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("strategy", ["evolution", "darts"])
def test_a_bound_below_every_network_is_refused_without_torch(strategy, tmp_path):
    bounds = "'constraints.params=10', 'constraints.macs=5'"
    code = (
        "import sys\nfrom nascli.cli import _main\n"
        f"code = _main(['search', 'strategy={strategy}', 'space=cell', {bounds}])\n"
        "sys.exit(3 if 'torch' in sys.modules else code)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert "constraints.params is 10, but no network is below 6,130" in done.stderr
    assert "constraints.macs is 5, but no network is below" in done.stderr
    assert "this is certain" in done.stderr and "Warning" not in done.stderr


TYPOS = {
    "search strategy=darts strategy.warmup=2": "strategy.warmup is 2; it must be",
    "search strategy=darts estimator.recalibration_batches=0": "recalibration_batches is 0; it",
    "search strategy=spos estimator.batch_size=0": "estimator.batch_size is 0; it must be at least",
    "search strategy=spos estimator.race=60": "estimator.race is 60; it must be",
    "search strategy=spos data.valid_fraction=0": "no image is held out to choose networks by",
    "search space=nasbench201 estimator=table": "take one that only proposes, such as strategy=evo",
    "retrain genotype=darts_v2 training.patience=3 data.valid_fraction=0": "no image is held out",
    "search strategy=dart": "did you mean 'darts'",
    "search strategy=darts space.chanels=3": "did you mean 'space.channels'",
    "search trainig.epochs=3": "did you mean 'training'",
    "search objectives={acuracy:max}": "did you mean 'accuracy'",
    "search constraints.parms=3 strategy=evolution strategy.population=0": "'params'",
    "search strategy=evolution strategy.population=0": "population is 0",
    "search resume=run strategy=random": "strategy cannot change",
    "search strategy=random estimator=zero_cost estimator.scores=[synflw]": "'synflow'",
    "search strategy=random estimator=zero_cost estimator.scores=synflow": "must be a list [a,b]",
    "search strategy=darts workers=processes": "shared weights are in this process",
    "search strategy=darts trust=2": "trust is 2; it must be 0, or at least 3",
    "search strategy=random trust=5": "there are none here; give trust=0",
    "search strategy=darts objectives={accuracy:max,params:min}": "this strategy takes one",
    "search strategy=asha estimator=one_shot": "this estimator answers the same at every fidelity",
    "search strategy=darts strategy.answer=foo": "it must be one of auto, best, last",
    "search strategy=darts strategy.relaxation.scale=x": "scale is 'x'; it must be a number",
    "search strategy=gdas strategy.penalties=[x]": "it must be a mapping {key: value}",
    "search strategy=darts data=cifar10 data.path=nowhere": "no intact CIFAR10",
    "search strategy=darts data=image_folder data.path=nowhere": "nowhere is no folder",
    "search strategy=gdas strategy.relaxation.start=-1": "relaxation.start is -1; a temperature",
    "search strategy=fbnet strategy.penalties.expected_cost.weight=-3": "weight is -3; it must be",
    "search strategy=spos sampler@estimator.sampler=shrinking": "a supernet with elastic sizes",
    "search strategy=darts space=once_for_all_small data=synthetic data.size=32": "do not mix",
    "search strategy=enas strategy.of.learning_rate=-1": "learning_rate is -1; it must be above 0",
    "search strategy=darts accelerator=cuda": "take accelerator=cpu",
    "search strategy=random device=cuda": "take device=cpu, or device=none",
    "retrain resume=run": "take nas search resume=",
    "retrain genotype=darts_v2 data=cifar10 data.path=nowhere": "no intact CIFAR10",
    "retrain genotype=darts_v2 data=fashion_mnist": "no train-images-idx3-ubyte",
    "retrain genotype=darts_v2 workers=processes workers.count=0": "workers.count is 0",
    "audit estimator=zero_cost reference=table space=cell": "knows NAS-Bench-201 only",
    "export genotype=darts_v2 format=onnx": "train the network first",
    "predict nowhere a.png": "no folder at",
}


def test_typos_are_told_without_torch(tmp_path):
    """Each in a process of its own; they are forked from one that has imported all but torch."""
    typos = {w: said for w, said in TYPOS.items() if not ("=cuda" in w and cuda_there())}
    folder = tmp_path / "run"
    folder.mkdir()
    built = {"_target_": "nascli.operations.skip.Zero"}  # whose module imports torch
    config = {"strategy": {"_target_": "x"}, "space": {"operations": {"none": built}}}
    (folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
    code = (
        "import importlib, os, sys\n"
        "from nascli.cli import _main\n"
        "for verb in ('search', 'retrain', 'audit', 'export', 'predict'):\n"
        "    importlib.import_module(f'nascli.commands.{verb}')\n"
        "import nascli.config.command_line, nascli.ui, rich.console\n"
        f"for number, words in enumerate({list(typos)}):\n"
        "    if not os.fork():\n"
        "        os.dup2(os.open(f'{number}.txt', os.O_WRONLY | os.O_CREAT), 2)\n"
        "        code = _main(words.split())\n"
        "        os._exit(3 if 'torch' in sys.modules else code)\n"
        "    print(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    codes = done.stdout.split()
    assert len(codes) == len(typos), done.stderr
    for number, (words, said) in enumerate(typos.items()):
        told = (tmp_path / f"{number}.txt").read_text(encoding="utf-8")
        assert codes[number] == "2" and said in " ".join(told.split()), (words, codes[number], told)


def test_a_search_imports_neither_scikit_learn_nor_torchs_compiler(tmp_path):
    """Each takes more than a second, and nothing is gained by them."""
    words = ["strategy=darts", "space.channels=2", "space.cells=1", "training.epochs=1"]
    words += ["data.limit_train=16", "device=none"]
    code = (
        f"import sys\nfrom nascli.cli import _main\ncode = _main(['search', *{words}])\n"
        "found = [m for m in ('torch._dynamo', 'sklearn', 'scipy') if m in sys.modules]\n"
        "sys.exit(code or str(found))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stderr.splitlines()[-1] == "[]", done.stderr


def test_every_command_is_imported_first():
    """By a process that has no other module of the package yet."""
    names = [f"nascli.commands.{file.stem}" for file in (PACKAGE / "commands").glob("[!_]*.py")]
    names += ["nascli.api", "nascli.cli"]
    code = (
        "import importlib, os, hydra.utils, numpy, rich.table, scipy.stats, torch\n"
        f"for name in {names}:\n"
        "    if not os.fork():\n"
        "        importlib.import_module(name)\n"
        "        os._exit(0)\n"
        "    assert os.wait()[1] == 0, name\n"
    )
    assert len(names) > 8
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [["--help"], ["search", "--help"]])
def test_help_needs_neither_torch_nor_hydra(words):
    code = (
        f"import sys; sys.argv = ['nas', *{words}]\n"
        f"from nascli.cli import _main; code = _main({words})\n"
        "sys.exit(code or bool({'torch', 'hydra', 'numpy', 'rich'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=-3).returncode == 0


@pytest.mark.parametrize("file", modules(), ids=lambda f: str(f.relative_to(PACKAGE)))
def test_torchvision_is_imported_where_it_is_used(file):
    """It brings torch's compiler along: a second, and a folder outside of the run's."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        names = [alias.name for alias in getattr(node, "names", [])]
        names += [getattr(node, "module", None) or ""]
        assert not any(name.partition(".")[0] == "torchvision" for name in names)
