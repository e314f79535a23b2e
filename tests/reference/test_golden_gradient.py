"""Three epochs of every gradient strategy in float64, so that no change of them goes unseen.

Sums in float64 differ between machines by too little to change a genotype or an accuracy in three
epochs, which float32 does not promise. Recorded are of every epoch the genotype, the fidelity and
the metrics with the readout; of the end the architecture weights, the names in the supernet's state
(names/*.txt, a file for every list of them) and the sums of some of its tensors. Settings are such
that progressive searches pass through stages.

If a change is meant, delete the strategy's file in tests/reference/golden/gradient and run this
test: it writes the file anew and fails once.
"""

import hashlib
import json
from pathlib import Path

import pytest
from fixtures import composed, options
from recorded.replay import Replay, double_precision, shares_weights

GOLDEN = Path(__file__).parent / "golden" / "gradient"
EPOCHS = 3
TOLERANCE = 1e-7
SUMS = 12  # tensors of the supernet whose sums are kept
SMALL = (
    "data=synthetic",
    "data.noise=1.0",
    "data.split_rule=1",  # these were recorded before there was another
    f"training.epochs={EPOCHS}",
    "training.batch_size=12",
    "device=none",
    "accelerator=cpu",
)
FEW, MORE = "data.images=48", "data.images=96"  # one step an epoch, and two
CELL = ("space=cell", "space.channels=4", "space.cells=3", "space.nodes=2")
TABLE = ("space=nasbench201", "space.channels=4", "space.cells_per_stage=1")
SETTINGS = {
    # three stages of an epoch each; the second and third supernets are deeper
    "p_darts": ("strategy.warmup=0.2",),
    # the second stage has two epochs, and widens the channels
    "drnas": ("strategy.warmup=0.2",),
    "pc_darts": ("strategy.warmup=0.3",),
    # stops after two epochs
    "robust_darts": ("strategy.stopper.window=1", "strategy.stopper.ratio=1.0"),
    # as recorded before the published rules came: run folders of that time go on so
    "darts_pt": ("strategy.discretisation.rule=1",),
    "gdas": ("strategy.relaxation.course=geometric",),
    "sdarts_adv": ("strategy.perturbation.rule=1",),
    "random_ws": ("strategy.sampler.rule=1",),
}
VARIANTS = {
    # what these add to darts sees nothing of the space, and takes long
    "darts_2nd": ("strategy=darts_2nd", *TABLE, MORE),
    "sdarts_adv": ("strategy=sdarts_adv", *TABLE, MORE, *SETTINGS["sdarts_adv"]),
    "darts_nasbench201": ("strategy=darts", *TABLE, MORE),
    "gdas_nasbench201": ("strategy=gdas", *TABLE, MORE, *SETTINGS["gdas"]),
    "drnas_nasbench201": ("strategy=drnas", *TABLE, MORE),
    "darts_exact": ("strategy=darts_2nd", "strategy.second_order=exact", *TABLE, MORE),
}


def searches():
    """Name -> overrides; those that train no supernet are skipped later."""
    names = [name for name in options("strategy") if name != "enas"]  # it weighs no options
    images = dict.fromkeys(names, FEW) | {"darts": MORE}
    plain = {n: (f"strategy={n}", *CELL, images[n], *SETTINGS.get(n, ())) for n in images}
    return {**plain, **VARIANTS}


def recorded(overrides):
    """What is kept of a search, as JSON."""
    config = composed(*overrides, *SMALL)
    if "answer" in config.strategy:
        config.strategy.answer = "best"  # as recorded before there was another
    if "recalibration_images" in config.estimator:
        config.estimator.recalibration_images = "plain"  # likewise
    if not shares_weights(config):
        pytest.skip("trains no supernet: see test_golden.py")
    with double_precision():
        search = Replay(config)
        epochs = []

        def ended(trial):
            steady = {k: v for k, v in trial.metrics.items() if "seconds" not in k}
            metrics = {k: v for k, v in steady.items() if "memory" not in k}
            metrics |= search.readout()
            said = {"genotype": search.digits(trial.genotype), "fidelity": trial.fidelity}
            epochs.append({**said, "metrics": metrics, "error": trial.error})

        answer = search.run(ended)
        state = search.supernet()
        floating = sorted(name for name in state if state[name].is_floating_point())
        chosen = floating[:: max(1, len(floating) // SUMS)]
        return {
            "epochs": epochs,
            "recommended": search.digits(answer),
            "architecture": search.architecture(),
            "sums": {name: float(state[name].double().sum()) for name in chosen},
            "names": sorted(state),
        }


def text(found):
    """Readable JSON: a line each for an epoch, for the weights of an edge and for a sum."""
    parts = []
    for key, value in found.items():
        if isinstance(value, dict) and key == "architecture":
            rows = {k: "[\n  " + ",\n  ".join(map(json.dumps, v)) + "]" for k, v in value.items()}
            inside = "{" + ", ".join(f"{json.dumps(k)}: {v}" for k, v in rows.items()) + "}"
        elif isinstance(value, dict):
            lines = (f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
            inside = "{\n" + ",\n".join(lines) + "}"
        elif isinstance(value, list):
            inside = "[\n  " + ",\n  ".join(map(json.dumps, value)) + "]"
        else:
            inside = json.dumps(value)
        parts.append(f" {json.dumps(key)}: {inside}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def check(found, expected, where=""):
    """Numbers within the tolerance; everything else equal."""
    if isinstance(expected, float) and isinstance(found, (int, float)):
        assert found == pytest.approx(expected, rel=TOLERANCE, abs=1e-10, nan_ok=True), where
    elif isinstance(expected, dict):
        assert sorted(found) == sorted(expected), where
        for key in expected:
            check(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            check(one, other, f"{where}[{number}]")
    else:
        assert found == expected, where


@pytest.mark.parametrize("name", searches())
def test_learns_what_it_learnt(name):
    file = GOLDEN / f"{name}.json"
    found = recorded(searches()[name])
    names = found.pop("names")
    found["names"] = hashlib.sha256("\n".join(names).encode()).hexdigest()[:8]
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text(found))
        listed = GOLDEN / "names" / f"{found['names']}.txt"
        listed.parent.mkdir(exist_ok=True)
        listed.write_text("\n".join(names) + "\n")
        pytest.fail(f"{file} did not exist; it is written now: look at it, and run again")
    expected = json.loads(file.read_text())
    assert names == (GOLDEN / "names" / f"{expected['names']}.txt").read_text().splitlines()
    check(found, expected)
