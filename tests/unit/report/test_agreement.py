import math

from fixtures import drawn_words as words

from nascli.analysis.correlation import Interval
from nascli.report import agreement


def test_every_estimate_is_drawn_against_the_reference_and_beside_the_others():
    estimates = {"synflow": [1.0, -math.inf, 3.0], "params": [1e5, 2e5, 3e5], "flat": [1.0] * 3}
    taus = {
        "synflow": Interval(0.5, 0.1, 0.8),
        "params": Interval(0.4, 0.2, 0.6),
        "flat": Interval(math.nan, math.nan, math.nan),
    }
    drawn = agreement.audit(estimates, [10.0, 20.0, 30.0], taus)
    assert list(drawn) == ["kendall_tau", "accuracy_over_synflow", "accuracy_over_params"]
    assert {"synflow", "parameters"} <= words(drawn["kendall_tau"])
    assert "flat" not in words(drawn["kendall_tau"])
    assert {"synflow", "accuracy of the reference (%)"} <= words(drawn["accuracy_over_synflow"])
