"""Whether an operation fits where a layer says that it stands: built and run on shapes alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from nascli.core.fault import Fault
from nascli.core.plan import Layer
from nascli.networks.building import build

if TYPE_CHECKING:
    from nascli.operations import Factory


def misfit(factories: Mapping[str, Factory], layer: Layer) -> str | None:
    """The operation, with what keeps it from being `layer`; None if nothing does.

    An operation that does not run on shapes alone is believed.
    """
    shape = (layer.in_channels, layer.height, layer.width)
    text = f"'{layer.operation}' ({_words(shape)} -> {_words(layer.shape)})"
    with torch.random.fork_rng(devices=[]), torch.device("meta"), torch.no_grad():
        try:
            made = build(factories, layer).eval()(torch.zeros(1, *shape)).shape[1:]
        except NotImplementedError:
            return None
        except (Fault, ValueError, RuntimeError, AssertionError) as error:
            return f"{text}: {' '.join(str(error).split()) or type(error).__name__}"
    return None if made == layer.shape else f"{text}: it makes {_words(tuple(made))}"


def _words(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
