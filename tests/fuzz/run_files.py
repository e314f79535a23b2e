"""The files of a run folder, which may be somebody else's."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from fixtures import ToySpace, ToyTask, asked, build, composed
from hydra.utils import instantiate
from omegaconf import OmegaConf

from nascli.config.files import root
from nascli.core.budget import Budget
from nascli.core.evaluation import Evaluation
from nascli.core.loop import Search
from nascli.core.problem import Problem
from nascli.programs import recording
from nascli.runs.folder import Run
from nascli.workers.serial import Serial

RECORDED = Path(__file__).resolve().parent.parent / "recorded" / "runs"
STRATEGIES = (
    *("evolution", "random", "grid", "asha", "bohb", "hyperband", "local_search", "nsga2"),
    *("reinforce", "predictor"),
)


def json_lines(data: bytes) -> list[Any]:
    """The lines of a history."""
    return [json.loads(line) for line in data.splitlines()]


def dump_lines(data: Any) -> bytes:
    """What may be no longer a list."""
    rows = data if isinstance(data, list) else [data]
    return b"".join(dump_json(row) + b"\n" for row in rows)


def dump_json(data: Any) -> bytes:
    """As JSON, infinities and half characters included."""
    return json.dumps(data).encode()


def dump_yaml(data: Any) -> bytes:
    """As YAML."""
    return yaml.dump(data, sort_keys=False).encode("utf-8", "surrogatepass")


class Sums:
    """An estimator with a state, which is saved whenever it is asked."""

    metrics = ("accuracy",)
    meaning = ""

    def __init__(self) -> None:
        self._asked, self._save = 0, lambda: None

    def prepare(self, save: Callable[[], None]) -> None:
        self._save = save

    def estimate(self, proposal: Any) -> dict[str, float]:
        self._asked += 1
        self._save()
        return {"accuracy": sum(map(int, proposal.genotype.options)) / 3 + proposal.fidelity}

    def state_dict(self) -> dict[str, Any]:
        return {"asked": self._asked}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._asked = int(state["asked"])


def searched(folder: Path, strategy: str, trials: int) -> None:
    """A search of a toy space in that folder, begun or gone on with."""
    problem = Problem(ToySpace(), ToyTask(), recipe=None)
    made = instantiate(_settings(strategy), problem, _convert_="all")
    evaluation = Evaluation(problem, [Sums()])
    run = Run(folder)
    budget = Budget(trials=trials, proposals=40)
    try:
        recording.looped(run, Search(made, evaluation, Serial(lambda: evaluation), budget))
    finally:
        run.close()


@functools.cache
def _settings(strategy: str) -> Any:
    """Its config as shipped, without composing."""
    node = OmegaConf.load(root() / f"strategy/{strategy}.yaml")
    if "surrogate" in str(node.pop("defaults", "")):
        node.surrogate = OmegaConf.load(root() / "surrogate/ridge.yaml")
    return node


@functools.cache
def toy_runs() -> dict[str, dict[str, bytes]]:
    """Strategy -> history.jsonl and state.pt of a search of a toy space that was interrupted."""
    found = {}
    for strategy in STRATEGIES:
        with tempfile.TemporaryDirectory() as folder:
            searched(Path(folder), strategy, 7)
            names = ("history.jsonl", "state.pt")
            found[strategy] = {name: Path(folder, name).read_bytes() for name in names}
    return found


def history_files() -> list[tuple[str, bytes]]:
    """Good histories, called after their strategies."""
    return [(f"{name}/history.jsonl", files["history.jsonl"]) for name, files in toy_runs().items()]


def read_history(file: Path) -> None:
    """Goes on with the search, and compares it with others."""
    from nascli.runs import searches

    before = file.read_bytes()
    (file.parent / "state.pt").unlink(missing_ok=True)
    try:
        searched(file.parent, file.parent.name, 9)
    finally:
        file.write_bytes(before)
    searches.read(file.parent, 0, 1.0, lambda metrics: [metrics["accuracy"]], 1)


def state_files() -> list[tuple[str, bytes]]:
    """Good checkpoints."""
    return [(f"{name}/state.pt", files["state.pt"]) for name, files in toy_runs().items()]


def beside_state(folder: Path) -> None:
    """The history that belongs to it."""
    (folder / "history.jsonl").write_bytes(toy_runs()[folder.name]["history.jsonl"])


def parse_state(data: bytes) -> Any:
    """What torch saved."""
    import torch

    return torch.load(io.BytesIO(data), weights_only=True)


def dump_state(data: Any) -> bytes:
    """As torch saves it."""
    import torch

    stream = io.BytesIO()
    torch.save(data, stream)
    return stream.getvalue()


def read_state(file: Path) -> None:
    """Goes on with the search."""
    searched(file.parent, file.parent.name, 10)


def read_genotype(file: Path) -> None:
    """All that is done with a genotype.json."""
    from nascli import genotypes
    from nascli.config.following import carried
    from nascli.core.space import check

    carried("show", [f"genotype='{file}'"])
    found = genotypes.load(str(file))
    for space in spaces():
        if found.space == space.name:
            check(space, found)
            print(space.describe(found), space.plan(found))


@functools.cache
def spaces() -> Sequence[Any]:
    """The shipped spaces."""
    task = ToyTask()
    wanted = (("cell", "space.nodes=2"), ("nasbench201",))
    return [build.component(composed(f"space={n}", *more), "space", task) for n, *more in wanted]


def recorded(name: str) -> list[tuple[str, bytes]]:
    """That file of every recorded run."""
    return [(name, file.read_bytes()) for file in sorted(RECORDED.glob(f"*/{name}"))]


def config_files() -> list[tuple[str, bytes]]:
    """Good configs of searches, audits and retrainings."""
    made = [
        OmegaConf.to_yaml(composed("strategy=random", "estimator@estimator.of=zero_cost",
                                   "estimator=cached")).encode()
    ]  # fmt: skip
    found = [data for _, data in recorded("config.yaml")] + made
    return [("config.yaml", data) for data in found if b"optuna" not in data]


def beside_config(folder: Path) -> None:
    """What else is in a run folder."""
    shutil.copy(RECORDED / "evolution_table" / "environment.json", folder)
    shutil.copy(RECORDED / "evolution_table" / "history.jsonl", folder)
    shutil.copy(RECORDED / "darts_cell" / "genotype.json", folder)


def read_config(file: Path) -> None:
    """Builds all that a resume would, looks at the run, and compares it."""
    import importlib

    from nascli.config import compare
    from nascli.core.fault import Fault

    text = file.read_bytes()
    verb = "audit" if b"\nreference:" in text else "search" if b"strategy:" in text else "retrain"
    if verb == "search":
        config = composed(f"runs=['{file.parent}']", verb="compare")
        with contextlib.suppress(Fault):
            compare.build(asked(config, "compare"))
    config = composed(f"resume='{file.parent}'", verb=verb)
    run, _ = importlib.import_module(f"nascli.config.{verb}").begin(asked(config, verb))
    run.close()


def read_environment(file: Path) -> None:
    """What a command carries over from it, checked as if it were written."""
    from nascli.config import check, following
    from nascli.core.fault import Fault

    for verb in ("retrain", "show"):
        carried = following.carried(verb, [f"genotype='{file.parent}'"])
    found, _ = check.faults("show", carried, (), multirun=False)
    if found:
        raise Fault("\n".join(found))


def beside_environment(folder: Path) -> None:
    """What else is in a run folder."""
    for name in ("config.yaml", "genotype.json"):
        shutil.copy(RECORDED / "darts_cell" / name, folder)


def read_report(file: Path) -> None:
    """What is shown of it, and what is compared by it."""
    from nascli.commands import show
    from nascli.runs import reading, searches

    (file.parent / "history.jsonl").write_bytes(toy_runs()["random"]["history.jsonl"])
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) as out:
        found = reading.report(file.parent)
        assert found is not None
        show._run(found)
        out.flush()
    searches.read(file.parent, 0, 1.0, lambda metrics: [metrics["accuracy"]], 1)


def card_files() -> list[tuple[str, bytes]]:
    """Good network.json files."""
    from nascli.runs.card import Card

    plain = ((3, 8, 8), "uint8", (0.5, 1.0, 2.0), (1.0, 1.0, 3.0), ("a", "b"), {"params": 3})
    made = Card("a network", "some images", *plain)
    return [("network.json", dump_json(made.to_json()))]


def read_card(file: Path) -> None:
    """All that is done with a network.json."""
    from nascli.runs import card

    found = card.read(file.parent)
    assert found is not None
    found.to_json()


def environment_files() -> list[tuple[str, bytes]]:
    """Good environment.json files."""
    return recorded("environment.json")


def report_files() -> list[tuple[str, bytes]]:
    """Good report.json files."""
    return recorded("report.json")


def genotype_files() -> list[tuple[str, bytes]]:
    """Good genotype.json files."""
    return recorded("genotype.json")
