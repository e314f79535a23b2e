"""Recorded passes against evaluated ones; a stand-in on the CPU does the recording."""

import pytest
import torch
from fixtures import TINY, TINY_SPACE, build, composed

from nascli.core.fault import Fault
from nascli.gradient.cuda_graphs import Replayed


class Recording(torch.autograd.Function):
    """What a graph does: it reads fixed places in memory, and writes gradients beside them."""

    @staticmethod
    def forward(ctx, run, places, count, *inputs):
        with torch.no_grad():
            for place, given in zip(places[:count], inputs, strict=False):
                place.copy_(given)
        with torch.enable_grad():
            ctx.made, ctx.places = run(*places[:count]), places
        return ctx.made.detach()

    @staticmethod
    def backward(ctx, gradient):
        wanted = [place for place in ctx.places if place.requires_grad]
        found = iter(torch.autograd.grad(ctx.made, wanted, gradient, allow_unused=True))
        return None, None, None, *(next(found) if p.requires_grad else None for p in ctx.places)


@pytest.fixture
def recordings(monkeypatch):
    made = []

    def record(module, samples, allow_unused_input):
        assert allow_unused_input
        state = [sample.requires_grad for sample in samples]
        module(*samples)  # warming up moves statistics
        places = [*samples, *module.parameters()]
        learning = [place.requires_grad for place in places]
        made.append(module)

        def replay(*inputs):
            assert [given.requires_grad for given in inputs] == state
            assert [place.requires_grad for place in places] == learning
            return Recording.apply(module, places, len(samples), *inputs, *module.parameters())

        return replay

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    return made


def bilevel(strategy, space):
    words = [f"strategy={strategy}", f"space={space}", *TINY, *TINY_SPACE[space]]
    words += ["space.nodes=2"] if space == "cell" else []
    return build.search(
        composed(*words, "data.images=96", "training.epochs=2")
    ).strategy._training()


@pytest.mark.parametrize(
    ("strategy", "space", "expected"),
    [
        ("darts", "cell", 2),
        ("pc_darts", "nasbench201", 2),
        ("snas", "nasbench201", 2),
        ("gdas", "nasbench201", 0),
    ],
)
def test_a_replayed_epoch_is_an_evaluated_one(strategy, space, expected, recordings):
    plain, replayed = bilevel(strategy, space), bilevel(strategy, space)
    replayed._training.evaluate = Replayed(replayed.supernet)
    for each in (plain, replayed):
        each.supernet.train()
        for step in range(2):
            each._architecture_step(0.5 + step / 10, 0.1)
            each._weight_step(0.5 + step / 10)
    assert len(recordings) == expected
    for name, value in plain.supernet.state_dict().items():
        assert torch.allclose(replayed.supernet.state_dict()[name], value, atol=1e-6), name
    for ours, theirs in zip(replayed._alphas, plain._alphas, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_only_a_gpu_can_record():
    words = [
        "strategy=darts",
        "strategy.cuda_graphs=true",
        "space=cell",
        *TINY,
        *TINY_SPACE["cell"],
    ]
    with pytest.raises(Fault, match="cuda_graphs is true, but the search runs on accelerator=cpu"):
        build.search(composed(*words))
