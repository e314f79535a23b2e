"""From the user's own images to files that say what is in others, with nothing else at hand."""

import json
import shutil
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

import nascli

TINY = (
    "training.epochs=3", "training.batch_size=16", "training.learning_rate=0.1", "device=none",
    "accelerator=cpu", "space.channels=4", "space.cells=2", "data.test_fraction=0.3",
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory, start):
    """The run folder of a network of bright and dark images, which lie elsewhere by now."""
    folder = tmp_path_factory.mktemp("shipping")
    rng = np.random.default_rng(0)
    for name, low in (("dark ones", 0), ("bright", 156)):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(30):
            pixels = rng.integers(low, low + 100, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{number}.png")
    process = start(
        "retrain", "genotype=darts_v2", "data=image_folder", "data.path=photos", *TINY, cwd=folder
    )
    out, err = process.communicate(120)
    assert process.wait() == 0, err
    shutil.move(folder / "photos", folder / "gone")
    return folder, out.splitlines()[-1]


def test_it_is_exported_and_says_that_its_images_are_gone(trained, nas):
    folder, run = trained
    done = nas("export", run, "format=python", cwd=folder)
    assert done.code == 0, done.stderr
    assert "not compared on test images" in done.stderr and "gone" not in done.stdout
    file = folder / done.stdout.splitlines()[-1]
    assert file.name == "network.py" and "CLASSES = ['bright', 'dark ones']" in file.read_text()
    report = json.loads((file.parent / "report.json").read_text())
    assert report["verb"] == "export" and report["difference"] < 1e-6
    assert "accuracy" not in report
    assert json.loads((file.parent / "network.json").read_text())["class_names"] == [
        "bright",
        "dark ones",
    ]


def test_with_its_images_it_is_compared_on_them(trained, nas, tmp_path):
    folder, run = trained
    shutil.copytree(folder / run, tmp_path / run)
    config = tmp_path / run / "config.yaml"
    config.write_text(config.read_text().replace(str(folder / "photos"), str(folder / "gone")))
    done = nas("export", f"genotype={run}", "format=state_dict")
    assert done.code == 0, done.stderr
    report = json.loads((tmp_path / done.stdout.strip()).with_name("report.json").read_text())
    assert report["accuracy"] == report["network_accuracy"] == 100
    assert report["images"] == 18  # 30 % of 30 and 30


def test_it_says_what_it_sees(trained, nas):
    folder, run = trained
    Image.new("L", (20, 12), 230).save(folder / "new.png")
    done = nas("predict", run, "new.png", "gone/dark ones", "top=2", cwd=folder)
    assert done.code == 0, done.stderr
    first, *others = (line.split("\t") for line in done.stdout.splitlines())
    assert first[:2] == ["new.png", "bright"] and len(others) == 30
    assert all(row[1] == "dark ones" for row in others)
    for row in (first, *others):
        shares = [float(share) for share in row[2::2]]
        assert sum(shares) == pytest.approx(1, abs=2e-4) and shares == sorted(shares)[::-1]


def test_from_python(trained):
    folder, run = trained
    loaded = nascli.load(folder / run)
    assert "macro_f1" in loaded.report["test"]  # but no five likeliest of two classes
    assert "top5_accuracy" not in loaded.report["test"]
    array = np.full((2, 8, 8, 3), [[[[230]]], [[[20]]]], dtype=np.uint8)
    found = loaded.predict(array)
    names = loaded.network.card.class_names
    assert [names[number] for number in found.argmax(1)] == ["bright", "dark ones"]
    assert found.sum(1) == pytest.approx([1, 1])
    assert loaded.predict(array[:0]).shape == (0, 2)
    with pytest.raises(nascli.Fault, match=r"shape \(2, 8, 8\); it must be \(N, 8, 8, 3\)"):
        loaded.predict(array[..., 0])
    with pytest.raises(nascli.Fault, match="is not a run folder: there is no such folder"):
        nascli.load(folder / "nowhere")
    array.flags.writeable = False  # as those of Pillow's images are
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.array_equal(loaded.predict(array), found)
    finally:
        torch.set_warn_always(False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export"], "say which network: genotype=FOLDER"),
        (["export", "darts_v2"], "nas retrain genotype=darts_v2"),
        (["export", "{run}", "format=onx"], "did you mean 'onnx'?"),
        (["export", "{run}", "format.int8=true"], "takes its ranges from the training images"),
        (["predict", "{run}"], "say which images"),
        (
            ["predict", "{run}", "nowhere.png"],
            "no image, and no folder of images, at 'nowhere.png'",
        ),
        (["predict", "{run}", "new.txt"], "new.txt: it is in no known image format"),
        (["predict", "{run}", "gone", "top=0"], "top is 0"),
        (["predict", "gone", "new.txt"], "has no weights.pt"),
    ],
)
def test_what_cannot_be_is_said(trained, nas, words, said):
    folder, run = trained
    (folder / "new.txt").write_text("no image")
    before = sorted(folder.rglob("*"))
    done = nas(*(word.format(run=run) for word in words), cwd=folder)
    assert done.code == 2 and said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(folder.rglob("*")) == before


def test_weights_of_another_network_are_refused(trained, nas, tmp_path):
    folder, run = trained
    shutil.copytree(folder / run, tmp_path / run)
    config = tmp_path / run / "config.yaml"
    config.write_text(config.read_text().replace("channels: 4", "channels: 6"))
    done = nas("predict", run, str(folder / "gone"))
    assert done.code == 2 and "does not fit the network of its run" in done.stderr, done.stderr


@pytest.mark.parametrize("said", ["Missing key", "size mismatch"])
def test_weights_that_lack_a_tensor_or_have_another_shape_are_refused(trained, tmp_path, said):
    folder, run = trained
    shutil.copytree(folder / run, tmp_path / "run")
    file = tmp_path / "run" / "weights.pt"
    weights = torch.load(file, weights_only=True)
    name, tensor = weights.popitem()
    torch.save(weights if said == "Missing key" else {**weights, name: tensor[None]}, file)
    with pytest.raises(nascli.Fault, match=f"does not fit the network of its run: {said}.*{name}"):
        nascli.load(tmp_path / "run").network  # noqa: B018
