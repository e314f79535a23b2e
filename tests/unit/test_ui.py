"""The time that a bar says is left."""

import io
import re

from nascli import ui


def test_the_time_left_follows_how_fast_it_went_since_the_last_line(monkeypatch):
    clock, said = [100.0], []
    monkeypatch.setattr(ui.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(ui, "say", said.append)
    with ui.Progress("trial", 20_000) as bar:
        for now, done in ((110.0, 1_000), (120.0, 1_010), (150.0, 1_010), (200.0, 1_020)):
            clock[0] = now
            bar.update(done, "")
    # 1,000 in 10 s: 190 s for 19,000; 10 in 10 s: 18,990 s; none: no word; 10 in 80 s: 151,840 s
    assert said == [
        "trial 1000/20000, 3 min 10 s left",
        "trial 1010/20000, 5 h 16 min left",
        "trial 1010/20000",
        "trial 1020/20000, 42 h 10 min left",
    ]


def test_no_more_is_left_than_the_budget_has(monkeypatch):
    clock, said = [100.0], []
    monkeypatch.setattr(ui.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(ui, "say", said.append)
    for total in (20_000, None):
        with ui.Progress("trial", total, ends=lambda: 130.0 - clock[0]) as bar:
            clock[0] = 110.0
            bar.update(10, "")
        clock[0] = 100.0
    assert said == ["trial 10/20000, 20 s left", "trial 10, 20 s left"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def terminal_of(monkeypatch):
    """What goes to a terminal of 80 columns from now on."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(ui.sys, "stderr", Terminal())
    return ui.sys.stderr


def lines_of(terminal):
    """Without what moves and colours them."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue()).splitlines()


def test_a_bar_and_all_of_its_words_fit_a_terminal(monkeypatch):
    terminal = terminal_of(monkeypatch)
    words = "skips: 3 in normal, 1 in reduction, entropy 0.987, best accuracy 91.20, 3.35 M params"
    with ui.Progress("epoch", 50) as bar:
        bar.update(7, words)
    lines = lines_of(terminal)
    assert max(map(len, lines)) <= 80
    at = next(n for n, line in enumerate(lines) if "7/50" in line)
    assert "epoch" in lines[at] and "left" in lines[at]
    assert "".join(lines[at + 1 : at + 3]).replace(" ", "").startswith(words.replace(" ", ""))


def test_a_wide_table_gives_up_its_lines_before_its_words(monkeypatch):
    terminal = terminal_of(monkeypatch)
    head = ["", "accuracy (%)", "parameters", "multiply-adds (MACs)", "each seed"]
    row = ["this genotype", "91.20 ± 0.12", "830,426", "117.9 M", "91.11 91.31"]
    ui.table("", head, [row])
    lines = [line for line in lines_of(terminal) if line.strip()]
    assert len(lines) == 2 and all(cell in lines[1] for cell in row)
    ui.table("", head[:2], [row[:2]])
    assert "┃" in terminal.getvalue()


def test_what_a_supernet_took_says_nothing_of_the_trials(monkeypatch):
    clock, said = [0.0], []
    monkeypatch.setattr(ui.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(ui, "say", said.append)
    with ui.Progress("trial", 20) as bar:
        for now, done, text in ((300.0, 0, "supernet"), (601.0, 1, "")):
            clock[0] = now
            bar.begin(done)
            bar.update(done, text)
        clock[0] = 641.0
        bar.update(5, "")
    assert said == [
        "trial 0/20: supernet",
        "trial 1/20",
        "trial 5/20, 2 min 30 s left",  # 4 in 40 s
    ]


def test_a_forecast_says_what_is_left(monkeypatch):
    said = []
    monkeypatch.setattr(ui, "say", said.append)
    with ui.Progress("trial", 20, left=lambda: 61.0) as bar:
        bar.update(0, "supernet")
    terminal = terminal_of(monkeypatch)
    with ui.Progress("trial", 20, left=lambda: 61.0) as bar:
        bar.update(0, "supernet")
    assert said == ["trial 0/20, 1 min 1 s left: supernet"]
    assert any("left 1 min 1 s" in line for line in lines_of(terminal))
