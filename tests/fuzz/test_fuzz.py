"""A few seconds of `make fuzz`, which tries 10,000 damaged files of each kind."""

import subprocess
import sys
from pathlib import Path

import pytest
from fixtures import environment

SCRIPT = Path(__file__).with_name("fuzz.py")


@pytest.mark.parametrize(("kind", "count"), [("images", 1000), ("arrays", 150), ("records", 150)])
def test_no_damaged_file_escapes(kind, count, tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), kind, str(count)],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
