"""Makes the run folders under runs/ and what resuming the killed ones gives, under expected/.

To record the version of a checkout, run this in an environment that has its dependencies:

    PYTHONPATH=CHECKOUT OMP_NUM_THREADS=1 python tests/recorded/record.py [NAME ...]

It knows how that version saves (`nascli.run`) because it has to kill a search at a chosen line with
state.pt as of a chosen line; on other versions only the tests run, not this script. Without names
everything is made anew. What tells of the machine is taken out of environment.json, and reports,
figures and logs are left out where no command reads them. Tensors are packed (state.pt.gz), since
most of a small network's file is padding; `take` unpacks them.

`RUNS` says for every folder which verb it is of, its command line, and for a killed one after which
trial (or epoch) state.pt is saved, after which the process is killed, and whether the last line of
the history is cut short.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
RUNS_FOLDER, EXPECTED = HERE / "runs", HERE / "expected"

TABLE = ("space=nasbench201", "estimator=table", "device=none")
SMALL = (
    "data=synthetic",
    "data.images=64",
    "training.batch_size=8",
    "device=none",
    "accelerator=cpu",
)
CELL = ("space=cell", "space.channels=2", "space.cells=2", "space.nodes=2", *SMALL)
BENCH = ("space=nasbench201", "space.channels=2", "space.cells_per_stage=1", *SMALL)
TRAIN = ("estimator=train", "training.epochs=1", *CELL)
SMALL_EVOLUTION = ("strategy=evolution", "strategy.population=3", "strategy.tournament=2")
NETWORK = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|"


def ends(count: int) -> tuple[str, str]:
    """A budget of so many proposals, whatever each of them is charged."""
    return f"budget.trials={count}", f"budget.proposals={count}"


@dataclass(frozen=True)
class Recipe:
    """How a folder is made.

    Args:
        verb: search, retrain or audit.
        arguments: of the command line; RUN: names another recorded folder.
        state: after which trial or epoch state.pt is saved; None for never (a retraining: always).
        kill: after which one the process is killed; None: it finishes.
        cut: whether the last line of the history is left half-written.
    """

    verb: str
    arguments: tuple[str, ...]
    state: int | None = None
    kill: int | None = None
    cut: bool = False


def _search(*arguments: str, **settings: object) -> Recipe:
    return Recipe("search", arguments, **settings)  # type: ignore[arg-type]


RUNS = {
    # finished
    "evolution_table": _search(*SMALL_EVOLUTION, *TABLE, *ends(30)),
    "random_table": _search("strategy=random", *TABLE, *ends(30)),
    "nsga2_front": _search(
        "strategy=nsga2",
        "strategy.population=6",
        "objectives={accuracy: max, params: min}",
        *TABLE,
        *ends(20),
    ),
    "random_train": _search("strategy=random", *TRAIN, *ends(3)),
    "random_processes": _search(
        "strategy=random", "workers=processes", "workers.count=2", *TRAIN, *ends(4)
    ),
    "darts_cell": _search("strategy=darts", "training.epochs=2", *CELL),
    "random_ws_cell": _search(
        "strategy=random_ws",
        "relaxation@strategy.relaxation=uniform",
        "training.epochs=2",
        *CELL,
    ),
    "beta_darts_cell": _search("strategy=beta_darts", "training.epochs=2", *CELL),
    "p_darts_cell": _search("strategy=p_darts", "training.epochs=3", *CELL),
    "robust_darts_cell": _search(
        "strategy=robust_darts",
        "perturbation@strategy.perturbation=random",
        "strategy.stopper.window=1",
        "training.epochs=3",
        *CELL,
    ),
    "gdas_bench": _search("strategy=gdas", "training.epochs=2", *BENCH, state=2),
    "retrain_cell": Recipe("retrain", ("genotype=RUN:random_train", "training.epochs=2", *CELL)),
    "audit_zero_cost": Recipe(
        "audit", ("networks=6", "resamples=50", "estimator.batch_size=16", *BENCH)
    ),
    # killed: searches on a table
    "killed_evolution_table_lost_line": _search(
        *SMALL_EVOLUTION, *TABLE, *ends(20), state=9, kill=9, cut=True
    ),
    "killed_evolution_table_no_state": _search(*SMALL_EVOLUTION, *TABLE, *ends(20), kill=9),
    "killed_predictor_table": _search("strategy=predictor", *TABLE, *ends(30), state=18, kill=22),
    "killed_asha_table": _search("strategy=asha", *TABLE, *ends(60), state=30, kill=30),
    "killed_bohb_table": _search("strategy=bohb", *TABLE, *ends(60), state=30, kill=35),
    "killed_nsga2_table": _search(
        "strategy=nsga2", "strategy.population=6", *TABLE, *ends(40), state=22, kill=25
    ),
    "killed_local_search_table": _search(
        "strategy=local_search", *TABLE, *ends(60), state=30, kill=35
    ),
    "killed_screening_table": _search(
        "strategy=screening",
        "strategy.candidates=20",
        "strategy.keep=5",
        "estimator@strategy.by=table",
        "strategy.fidelity=0.06",
        *TABLE,
        *ends(20),
        state=8,
        kill=9,
    ),
    "killed_reinforce_table": _search(
        "strategy=reinforce", "strategy.hidden=8", *TABLE, *ends(30), state=18, kill=18
    ),
    "killed_random_half_line": _search(
        "strategy=random", *TABLE, *ends(20), state=5, kill=8, cut=True
    ),
    # killed: searches that train
    "killed_evolution_train": _search(*SMALL_EVOLUTION, *TRAIN, *ends(6), state=3, kill=4),
    "killed_evolution_train_no_state": _search(*SMALL_EVOLUTION, *TRAIN, *ends(6), kill=4),
    "killed_hyperband_train": _search(
        "strategy=hyperband",
        "strategy.fidelities=[0.5,1.0]",
        "estimator=train",
        "training.epochs=2",
        *CELL,
        *ends(8),
        state=3,
        kill=5,
    ),
    "killed_random_processes": _search(
        "strategy=random",
        "workers=processes",
        "workers.count=2",
        *TRAIN,
        *ends(6),
        state=2,
        kill=3,
    ),
    # killed: gradient searches; state.pt is always of the last whole line, so that no epoch has to
    # be trained a second time to the same genotype
    "killed_darts_cell_half_line": _search(
        "strategy=darts", "training.epochs=4", *CELL, state=2, kill=3, cut=True
    ),
    "killed_gdas_bench": _search("strategy=gdas", "training.epochs=4", *BENCH, state=2, kill=2),
    "killed_drnas_bench_stage_begins": _search(
        "strategy=drnas",
        "strategy.stages=[{partial_channels: 2}, {partial_channels: 1, options: 3}]",
        "training.epochs=4",
        *BENCH,
        state=2,
        kill=2,
    ),
    "killed_drnas_bench_stage_half_over": _search(
        "strategy=drnas",
        "strategy.stages=[{partial_channels: 2}, {partial_channels: 1, options: 3}]",
        "training.epochs=4",
        *BENCH,
        state=3,
        kill=3,
    ),
    "killed_robust_darts_bench": _search(
        "strategy=robust_darts",
        "perturbation@strategy.perturbation=random",
        "strategy.stopper.window=1",
        "strategy.stopper.ratio=0",
        "training.epochs=4",
        *BENCH,
        state=2,
        kill=2,
    ),
    # killed: the other verbs
    "killed_retrain_bench": Recipe(
        "retrain", (f"genotype='{NETWORK}'", "training.epochs=4", *BENCH), kill=2
    ),
    "killed_audit_zero_cost": Recipe(
        "audit", ("networks=6", "resamples=50", "estimator.batch_size=16", *BENCH), kill=3
    ),
}

_KEPT = {
    "config.yaml",
    "environment.json",
    "history.jsonl",
    "genotype.json",
    "report.json",
    "state.pt",
    "weights.pt",
    "audit.csv",
    "front",
}
_MACHINE = {"platform": "Linux-x86_64-with-glibc", "processor": "a processor", "cores": 2}
_CLOCK = ("seconds", "elapsed")


def take(name: str, folder: Path) -> Path:
    """A copy of a recorded run folder, as the search left it."""
    run = Path(shutil.copytree(RUNS_FOLDER / name, folder / name))
    for packed in run.glob("*.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    return run


def outcome(run: Path, verb: str) -> dict[str, object]:
    """What a finished run says, without what a clock has measured."""
    found: dict[str, object] = {}
    if verb == "retrain":
        report = json.loads((run / "report.json").read_text())
        return {key: report[key] for key in ("genotype", "result", "costs", "epochs")}
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    for line in lines:
        for key in _CLOCK:
            line.pop(key, None)
        kept = {k: v for k, v in line["metrics"].items() if not k.endswith("_seconds")}
        line["metrics"] = kept
    found["history"] = lines
    if verb == "search":
        found["genotype"] = json.loads((run / "genotype.json").read_text())["choices"]
        report = json.loads((run / "report.json").read_text())
        found["result"] = {k: v for k, v in report["result"].items() if "seconds" not in k}
        found["final"] = report["final"]
    return found


def inside(settings: dict[str, int | None], arguments: list[str]) -> None:
    """`nas ARGUMENTS`, saved and killed as `settings` say."""
    from nascli import run
    from nascli.cli import main

    told = {"trials": 0, "states": 0}
    kill = settings["kill"]

    def killed(count: int) -> None:
        if kill is not None and count == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    def maybe(self: run.Checkpoint, state: object) -> None:
        told["trials"] += 1
        if told["trials"] == settings["state"]:
            self._run.save_state(state())  # type: ignore[operator]
        killed(told["trials"])

    save, append = run.Run.save_state, run.Run.append

    def saving(self: run.Run, state: dict[str, object]) -> None:
        save(self, state)
        told["states"] += 1
        if arguments[0] == "retrain":
            killed(told["states"])

    def appending(self: run.Run, trial: object, **so_far: float) -> None:
        append(self, trial, **so_far)  # type: ignore[arg-type]
        if arguments[0] == "audit":
            told["trials"] += 1
            killed(told["trials"])

    run.Checkpoint.maybe = maybe  # type: ignore[method-assign, assignment]
    run.Run.save_state, run.Run.append = saving, appending  # type: ignore[method-assign, assignment]
    sys.argv = ["nas", *arguments]
    main()


def record(name: str, recipe: Recipe) -> None:
    """Makes one folder, and what comes of it if it is killed."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        arguments = []
        for argument in recipe.arguments:
            key, _, other = argument.partition("=RUN:")
            if other:
                take(other, folder)
                argument = f"{key}={other}"
            arguments.append(argument)
        settings = json.dumps({"state": recipe.state, "kill": recipe.kill})
        script = [sys.executable, __file__, "--inside", settings, recipe.verb, *arguments]
        done = subprocess.run(script, cwd=folder, capture_output=True, text=True)
        wanted = 0 if recipe.kill is None else -signal.SIGKILL
        if done.returncode != wanted:
            raise SystemExit(f"{name} ended with {done.returncode}:\n{done.stderr}")
        (run,) = (folder / "outputs" / recipe.verb).glob("[!.]*")
        if recipe.cut:
            history = run / "history.jsonl"
            history.write_bytes(history.read_bytes()[:-40])
        _keep(run, RUNS_FOLDER / name)
        if recipe.kill is not None:
            again = take(name, folder)
            script = [sys.executable, "-c", "from nascli.cli import main; main()"]
            script += [recipe.verb, f"resume={name}"]
            done = subprocess.run(script, cwd=folder, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{name} does not resume:\n{done.stderr}")
            EXPECTED.mkdir(exist_ok=True)
            (EXPECTED / f"{name}.json").write_text(_lines(outcome(again, recipe.verb)))


def _keep(run: Path, target: Path) -> None:
    """Copies what commands read, without what tells of the machine."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file in run.iterdir():
        if file.name in _KEPT:
            (shutil.copytree if file.is_dir() else shutil.copy)(file, target / file.name)
    environment = json.loads((target / "environment.json").read_text())
    text = json.dumps({**environment, **_MACHINE}, indent=2) + "\n"
    (target / "environment.json").write_text(text)
    pack(target)


def pack(run: Path) -> None:
    """Packs the tensors of a folder."""
    for file in run.glob("*.pt"):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
        file.unlink()


def _lines(found: dict[str, object]) -> str:
    """JSON with a line for every entry of a list."""
    parts = []
    for key, value in found.items():
        inside = json.dumps(value)
        if isinstance(value, list):
            inside = "[\n  " + ",\n  ".join(map(json.dumps, value)) + "]"
        parts.append(f" {json.dumps(key)}: {inside}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(json.loads(sys.argv[2]), sys.argv[3:])
    else:
        for chosen in sys.argv[1:] or RUNS:
            print(chosen, flush=True)
            record(chosen, RUNS[chosen])
