"""How well latencies are predicted: eager and ONNX Runtime, at once and in a new process.

    python benchmarks/latency_prediction.py [--networks 32] [--check 40] [--times 5] [--folder F]

For each of `nasbench201`, `cell` and `mobile`, and for `device=cpu` and `device=onnxruntime`, some
random networks are profiled and others checked, all measured in the same interleaved rounds (their
layers right before). Each time does that anew with other networks; reported are medians of all.
After each, a fresh process loads the profile, measures its anchors again, in the same rounds as the
networks of the check, and predicts those once more.

What is done is kept in the folder, so that a benchmark that was stopped goes on where it was. One
takes two to eight minutes on `cpu`, and some minutes on `onnxruntime`, most of which is
writing networks as ONNX (`--devices cpu`, `--spaces cell` and `--times 1` are for fewer). Each
network is timed until it is known to `--precision`, for `--seconds` at most: twice as well as by
default, for networks that differ by a few percent, and twice as long, for others used the machine,
too. The result stands in benchmarks/results/latency_prediction.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "latency_prediction.json"
SPACES = ("nasbench201", "cell", "mobile")
DEVICES = ("cpu", "onnxruntime")
FIGURES = ("mape", "median_error", "within_10", "spearman", "worst_error")


def settings(space: str, device: str) -> list[str]:
    return [f"space={space}", f"device={device}", "data=synthetic", "data.size=32", "threads=1"]


def profiled(space: str, device: str, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """One round: a profile with its check."""
    import nascli
    from nascli.runs import environment

    began = time.monotonic()
    run = nascli.profile(
        *settings(space, device),
        seed=seed,
        networks=args.networks,
        check=args.check,
        outputs=args.folder / "outputs",
        **{f"device.{key}": getattr(args, key) for key in ("seconds", "precision", "repeats")},
    )
    check = run.report["prediction"]
    return {
        "run": str(run.path),
        "commit": environment.record(command="", choices={}, overrides=[], seed=0)["commit"],
        "seconds": round(time.monotonic() - began, 1),
        "networks": sum(row["use"] == "fit" for row in run.report["measured"]),
        "model": check["model"],
        **{name: round(check[name], 5) for name in FIGURES},
        "uncertain": sum(r["p90_ms"] > 2 * r["measured_ms"] + 0.02 for r in run.report["measured"]),
    }


def anew(path: str, space: str, device: str) -> dict[str, Any]:
    """In this process, which is a fresh one: anchors, predictions, the check measured again."""
    from nascli.config import building, measuring
    from nascli.config.compose import composed
    from nascli.costs import conditions, latency_profile
    from nascli.programs.latency import Built

    words = [w for w in settings(space, device) if not w.startswith("device=")]
    config = composed("search", [*words, "device=latency_table", f"device.path={path}"])
    faults = building.Faults()
    problem = building.problem(config, faults)
    faults.check()
    assert problem is not None
    made = measuring.device(config, problem)
    kept = latency_profile.read(Path(path))
    assert made is not None and kept is not None
    anchors, check = kept.anchors, kept.of(latency_profile.CHECK)
    networks = [one.genotype for one in (*anchors, *check)]
    now = made.latencies(Built(problem, networks))
    scale, _ = conditions.scale([one.latency.ms for one in anchors], now[: len(anchors)])
    config.device.scale = scale
    predict: Any = building.component(config, "device")
    predict.fits(problem.space)
    off = [
        predict.latency_ms(one.genotype) / latency.ms - 1
        for one, latency in zip(check, now[len(anchors) :], strict=True)
    ]
    errors = [abs(error) for error in off]
    return {
        "scale": round(scale, 4),
        "median_error": round(statistics.median(errors), 5),
        "mape": round(statistics.fmean(errors), 5),
        "within_10": round(sum(e <= 0.1 for e in errors) / len(errors), 4),
    }


def in_a_process(path: str, space: str, device: str) -> dict[str, Any]:
    words = [sys.executable, __file__, "--anew", path, space, device]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        return {"error": done.stderr.strip().splitlines()[-1]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def summary(rounds: list[dict[str, Any]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in rounds) for name in (*FIGURES, "seconds")}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", type=int, default=32)
    parser.add_argument("--check", type=int, default=40)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=1000, help="of a pass, at most")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--precision", type=float, default=0.005)
    parser.add_argument("--folder", type=Path, default=Path("latency_prediction"))
    parser.add_argument("--spaces", default=",".join(SPACES))
    parser.add_argument("--devices", default=",".join(DEVICES))
    parser.add_argument("--anew", nargs=3)
    args = parser.parse_args()
    if args.anew:
        print(json.dumps(anew(*args.anew)))
        return
    args.folder.mkdir(parents=True, exist_ok=True)
    file = args.folder / "rounds.json"
    known: dict[str, list[dict[str, Any]]] = json.loads(file.read_text()) if file.exists() else {}
    from nascli.runs import environment

    for device in args.devices.split(","):
        for space in args.spaces.split(","):
            rounds = known.setdefault(f"{space} {device}", [])
            for seed in range(len(rounds), args.times):
                rounds.append(profiled(space, device, seed, args))
                one = rounds[-1]
                one["fresh process"] = in_a_process(one["run"], space, device)
                file.write_text(json.dumps(known, indent=1))
                print(f"{space} {device}: {json.dumps(one)}", flush=True)
    result = {
        "command": f"python benchmarks/latency_prediction.py {' '.join(sys.argv[1:])}".strip(),
        "machine": environment.record(command="", choices={}, overrides=[], seed=0),
        "check": args.check,
        "medians": {name: summary(rounds) for name, rounds in known.items() if rounds},
        "rounds": {
            name: [{k: v for k, v in one.items() if k != "run"} for one in rounds]
            for name, rounds in known.items()
        },
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["medians"], indent=1))


if __name__ == "__main__":
    main()
