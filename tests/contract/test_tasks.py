"""What every data set keeps to; those that need files are tested where they are."""

import pytest
import torch
from fixtures import build, composed, options

from nascli.core.fault import Fault
from nascli.data import identity
from nascli.data.batches import batches


@pytest.fixture(params=options("data"))
def task(request):
    try:
        made = build.component(composed(f"data={request.param}"), "data")
        made.split("train")
    except Fault as fault:
        pytest.skip(f"needs files: {fault}")
    return made


def test_batches_fit_the_task(task):
    for name in ("train", "valid", "test"):
        images, labels = next(batches(task.split(name), 8, "cpu"))
        assert images.shape[1:] == task.input_shape
        assert images.dtype == torch.float32
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert labels.dtype == torch.int64
        assert 0 <= int(labels.min()) <= int(labels.max()) < task.classes
    assert len(task.class_names) == task.classes


def test_the_training_split_is_normalised(task):
    images = torch.cat([x for x, _ in batches(task.split("train"), 256, "cpu")])
    assert abs(float(images.mean())) < 1e-3
    assert float(images.std()) == pytest.approx(1.0, abs=0.02)


def test_splits_are_disjoint_and_the_same_every_time(task):
    whole = [batches_of(task, name) for name in ("train", "valid", "test")]
    again = [batches_of(task, name) for name in ("train", "valid", "test")]
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))
    rows = [{row.numpy().tobytes() for row in images} for images in whole]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not rows[one] & rows[other]


def test_what_programs_ask_of_it(task):
    identity.check(task)
    one, other = identity.membership(task), identity.membership(task)
    one.check_same(other, "itself")
    sizes = [len(one.keys[name]) for name in ("train", "valid", "test")]
    assert sizes == [len(task.split(name)) for name in ("train", "valid", "test")]
    (words,) = identity.words(task)
    assert words.startswith(f"{task.name}: {task.classes} classes (")
    assert f"{sizes[0]:,} to train on, {sizes[1]:,} to validate on, {sizes[2]:,} to test" in words


def batches_of(task, name):
    return torch.cat([images.flatten(1) for images, _ in batches(task.split(name), 256, "cpu")])
