"""What every format of exported networks keeps to; the YAML folder says which there are."""

import copy
import json
import random
import re
from functools import cache

import pytest
import torch
from fixtures import TINY, TINY_SPACE, build, composed, options
from torch import nn
from torch.nn import functional as F

from nascli import genotypes
from nascli.core import space as moves
from nascli.core.fault import Fault
from nascli.formats.deployed import Deployed, answers
from nascli.formats.format import Exported
from nascli.formats.tracing import folded, traced
from nascli.runs.card import Card

SHAPE = (1, 9, 9)  # odd, so that a reduction pads
CARD = Card("a = b", "toy", SHAPE, "uint8", (100.0,), (50.0,), ("x", "y's", "ü"), {"params": 3.0})


def space_of(name):
    size = ("data.size=9", "data.channels=1", "data.classes=3")
    config = composed("strategy=random", f"space={name}", *TINY, *TINY_SPACE[name], *size)
    return build.stated(config).space


def drawn(network, seed=0):
    """The network with weights and running statistics that no layer could do without."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(0.5 * torch.randn(tensor.shape, generator=generator))
            if name.endswith("running_var"):
                tensor.abs_().add_(0.5)
    return network


def images(number, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (number, *SHAPE), generator=generator).float()


def exported(network):
    mean, std = torch.tensor(CARD.mean), torch.tensor(CARD.std)
    return Exported(Deployed(drawn(network), mean, std), CARD, images(4))


def sampled(name, seed=0):
    space = space_of(name)
    return exported(space.network(moves.sample(space, random.Random(seed))))


def expected(network, pixels):
    """What the network itself says of images that are normalised by hand."""
    with torch.no_grad():
        return network.network.eval()((pixels - CARD.mean[0]) / CARD.std[0])


def made(name, *settings):
    return build.component(composed(f"format={name}", *settings, verb="export"), "format")


def says_what_its_user_needs(file):
    import onnxruntime

    session = onnxruntime.InferenceSession(file)
    (given,), (found,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape[1:], given.type) == ("images", [1, 9, 9], "tensor(float)")
    assert isinstance(given.shape[0], str)  # any number of images
    assert found.name == "logits"
    said = session.get_modelmeta().custom_metadata_map["nascli"]
    assert json.loads(said) == json.loads(json.dumps(CARD.to_json()))


EXPORTERS = ("onnx", "pt2")  # PyTorch's own, which take a second or two for every network


@cache
def kinds_of(space):
    """What a graph of a network of the space calls: kinds of modules, functions and methods."""
    graph = folded(sampled(space).network, images(2))
    nodes, modules = graph.graph.nodes, dict(graph.named_modules())
    called = {str(node.target) for node in nodes if node.op in ("call_function", "call_method")}
    return called | {type(modules[n.target]).__name__ for n in nodes if n.op == "call_module"}


def covering():
    """Few spaces whose graphs call all that graphs of any space call."""
    left, found = {space: kinds_of(space) for space in options("space")}, list[str]()
    while any(left.values()):
        found.append(max(left, key=lambda space: len(left[space])))
        left = {space: kinds - kinds_of(found[-1]) for space, kinds in left.items()}
    return found


@pytest.mark.parametrize("name", options("format"))
def test_the_file_answers_as_the_network(name, tmp_path):
    form = made(name)
    for space in covering() if name in EXPORTERS else options("space"):
        what, file = sampled(space), tmp_path / f"{space}{form.suffix}"
        answer = form.write(what, file)
        for number in (1, 7):
            pixels = images(number, seed=number)
            own, others = expected(what.network, pixels), answer(pixels)
            assert others.shape == (number, 3)
            assert (own - others).abs().max() <= form.tolerance * own.abs().max(), space
        assert file.stat().st_size > 0
        if name == "onnx":
            says_what_its_user_needs(file)


@pytest.mark.parametrize("name", ["python", "state_dict"])  # all: benchmarks/exports.py
def test_a_published_genotype_answers_alike_with_statistics_of_images(name, tmp_path):
    network = space_of("cell").network(genotypes.load("darts_v2")).train()
    mean, std = torch.tensor(CARD.mean), torch.tensor(CARD.std)
    for seed in range(3):
        network((images(8, seed) - mean) / std)
    what, form = Exported(Deployed(network, mean, std), CARD, images(4)), made(name)
    answer = form.write(what, tmp_path / f"network{form.suffix}")
    for number in (1, 7):
        own = expected(what.network, images(number))
        assert (own - answer(images(number))).abs().max() <= form.tolerance * own.abs().max()


def test_images_of_another_shape_are_refused(tmp_path):
    answer = made("python").write(sampled("nasbench201"), tmp_path / "network.py")
    for shape in (
        (2, 1, 12, 12),
        (2, 3, 9, 9),
        (1, 9, 9),
        (2, 9, 9, 1),
    ):  # others: by their runtime
        with pytest.raises(ValueError, match=re.escape(f"images are {shape}, not (B, *(1, 9, 9))")):
            answer(torch.zeros(shape))


@pytest.mark.parametrize("space", options("space"))
def test_folding_leaves_no_norm_behind_a_convolution_and_the_answers_as_they_were(space):
    for seed in range(3):
        what = sampled(space, seed)
        what.network.double()
        graph, pixels = folded(what.network, images(2).double()), images(5).double()
        assert torch.allclose(graph(pixels), answers(what.network, pixels), rtol=1e-9, atol=1e-9)
        modules = dict(graph.named_modules())
        for node in graph.graph.nodes:
            if node.op == "call_module" and isinstance(modules[node.target], nn.BatchNorm2d):
                before = node.args[0]
                assert before.op != "call_module" or len(before.users) > 1 or not isinstance(
                    modules[before.target], nn.Conv2d
                )  # fmt: skip
        assert len(graph.state_dict()) < len(what.network.state_dict())


def test_a_graph_is_a_copy(tmp_path):
    what = sampled("cell")
    before = copy.deepcopy(what.network.state_dict())
    folded(what.network, images(2))
    for name, tensor in what.network.state_dict().items():
        assert torch.equal(tensor, before[name])


class Branching(nn.Module):
    def forward(self, state):
        return state if state.sum() > 0 else -state


class Sized(nn.Module):
    """Code that asks for sizes, for how many images there are, and for what it was told."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(2, 3)

    def forward(self, state):
        number, _, height, width = state.shape
        if state.dim() == 4 and state.size(-1) % 2:
            state = F.pad(state, (0, 1, 0, 1))
        zeros = state.new_zeros(number, 1, height + 1, width + 1)
        return self.head(torch.cat([state, zeros], dim=1).mean((2, 3)))


def test_sizes_are_known_and_the_number_of_images_stays_open():
    what = exported(Sized())
    graph = traced(what.network, images(2))
    for number in (1, 5):
        assert torch.equal(graph(images(number)), answers(what.network, images(number)))


def test_a_network_that_looks_at_values_is_refused():
    with pytest.raises(Fault, match="must not branch on values of its input"):
        traced(exported(nn.Sequential(Branching(), nn.Flatten())).network, images(2))


class Squeezed(nn.Linear):
    pass


def test_python_says_which_module_it_has_no_words_for(tmp_path):
    network = nn.Sequential(nn.Flatten(), Squeezed(81, 3))
    Squeezed.__module__ = "torch.nn.ours"
    with pytest.raises(Fault, match="no words for the module Squeezed; take format=pt2"):
        made("python").write(exported(network), tmp_path / "network.py")


def test_python_needs_pytorch_alone(tmp_path):
    what = sampled("cell")
    made("python").write(what, tmp_path / "network.py")
    text = (tmp_path / "network.py").read_text()
    imported = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    assert imported == ["from pathlib import Path", "import torch", "from torch import nn"]
    scope = {"__file__": str(tmp_path / "network.py")}
    exec(text, scope)
    assert scope["CLASSES"] == ["x", "y's", "ü"] and scope["INPUT_SHAPE"] == SHAPE
    network = scope["Network"].load().train()  # it can go on training: nothing is folded
    network(images(4)).sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_python_keeps_what_differs_from_pytorchs_defaults(tmp_path):
    network = nn.Sequential(
        nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        nn.Conv2d(1, 4, (3, 1), stride=(1, 2), padding=(1, 0), dilation=(2, 1), bias=True),
        nn.BatchNorm2d(4, eps=1e-3, affine=False),
        nn.Flatten(),
    )
    answer = made("python").write(exported(network), tmp_path / "network.py")
    assert torch.equal(answer(images(2)), expected(exported(network).network, images(2)))


def test_onnx_of_8_bits_is_near(tmp_path):
    what = sampled("nasbench201")
    answer = made("onnx", "format.int8=true").write(what, tmp_path / "network.onnx")
    text = (tmp_path / "network.onnx").read_bytes()
    assert b"QuantizeLinear" in text
    own, others = expected(what.network, what.some), answer(what.some)
    assert 0 < (own - others).abs().mean() < 0.1 * own.abs().max()


def test_onnx_without_its_packages(monkeypatch):
    monkeypatch.setattr("nascli.formats.onnx.find_spec", lambda name: None)
    with pytest.raises(Fault, match="format=onnx needs onnx, onnxscript, onnxruntime: pip install"):
        made("onnx")
