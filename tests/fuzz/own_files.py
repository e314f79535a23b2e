"""A user's own configs, and lists of operations on the command line."""

from __future__ import annotations

from pathlib import Path

import yaml

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
CONFIGS = {
    "operation/mine.yaml": """# An operation of one's own.
mine:
  _target_: nascli.operations.convolution.ReluConvNorm
  _partial_: true
  kernel: 1
""",
    "space/mine.yaml": """# A space of one's own.
defaults:
  - /operation@operations: [none, skip_connect, nor_conv_1x1]
  - _self_
_target_: nascli.spaces.nasbench201.NASBench201
_recursive_: false
_convert_: all
channels: 4
cells_per_stage: 1
""",
    "strategy/mine.yaml": """# @package _global_
# A strategy of one's own.
defaults:
  - override /estimator: zero_cost
strategy:
  _target_: nascli.strategies.evolution.Evolution
  population: 5
  tournament: 2
budget:
  trials: ${seed}
seed: 3
""",
}


def own_files() -> list[tuple[str, bytes]]:
    """Good configs."""
    return [(name, text.encode()) for name, text in CONFIGS.items()]


def beside_own(folder: Path) -> None:
    """The other configs."""
    for name, text in CONFIGS.items():
        file = folder.parent / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


def dump_own(data: object) -> bytes:
    """As YAML with the first lines that a config has."""
    return b"# One's own.\n" + yaml.dump(data, sort_keys=False).encode("utf-8", "surrogatepass")


def read_own(file: Path) -> None:
    """Lists it, and builds what a search with it is made of."""
    from nascli.config import check, compose, files, search
    from nascli.core.fault import Fault
    from nascli.core.space import at

    directories = [file.parent.parent]
    files.catalogue(directories)
    files.help_page("search", directories)
    small = ["device=none", "data=synthetic", "data.images=40", "workers=serial"]
    group = file.parent.name
    words = {
        "operation": ["space=nasbench201", "operation@space.operations=[skip_connect,mine]"],
        "space": ["space=mine", "estimator=zero_cost"],
        "strategy": ["strategy=mine", "space=nasbench201"],
    }[group]
    found, good = check.faults("search", [*words, *small], directories, multirun=False)
    if found:
        raise Fault("\n".join(found))
    parts = search.check(compose.asked("search", good, directories))
    if group != "strategy":
        space = parts.problem.space
        space.network(at(space, 0))


def list_files() -> list[tuple[str, bytes]]:
    """Good lists of operations."""
    lists = (OPERATIONS, OPERATIONS[:1], OPERATIONS[1:3], ("sep_conv_3x3", "dil_conv_5x5", "none"))
    return [("list.txt", f"[{','.join(names)}]".encode()) for names in lists]


def read_list(file: Path) -> None:
    """Builds the space with these operations, as if the text were written on the command line."""
    from fixtures import ToyTask

    from nascli.config import building, check, compose
    from nascli.core.fault import Fault
    from nascli.core.space import at

    text = file.read_bytes().replace(b"\0", b"").decode("utf-8", "surrogateescape")
    words = [f"operation@space.operations={text}", "space=nasbench201"]
    found, good = check.faults("search", words, [], multirun=False)
    if found:
        raise Fault("\n".join(found))
    config = compose.composed("search", good)
    space = building.space(config, ToyTask())
    space.network(at(space, 0))
