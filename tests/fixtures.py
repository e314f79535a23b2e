"""What tests share: a toy space, the smallest settings of everything, and the `nas` command."""

from __future__ import annotations

import copy
import os
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from nascli.core.budget import Budget
from nascli.core.genotype import Genotype
from nascli.core.listener import SILENT

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass
class ToySpace:
    """Digits in three decisions; canonical forms sort the last two."""

    name: str = "toy"
    decisions: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"a": ("0", "1", "2"), "b": ("0", "1"), "c": ("0", "1")}
    )

    def network(self, genotype: Genotype) -> Any:
        raise NotImplementedError

    def canonical(self, genotype: Genotype) -> Genotype:
        first, *rest = genotype.options
        return Genotype(self.name, genotype.decisions, (first, *sorted(rest)))

    def layers(self) -> dict[Any, Any]:
        return {}

    def describe(self, genotype: Genotype) -> str:
        return str(genotype)


@dataclass
class ToyTask:
    name: str = "toy"
    input_shape: tuple[int, int, int] = (1, 8, 8)
    classes: int = 10


@dataclass
class Heard:
    """A listener that hands on what it hears."""

    progress: Callable[[float, str], None] = lambda _done, _text: None
    warned: Callable[[str], None] = lambda _text: None

    def warn(self, text: str) -> None:
        self.warned(text)

    def trial(self, trial: Any) -> None:
        pass


@dataclass
class Finished:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def run(self) -> Path:
        """The run folder: the last line of stdout."""
        return Path(self.stdout.splitlines()[-1])


Nas = Callable[..., Finished]


def environment() -> dict[str, str]:
    """The environment of a `nas` subprocess: this checkout's package, wherever it runs."""
    paths = [str(CHECKOUT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "COLUMNS": "100"}


def command(arguments: Sequence[str]) -> list[str]:
    """`nas ...` as this interpreter runs it."""
    return [sys.executable, "-c", "from nascli.cli import main; main()", *arguments]


def composed(*overrides: str, verb: str = "search") -> Any:
    """A composed config of one's own, as Hydra makes it.

    Composing takes long, so it is done once for the options that are chosen, of which later ones
    have a copy; a value is put into it as Hydra does: after everything else.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    values = [
        o for o in overrides if re.match(r"(?!hydra)[a-z_]+(\.\w+)+=|(seed|fidelity|threads)=", o)
    ]
    chosen = tuple(o for o in overrides if o not in values)
    config = copy.deepcopy(_composed(verb, chosen))
    for value in OverridesParser.create().parse_overrides(values):
        OmegaConf.update(config, value.key_or_group, value.value(), merge=True)
    return config


@cache
def _composed(verb: str, overrides: tuple[str, ...]) -> Any:
    from nascli.config.compose import composed

    return composed(verb, overrides)


def asked(config: Any, verb: str = "search", overrides: Sequence[str] = ()) -> Any:
    """A composed config as what a command is asked."""
    from nascli.config.compose import Asked

    return Asked(verb, config, {}, overrides, "")


class Looks(Budget):
    """A budget whose time is over once it has been looked at so many times."""

    def __init__(self, looks: int) -> None:
        super().__init__(seconds=1.0)
        self.looks = looks

    @property
    def seconds_left(self) -> float | None:
        self.looks -= 1
        return float(max(0, self.looks + 1))


class build:
    """What tests build of composed configs: where that code moves, this alone follows."""

    @staticmethod
    def Faults() -> Any:
        from nascli.config import building

        return building.Faults()

    @staticmethod
    def component(config: Any, key: str, *args: object) -> Any:
        from nascli.config import building

        return building.component(config, key, *args)

    @staticmethod
    def problem(config: Any, faults: Any) -> Any:
        from nascli.config import building

        return building.problem(config, faults)

    @staticmethod
    def given(config: Any, key: str, problem: Any, shared: Any) -> Any:
        """The same for a problem, with the shared weights if it takes them."""
        from nascli.config import building

        return building.given(config, key, problem, shared)

    @staticmethod
    def stated(config: Any) -> Any:
        """The problem; all of its faults at once."""
        faults = build.Faults()
        made = build.problem(config, faults)
        faults.check()
        return made

    @staticmethod
    def searching(config: Any, problem: Any) -> Any:
        """What strategy and estimators of a search for a problem share; all faults at once."""
        from nascli.config import search

        faults = build.Faults()
        *_, shared = search._searching(config, faults, problem, False, lambda _table: None)
        faults.check()
        return shared

    @staticmethod
    def search(config: Any, listener: Any = SILENT) -> Any:
        """The parts of a search, without a look at what networks cost."""
        from nascli.config import search

        return search.build(asked(config), listener, survey=False)


TINY = (
    "data=synthetic",
    "training.epochs=1",
    "training.batch_size=16",
    "device=none",
    "accelerator=cpu",
)
"""What makes any search small enough for a test."""

_ONCE_FOR_ALL = (
    "space.resolutions=[6,8]",
    "space.widths=[4,6]",
    "space.depths=[1,2]",
    "space.kernels=[3,5]",
    "space.expansions=[1,2]",
    "space.activations=[relu,hswish]",
    "space.squeezes=[none,se8]",
    "space.strides=[1,2,2]",
    "space.stem_width=4",
    "space.head_width=8",
)
TINY_SPACE = {
    "cell": ("training.network.cell.channels=4", "training.network.cell.cells=3"),
    "nasbench201": (
        "training.network.nasbench201.channels=4",
        "training.network.nasbench201.cells_per_stage=1",
    ),
    "mobile": (
        "space.widths=[4,6,8]",
        "space.depths=[1,2,2]",
        "space.kernels=[3,5]",
        "space.stem_width=4",
        "space.head_width=8",
    ),
    "hierarchical": ("space.channels=[4,4,8]", "space.cells=[[0,1],[1,2],2]"),
    "chain": ("space.width=0.25",),
    "once_for_all": (*_ONCE_FOR_ALL, "space.classifier=hidden_6_relu"),
    "once_for_all_small": (*_ONCE_FOR_ALL, "space.multipliers=[1,3]", "space.classifier=linear"),
    "nasbench_macro": (
        "space.layers=[{options:[conv_3x3_relu],channels:4},{channels:8,stride:2,repeats:3}]",
    ),
    "shufflenet": (
        "space.layers=[{options:[conv_3x3_relu],channels:6},{channels:8,stride:2,repeats:3},"
        "{channels:9,repeats:2}]",
    ),
}
"""The smallest network of each space."""


def options(group: str) -> list[str]:
    """The components of a config group, by the name of their YAML file."""
    return sorted(file.stem for file in (CHECKOUT / "configs" / group).glob("*.yaml"))


@cache
def combinations() -> dict[str, dict[str, str]]:
    """What docs/spaces.md says: `strategy=darts` (or a relaxation, a sampler) -> space -> word."""
    found, spaces = {}, list[str]()
    for line in (CHECKOUT / "docs" / "spaces.md").read_text(encoding="utf-8").splitlines():
        first, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| |"):
            spaces = [cell.strip("`") for cell in cells]
        elif spaces and (group := re.match(r"`(\w+)=", first)):
            for name in re.findall(r"`(?:\w+=)?(\w+)`", first):
                found[f"{group[1]}={name}"] = dict(zip(spaces, cells, strict=True))
    return found


def drawn_words(figure: Any) -> set[str]:
    """The texts in a figure as its file has them."""
    from nascli.report import canvas

    return words(canvas.svg(figure))


def words(svg: str) -> set[str]:
    """The texts in a figure."""
    texts = ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return {"".join(text.itertext()) for text in texts}
