"""Damages files of every kind that are read, and reads them.

    PYTHONPATH=tests python tests/fuzz/fuzz.py KIND=COUNT ... [first=SEED]

Every case is one seed: a good file, damaged. Reading it may give something or a Fault. An escape is
any other exception, more than 5 seconds or a gigabyte, a program started, or a file written outside
of its folder; the script says which seed it was, and ends with 1. A crash of a decoder ends it by
itself.
"""

from __future__ import annotations

import io
import json
import logging
import os
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import data_files
import own_files
import remembering
import run_files
import table_files
import yaml
from damage import altered, damaged
from kind import Kind

from nascli.core.fault import Fault

SECONDS, BYTES = 5.0, 1_000_000_000
PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn")
CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.truncate", "os.symlink")
_FOLDER: list[str] = []  # where files may be written meanwhile; nothing is watched without it


def _line(data: bytes) -> object:
    return json.loads(data)


KINDS = {
    "images": Kind(data_files.image_files, data_files.read_image),
    "arrays": Kind(data_files.array_files, data_files.read_arrays),
    "splits": Kind(
        data_files.record_files, data_files.read_record, parse=_line, dump=run_files.dump_json,
        named=False,
    ),
    "history": Kind(
        run_files.history_files, run_files.read_history,
        parse=run_files.json_lines, dump=run_files.dump_lines, named=False,
    ),
    "state": Kind(
        run_files.state_files, run_files.read_state, run_files.beside_state,
        run_files.parse_state, run_files.dump_state, named=False,
    ),
    "config": Kind(
        run_files.config_files, run_files.read_config, run_files.beside_config,
        yaml.safe_load, run_files.dump_yaml, named=False,
    ),
    "environment": Kind(
        run_files.environment_files, run_files.read_environment, run_files.beside_environment,
        _line, run_files.dump_json, named=False,
    ),
    "report": Kind(run_files.report_files, run_files.read_report, parse=_line,
                   dump=run_files.dump_json),
    "card": Kind(run_files.card_files, run_files.read_card, parse=_line,
                 dump=run_files.dump_json),
    "genotype": Kind(
        run_files.genotype_files, run_files.read_genotype, parse=_line, dump=run_files.dump_json,
        named=False,
    ),
    "table": Kind(
        table_files.table_files, table_files.read_table,
        parse=table_files.parse_csv, dump=table_files.dump_csv,
    ),
    "known": Kind(
        table_files.known_files, table_files.read_known,
        parse=table_files.parse_known, dump=table_files.dump_known, named=False,
    ),
    "answers": Kind(
        table_files.answer_files, table_files.read_answers,
        parse=run_files.json_lines, dump=run_files.dump_lines,
    ),
    "latency": Kind(
        table_files.latency_files, table_files.read_latency,
        parse=table_files.parse_csv, dump=table_files.dump_csv,
    ),
    "profile": Kind(table_files.profile_files, table_files.read_profile, parse=_line,
                    dump=run_files.dump_json, named=False),
    "own": Kind(
        own_files.own_files, own_files.read_own, own_files.beside_own,
        yaml.safe_load, own_files.dump_own, named=False,
    ),
    "list": Kind(own_files.list_files, own_files.read_list, named=False),
}  # fmt: skip


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _FOLDER:
        return
    mode = arguments[1] if event == "open" and len(arguments) > 1 else None
    writes = isinstance(mode, str) and set(mode) & set("wax+")
    inside = bool(arguments) and str(arguments[0]).startswith(_FOLDER[0])
    if event in PROGRAMS or ((writes or event in CHANGES) and not inside):
        raise BaseException(f"{event} {arguments!r:.200}")


def case(kind: Kind, files: list[tuple[str, bytes]], seed: int, folder: str) -> tuple[str, bool]:
    """How the file of that seed escapes, or nothing; and whether it could be read."""
    rng = random.Random(seed)
    name, data = rng.choice(files)
    made: bytes | None = None
    if kind.parse is not None and rng.random() < 0.6:
        with suppress(RecursionError):  # too deep to be written: it is damaged as bytes then
            made = kind.dump(altered(kind.parse(data), rng))
    if made is None:
        made = damaged(data, [content for _, content in files], rng)
    file = Path(folder, name)
    file.parent.mkdir(exist_ok=True)
    kind.folder(file.parent)
    file.write_bytes(made)
    start, before, said, good = _seconds(), _peak(), "", False
    _FOLDER[:] = [folder]
    try:
        kind.read(file)
        good = True
    except Fault as fault:
        if kind.named and str(file) not in str(fault):
            said = f"a fault that does not name the file: {fault}"
    except BaseException:
        said = traceback.format_exc()
    finally:
        _FOLDER.clear()
    if (took := _seconds() - start) > SECONDS:
        said = f"{took:.1f} seconds {said}"
    if _peak() - before > BYTES:
        said = f"{(_peak() - before) / 1e9:.1f} GB {said}"
    return said and f"seed {seed} ({name}): {said}", good


def fuzz(name: str, count: int, first: int = 0) -> int:
    """Runs the cases of a kind; gives how many escaped."""
    kind = KINDS[name]
    start = time.process_time()
    files = kind.make()
    escapes = read = 0
    with tempfile.TemporaryDirectory() as folder:
        for file, data in files[:1]:  # whatever is imported for it looks for its libraries
            Path(folder, file).parent.mkdir(exist_ok=True)
            kind.folder(Path(folder, file).parent)
            Path(folder, file).write_bytes(data)
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), suppress(Fault):
                kind.read(Path(folder, file))
        for seed in range(first, first + count):
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                said, good = case(kind, files, seed, folder)
            read += good
            if said:
                escapes += 1
                print(f"{name}, {said}", flush=True)
    found = {"kind": name, "cases": count, "read": read, "escapes": escapes}
    found["cpu_seconds"] = round(time.process_time() - start, 1)
    print(json.dumps(found), flush=True)
    return escapes


def _seconds() -> float:
    """Of computing, or a share of those that went by: the machine may have other things to do."""
    return time.process_time() + time.monotonic() / 20


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(words: list[str]) -> int:
    """Runs the kinds that are named; gives how many cases escaped."""
    counts = {name: int(count) for name, _, count in (word.partition("=") for word in words)}
    first = counts.pop("first", 0)
    warnings.simplefilter("ignore")
    logging.disable()
    sys.addaudithook(_hook)
    remembering.remember()
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as empty:
        os.chdir(empty)
        escapes = sum(fuzz(name, count, first) for name, count in counts.items())
        os.chdir(here)
    return escapes


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
