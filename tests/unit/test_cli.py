"""What is said before anything is imported that takes its time."""

import gc
import sys

import pytest
from fixtures import composed

from nascli import cli
from nascli.config.compose import Asked


@pytest.mark.parametrize(
    ("verb", "words", "choices", "said"),
    [
        ("search", (), {"strategy": "darts", "space": "cell", "device": "cpu", "data": "digits"},
         "nas search: strategy=darts space=cell data=digits"),
        ("search", ("resume=a/run",), {}, "nas search: going on with a/run"),
        ("retrain", ("genotype=darts_v2",), {"data": "digits"},
         "nas retrain: genotype=darts_v2 data=digits"),
        ("search", ("supernet=a/run",), {"strategy": "gdas", "space": "cell"},
         "nas search: supernet=a/run strategy=gdas"),
        ("show", (), {}, ""),
    ],
)  # fmt: skip
def test_the_first_line_says_what_begins(verb, words, choices, said):
    assert cli._begins(Asked(verb, composed(*words, verb=verb), choices, [], "")) == said


def test_it_comes_before_the_command_is_imported(monkeypatch, capsys):
    def imported(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.importlib, "import_module", imported)
    asked = Asked("search", composed("resume=a/run"), {}, [], "")
    assert cli._job("search", lambda: asked) == 130
    assert capsys.readouterr().err == "nas search: going on with a/run\n"


def test_memory_is_looked_through_ten_times_as_rarely_as_by_default(monkeypatch, capsys):
    before = gc.get_threshold()
    monkeypatch.setattr(sys, "argv", ["nas", "--version"])
    try:
        gc.set_threshold(700, 10, 10)
        with pytest.raises(SystemExit):
            cli.main()
        assert gc.isenabled() and gc.get_threshold()[0] >= 10 * 700
    finally:
        gc.set_threshold(*before)
    assert capsys.readouterr().out.startswith("nas ")
