"""A retraining in two processes, started as torchrun starts them."""

import json
import socket

from fixtures import TINY, TINY_SPACE

SMALL = (*TINY, *TINY_SPACE["cell"], "data.images=64", "training.epochs=1", "genotype=darts_v2")


def test_two_processes_leave_one_run_folder_and_one_of_them_speaks(start, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    words = ("retrain", *SMALL, "baselines=[shufflenet_v2_x0_5]")
    both = [
        start(*words, cwd=tmp_path, TORCHELASTIC_RUN_ID="x", RANK=str(rank), **place)
        for rank in (0, 1)
    ]
    (out, err), silent = (one.communicate(120) for one in both)
    assert [one.returncode for one in both] == [0, 0], err
    assert silent == ("", "")
    (run,) = (tmp_path / "outputs" / "retrain").iterdir()
    assert out.strip().endswith(run.name)
    report = json.loads((run / "report.json").read_text())
    assert [row["seeds"] for row in report["networks"]] == [1, 1]
    assert report["epochs"][0]["valid_accuracy"] == report["result"]["valid_accuracy"]
