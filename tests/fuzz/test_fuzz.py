"""A few seconds of `make fuzz`, which tries 10,000 damaged files of each kind."""

import subprocess
import sys
from pathlib import Path

from fixtures import CHECKOUT, environment

SCRIPT = Path(__file__).with_name("fuzz.py")
CASES = {
    "images": 600,
    "arrays": 60,
    "splits": 100,
    "history": 40,
    "state": 15,
    "config": 12,
    "environment": 6,
    "report": 200,
    "card": 300,
    "genotype": 300,
    "table": 300,
    "known": 10,
    "answers": 300,
    "latency": 300,
    "profile": 60,
    "own": 4,
    "list": 30,
}


def test_no_damaged_file_escapes(tmp_path):
    with_fixtures = environment()
    with_fixtures["PYTHONPATH"] += f":{CHECKOUT / 'tests'}"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *(f"{kind}={count}" for kind, count in CASES.items())],
        capture_output=True,
        text=True,
        env=with_fixtures,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split('"')[3] for line in done.stdout.splitlines()] == list(CASES)
