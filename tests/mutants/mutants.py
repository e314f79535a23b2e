"""Breaks the package in random places and says which breaks the tests of that module notice.

    PYTHONPATH=. python tests/mutants/mutants.py [RECORD] [count=110] [seed=0] [nice=19] [again=0]

A mutant is one small change: another comparison, another sign, `and` for `or`, a number or a truth
value that is not the one written, a condition turned round, an argument left out. It is made in a
copy of the checkout, where the tests of its module run until the first failure. What a test cannot
see is left alone: annotations, messages, `assert`, what only raises a Fault, defaults of arguments
(the YAML says them), and `zip(strict=True)`. Which changes are tried follows from the seed and the
text of each, so that a line that moves or a file that is added moves no other choice.

RECORD (record.json beside this file) is written after every mutant; what stands in it is not tried
again and stays counted, also where its line has changed since. It may be ended at any time and goes
on until `count` are tried. A survivor is looked at: a test is missing (write it; `again=1` tries
the survivors once more, and what is noticed then is "noticed since"), or the change makes no
difference (say why in EQUAL).
"""

from __future__ import annotations

import ast
import copy
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("strategies", "gradient", "relaxations", "samplers", "estimators", "analysis")
LEFT_OUT = ("strategies/optuna.py", "gradient/cuda_graphs.py", "gradient/parts.py")
MORE = {  # tests of a module that do not stand where its name says
    "strategies/policy.py": ["strategies/test_reinforce.py"],
    "gradient/halves.py": ["gradient/test_halves.py", "gradient/test_bilevel.py"],
    "gradient/method.py": ["gradient/test_bilevel.py"],
    "gradient/gradients.py": ["gradient/test_unrolled.py", "gradient/test_bilevel.py"],
    "relaxations": ["relaxations"],
    "gradient/discretisations": ["gradient/discretisations"],
    "gradient/penalties": ["gradient/penalties"],
    "gradient/penalties/expected_cost.py": ["gradient/penalties", "gradient/test_additive.py"],
    "gradient/perturbations": ["gradient/perturbations"],
    "gradient/stoppers": ["gradient/stoppers"],
    "estimators/rows.py": ["estimators/test_table.py"],
    "samplers/drawing.py": ["samplers"],
}
SECONDS = 1800  # of a test run; what takes longer hangs, which is noticed too
EQUAL = {
    "analysis/comparison.py: np.searchsorted(record.along(self.axis), xs + _CLOSE, side='right')"
    " -> np.searchsorted(record.along(self.axis), xs + _CLOSE)"
    ' in: place = np.searchsorted(record.along(self.axis), xs + _CLOSE, side="right") - 1'
    "": "no trial ends just 1e-6 later",
    "analysis/importance.py: 0 -> 1"
    " in: for place, decision in enumerate(trials[0].genotype.decisions):"
    "": "all trials have the same decisions: that is checked two lines above",
    "analysis/importance.py: 1 -> 2"
    " in: return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[which])"
    "": "every rank is half a place higher, and a share is of differences between ranks",
    "analysis/comparison.py: front >= row -> front > row"
    " in: front = np.vstack([front[~(front >= row).all(axis=1)], row])"
    "": "a row that stays though a new one beats it beats nothing that the new one does not",
    "analysis/significance.py: 0.0 -> 0.01"
    " in: known = [loss for group in groups for loss in group if math.isfinite(loss)] or [0.0]"
    "": "where no loss is finite all become one and the same number, whichever it is",
    "analysis/correlation.py: kendalltau(row, reference, method='asymptotic')"
    " -> kendalltau(row, reference)"
    ' in: return [float(kendalltau(row, reference, method="asymptotic").statistic) for row in rows]'
    "": "the method is that of the p-value, which is not read: it only takes longer",
    "strategies/policy.py: 1 -> 2 in: self.embedding = nn.Embedding(1 + sum(widths), hidden)"
    "": "a row more that no option reads; first weights are others of the same distribution",
    "strategies/predictor.py: not found and self._whole -> not found or self._whole"
    " in: if not found and self._whole:  # nearly all have been seen"
    "": "a draw from the list of all unseen is as uniform as one by trial; it takes longer, and the"
    " order of draws, which the resume of a recorded run holds, is another",
}
"""Change, as it is listed but for the line -> why it makes no difference."""
NOTICED, SINCE, SURVIVES = "noticed", "noticed since", "survives"

COMPARISONS = {
    ast.Lt: ast.GtE, ast.LtE: ast.Lt, ast.Gt: ast.LtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
SIGNS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Copies of a node with one change each."""
    other = copy.deepcopy(node)
    if isinstance(other, ast.Compare) and type(other.ops[0]) in COMPARISONS:
        other.ops[0] = COMPARISONS[type(other.ops[0])]()
        yield other
    elif isinstance(other, ast.BinOp) and type(other.op) in SIGNS:
        strings = (other.left, other.right)
        if not any(isinstance(s, ast.JoinedStr) or _is(s, str) for s in strings):
            other.op = SIGNS[type(other.op)]()
            yield other
    elif isinstance(other, ast.BoolOp):
        other.op = ast.Or() if isinstance(other.op, ast.And) else ast.And()
        yield other
    elif isinstance(other, ast.UnaryOp) and isinstance(other.op, ast.Not | ast.USub):
        yield other.operand
    elif isinstance(other, ast.IfExp):
        other.test = ast.UnaryOp(ast.Not(), other.test)
        yield other
    elif _is(other, bool):
        other.value = not other.value  # type: ignore[attr-defined]
        yield other
    elif _is(other, int, float):
        value = other.value  # type: ignore[attr-defined]
        other.value = value + 1 if isinstance(value, int) else value * 1.5 + 0.01  # type: ignore[attr-defined]
        yield other
    elif isinstance(other, ast.Call) and other.keywords:
        last = other.keywords.pop()
        if last.arg not in (None, "strict"):
            yield other


def _is(node: ast.AST, *kinds: type) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in kinds


def sites(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """(parent, field, place in a list) of every node that a test could see changed."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "defaults", "kw_defaults"):
            continue
        several = value if isinstance(value, list) else [value]
        for place, child in enumerate(several):
            if not isinstance(child, ast.AST):
                continue
            if isinstance(child, ast.Assert | ast.Raise | ast.JoinedStr | ast.ImportFrom):
                continue
            if isinstance(child, ast.keyword) and child.arg == "strict":
                continue
            if isinstance(child, ast.If) and all(isinstance(s, ast.Raise) for s in child.body):
                continue  # what is refused has messages of its own to hold
            yield tree, name, place if isinstance(value, list) else None
            yield from sites(child)


def mutants(file: Path) -> Iterator[tuple[str, str]]:
    """(what is changed, in which line; the module's text with it), in the order of the file."""
    lines = file.read_text().splitlines()
    tree = ast.parse(file.read_text())
    where = file.relative_to(ROOT / "nascli").as_posix()
    for parent, name, place in list(sites(tree)):
        value = getattr(parent, name)
        node = value if place is None else value[place]
        for changed in changes(node):
            _put(parent, name, place, changed)
            text = ast.unparse(ast.fix_missing_locations(tree))
            _put(parent, name, place, node)
            before, after = (ast.unparse(n)[:100] for n in (node, changed))
            number = getattr(node, "lineno", 0)
            yield f"{where}:{number}: {before} -> {after} in: {lines[number - 1].strip()}", text


def _put(parent: ast.AST, name: str, place: int | None, node: ast.AST) -> None:
    if place is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[place] = node


def tests_of(where: str) -> list[str]:
    """The test files of a module."""
    folder, _, name = where.rpartition("/")
    found = MORE.get(where) or MORE.get(folder) or [f"{folder}/test_{name}"]
    files = [f"tests/unit/{file}" for file in found]
    if missing := [file for file in files if not (ROOT / file).exists()]:
        sys.exit(f"{where} has no tests in {', '.join(missing)}; MORE says where they are")
    return files


def _slow(where: str) -> int:
    """How long its tests take, roughly: those that train supernets come last."""
    rooms = ("analysis", "strategies", "samplers", "relaxations", "estimators", "gradient")
    trains = any("bilevel" in file or "test_gradient" in file for file in tests_of(where))
    return len(rooms) if trains else rooms.index(where.partition("/")[0])


def noticed(checkout: Path, where: str, text: str) -> bool:
    """Whether a test of the module fails with this text in its place."""
    file = checkout / "nascli" / where
    before = file.read_text()
    file.write_text(text)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider"]
    settings = {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, *tests_of(where)],
            cwd=checkout, env={**os.environ, **settings}, capture_output=True, timeout=SECONDS,
        )  # fmt: skip
        return done.returncode != 0
    except subprocess.TimeoutExpired:
        return True
    finally:
        file.write_text(before)


def unnumbered(what: str) -> str:
    """A change as it is listed, but for the line."""
    return re.sub(r":\d+:", ":", what, count=1)


def every() -> list[tuple[str, str, str]]:
    """(where, what, text) of all mutants."""
    found: dict[str, tuple[str, str, str]] = {}
    files = sorted(f for room in ROOMS for f in (ROOT / "nascli" / room).rglob("*.py"))
    for file in files:
        where = file.relative_to(ROOT / "nascli").as_posix()
        if where not in LEFT_OUT and not where.endswith("__init__.py"):
            found |= {what: (where, what, text) for what, text in mutants(file)}
    return list(found.values())


def chosen(count: int, seed: int, tried: set[str]) -> list[tuple[str, str, str]]:
    """So many that have not been tried, in random order, no two of a line."""

    def drawn(one: tuple[str, str, str]) -> bytes:
        return hashlib.sha256(f"{seed} {unnumbered(one[1])}".encode()).digest()

    lines: dict[str, tuple[str, str, str]] = {}
    for one in sorted(every(), key=drawn):
        lines.setdefault(one[1].partition(": ")[0], one)
    return [one for one in lines.values() if unnumbered(one[1]) not in tried][:count]


def main() -> None:
    settings = {"count": 110, "seed": 0, "nice": 19, "again": 0}
    record = Path(__file__).with_name("record.json")
    for word in sys.argv[1:]:
        key, same, value = word.partition("=")
        if same:
            settings[key] = int(value)
        else:
            record = Path(word)
    os.nice(settings["nice"])
    known: dict[str, str] = json.loads(record.read_text())["mutants"] if record.exists() else {}
    names = {unnumbered(what): what for what in known}
    if settings["again"]:
        alive = {name for name, what in names.items() if known[what] == SURVIVES}
        new = [one for one in every() if unnumbered(one[1]) in alive]
    else:
        new = chosen(max(0, settings["count"] - len(known)), settings["seed"], {*names})
    with tempfile.TemporaryDirectory() as place:
        checkout = Path(place) / "checkout"
        for name in ("nascli", "configs", "tests", "benchmarks", "docs"):
            shutil.copytree(ROOT / name, checkout / name)
        for name in ("pyproject.toml", "README.md", "CHANGELOG.md"):
            shutil.copy(ROOT / name, checkout / name)
        for number, (where, what, text) in enumerate(sorted(new, key=lambda o: _slow(o[0])), 1):
            what = names.get(unnumbered(what), what)
            start = time.perf_counter()
            seen = noticed(checkout, where, text)
            known[what] = (SINCE if what in known else NOTICED) if seen else SURVIVES
            seconds = time.perf_counter() - start
            print(f"{number}/{len(new)} {known[what]} ({seconds:.0f} s) {what}", flush=True)
            whole = {"seed": settings["seed"], "mutants": dict(sorted(known.items()))}
            record.write_text(json.dumps(whole, indent=1) + "\n")
    alive = {what for what, said in known.items() if said == SURVIVES}
    missing = sorted(what for what in alive if unnumbered(what) not in EQUAL)
    first = sum(said == NOTICED for said in known.values())
    print(f"{len(known)} tried: {first} noticed at first, {len(known) - len(alive)} now;", end=" ")
    print(f"{len(alive) - len(missing)} make no difference, {len(missing)} are not explained")
    print(*missing, sep="\n")
    sys.exit(bool(missing) or len(known) - len(alive) < 0.9 * len(known))


if __name__ == "__main__":
    main()
