"""What an import path names, and what is said of one that names nothing."""

import os.path

import pytest

from nascli.core.fault import Fault
from nascli.core.imported import imported, target


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A user's package, with modules that fail as they are imported."""
    package = tmp_path / "mine_of_imports"
    package.mkdir()
    made = "class Made:\n    class Inner:\n        pass\n\nSIZE = 3\n"
    (package / "__init__.py").write_text(made)
    (package / "lacking.py").write_text("import no_such_library\n")
    (package / "broken.py").write_text("1 / 0\n")
    (package / "wrong.py").write_text("def (\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return package.name


def test_a_class_one_in_a_class_and_a_function_are_found(own):
    assert imported(f"{own}.Made").__name__ == "Made"
    assert imported(f"{own}.Made.Inner").__qualname__ == "Made.Inner"
    assert imported("os.path.join") is os.path.join  # of a module under another name


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("", "^write it as MODULE.NAME$"),
        ("Made", "^write it as MODULE.NAME$"),
        ("my-package.Made", "^write it as MODULE.NAME$"),
        ("no_such_package.Made", "^there is no module 'no_such_package'; modules are found in "),
        ("OWN.Mad", "in 'OWN', name 'Mad' .* allowed: Made, .*did you mean 'Made'?"),
        ("OWN.brokn.Made", "name 'brokn' is not known; allowed: Made, broken, lacking, wrong; did"),
        ("OWN.Made.Iner", "^'OWN.Made' has no 'Iner'$"),
        ("OWN.SIZE", "^it is no class or function, but 3$"),
        ("OWN.lacking.Made", "^importing 'OWN.lacking' fails: No module named 'no_such_library'$"),
        ("OWN.broken.Made", "^importing 'OWN.broken' fails: ZeroDivisionError: division by zero$"),
        ("OWN.wrong.Made", "^importing 'OWN.wrong' fails: SyntaxError: "),
    ],
)
def test_what_is_nothing_is_told_with_what_there_is(own, path, says):
    with pytest.raises(Fault, match=says.replace("OWN", own)):
        imported(path.replace("OWN", own))


def test_a_target_may_be_a_function_and_must_be_there():
    assert target("nascli.operations.pool.max_pool", "x").__name__ == "max_pool"
    for path in ("nascli.nowhere.Nothing", "nowhere.Nothing", "nascli.operations.pool.Nothing", ""):
        with pytest.raises(Fault, match=f"^space: _target_ '{path}' cannot be used: "):
            target(path, "space")
