"""`nas VERB [overrides]`: checks the command line, composes it and runs it; imports no torch.

Hydra's own program runs it where it has to: several commands in one (-m), and --cfg and --info.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascli import __version__
from nascli.core import launch
from nascli.core.fault import Fault, unknown

if TYPE_CHECKING:
    from nascli.config.compose import Asked

VERBS = {
    "search": "search a space for the best genotype",
    "retrain": "train a genotype from scratch and score it once on the test split",
    "export": "write a trained network to a file that runs without nascli: onnx, pt2, python",
    "predict": "say what a trained network sees in image files",
    "profile": "measure the latency of a space's layers, or of one network",
    "scale": "scale a genotype to a family of larger networks, and say what each costs",
    "audit": "say how far an estimator can be trusted, against a table or full trainings",
    "compare": "compare searches of one problem: anytime curves, table, significance",
    "show": "show a genotype or a run: cells, stages, costs, history; as text or SVG",
    "watch": "show runs in a browser, also while they are going on",
    "list": "list every component that a config group offers, a line each",
}
EXAMPLES = """\
  nas search strategy=darts space=cell                 search on the bundled digits
  nas search strategy=random space=nasbench201 estimator=table budget.trials=100
  run=$(nas search) && nas retrain genotype=$run       stdout is the run folder's path
  nas search -m strategy=random,evolution seed=1,2,3   six searches, one after another
  nas compare outputs/search/*                         and their curves, table and tests
  nas search resume=outputs/search/...                 go on with an interrupted run
  nas export genotype=outputs/retrain/... format=onnx  and take the network away
  nas profile device=cpu genotype=darts_v2             latency table and whole network"""
_PLAIN = ("list", "watch")  # verbs without a config
_MODES = {"-m": "multirun", "--multirun": "multirun", "-r": "run", "--run": "run"}
_MODES |= {"-c": "cfg", "--cfg": "cfg", "-i": "info", "--info": "info"}
_BEGUN = {
    "search": ("strategy", "space", "estimator", "data"),
    "retrain": ("space", "data", "training"),
    "audit": ("space", "estimator", "estimator@reference"),
    "profile": ("space", "device"),
}
"""Verbs that take their time, and the groups that say what they are about."""
_VALUED = ("-cd", "--config-dir", "-c", "--cfg", "-p", "--package", "-i", "--info")


def main() -> None:
    """The `nas` command; exits with 0 (done), 1 (our fault), 2 (wrong input) or 130 (stopped)."""
    gc.set_threshold(50_000)  # what torch brings stays, and would be looked through again and again
    try:
        code = _main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        code = _unread()
    sys.exit(code)


def _unread() -> int:
    """Whoever reads stdout has seen enough, as with `| head`: nothing more is written there."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _main(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0
    if arguments[0] == "--version":
        print(f"nas {__version__}")
        return 0
    if arguments[0] in ("-sc", "--shell-completion"):
        return _complete(arguments)
    verb, rest = arguments[0], list(arguments[1:])
    try:
        if verb not in VERBS:
            raise Fault(unknown("verb", verb, VERBS))
        if launch.place()[1] > 1 and verb != "retrain":
            raise Fault(
                f"nas {verb} runs in one process: start it without torchrun, which is for nas "
                "retrain (workers=processes runs several trials of a search at once)"
            )
        if verb in _PLAIN:
            return int(importlib.import_module(f"nascli.commands.{verb}").main(rest))
        return _composed(verb, rest)
    except Fault as fault:
        from nascli import ui

        if launch.place()[0] == 0:  # all that torchrun has started say the same
            ui.fault(str(fault))
        return 2
    except KeyboardInterrupt:  # before a command has begun, or between two of them
        return 130


def _help() -> str:
    lines = [f"  nas {verb:<8} {text}" for verb, text in VERBS.items()]
    return "\n".join(
        [
            f"nas {__version__}: neural architecture search",
            "",
            "usage: nas VERB [group=option] [key=value] [flags]",
            "",
            *lines,
            "",
            "flags, as in Hydra: -m (multirun), --cfg job (show the config), --config-dir FOLDER",
            "(your own components), -sc install=bash|zsh|fish (shell completion), VERB --help",
            "",
            EXAMPLES,
        ]
    )


def _composed(verb: str, arguments: list[str]) -> int:
    """A verb with a config: its help page, or the command."""
    from nascli.config import files, overrides

    flags, words = overrides.split(arguments, _VALUED)
    modes = {name: mode for flag in flags if (mode := _MODES.get(name := flag.partition("=")[0]))}
    if len(set(modes.values())) > 1:
        raise Fault(f"{' and '.join(modes)} cannot be given together: leave out all but one")
    directories = overrides.directories(flags)
    if {"-h", "--help"} & set(flags):
        print(files.help_page(verb, directories, words))
        return 0
    from nascli.config.command_line import checked, composed

    sys.path += [str(Path.cwd()), *map(str, directories)]  # where a user's own modules lie
    multirun = bool({"-m", "--multirun"} & set(flags))
    ready = checked(verb, words, directories, multirun=multirun)
    if any(word.lstrip("+~").startswith("hydra") for word in ready) or _for_hydra(flags):
        return _hydra(verb, flags, ready, directories)
    line = ["nas", verb, *flags, *words]  # not what follows from it: that is not given by hand
    return _job(verb, lambda: composed(verb, ready, directories, line))


def _for_hydra(flags: Sequence[str]) -> bool:
    """Whether a flag is for Hydra's own program: -m, --cfg, --info; our folders are not."""
    rest = iter(flags)
    for flag in rest:
        name, equals, _ = flag.partition("=")
        if name not in ("-cd", "--config-dir"):
            return True
        if not equals:
            next(rest, None)
    return False


def _hydra(
    verb: str, flags: Sequence[str], overrides: Sequence[str], directories: Sequence[Path]
) -> int:
    """Run by Hydra; a multirun goes on after a faulty job and reports the worst exit code."""
    import hydra
    from hydra.core.hydra_config import HydraConfig

    from nascli import ui
    from nascli.config import root
    from nascli.config.compose import Asked
    from nascli.config.own_data import followed
    from nascli.config.sweep import Progress

    codes, progress = [0], Progress(overrides)

    def job(cfg: Any) -> None:
        if said := progress.begins():
            ui.say(said)
        line = ["nas", verb, *sys.argv[1:]]
        codes.append(
            _job(
                verb,
                lambda: followed(Asked.of(verb, cfg, HydraConfig.get(), directories, line)),
            )
        )
        progress.ended(codes[-1])
        if codes[-1] == 130:
            sys.exit(130)

    sys.argv = [f"nas {verb}", *flags, *overrides]
    try:
        hydra.main(version_base="1.3", config_path=str(root()), config_name=verb)(job)()
    finally:
        for line in progress.left():
            ui.say(line)
    return max(codes)


def _job(verb: str, ask: Callable[[], Asked]) -> int:
    """One command, composed by `ask`; gives its exit code."""
    import traceback

    from nascli import ui
    from nascli.config import ended

    try:
        asked = ask()
        if (done := ended.already(asked)) is not None:
            ui.say(done[1])
            ui.path(done[0])
            return 0
        if launch.place()[0] == 0:
            if said := _begins(asked):
                ui.say(said)
            for old in asked.old_names:
                ui.say(f"warning: a config of yours uses an old name: {old}; please change it")
        importlib.import_module(f"nascli.commands.{verb}").main(asked)
    except Fault as fault:
        ui.fault(str(fault))
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _unread()
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _begins(asked: Asked) -> str:
    """What is about to begin, before anything that takes its time; "" for what takes none."""
    groups = _BEGUN.get(asked.verb)
    if groups is None:
        return ""
    if asked.config.get("resume"):
        return f"nas {asked.verb}: going on with {asked.config.resume}"
    named = [key for key in ("genotype", "supernet") if asked.config.get(key)]
    its = ("space", "data") if "supernet" in named and asked.verb != "retrain" else ()
    said = [f"{key}={asked.config[key]}" for key in named]
    said += [f"{g}={asked.choices[g]}" for g in groups if g in asked.choices and g not in its]
    return f"nas {asked.verb}: " + " ".join(said)


def _complete(arguments: Sequence[str]) -> int:
    """Hydra's completion, told which verb's config to complete from."""
    import hydra

    from nascli.config import root

    line = os.environ.get("COMP_LINE", "")
    words = line.split()
    verb = words[1] if len(words) > 1 and words[1] in VERBS else "search"
    if any(a.startswith("query=") for a in arguments):
        if len(words) < 2 or (len(words) == 2 and not line.endswith(" ")):
            print(" ".join(VERBS))
            return 0
        from nascli.config.completion import candidates

        found = candidates(words, "" if line.endswith(" ") else words[-1])
        if found is not None:
            print(" ".join(found))
            return 0
        os.environ["COMP_LINE"] = " ".join([words[0], *words[2:]]) + " " * line.endswith(" ")
    sys.argv = ["nas", *arguments]
    configs = str(root())
    offered = io.StringIO()  # written by ourselves: to Hydra a reader that is gone is a fault
    try:
        with contextlib.redirect_stdout(offered):
            hydra.main(version_base="1.3", config_path=configs, config_name=verb)(lambda _: None)()
    finally:
        print(offered.getvalue(), end="")
    return 0
