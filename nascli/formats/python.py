"""A Python module that needs PyTorch alone, with its weights in a file beside it."""

from __future__ import annotations

import inspect
import re
import runpy
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import fx, nn

from nascli.core.fault import Fault
from nascli.formats.deployed import answers
from nascli.formats.format import Answers, Exported
from nascli.formats.tracing import traced

if TYPE_CHECKING:
    from nascli.runs.card import Card

_TAKEN = frozenset(dir(nn.Module()))  # no layer may hide what every module has
_TEXT = '''"""A network that nascli has trained on {task!r}; it needs PyTorch only.

{description}

Its weights lie in the file of this name that ends in .pt: `Network.load()` has them.
"""

from pathlib import Path

import torch
from torch import nn

CLASSES = {classes}
INPUT_SHAPE = {shape}  # channels, height, width


class Network(nn.Module):
    """Images (B, {channels}, {height}, {width}) -> logits (B, {number}).

    Pixels are those of {pixels}, as float32; they are normalised inside.
    """

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros({channels}, 1, 1))
        self.register_buffer("std", torch.ones({channels}, 1, 1))
{layers}

    def forward(self, images):
        if images.shape[1:] != INPUT_SHAPE:
            raise ValueError(f"images are {{tuple(images.shape)}}, not (B, *{{INPUT_SHAPE}})")
{forward}

    @classmethod
    def load(cls, file=None):
        """The network with its weights, ready to answer."""
        network = cls()
        file = file or Path(__file__).with_suffix(".pt")
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        return network.eval()
'''


class Python:
    """`Network.load()` of the written module gives the network with its weights.

    The module holds every layer by name and the forward pass line by line. Nothing is folded, so
    that the network can go on training elsewhere.
    """

    suffix = ".py"
    tolerance = 1e-6

    def write(self, exported: Exported, file: Path) -> Answers:
        """See `Format.write`."""
        graph = _flat(traced(exported.network, exported.some[:2]))
        file.write_text(_module(graph, exported.card), encoding="utf-8")
        torch.save(graph.state_dict(), file.with_suffix(".pt"))
        loaded = runpy.run_path(str(file))["Network"].load()
        return lambda images: answers(loaded, images)


def _flat(graph: fx.GraphModule) -> fx.GraphModule:
    """The same graph, every module a direct member: cells.0.norm becomes cells_0_norm."""
    flat = nn.Module()
    for name, buffer in graph.named_buffers(recurse=False):
        flat.register_buffer(name, buffer)
    names: dict[str, str] = {}
    for node in graph.graph.nodes:
        if node.op != "call_module":
            continue
        if node.target not in names:
            plain = re.sub(r"\W", "_", node.target.removeprefix("network."))
            plain = plain if plain.isidentifier() else f"layer_{plain}"
            while plain in names.values() or plain in _TAKEN or plain in ("mean", "std"):
                plain += "_"
            names[node.target] = plain
            flat.add_module(plain, graph.get_submodule(node.target))
        node.target = names[node.target]
        node._rename(node.target)
    return fx.GraphModule(flat, graph.graph)


def _module(graph: fx.GraphModule, card: Card) -> str:
    layers = [f"self.{name} = nn.{_call(layer)}" for name, layer in graph.named_children()]
    source = graph.graph.python_code("self").src.partition("def forward")[2].partition("\n")[2]
    forward = textwrap.dedent(re.sub(r";  .*$", "", source, flags=re.MULTILINE))
    channels, height, width = card.input_shape
    return _TEXT.format(
        task=card.task,
        description=card.description.replace("\\", "/").replace('"""', "'''"),
        classes=list(card.class_names),
        shape=card.input_shape,
        channels=channels,
        height=height,
        width=width,
        number=card.classes,
        pixels=card.pixels,
        layers=textwrap.indent("\n".join(layers), " " * 8),
        forward=textwrap.indent(forward.strip(), " " * 8),
    )


def _call(module: nn.Module) -> str:
    """How a module of torch.nn is made: all arguments that are not its defaults.

    Raises:
        Fault: it is not one of torch.nn.
    """
    kind = type(module)
    if getattr(nn, kind.__name__, None) is not kind:
        raise Fault(f"format=python has no words for the module {kind.__name__}; take format=pt2")
    said = []
    for name, argument in inspect.signature(kind).parameters.items():
        if name in ("device", "dtype") or not hasattr(module, name):
            continue
        value = getattr(module, name)
        if name == "bias":
            value = value is not None
        if isinstance(value, tuple) and len(set(value)) == 1:
            value = value[0]  # the same in both directions
        if argument.default is inspect.Parameter.empty:
            said.append(repr(value))
        elif value != argument.default:
            said.append(f"{name}={value!r}")
    return f"{kind.__name__}({', '.join(said)})"
