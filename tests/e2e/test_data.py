"""Users' own images from the command line: what a run says of them, records, and holds to."""

import json
import os
import re
import shlex
import shutil

import numpy as np
import pytest
from fixtures import TINY, TINY_SPACE
from PIL import Image
from recorded.record import take

from nascli.data import identity, membership
from nascli.data.synthetic import Synthetic

SMALL = ("training.epochs=1", "training.batch_size=16", "device=none", "accelerator=cpu")
NETWORK = ("space.channels=4", "space.cells=2")
FOLDER = ("data=image_folder", "data.path=photos", *SMALL)
SEARCH = ("strategy=random", "estimator=train", "budget.trials=1", *FOLDER, *NETWORK)


def draw(folder, names, suffix="png"):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        pixels = np.random.default_rng().integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.{suffix}")


@pytest.fixture
def photos(tmp_path):
    for label in ("cat", "dog"):
        draw(tmp_path / "photos" / label, range(30))
    return tmp_path / "photos"


def keys(run):
    found = membership.read(run / membership.FILE)
    assert found is not None
    return {name: set(several.tolist()) for name, several in found.keys.items()}


def test_a_run_says_its_data_first_and_writes_them_down(nas, tmp_path, photos):
    (photos / "cat/x.heic").write_bytes(b"")
    done = nas("search", *SEARCH)
    assert done.code == 0, done.stderr
    words = "image_folder: 2 classes (cat, dog), images 3x8x8: 48 to train on, 6 to validate on, 6"
    assert words in done.stderr
    assert done.stderr.index(words) < done.stderr.index("searching cell")
    assert f"warning: passed over among the images of {photos}: 1 .heic" in done.stderr
    assert [len(found) for found in keys(tmp_path / done.run).values()] == [48, 6, 6]
    table = ("strategy=random", "space=nasbench201", "estimator=table", "budget.trials=3")
    looked_at_none = nas("search", *table, "device=none")
    assert not (tmp_path / looked_at_none.run / membership.FILE).exists()


def test_a_run_goes_on_with_images_that_have_moved(nas, tmp_path, photos):
    run = nas("search", *SEARCH).run
    elsewhere = photos.rename(tmp_path / "it's, moved")
    assert "photos is no folder" in nas("search", f"resume={run}", "budget.trials=2").stderr
    again = nas("search", f"resume={run}", "budget.trials=2", f"data.path={elsewhere}")
    assert again.code == 0, again.stderr
    (next_one,) = [line for line in again.stderr.splitlines() if line.startswith("next:")]
    verb, *words = shlex.split(next_one)[2:]
    done = nas(verb, *words, "training.epochs=1", "device=none")
    assert done.code == 0, done.stderr
    assert keys(tmp_path / done.run) == keys(tmp_path / run)
    (elsewhere / "cat" / "3.png").unlink()
    other = nas("search", f"resume={run}", "budget.trials=3", f"data.path={elsewhere}")
    assert other.code == 2
    assert "of 60 images 1 are gone or changed" in other.stderr
    (tmp_path / run / membership.FILE).unlink()
    untold = nas("search", f"resume={run}", "budget.trials=3", f"data.path={elsewhere}")
    assert untold.code == 2
    assert "has no record of its images" in untold.stderr


def test_other_images_are_refused_on_resume(nas, tmp_path, photos):
    run = nas("search", *SEARCH).run
    again = nas("search", f"resume={run}", "budget.trials=2")
    assert again.code == 0, again.stderr
    draw(photos / "cat", ["new"])
    done = nas("search", f"resume={run}", "budget.trials=3")
    assert done.code == 2
    assert "of 60 images 0 are gone or changed, and 1 are new; put them back" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_retraining_never_trains_on_what_the_search_tested_on(nas, tmp_path, photos):
    run = nas("search", *SEARCH).run
    for label in ("cat", "dog"):
        draw(photos / label, [f"more{number}" for number in range(20)])
    done = nas("retrain", f"genotype={run}", *NETWORK, *SMALL)
    assert done.code == 0, done.stderr
    assert "0 are gone or changed, and 40 are new" in done.stderr
    before, now = keys(tmp_path / run), keys(tmp_path / done.run)
    assert before["test"] <= now["test"]
    assert not (before["train"] | before["valid"]) & now["test"]
    other = nas("retrain", f"genotype={run}/genotype.json", *NETWORK, *FOLDER, "data.split_seed=1")
    assert other.code == 0, other.stderr
    assert before["test"] <= keys(tmp_path / other.run)["test"]
    again = nas("retrain", f"resume={other.run}")
    assert again.code == 0, again.stderr


@pytest.mark.parametrize("damage", ["truncated", "other size", "other kind"])
def test_a_bad_test_image_ends_a_retraining_before_it_begins(nas, tmp_path, photos, damage):
    shutil.move(photos, tmp_path / "train")
    photos.mkdir()
    shutil.move(tmp_path / "train", photos / "Training")
    draw(photos / "Testing/dog", ["one", "two"])
    bad = photos / "Testing/dog/two.png"
    if damage == "other size":
        Image.new("RGB", (9, 9)).save(bad)
    else:
        bad.write_bytes(bad.read_bytes()[:120] if damage == "truncated" else b"%!PS-Adobe-3.0 EPSF")
    done = nas("retrain", "genotype=darts_v2", *FOLDER, *NETWORK)
    assert done.code == 2
    assert str(bad) in done.stderr
    assert "epoch" not in done.stderr.replace("epochs", "")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("outputs/retrain/*/state.pt"))


def test_a_bad_image_to_validate_on_ends_a_search_before_it_begins(nas, tmp_path, photos):
    draw(tmp_path / "all/train/cat", range(9))
    shutil.copytree(photos, tmp_path / "all/train", dirs_exist_ok=True)
    draw(tmp_path / "all/val/dog", ["one", "two"])
    bad = tmp_path / "all/val/dog/two.png"
    bad.write_bytes(bad.read_bytes()[:-30])
    done = nas("search", *SEARCH, "data.path=all")
    assert done.code == 2
    assert f"cannot read image {bad}" in done.stderr
    assert "searching" not in done.stderr


def test_kept_answers_are_those_of_the_same_images(nas, tmp_path, photos):
    cached = ("estimator=cached", "strategy=grid", "budget.trials=1", *FOLDER, *NETWORK)
    answers = tmp_path / "outputs/cache/estimates.jsonl"
    for change, lines in ((False, 1), (False, 1), (True, 2)):
        if change:
            draw(photos / "cat", range(30))
        done = nas("search", *cached)
        assert done.code == 0, done.stderr
        prints = [json.loads(line)["fingerprint"] for line in answers.read_text().splitlines()]
        assert len(set(prints)) == len(prints) == lines


@pytest.mark.parametrize(("seed", "code"), [(0, 0), (1, 2)])
def test_shared_weights_are_for_the_images_that_they_were_trained_on(nas, tmp_path, seed, code):
    run = take("gdas_bench", tmp_path)  # of data=synthetic data.images=64, before there was rule 2
    made = identity.membership(Synthetic(images=64, seed=seed, split_rule=1))
    (run / membership.FILE).write_text(made.text())
    one_shot = ("estimator=one_shot", "networks=3", "resamples=20")
    done = nas("audit", *one_shot, "supernet=gdas_bench")
    assert done.code == code, done.stderr
    assert (f"the images are not those of '{run}'" in done.stderr) is (code == 2)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["data.image_size=true"], "data.image_size is true; it must be a whole number or null"),
        (["data.memory_mb=null"], "data.memory_mb is null; it must be a number (default: 1000.0)"),
        (["data.workers=-2", "data.channels=2"], "data.channels is 2"),
        (["data=arrays", "data.path=labels.npz"], "labels.npz: y_train goes up to 1,000,000,000"),
        (["data=arrays", "data.path=pipe.npz"], "pipe.npz is a named pipe"),
    ],
)
def test_bad_input_is_one_clear_message(nas, tmp_path, photos, settings, says):
    images, labels = np.zeros((10, 8, 8, 3), np.uint8), np.arange(10) % 2
    labels[3] = 10**9
    np.savez(tmp_path / "labels.npz", x_train=images, y_train=labels)
    os.mkfifo(tmp_path / "pipe.npz")
    own = settings if settings[0].startswith("data=") else [*FOLDER[:2], *settings]
    done = nas("search", *SEARCH[:3], *SMALL, *own, timeout=60)
    assert done.code == 2
    assert says in done.stderr
    assert "nas: space" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_fraction_of_a_megabyte(nas, photos):
    done = nas("search", *SEARCH, "data.memory_mb=0.001", "data.workers=0")
    assert done.code == 0, done.stderr


def test_a_retraining_may_train_on_all_that_is_not_tested_on_and_a_search_may_not(nas, tmp_path):
    data = ("data.images=64", "data.valid_fraction=0")
    done = nas("retrain", "genotype=darts_v2", *TINY, *TINY_SPACE["cell"], *data)
    assert done.code == 0, done.stderr
    report = json.loads((tmp_path / done.run / "report.json").read_text())
    images = report["problem"]["images"]
    assert images["valid"] == 0
    assert report["result"].keys() == {"train_accuracy", "test_accuracy"}
    assert "valid_loss" not in report["epochs"][0]
    assert "no valid image" not in done.stderr
    kept = membership.read(tmp_path / done.run / membership.FILE)
    assert len(kept.keys["train"]) == images["train"] and not len(kept.keys["valid"])
    small = (*TINY, *TINY_SPACE["nasbench201"], "space=nasbench201", *data)
    for choosing in ("strategy=random", "strategy=darts"):
        refused = nas("search", choosing, *small)
        assert refused.code == 2
        assert "no image is held out to choose networks by" in refused.stderr
        assert "data.valid_fraction=0.1" in refused.stderr
    assert not (tmp_path / "outputs" / "search").exists()


def test_show_gives_a_first_look_at_a_folder_of_images(nas, tmp_path):
    rng = np.random.default_rng(0)
    for label in ("ant", "b&e"):
        (tmp_path / "mine" / label).mkdir(parents=True)
        for n in range(12):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "mine" / label / f"{n}.png")
    (tmp_path / "mine" / "ant" / "Thumbs.db").write_bytes(b"no image")
    whole = {file: file.read_bytes() for file in (tmp_path / "mine" / "ant").glob("*.png")}
    for file in whole:
        file.write_bytes(b"no image")
    sizes = ("data.image_size=8", "data.channels=3")
    done = nas("show", "data=image_folder", "data.path=mine", *sizes)
    assert done.code == 2 and "cannot be used either" in done.stderr
    assert not (tmp_path / "outputs").exists()
    for file, data in whole.items():
        file.write_bytes(data)
    done = nas("show", "data=image_folder", "data.path=mine")
    assert done.code == 0, done.stderr
    assert "passed over among the images of" in done.stderr and "1 .db" in done.stderr
    assert "nothing odd was found" in done.stderr and re.search(r"ant +│ +10 │", done.stderr)
    page = (tmp_path / done.run / "report.html").read_text()
    assert page.count('src="data:image/png;base64,') == 20  # ten of a class
    assert "b&amp;e" in page and "nas search data=image_folder data.path=mine" in page
