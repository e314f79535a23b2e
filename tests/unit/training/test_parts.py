"""The parts that a recipe may add to the plain training, each against what it says it is."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from fixtures import Looks
from torch import Tensor, nn

from nascli.core.budget import OutOfTime
from nascli.core.fault import Fault
from nascli.data.batches import batches, seeded
from nascli.data.split import Memory, Split
from nascli.data.synthetic import Synthetic
from nascli.training.augmentation import Augmentation, augmentation
from nascli.training.fit import fit
from nascli.training.optimizers import SGD
from nascli.training.recipe import Recipe
from nascli.training.scoring import score
from nascli.training.under_way import Epoch, State, best_of, out_of_patience

TASK = Synthetic(images=180, size=6, channels=3, classes=3, noise=0.3)
TRAIN, VALID = TASK.split("train").take(np.arange(96)), TASK.split("valid")


class Plain(nn.Module):
    """No batch norm, so that batches may be put together."""

    def __init__(self, *, norm: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU())
        self.norm = nn.BatchNorm2d(6) if norm else nn.Identity()
        self.head = nn.Linear(6 * 36, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.body(images)).flatten(1))  # type: ignore[no-any-return]


def plain(**options: Any) -> Plain:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Plain(**options)


def recipe(**changes: Any) -> Recipe:
    return Recipe(**{"epochs": 3, "batch_size": 16, "learning_rate": 0.05, **changes})


def weights(network: nn.Module) -> list[Tensor]:
    return list(network.state_dict().values())


def test_accumulated_batches_are_one_larger_batch() -> None:
    whole, parts = plain(), plain()
    fit(whole, TRAIN, None, recipe(batch_size=24, schedule="step"))
    fit(parts, TRAIN, None, recipe(batch_size=8, accumulate=3, schedule="step"))
    for one, other in zip(weights(whole), weights(parts), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_rest_of_an_epoch_is_a_step_of_its_own() -> None:
    network, steps = plain(), []
    optimizer = SGD.step

    def counted(self: torch.optim.SGD, *arguments: Any) -> Any:
        steps.append(self.param_groups[0]["params"][0].grad.clone())
        return optimizer(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SGD, "step", counted)
        fit(network, TRAIN, None, recipe(epochs=1, accumulate=4))  # 6 batches: 4 and 2
    assert len(steps) == 2
    reference = plain()
    reference.load_state_dict(plain().state_dict())
    stream = batches(TRAIN, 16, "cpu", generator=seeded(0, "batches", 0))
    total = sum(nn.functional.cross_entropy(reference(x), y) for x, y in list(stream)[:4]) / 4
    total.backward()  # type: ignore[union-attr]
    torch.testing.assert_close(steps[0], reference.body[0].weight.grad, rtol=1e-4, atol=1e-6)


def test_the_average_follows_the_weights_as_its_formula_says() -> None:
    seen: list[State] = []
    network = plain(norm=True)
    how = recipe(batch_size=48, average=0.4)  # 2 steps an epoch

    def keep(_epoch: Epoch, state: State) -> None:
        seen.append({name: tensor.clone() for name, tensor in state["network"].items()})

    fit(network, TRAIN, VALID, how, on_epoch=keep)
    # Every step of a plain run with the same seed, for the weights do not see the average.
    steps: list[dict[str, Tensor]] = []
    step = SGD.step
    other = plain(norm=True)

    def noted(self: torch.optim.SGD, *arguments: Any) -> Any:
        result = step(self, *arguments)
        steps.append({name: value.clone() for name, value in other.state_dict().items()})
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SGD, "step", noted)
        fit(other, TRAIN, VALID, recipe(batch_size=48))
    assert len(steps) == 6
    expected = steps[0]  # the first one is taken as it is
    for taken, now in enumerate(steps[1:], start=1):
        decay = min(0.4, (1 + taken) / (10 + taken))
        for name, value in now.items():
            mixed = decay * expected[name] + (1 - decay) * value
            expected[name] = mixed if value.is_floating_point() else value
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)
    assert not torch.equal(network.head.weight, other.head.weight)
    assert torch.equal(seen[-1]["head.weight"], other.head.weight)


def test_patience() -> None:
    assert best_of([]) == -1
    assert best_of([1.0, 3.0, 3.0, 2.0]) == 1
    assert not out_of_patience([1.0, 3.0, 3.0, 2.0], 0)
    assert not out_of_patience([1.0, 3.0, 3.0, 2.0], 3)
    assert out_of_patience([1.0, 3.0, 3.0, 2.0], 2)
    assert not out_of_patience([], 1)


def test_a_training_ends_when_it_gets_no_better_and_keeps_its_best() -> None:
    network = plain()
    states: list[State] = []
    how = recipe(epochs=40, patience=2, learning_rate=0.2)

    def keep(_epoch: Epoch, state: State) -> None:
        file = io.BytesIO()
        torch.save(state, file)
        file.seek(0)
        states.append(torch.load(file, weights_only=True))

    epochs = fit(network, TRAIN, VALID, how, on_epoch=keep)
    accuracies = [epoch.valid.accuracy for epoch in epochs if epoch.valid]
    best = best_of(accuracies)
    assert len(epochs) == best + 3 < 40
    assert score(network, VALID).accuracy == accuracies[best]
    kept = states[best]["network"]
    assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())
    resumed = plain()
    assert fit(resumed, TRAIN, VALID, how, state=states[best + 1]) == epochs
    assert all(map(torch.equal, weights(resumed), weights(network)))
    over = plain()
    assert fit(over, TRAIN, VALID, how, state=states[-1]) == epochs
    assert all(map(torch.equal, weights(over), weights(network)))


def test_with_all_of_them_a_cut_training_goes_on_as_if_nothing_had_come_between() -> None:
    parts = {"mixup": 0.4, "cutmix": 1.0, "rand_augment": 2, "average": 0.9, "accumulate": 2}
    how = recipe(**parts, class_weights="balanced", crop_padding=1)
    whole = plain(norm=True)
    expected = fit(whole, TRAIN, VALID, how)
    state: State | None = None
    for _ in range(30):
        network, file = plain(norm=True), io.BytesIO()
        try:
            found = fit(
                network,
                TRAIN,
                VALID,
                how,
                state=state,
                budget=Looks(2),
                on_cut=lambda cut, file=file: torch.save(cut, file),  # type: ignore[misc]
            )
            break
        except OutOfTime:
            file.seek(0)
            state = torch.load(file, weights_only=True)
    assert state is not None
    assert found == expected
    assert all(map(torch.equal, weights(network), weights(whole)))


def test_compiled_it_is_the_same_network() -> None:
    seen: list[Any] = []

    def compiled(network: nn.Module) -> Any:
        seen.append(network)
        return lambda images: network(images)

    eager, fast = plain(), plain()
    fit(eager, TRAIN, None, recipe(epochs=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "compile", compiled)
        fit(fast, TRAIN, None, recipe(epochs=1, compile=True))
    assert seen == [fast]
    assert all(map(torch.equal, weights(eager), weights(fast)))
    with pytest.raises(Fault, match="training.compile needs drop_path=0"):
        recipe(compile=True, drop_path=0.1)


def test_rand_augment_sees_pixels_and_every_image_draws_for_itself() -> None:
    pixels = np.tile(np.arange(0, 256, 4, dtype=np.uint8).reshape(1, 8, 8, 1), (40, 1, 1, 3))
    split = Split(
        Memory(pixels, np.zeros(40, np.int64)), torch.zeros(3), torch.ones(3), flips=False
    )
    augment = augmentation(recipe(rand_augment=2, rand_augment_magnitude=15), split)
    assert augment == Augmentation(rand_augment=2, magnitude=15)
    first, _ = next(batches(split, 40, "cpu", generator=seeded(3), augment=augment))
    again, _ = next(batches(split, 40, "cpu", generator=seeded(3), augment=augment))
    assert torch.equal(first, again)
    assert first.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(first, first.round())  # whole numbers: changed before they are normalised
    assert first.min() >= 0 and first.max() <= 255
    assert len(torch.unique(first.flatten(1), dim=0)) > 20
    before = torch.get_rng_state()
    next(batches(split, 40, "cpu", generator=seeded(4), augment=augment))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((3, 4, 4, 3), np.float32), "pixels of 8 bits; these images are torch.float32"),
        (np.zeros((3, 4, 4, 2), np.uint8), "these have 2 channels"),
    ],
)
def test_rand_augment_says_what_it_cannot_change(images: Any, said: str) -> None:
    source = Memory(images, np.zeros(3, np.int64))
    channels = images.shape[3]
    split = Split(source, torch.zeros(channels), torch.ones(channels), flips=False)
    with pytest.raises(Fault, match=said):
        augmentation(recipe(rand_augment=1), split)
