"""Steps away from the host: the meta device computes nothing, so asking it for a value raises."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from fixtures import TINY, TINY_SPACE, build, composed
from torch.utils._python_dispatch import TorchDispatchMode

from nascli.core.supernet import Mixture
from nascli.supernet import training


class Launches(TorchDispatchMode):
    """Counts what a GPU would be asked to do; views are free."""

    FREE = "view expand permute slice alias select unbind split as_strided squeeze t detach empty"

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.__name__.split(".")[0].lstrip("_").removeprefix("un")
        self.count += not name.startswith(tuple(self.FREE.split()))
        return function(*args, **(kwargs or {}))


def away(monkeypatch, strategy, space="nasbench201", *overrides):
    """The first stage of a search on the meta device."""
    monkeypatch.setattr(training, "SGD", partial(_sgd, training.SGD))
    words = [f"strategy={strategy}", f"space={space}", *TINY, *TINY_SPACE[space]]
    found = build.search(
        composed(*words, "data.images=96", "training.epochs=2", *overrides)
    ).strategy
    found._problem = replace(found._problem, run_on="meta")
    found._shared.supernet.to("meta")
    return found._training()


def _sgd(kind, weights, fused, **settings):
    assert fused  # on every accelerator that there is; this one is none
    return kind(weights, **settings)


FAMILY = ["darts", "snas", "pc_darts", "fair_darts", "sdarts_rs", "beta_darts", "random_ws"]


@pytest.mark.parametrize(
    ("strategy", "space"), [("darts", "cell"), *((name, "nasbench201") for name in FAMILY)]
)
def test_no_step_asks_the_accelerator_for_a_value(monkeypatch, strategy, space):
    bilevel = away(monkeypatch, strategy, space, *(["space.nodes=2"] if space == "cell" else []))
    bilevel.supernet.train()
    for step in range(bilevel._halves.steps + 1):  # so that every stream begins anew
        if bilevel._architect is not None:
            bilevel._architecture_step(step / bilevel._halves.steps, 0.1)
        bilevel._weight_step(step / bilevel._halves.steps)
    with pytest.raises(RuntimeError, match="meta"):  # else this test could not fail
        bilevel.loss(bilevel._mixtures(0.0, "weights")[0])


def test_edges_side_by_side_need_far_fewer_launches(monkeypatch):
    bilevel = away(monkeypatch, "darts", "cell", "space.cells=2")
    images, _ = bilevel._halves.valid()

    def launches():
        (mixture,) = bilevel.relaxation.mixtures(0.0)
        with Launches() as mode:
            logits = bilevel.supernet(images, Mixture(mixture.weights))
            torch.autograd.grad(logits.sum(), bilevel._training.weights)
        return mode.count

    launches()  # the first pass joins the statistics
    together = launches()
    monkeypatch.setattr("nascli.supernet.graph.stacks", lambda _: False)
    assert together < 0.55 * launches()
