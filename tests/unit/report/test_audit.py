import json

import pytest
from audits import NOISE, ORDER, ZIGZAG, trials, verdict

from nascli.report import audit


def test_it_warns_of_an_estimate_that_no_better_than_costs_explains():
    found = trials(ORDER, good=ORDER, bad=NOISE, params=ZIGZAG)
    made = verdict(found, ("params", "good", "bad"), resamples=200)
    beats = {row["metric"]: row["beats"] for row in audit.summary(made)["against_baselines"]}
    assert beats == {"good": True, "bad": False}
    warnings = [line for line in audit.lines(made) if line.startswith("warning")]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: bad ranks worse than params: tau differs by -")


def test_it_says_how_many_resamples_could_show_a_lead():
    found = trials(ORDER, good=ORDER, bad=NOISE, params=ZIGZAG)
    few = audit.lines(verdict(found, ("params", "good", "bad"), resamples=60))
    assert any("60 resamples reach p = 0.033 at the least, times 2" in line for line in few)
    assert any("it takes resamples=79 to show a lead at 0.05" in line for line in few)
    enough = audit.lines(verdict(found, ("params", "good", "bad"), resamples=79))
    assert not any("resamples" in line for line in enough)


def test_equally_good_is_not_better():
    made = verdict(trials(ORDER, same=ZIGZAG[::-1], params=ZIGZAG), ("params", "same"))
    assert not audit.summary(made)["against_baselines"][0]["beats"]
    twin = [2 * v for v in ZIGZAG]
    lines = audit.lines(verdict(trials(ORDER, twin=twin, params=ZIGZAG), ("params", "twin")))
    assert "warning: twin is not shown to rank better than params: tau differs by +0.000" in (
        "\n".join(lines)
    )


def test_the_report_is_json_and_seconds_are_medians():
    seconds = [100.0, *[0.5] * 29]
    found = trials(
        ORDER, score=ZIGZAG, params=[5.0] * 30, estimator_seconds=seconds, costs_seconds=[0.1] * 30
    )
    made = verdict(found, ("params", "score"), objective=("score", "max"))
    report = json.loads(json.dumps(audit.summary(made), allow_nan=False))
    rows = {row["metric"]: row for row in report["correlations"]}
    assert rows["score"]["time_ms"] == 500 and rows["params"]["time_ms"] == pytest.approx(100)
    assert rows["params"]["kendall_tau"] is None and rows["params"]["baseline"] is True
    assert rows["score"]["networks"] == 30
    assert report["result"]["kendall_tau"] == rows["score"]["kendall_tau"]
    assert report["seconds_per_network"] == {"costs": 0.1, "estimator": 0.5, "reference": None}


def test_what_is_not_defined_is_said_in_words():
    found = trials(ORDER, good=ZIGZAG, params=[5.0] * 30)
    for resamples, interval in ((20, "("), (0, "(no interval)")):
        made = verdict(found, ("params", "good"), resamples=resamples)
        _, rows = audit.table(made)
        cells = {row[0]: row[1] for row in rows}
        assert cells["params (cost)"] == "none"
        assert interval in cells["good"]
        text = "\n".join([*(" ".join(row) for row in rows), *audit.lines(made)])
        assert "nan" not in text.split()


def test_its_table_fits_a_terminal_of_80_columns():
    backwards = ORDER[::-1]  # negative everywhere: the longest words
    made = verdict(trials(ORDER, peak_memory_mb=backwards, bad=NOISE), ("peak_memory_mb",))
    header, rows = audit.table(made)
    columns = zip(header, *rows, strict=True)
    assert sum(max(map(len, column)) + 3 for column in columns) + 1 <= 80
