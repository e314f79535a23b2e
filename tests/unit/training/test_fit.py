from __future__ import annotations

import copy
import io
import math
from functools import partial
from typing import Any

import pytest
import torch
from fixtures import Looks
from torch import Tensor, nn

from nascli.core.budget import OutOfTime
from nascli.core.fault import Fault
from nascli.data.batches import batches, seeded
from nascli.data.split import Split
from nascli.data.synthetic import Synthetic
from nascli.training.augmentation import augmentation
from nascli.training.divergence import DivergedError
from nascli.training.fit import fit
from nascli.training.recipe import Recipe
from nascli.training.scoring import score
from nascli.training.under_way import Epoch, State

TASK = Synthetic(images=160, size=6, channels=2, classes=3, noise=0.3)
TRAIN, VALID = TASK.split("train"), TASK.split("valid")


class Small(nn.Module):
    """Everything that could make two trainings differ: batch norm, dropout, a drop path."""

    def __init__(self, *, auxiliary: bool = False, dropout: float = 0.2) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(6 * 36, 3)
        self.auxiliary = nn.Linear(6, 3) if auxiliary else None
        self.drop_path = 0.0
        self.seen: list[float] = []

    def forward(self, images: Tensor) -> Any:
        assert images.is_contiguous(memory_format=torch.channels_last)
        features = self.body(images)
        if self.training:
            self.seen.append(self.drop_path)
            features = features * (torch.rand(len(images), 1, 1, 1) >= self.drop_path)
        logits = self.head(self.dropout(features).flatten(1))
        if self.training and self.auxiliary is not None:
            return logits, self.auxiliary(features.mean((2, 3)))
        return logits


def small(**options: Any) -> Small:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Small(**options)


def recipe(**changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "epochs": 4,
        "batch_size": 16,
        "learning_rate": 0.05,
        "weight_decay": 1e-3,
        "gradient_clip": 1.0,
        "crop_padding": 1,
        "cutout": 2,
        "drop_path": 0.2,
    }
    return Recipe(**{**values, **changes})


def weights(network: nn.Module) -> list[Tensor]:
    return list(network.state_dict().values())


def same(first: nn.Module, second: nn.Module) -> bool:
    return all(map(torch.equal, weights(first), weights(second)))


def plainly(network: Small, how: Recipe, seed: int) -> list[float]:
    """The same training with torch's own optimizer, scheduler and loss; gives mean losses."""
    optimizer = torch.optim.SGD(
        network.parameters(),
        how.learning_rate,
        momentum=how.momentum,
        weight_decay=how.weight_decay,
        nesterov=how.nesterov,
        foreach=False,
    )
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, how.epochs, eta_min=how.final_learning_rate
    )
    criterion = nn.CrossEntropyLoss(label_smoothing=how.label_smoothing)
    losses = []
    for epoch in range(how.epochs):
        total = 0.0
        stream = batches(
            TRAIN,
            how.batch_size,
            "cpu",
            generator=seeded(seed, "batches", epoch),
            augment=augmentation(how, TRAIN),
        )
        for images, labels in stream:
            optimizer.zero_grad()
            output = network(images)
            if isinstance(output, tuple):
                loss = criterion(output[0], labels)
                loss = loss + how.auxiliary_weight * criterion(output[1], labels)
            else:
                loss = criterion(output, labels)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), how.gradient_clip)
            optimizer.step()
            total += loss.item() * len(labels)
        scheduler.step()
        losses.append(total / len(TRAIN))
    return losses


@pytest.mark.parametrize(
    ("changes", "auxiliary"),
    [
        ({}, False),
        ({"nesterov": True, "label_smoothing": 0.1, "final_learning_rate": 0.01}, False),
        ({"auxiliary_weight": 0.4}, True),
    ],
)
def test_it_trains_as_a_plain_loop_with_torchs_own_parts(
    changes: dict[str, Any], auxiliary: bool
) -> None:
    how = recipe(drop_path=0, **changes)
    ours, theirs = (small(auxiliary=auxiliary, dropout=0.0) for _ in range(2))
    epochs = fit(ours, TRAIN, None, how, seed=7)
    theirs.to(memory_format=torch.channels_last)
    losses = plainly(theirs.train(), how, seed=7)
    # Only the order of float32 sums differs.
    assert [epoch.train.loss for epoch in epochs] == pytest.approx(losses, rel=1e-4)
    for mine, plain in zip(weights(ours), weights(theirs), strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-3, atol=1e-4)
    cosine = [
        how.final_learning_rate + (0.05 - how.final_learning_rate) * part
        for part in ((1 + math.cos(math.pi * n / 4)) / 2 for n in range(4))
    ]
    assert [epoch.learning_rate for epoch in epochs] == pytest.approx(cosine)


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_a_training_goes_on_bit_for_bit_from_its_checkpoint(stop: int) -> None:
    whole = small()
    expected = fit(whole, TRAIN, VALID, recipe(), seed=1)
    files: list[bytes] = []

    def save(_epoch: Epoch, state: State) -> None:
        file = io.BytesIO()
        torch.save(state, file)
        files.append(file.getvalue())

    fit(small(), TRAIN, VALID, recipe(), seed=1, on_epoch=save)
    assert len(files) == 4
    state = torch.load(io.BytesIO(files[stop - 1]), weights_only=True)
    resumed = Small()  # its own weights are of no account
    torch.manual_seed(99)
    assert fit(resumed, TRAIN, VALID, recipe(), seed=1, state=state) == expected
    assert same(resumed, whole)


def test_it_does_not_depend_on_what_was_drawn_before_nor_disturb_it() -> None:
    first, second = small(), small()
    fit(first, TRAIN, VALID, recipe(), seed=1)
    torch.rand(13)
    before = torch.get_rng_state()
    fit(second, TRAIN, VALID, recipe(), seed=1)
    assert same(first, second)
    assert torch.equal(torch.get_rng_state(), before)
    other = small()
    fit(other, TRAIN, VALID, recipe(), seed=2)
    assert not same(first, other)


def test_validating_changes_nothing() -> None:
    first, second = small(), small()
    with_valid = fit(first, TRAIN, VALID, recipe())
    without = fit(second, TRAIN, None, recipe())
    assert same(first, second)
    assert [epoch.train for epoch in with_valid] == [epoch.train for epoch in without]
    assert with_valid[-1].valid == score(first, VALID)
    assert without[-1].valid is None


def test_it_learns() -> None:
    network = small()
    epochs = fit(network, TRAIN, VALID, recipe(epochs=8, drop_path=0, cutout=0, crop_padding=0))
    assert score(network, VALID).accuracy > 80  # by chance 33
    assert epochs[-1].train.accuracy > epochs[0].train.accuracy
    assert [epoch.number for epoch in epochs] == list(range(1, 9))


def test_the_drop_path_rises_linearly() -> None:
    network = small()
    fit(network, TRAIN, None, recipe(epochs=5))
    steps = math.ceil(len(TRAIN) / 16)
    expected = [0.2 * epoch / 5 for epoch in range(5) for _ in range(steps)]
    assert network.seen == pytest.approx(expected)


def test_fewer_epochs_shrink_the_course_of_the_learning_rate() -> None:
    rates = [epoch.learning_rate for epoch in fit(small(), TRAIN, None, recipe(), epochs=2)]
    assert rates == pytest.approx([0.05, 0.025])


def test_the_learning_rate_moves_with_every_step_if_the_recipe_says_so() -> None:
    first, second = small(), small()
    fit(first, TRAIN, None, recipe())
    fit(second, TRAIN, None, recipe(schedule="step"))
    assert not same(first, second)


def test_a_lone_last_image_is_left_out() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Flatten(), nn.Linear(72, 3), nn.BatchNorm1d(3))
            self.sizes: list[int] = []

        def forward(self, images: Tensor) -> Tensor:
            self.sizes.append(len(images))
            return self.layers(images)  # type: ignore[no-any-return]

    network, images = Flat(), len(TRAIN)
    fit(network, TRAIN, None, recipe(batch_size=images - 1), epochs=1)
    assert network.sizes == [images - 1]


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    network = small()
    with pytest.raises(DivergedError, match="the training loss of epoch 1 is nan"):
        fit(network, TRAIN, VALID, recipe(learning_rate=1e30, gradient_clip=math.inf))


def test_a_last_step_that_breaks_the_weights_is_not_left_unnoticed() -> None:
    one_step = recipe(learning_rate=1e9, batch_size=len(TRAIN))
    for valid in (None, VALID):
        with pytest.raises(DivergedError, match="network after epoch 1 is|validation loss of epo"):
            fit(small(), TRAIN, valid, one_step, epochs=1)


@pytest.mark.parametrize("steps", [1, 5, 8])
def test_cut_at_a_step_it_ends_as_if_nothing_had_come_between(steps: int) -> None:
    whole, epochs = small(), fit(small(), TRAIN, VALID, recipe())
    fit(whole, TRAIN, VALID, recipe())
    state: State | None = None
    ends: list[State] = []
    for _ in range(60):  # so many steps at a time, each time with another network
        network, file = small(), io.BytesIO()
        try:
            found = fit(
                network,
                TRAIN,
                VALID,
                recipe(),
                state=state,
                budget=Looks(steps),
                on_cut=partial(torch.save, f=file),
            )
            break
        except OutOfTime:
            file.seek(0)
            state = torch.load(file, weights_only=True)
            ends.append(state["under_way"]["step"])
    assert found == epochs
    assert same(network, whole)
    per_epoch = math.ceil(len(TRAIN) / 16)
    assert ends == [n % per_epoch for n in range(steps, 4 * per_epoch, steps)]


def test_a_checkpoint_that_is_gone_on_from_stays_as_it_is() -> None:
    states: list[State] = []
    fit(small(), TRAIN, None, recipe(), on_epoch=lambda _e, s: states.append(copy.deepcopy(s)))
    kept = copy.deepcopy(states[1])
    fit(small(), TRAIN, None, recipe(), state=states[1])
    moments = [
        [m["momentum_buffer"] for m in s["optimizer"]["state"].values()] for s in (states[1], kept)
    ]
    assert moments[0] and all(map(torch.equal, *moments))


def test_a_share_of_the_step_is_that_of_a_recipe_with_it() -> None:
    tenth, low = small(), small()
    seen = fit(tenth, TRAIN, None, recipe(), scale=0.1)
    assert seen[0].learning_rate == pytest.approx(0.005)
    fit(low, TRAIN, None, recipe(learning_rate=0.005))
    pairs = zip(weights(tenth), weights(low), strict=True)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in pairs)


def test_progress_runs_from_nothing_upwards() -> None:
    seen: list[tuple[float, str]] = []
    fit(small(), TRAIN, None, recipe(), progress=lambda done, text: seen.append((done, text)))
    steps = math.ceil(len(TRAIN) / 16)
    assert [done for done, _ in seen] == pytest.approx([n / (4 * steps) for n in range(4 * steps)])
    assert seen[-1][1] == "epoch 4/4"


def test_bfloat16_computes_low_and_keeps_weights_high() -> None:
    kinds = set()

    class Watched(Small):
        def forward(self, images: Tensor) -> Any:
            output = super().forward(images)
            kinds.add((self.training, output.dtype))
            return output

    network = Watched()
    fit(network, TRAIN, VALID, recipe(precision="bfloat16"), epochs=1)
    assert kinds == {(True, torch.bfloat16), (False, torch.float32)}
    assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_score_is_the_mean_over_all_images() -> None:
    network = small().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.no_grad():
        images = torch.cat([images for images, _ in batches(VALID, 1000, "cpu")])
        logits = network.eval()(images)
        loss = nn.CrossEntropyLoss()(logits, VALID.labels).item()
        accuracy = 100 * (logits.argmax(1) == VALID.labels).double().mean().item()
    network.train()
    result = score(network, VALID, batch_size=7)
    assert result.accuracy == pytest.approx(accuracy)
    assert result.loss == pytest.approx(loss, rel=1e-5)
    assert network.training


def test_saved_weights_score_as_before() -> None:
    network, file = small(), io.BytesIO()
    fit(network, TRAIN, None, recipe())
    torch.save(network.state_dict(), file)
    file.seek(0)
    loaded = Small()
    loaded.load_state_dict(torch.load(file, weights_only=True))
    assert score(loaded, VALID) == score(network, VALID)


@pytest.mark.parametrize("damage", ["network", "epochs", "history", "nothing left"])
def test_a_checkpoint_of_something_else_is_the_users_fault(damage: str) -> None:
    states: list[State] = []
    fit(small(), TRAIN, None, recipe(), on_epoch=lambda _e, s: states.append(copy.deepcopy(s)))
    state = states[0]
    changed: State = {
        "network": {**state, "network": {"weight": torch.zeros(3)}},
        "epochs": {**state, "epochs": 600},
        "history": {**state, "history": [{"number": 1}]},
        "nothing left": {"epochs": 4},
    }[damage]
    words = "is of 600 epochs, not of 4" if damage == "epochs" else "of another network or recipe"
    with pytest.raises(Fault, match=words):
        fit(small(), TRAIN, None, recipe(), state=changed)


def test_data_that_forbid_mirroring_are_not_mirrored() -> None:
    plain, flipped = small(), small()
    fit(plain, TRAIN, None, recipe())
    fit(flipped, TRAIN, None, recipe(flip=True))
    assert same(plain, flipped)
    mirrored = small()
    fit(mirrored, Split(TRAIN.source, TRAIN.mean, TRAIN.std, flips=True), None, recipe(flip=True))
    assert not same(plain, mirrored)
