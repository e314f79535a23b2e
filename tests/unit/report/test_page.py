import base64
import dataclasses
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nascli.core.genotype import Genotype
from nascli.core.trial import Trial
from nascli.report import page as pages
from nascli.report.chart import Bar, Bars, Chart, Series
from nascli.report.page import Content, _asked, page
from nascli.report.sections import measured
from nascli.report.trials import table

EVIL = "<script>alert('x')</script> & \"quotes\""
VOID = {"meta", "br"}
CONFIG = {"data": {"path": EVIL}, "training": {"learning_rate": 0.025}, "flag": True}
CHART = Chart("params", EVIL, [Series(EVIL, [1.0, 2.0], [3.0, math.nan], trials=[0, 1])])


class Reader(HTMLParser):
    """Text and tags of a page; refuses tags that are not closed in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data.strip())


@pytest.fixture
def report():
    return {
        "verb": "search",
        "seconds": 125.0,
        "problem": {"space": "cell", "task": "digits", "seed": 12345678, "device": None},
        "genotype": {"space": "cell", "choices": {"normal/2/first": EVIL}},
        "description": f"first line\n{EVIL}",
        "result": {"accuracy": 93.784},
        "final": {"test_accuracy": 92.5},
        "costs": {"params": 3349342.0, "latency_ms": 12.6149},
        "best": {"trial": 7, "accuracy": 93.784, "train_loss": math.nan},
        "trials": {"all": 9001, "good": 7000, "infeasible": 2000, "failed": 1},
        "incumbents": [{"trial": 0, "accuracy": 80.0}, {"trial": 7, "accuracy": 93.784}],
        EVIL: {EVIL: EVIL},
        "notes": EVIL,
    }


def test_numbers_are_readable_and_have_units(report):
    words = Reader(page(Content(report, config=CONFIG, environment={"command": EVIL}))).words
    assert "search · cell · digits" in words
    assert "9,001 trials (7,000 good, 2,000 infeasible, 1 failed) in 2 min 5 s" in words
    for text in (
        "93.78 %",
        "92.50 %",
        "test accuracy",
        "3.35 M",
        "12.61 ms",
        "80.00 %",
        "parameters",
        "–",
    ):
        assert re.sub(r"(?<=\d) ", "\N{NO-BREAK SPACE}", text) in words


def test_settings_are_shown_as_written(report):
    words = Reader(page(Content(report, config=CONFIG, environment={"command": EVIL}))).words
    for text in ("12345678", "data.path", "training.learning_rate", "0.025", "true"):
        assert text in words


def trial(number, option=EVIL):
    return Trial(number, Genotype("toy", ("a",), (option,)), 1.0, {EVIL: 1.0, "params": 5.0})


def whole(report, **more):
    """A page with something of every kind, all of it from the user."""
    return Content(
        report,
        {EVIL: [CHART], "bars": Bars(EVIL, [Bar(EVIL, 2.0, EVIL, (1.0, 3.0), (1.0, 3.0))])},
        {"normal_cell": "<svg><text>x</text></svg>"},
        config=CONFIG,
        environment={"command": EVIL, "choices": {"strategy": EVIL}},
        trials=table([trial(0), trial(1)], told={0: EVIL}),
        layers=[{"layer": EVIL, "params": 3}],
        notes=[EVIL],
        then=[(EVIL, EVIL)],
        lines=[EVIL],
        **more,
    )


def data_of(html):
    """What the script of a page reads."""
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])


def test_text_of_the_user_stays_text(report):
    html = page(whole(report))
    read = Reader(html)
    assert [tag for tag, _ in read.tags].count("script") == 2  # the data, and what reads them
    assert sum(EVIL in word for word in read.words) >= 14
    assert EVIL not in html
    assert data_of(html)["charts"][EVIL][0]["y"] == EVIL


def test_only_the_script_of_the_page_may_run(report):
    html = page(whole(report))
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert "connect-src" not in html and "connect-src 'self'" in page(whole(report, following="1"))


def test_the_page_loads_nothing_and_is_small(report):
    html = page(whole(report))
    assert "default-src 'none'" in html
    for _, attributes in Reader(html).tags:
        assert not {"src", "href"} & set(attributes)
    assert "url(" not in html and "@import" not in html
    assert len(page(Content({})).encode()) < 100_000


def test_what_was_asked_and_what_comes_next_stand_in_the_page(report):
    words = Reader(page(whole({**report, "notice": "beware", "ended": "over"}))).words
    assert {"strategy", "command", "beware", "ended: over", "Next"} <= set(words)


def test_what_plays_no_part_is_not_among_what_was_asked():
    chosen = {"strategy": "random", "training": "quick", "device": "cpu"}
    for idle, shown in ((), chosen), (("training", "device"), {"strategy": "random"}):
        assert _asked(Content({}, environment={"choices": chosen}, idle=idle)) == shown


def test_classes_of_a_test_have_their_names_and_percent():
    test = {
        "accuracy": 62.5,
        "per_class": {"cat": 40.0, "dog": 100.0, "cow": None},
        "confusion": [[2, 1, 2], [0, 3, 0], [0, 0, 0]],
    }
    words = [
        word.replace("\N{NO-BREAK SPACE}", " ")
        for word in Reader(page(Content({"test": test}))).words
    ]
    heads = words.index("class")
    assert words[heads : heads + 4] == ["class", "accuracy", "images", "most often taken for"]
    rows = [word for word in words[heads + 4 :] if word]
    assert rows[:4] == ["cat", "40.00 %", "5", "cow (2)"]
    assert rows[4:7] == ["dog", "100.00 %", "3"]
    assert "62.50 %" in words and not [word for word in words if "per" in word.split()]


def test_a_chart_is_data_and_bars_need_no_script():
    html = page(Content({}, {"a": [CHART], "b": Bars("x", [Bar("one", 2.0, "two", (1.0, 4.0))])}))
    assert data_of(html)["charts"]["a"][0]["series"][0]["y"] == [3.0, None]
    assert 'data-charts="a"' in html
    assert 'class="span" style="left:25.00%;right:calc(100% - 100.00%)"' in html
    assert 'class="dot" style="left:50.00%"' in html


def test_drawings_take_the_colours_of_the_page():
    svg = '<svg><rect fill="#F2F2F2" stroke="#222222"/><text>fill=&quot;#222222&quot;</text></svg>'
    html = page(Content({}, drawings={"normal_cell": svg}))
    assert 'fill="var(--pale)" stroke="var(--ink)"' in html
    assert "fill=&quot;#222222&quot;" in html
    assert "normal cell" in Reader(html).words


def test_every_trial_is_in_the_table_as_columns():
    trials = [trial(4, "x"), trial(7, "y"), dataclasses.replace(trial(8, "x"), error="no")]
    found = table(trials, first=["params"])
    assert [column["name"] for column in found["metrics"]] == ["params", EVIL]
    assert found["number"] == [4, 7, 8] and found["state"] == ["", "", "no"]
    options = found["spaces"][0]["options"][0]
    assert [options[row[0]] for row in found["genotype"]] == ["x", "y", "x"]


def test_trials_of_several_spaces_keep_their_own_decisions():
    other = dataclasses.replace(trial(1), genotype=Genotype("b", ("c", "d"), ("1", "2")))
    found = table([trial(0), other])
    assert [found["spaces"][place]["name"] for place in found["space"]] == ["toy", "b"]
    assert found["genotype"] == [[0], [0, 0]]


def test_long_tables_are_folded():
    rows = [{"step": n, "value": n / 7} for n in range(21)]
    assert "<details>" in page(Content({"rows": rows}))
    assert "<details>" not in page(Content({"rows": rows[:20]}))


@pytest.mark.parametrize(
    "report", [{}, {"verb": "retrain", "epochs": [], "config": {}, "best": None, "result": {}}]
)
def test_an_empty_report_is_still_a_page(report):
    Reader(page(Content(report)))


def test_uplot_comes_with_its_licence():
    folder = Path(pages.__file__).parent / "assets"
    assert "MIT License" in (folder / "uplot.LICENSE").read_text()
    assert (folder / "uplot.js").read_text().startswith("/*! https://github.com/leeoniya/uPlot")


def test_mappings_that_are_alike_are_one_table():
    family = {
        "b0": {"width": 1, "costs": {"params": 5}},
        "b1": {"width": 2, "costs": {"params": 7}},
    }
    read = Reader(page(Content({"family": family})))
    assert read.words.count("width") == 1 and {"b0", "b1"} <= set(read.words)


def test_no_end_of_a_line_parts_a_number_from_its_unit():
    space = "\N{NO-BREAK SPACE}"
    assert measured("latency_ms", 0.00256) == f"0.00256{space}ms"
    assert measured("costs.accuracy", [50.0, 9.5]) == f"50.00{space}%, 9.50{space}%"
    assert measured("seconds", 5025.0) == f"1{space}h 23{space}min"
