"""The network of a plan: order, lifetimes, drop-path, both heads."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch import nn

from nascli.core.plan import IMAGES, Layer, Place, Plan, spent
from nascli.networks.network import Network

SHAPE = (3, 4, 4)


def layer(name, read, operation="twice", **more):
    return Place("layer", name, (read,), SHAPE, Layer(operation, 3, 3, 1, 4, 4), **more)


def total(name, *read):
    return Place("add", name, read, SHAPE)


class Times(nn.Module):
    """Multiplies; its parameter is drawn when it is made."""

    def __init__(self, factor=None):
        super().__init__()
        self.factor = nn.Parameter(torch.rand(()) if factor is None else torch.tensor(factor))

    def forward(self, state):
        return state * self.factor


def network_of(*places, build=lambda _: Times(2.0), **more):
    return Network(Plan(SHAPE, places, places[-1].name, **more), build)


def test_places_are_computed_in_order():
    network = network_of(
        layer("a.0", IMAGES),
        layer("a.1", "a.0"),
        total("sum", "a.0", "a.1", "a.0"),
        Place("concatenate", "both", ("sum", IMAGES), (6, 4, 4)),
    )
    images = torch.randn(2, *SHAPE)
    assert torch.equal(network(images), torch.cat([(2 + 4 + 2) * images, images], 1))


def test_an_addition_of_nothing_is_zero_and_of_one_thing_that_thing():
    images = torch.randn(2, *SHAPE).double()
    assert network_of(total("one", IMAGES))(images) is images
    nothing = network_of(layer("a", IMAGES), total("none"))(images)
    assert torch.equal(nothing, torch.zeros_like(images))
    assert nothing.dtype == images.dtype


def test_modules_stand_at_their_paths_and_are_made_in_the_stated_order():
    places = (
        layer("stages.0.1", IMAGES),
        layer("between", "stages.0.1"),
        layer("stages.1.0", "between"),
    )
    made = "stages.1.0", "stages.0.1", "between"
    torch.manual_seed(0)
    network = network_of(*places, build=lambda _: Times(), made=made)
    assert list(network.state_dict()) == [
        "stages.0.1.factor", "stages.1.0.factor", "between.factor",
    ]  # fmt: skip
    torch.manual_seed(0)
    drawn = dict(zip(made, torch.rand(3).split(1), strict=True))
    for name, value in drawn.items():
        assert network.get_submodule(name).factor == value


def test_a_module_put_in_the_place_of_another_is_run():
    network = network_of(layer("a.0", IMAGES))
    network.a[0] = Times(5.0)
    images = torch.randn(2, *SHAPE)
    assert torch.equal(network(images), 5 * images)


def test_the_auxiliary_head_runs_in_training_mode_only_and_is_registered_last():
    places = layer("a", IMAGES), layer("auxiliary", "a"), layer("b", "a")
    network = network_of(*places, auxiliary="auxiliary")
    images = torch.randn(2, *SHAPE)
    logits, second = network.train()(images)
    assert torch.equal(logits, 4 * images) and torch.equal(second, 4 * images)
    assert torch.equal(network.eval()(images), 4 * images)
    assert list(network.state_dict()) == ["a.factor", "b.factor", "auxiliary.factor"]


def test_each_image_drops_marked_layers_that_are_no_identity_in_training_mode():
    torch.manual_seed(0)
    for make, drops in ((nn.Sequential, True), (nn.Identity, False)):
        network = network_of(layer("a", IMAGES, drop_path=True), build=lambda _, m=make: m())
        images = torch.ones(1000, *SHAPE)
        assert torch.equal(network.train()(images), images)
        network.drop_path = 0.25
        found = network(images)
        if drops:
            assert (found == found[:, :1, :1, :1]).all()
            values = found[:, 0, 0, 0]
            assert values.unique().tolist() == [0, pytest.approx(1 / 0.75)]
            assert 200 < (values == 0).sum() < 300  # 250 expected, standard deviation 13.7
        else:
            assert torch.equal(found, images)
        assert torch.equal(network.eval()(images), images)


def test_a_layer_that_is_not_marked_is_not_dropped():
    network = network_of(layer("a", IMAGES)).train()
    network.drop_path = 0.9
    images = torch.randn(8, *SHAPE)
    assert torch.equal(network(images), 2 * images)


def test_what_nobody_reads_any_more_is_let_go():
    """Every layer notes which results live while it runs; the plan says which must."""
    places = (
        layer("a", IMAGES), layer("b", "a"), layer("unread", "a"), layer("c", "b"),
        total("sum", "a", "b", "c"), layer("d", "sum"), layer("e", "d"),
    )  # fmt: skip
    results: dict[str, weakref.ref[torch.UntypedStorage]] = {}
    alive: dict[str, set[str]] = {}

    class Noting(nn.Module):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def forward(self, state):
            alive[self.name] = {n for n, ref in results.items() if ref() is not None}
            found = state + 1
            results[self.name] = weakref.ref(found.untyped_storage())
            return found

    names = iter(place.name for place in places if place.layer)
    network = network_of(*places, build=lambda _: Noting(next(names)))
    with torch.no_grad():
        network(torch.randn(2, *SHAPE))
    assert alive == {
        "a": set(), "b": {"a"}, "unread": {"a", "b"}, "c": {"a", "b"}, "d": set(), "e": {"d"},
    }  # fmt: skip


def test_an_addition_lets_go_of_each_input_once_it_is_added():
    places = (
        *(layer(f"t.{n}", IMAGES) for n in range(4)),
        total("sum", *(f"t.{n}" for n in range(4))),
    )
    network = network_of(*places, build=lambda _: Times(2.0))
    refs, alive = [], []
    for number in range(4):
        network.t[number].register_forward_hook(
            lambda _m, _i, out: refs.append(weakref.ref(out.untyped_storage()))
        )

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func.overloadpacket.__name__ == "add":
                alive.append([ref() is not None for ref in refs])
            return func(*args, **(kwargs or {}))

    with torch.no_grad(), Watch():
        network(torch.randn(2, *SHAPE))
    assert alive == [
        [True, True, True, True],  # t.0 + t.1
        [False, False, True, True],
        [False, False, False, True],
    ]


def test_spent():
    places = [layer("a", IMAGES), layer("b", "a"), layer("c", "a"), total("d", "b", "b", IMAGES)]
    assert spent(places, {"d"}) == [(), (), ("a", "c"), (IMAGES, "b")]
    assert spent(places, {"d", IMAGES, "c"}) == [(), (), ("a",), ("b",)]
