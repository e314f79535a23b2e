"""The time that a bar says is left."""

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
