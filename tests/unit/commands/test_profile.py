from nascli.commands import profile


def test_of_each_kind_of_model_the_best_is_shown_and_the_one_that_was_chosen(monkeypatch):
    shown = []
    monkeypatch.setattr(profile.ui, "table", lambda _title, _head, rows: shown.extend(rows))
    errors = {
        "sum of the layers' rows": 0.4,
        "least squares on counts, ridge 10": 0.0205,
        "least squares on counts, ridge 1": 0.02,
        "least squares on counts, ridge 0.001": 0.03,
        "least squares on counts, ridge 1, corrected by Ridge": 0.025,
        "least squares on calls, ridge 1e-06": 0.05,
    }
    rows = [{"model": name, "error": error} for name, error in errors.items()]
    profile._models(rows, "least squares on counts, ridge 10")
    assert shown == [
        ["sum of the layers' rows", "40.00%"],
        ["least squares on counts, ridge 10", "2.05%"],
        ["least squares on counts, ridge 1", "2.00%"],
        ["least squares on counts, ridge 1, corrected by Ridge", "2.50%"],
        ["least squares on calls, ridge 1e-06", "5.00%"],
    ]
