"""Two processes that train one network, against gradients averaged over half batches in one."""

from __future__ import annotations

import copy
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.nn.functional import cross_entropy

from nascli.data.batches import batches, seeded
from nascli.data.synthetic import Synthetic
from nascli.training.fit import fit
from nascli.training.recipe import Recipe, learning_rate
from nascli.training.scoring import score
from nascli.training.together import Together

TASK = Synthetic(images=80, size=6, channels=2, classes=3, noise=0.3)
TRAIN, VALID = TASK.split("train"), TASK.split("valid")
RECIPE = Recipe(epochs=2, batch_size=10, learning_rate=0.1, momentum=0.9, weight_decay=1e-3)


class Network(nn.Module):
    """In float64, with batch norm, and with weights that nothing depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        self.head, self.dead = nn.Linear(64, 3), nn.Linear(2, 2)
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(images.double()))
        return logits


def first() -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Network()


def process(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    file = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=file, rank=rank, world_size=2)
    network, together = first(), Together(rank, 2)
    kept: list[Any] = []
    epochs = fit(
        network,
        TRAIN,
        VALID,
        RECIPE,
        seed=3,
        together=together,
        on_epoch=lambda _epoch, state: kept.append(copy.deepcopy(state)),
    )
    again = first()
    fit(again, TRAIN, VALID, RECIPE, seed=3, together=together, state=kept[0])
    found = [network.state_dict(), epochs, again.state_dict()]
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What each of two processes came to: weights and epochs."""
    folder = tmp_path_factory.mktemp("together")
    context = multiprocessing.get_context("fork")  # these compute nothing that a fork would break
    started = [context.Process(target=process, args=(rank, folder)) for rank in (0, 1)]
    for one in started:
        one.start()
    for one in started:
        one.join(60)
        assert one.exitcode == 0
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in (0, 1)]


def halved() -> Network:
    """The same by hand, in one process: every gradient is the mean of those of two halves."""
    network, velocity = first(), dict[str, Tensor]()
    weights = {name: one for name, one in network.named_parameters() if "dead" not in name}
    rows = RECIPE.batch_size
    for epoch in range(RECIPE.epochs):
        order = torch.randperm(len(TRAIN), generator=seeded(3, "batches", epoch)).numpy()
        left = len(order) % rows // 2 * 2  # an odd image cannot be shared out
        order = order[: len(order) - len(order) % rows + (left if left > 2 else 0)]
        steps = -(-len(order) // rows)
        for step in range(steps):
            ((images, labels),) = batches(TRAIN.take(order[step * rows :][:rows]), rows, "cpu")
            middle = len(images) // 2
            other = copy.deepcopy(network)  # whose statistics are of its own half
            found = []
            for one, half in ((network, slice(middle)), (other, slice(middle, None))):
                used = [weight for name, weight in one.named_parameters() if name in weights]
                loss = cross_entropy(one.train()(images[half]), labels[half])
                found.append(torch.autograd.grad(loss, used))
            rate = learning_rate(RECIPE, RECIPE.epochs, epoch, step, steps)
            with torch.no_grad():
                for (name, weight), one, two in zip(weights.items(), *found, strict=True):
                    gradient = (one + two) / 2 + RECIPE.weight_decay * weight
                    velocity[name] = RECIPE.momentum * velocity.get(name, 0) + gradient
                    weight -= rate * velocity[name]
    return network


def test_steps_are_those_of_gradients_averaged_over_two_halves_also_after_a_resume(
    both: list[Any],
) -> None:
    expected = halved().state_dict()
    for weights, _, again in both:
        for name, value in (*weights.items(), *again.items()):
            torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-10)


def test_batch_norms_see_all_images_of_a_step_on_gpus_alone() -> None:
    kinds = {
        where: type(Together(0, count).prepared(first(), accelerator).body[1])
        for where, (count, accelerator) in {
            "alone": (1, "cuda"),
            "cpu": (2, "cpu"),
            "gpus": (2, "cuda"),
        }.items()
    }
    plain = nn.BatchNorm2d
    assert kinds == {"alone": plain, "cpu": plain, "gpus": nn.SyncBatchNorm}


def test_all_validation_images_count_in_both(both: list[Any]) -> None:
    (weights, epochs, _), (_, others, _) = both
    network = first()
    network.load_state_dict(weights)
    alone = score(network, VALID)
    assert len(VALID) % 2 == 1 and epochs == others
    assert epochs[-1].valid.accuracy == alone.accuracy
    assert epochs[-1].valid.loss == pytest.approx(alone.loss, abs=1e-12)


@pytest.mark.parametrize(("images", "size"), [(23, 10), (20, 10), (21, 10)])
def test_shares_make_whole_batches(images: int, size: int) -> None:
    task = TRAIN.take(torch.arange(images).numpy())
    shares = [list(batches(task, size, "cpu", part=(n, 2))) for n in (0, 1)]
    whole = list(batches(task, size, "cpu"))
    for one, two, (expected, _) in zip(*shares, whole, strict=False):
        both = torch.cat([one[0], two[0]])
        assert len(one[0]) == len(two[0])
        torch.testing.assert_close(both, expected[: len(expected) // 2 * 2])
    assert [sum(len(labels) for _, labels in share) for share in shares] == [images // 2] * 2


def test_shares_are_augmented_each_by_itself() -> None:
    class Drawn:
        def pixels(self, images: Tensor, generator: torch.Generator) -> Tensor:
            return images

        def __call__(self, images: Tensor, black: Tensor, generator: torch.Generator) -> Tensor:
            return torch.rand(len(images), generator=generator)

    parts = [(0, 2), (1, 2), (0, 1)]
    drawn = [
        torch.cat(
            [
                images
                for images, _ in batches(
                    TRAIN, 10, "cpu", generator=seeded(0), augment=Drawn(), part=part
                )
            ]
        )
        for part in parts
    ]
    assert not torch.equal(drawn[0], drawn[1]) and torch.equal(drawn[0][:5], drawn[2][:5])
