"""What an error says, in words for a person."""

from nascli.core.fault import first_line, unknown


def test_the_first_line_of_what_goes_on_with_frames():
    assert first_line(RuntimeError("\nout of memory\nframe #0: main")) == "out of memory"
    assert first_line(ValueError()) == ""
    assert len(first_line(ValueError("x" * 5000))) == 300


def test_the_one_name_that_begins_so_is_the_nearest():
    allowed = ["params", "top5_accuracy", "train_accuracy"]
    assert unknown("metric", "top5", allowed).endswith("did you mean 'top5_accuracy'?")
