"""Tables and other files that a user names, and a user's own configs."""

from __future__ import annotations

import csv
import functools
import io
import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fixtures import ToySpace, ToyTask
from run_files import dump_lines, history_files, json_lines

from nascli.core.problem import Problem
from nascli.core.space import at
from nascli.core.trial import Proposal


def problem() -> Problem:
    """Of a toy space."""
    return Problem(ToySpace(), ToyTask(), recipe=None)


def parse_csv(data: bytes) -> list[list[str]]:
    """Rows of cells."""
    return list(csv.reader(io.StringIO(data.decode())))


def dump_csv(rows: Any) -> bytes:
    """What may be no longer rows of texts."""
    text = io.StringIO()
    written = csv.writer(text, lineterminator="\n")
    for row in rows if isinstance(rows, list) else [rows]:
        written.writerow(row if isinstance(row, list) else [row])
    return text.getvalue().encode("utf-8", "surrogatepass")


def table_files() -> list[tuple[str, bytes]]:
    """Good tables, with a column for each decision and with one for the genotype."""
    genotypes = [at(ToySpace(), number) for number in range(12)]
    wide = ["a,b,c,accuracy,params,test_accuracy"]
    wide += [f"{','.join(g.options)},{50 + n},{1000 * n},{n}" for n, g in enumerate(genotypes)]
    tall = ["genotype,accuracy"]
    quoted = [json.dumps(g.choices).replace('"', '""') for g in genotypes]
    tall += [f'"{text}",{n}.5' for n, text in enumerate(quoted)]
    return [("t.csv", "\n".join([*lines, ""]).encode()) for lines in (wide, tall)]


def read_table(file: Path) -> None:
    """All that is done with a table."""
    from nascli.estimators.table import Table

    table = Table(problem(), str(file))
    for genotype in table.traits.genotypes():
        table.estimate(Proposal(genotype))
        table.traits.final(genotype)


def known_files() -> list[tuple[str, bytes]]:
    """What a predictor learns from."""
    return table_files() + [("history.jsonl", data) for _, data in history_files()]


def parse_known(data: bytes) -> Any:
    """Of either kind of file."""
    return json_lines(data) if data.startswith(b"{") else parse_csv(data)


def dump_known(data: Any) -> bytes:
    """As the kind of file that it is still most like."""
    lines = isinstance(data, list) and any(isinstance(row, dict) for row in data)
    return dump_lines(data) if lines else dump_csv(data)


def read_known(file: Path) -> None:
    """All that a predictor does with it."""
    from nascli.estimators.predictor import Predictor
    from nascli.surrogates.ridge import Ridge

    made = Predictor(problem(), functools.partial(Ridge), str(file))
    made.estimate(Proposal(at(ToySpace(), 3)))


class Toy:
    """An estimator whose answers are kept."""

    metrics = ("accuracy", "other")
    meaning = ""

    def __init__(self, _problem: Any) -> None:
        pass

    def estimate(self, _proposal: Proposal) -> dict[str, float]:
        return {"accuracy": 1.5, "other": 3}


def answer_files() -> list[tuple[str, bytes]]:
    """A good file of kept answers."""
    import tempfile

    from nascli.estimators.cached import Cached

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "answers.jsonl")
        cached = Cached(problem(), Toy, str(file))
        for number in range(6):
            cached.estimate(Proposal(at(ToySpace(), number)))
        other = Cached(problem(), Toy, str(file), depends="other")
        other.estimate(Proposal(at(ToySpace(), 0)))
        return [("answers.jsonl", file.read_bytes())]


def read_answers(file: Path) -> None:
    """Asks for every genotype; nothing but whole lines of ours is kept, nothing foreign changed."""
    from nascli.core.fault import Fault
    from nascli.estimators.cached import Cached

    before = file.read_bytes()
    try:
        cached = Cached(problem(), Toy, str(file))
        for number in range(12):
            cached.estimate(Proposal(at(ToySpace(), number)))
    except Fault:
        assert file.read_bytes() == before, "a damaged file was changed"
        raise
    lines = before[: before.rfind(b"\n") + 1]
    assert file.read_bytes().startswith(lines), "whole lines were changed"


def latency_files() -> list[tuple[str, bytes]]:
    """Good latency tables, with and without settings."""
    from nascli.core.device import Latency
    from nascli.core.plan import Layer
    from nascli.costs.latency_table import LatencyTable

    conditions = {"threads": 1, "dtype": "float32", "batch": 1, "layout": "x", "torch": "2",
                  "device": "cpu"}  # fmt: skip
    found = []
    for settings in ((), (("kernel", 3),)):
        rows = {
            Layer("conv", 3 + n, 8, 1, 8, 8, settings): Latency(1.5, 1.25, 2.0, 9, conditions)
            for n in range(3)
        }
        found.append(("latency_table.csv", LatencyTable(rows).to_csv().encode()))
    return found


def read_latency(file: Path) -> None:
    """All that is done with a latency table."""
    from nascli.costs.latency_table import LatencyTable

    LatencyTable.from_csv(LatencyTable.from_csv(file).to_csv())


@functools.cache
def _space() -> Any:
    from fixtures import composed
    from hydra.utils import instantiate

    task = SimpleNamespace(name="images", input_shape=(3, 8, 8), classes=3)
    return instantiate(composed("space=nasbench201").space, _partial_=True)(task, channels=4)


def profile_files() -> list[tuple[str, bytes]]:
    """A good profile.json."""
    from nascli.core.device import Latency
    from nascli.core.space import sample
    from nascli.costs.latency_profile import FIT, Measured, Profile
    from nascli.costs.plans import PlanCounter

    space, rng, conditions = _space(), random.Random(0), {"threads": 1, "device": "cpu"}
    rows = []
    for _ in range(10):
        genotype = sample(space, rng)
        macs = PlanCounter(space)(genotype).macs
        rows.append(Measured(genotype, Latency(1e-4 * macs, 1e-5, 1e9, 5), macs, FIT))
    model = "least squares on layer counts and costs, ridge 0.1"
    made = Profile(
        space.name, "images", "cpu", conditions, tuple(rows), model, {model: 0.1}, {"mape": 0.1}
    )
    return [("profile.json", json.dumps(made.to_json()).encode())]


def read_profile(file: Path) -> None:
    """All that is done with a profile.json."""
    from nascli.core.space import sample
    from nascli.devices.latency_table import LatencyTable

    device, space = LatencyTable(str(file.parent)), _space()
    device.fits(space)
    for genotype, ms in device.anchors:
        assert ms > 0 and genotype.space == space.name
    assert device.latency_ms(sample(space, random.Random(1))) >= 0
    device.conditions()
    assert device.profile is not None
    device.profile.to_json()
