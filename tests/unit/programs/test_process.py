import sys

import pytest

from nascli.programs import process


def test_calls_that_overlap_leave_no_folder_behind():
    before = list(sys.path)
    first, second, third = (process.importing([name, "/both"]) for name in ("/1", "/2", "/3"))
    first.__enter__()
    second.__enter__()
    assert sys.path == [*before, "/1", "/both", "/2", "/both"]
    first.__exit__(None, None, None)
    assert sys.path == [*before, "/both", "/2"]
    third.__enter__()
    second.__exit__(None, None, None)
    assert {"/3", "/both"} < set(sys.path) and "/2" not in sys.path
    third.__exit__(None, None, None)
    assert sys.path == before


def test_what_others_put_there_meanwhile_goes_too():
    before = list(sys.path)
    with pytest.raises(ZeroDivisionError), process.importing(["/mine"]):
        sys.path.insert(0, "/of/a/component")
        sys.path.remove("/mine")
        1 / 0  # noqa: B018
    assert sys.path == before
