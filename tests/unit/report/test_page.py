import math
from html.parser import HTMLParser

import pytest

from nascli.report.page import page

EVIL = "<script>alert('x')</script> & \"quotes\""
VOID = {"meta", "br"}


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
        "trials": {"all": 9, "good": 7, "infeasible": 1, "failed": 1},
        "incumbents": [{"trial": 0, "accuracy": 80.0}, {"trial": 7, "accuracy": 93.784}],
        "config": {"data": {"path": EVIL}, "training": {"learning_rate": 0.025}, "flag": True},
        "environment": {"command": EVIL},
        EVIL: {EVIL: EVIL},
        "notes": EVIL,
    }


def test_numbers_are_readable_and_have_units(report):
    words = Reader(page(report, {})).words
    assert "search · cell · digits" in words
    assert "9 trials (7 good, 1 infeasible, 1 failed) in 2 min 5 s" in words
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
        assert text in words


def test_settings_are_shown_as_written(report):
    words = Reader(page(report, {})).words
    for text in ("12345678", "data.path", "training.learning_rate", "0.025", "true"):
        assert text in words


def test_text_of_the_user_stays_text(report):
    read = Reader(page(report, {"normal_cell": "<svg><text>x</text></svg>"}))
    assert "script" not in {tag for tag, _ in read.tags}
    assert sum(EVIL in word for word in read.words) >= 5


def test_the_page_loads_nothing(report):
    html = page(report, {"cell": "<svg></svg>"})
    assert "default-src 'none'" in html
    for _, attributes in Reader(html).tags:
        assert not {"src", "href"} & set(attributes)


def test_figures_are_set_in_with_their_names(report):
    svg = '<svg width="5"><path d="M0 0"/></svg>'
    html = page(report, {"accuracy_over_latency_ms": svg, "normal_cell": svg})
    assert html.count(svg) == 2
    assert {"accuracy over latency", "normal cell"} <= set(Reader(html).words)


def test_long_tables_are_folded():
    rows = [{"step": n, "value": n / 7} for n in range(21)]
    assert "<details>" in page({"rows": rows}, {})
    assert "<details>" not in page({"rows": rows[:20]}, {})


@pytest.mark.parametrize(
    "report", [{}, {"verb": "retrain", "epochs": [], "config": {}, "best": None, "result": {}}]
)
def test_an_empty_report_is_still_a_page(report):
    Reader(page(report, {}))
