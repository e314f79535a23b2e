"""Benchmarks find what they import: nothing else runs them when the package changes."""

import ast
import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def statements(text):
    """Those of a program, and of the programs that stand in it as text for other processes."""
    for node in ast.walk(ast.parse(text)):
        yield node
        within = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if within and "\nfrom nascli" in node.value:
            yield from statements(node.value)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda file: file.name)
def test_what_a_benchmark_imports_is_there(file):
    for node in statements(file.read_text(encoding="utf-8")):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nascli"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                there = hasattr(module, alias.name)
                assert there or importlib.import_module(f"{node.module}.{alias.name}")
