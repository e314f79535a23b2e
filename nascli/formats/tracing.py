"""A network as a graph of PyTorch's own modules and functions, whatever it is written in."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nascli.core.fault import Fault, first_line
from nascli.kernels.depthwise import Depthwise
from nascli.kernels.pointwise import Strided


def traced(network: nn.Module, images: Tensor) -> fx.GraphModule:
    """A copy in eval mode as a graph, for images of this size and any number of them.

    Raises:
        Fault: a module does what depends on the values that it sees.
    """
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        # PyTorch's own, but for how gradients are computed
        if isinstance(module, Depthwise | Strided):
            module.__class__ = nn.Conv2d  # type: ignore[assignment]
    try:
        with torch.no_grad():
            graph = _Tracer(images).trace(network)
    except Exception as error:  # whatever a module does to what is no tensor
        raise Fault(
            f"the network cannot be written down as a graph ({first_line(error)}); an "
            "operation of your own must not branch on values of its input"
        ) from error
    found = fx.GraphModule(network, graph)
    found.graph.eliminate_dead_code()  # sizes that only decided something
    return found


def folded(network: nn.Module, images: Tensor) -> fx.GraphModule:
    """The same function with every batch norm that follows a convolution inside of its weights.

    z = gamma (W x - mu) / sigma + beta is a convolution too, of weights gamma W / sigma.

    Raises:
        Fault: see `traced`.
    """
    graph = traced(network, images)
    modules = dict(graph.named_modules())
    for node in graph.graph.nodes:
        if node.op != "call_module" or not isinstance(modules[node.target], nn.BatchNorm2d):
            continue
        (before,) = node.args
        alone = before.op == "call_module" and len(before.users) == 1
        if not alone or not isinstance(modules[before.target], nn.Conv2d):
            continue
        fused = fuse_conv_bn_eval(modules[before.target], modules[node.target])
        graph.add_submodule(before.target, fused)
        modules[before.target] = fused
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph.eval()


class _Tracer(fx.Tracer):
    """Computes along with what it writes down, so that code may ask for the size of a state."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self._images, self._computing = images, False

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Proxy(node, self)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        return (
            attr_val if self._computing else super().getattr(attr, attr_val, parameter_proxy_cache)
        )

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        if self._computing:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def create_proxy(
        self, kind: str, target: Any, args: Any, kwargs: Any, *more: Any, **others: Any
    ) -> Any:
        proxy: Any = super().create_proxy(kind, target, args, kwargs, *more, **others)
        given, named = map_aggregate((tuple(args), dict(kwargs)), _value)
        self._computing = True
        try:
            proxy.value = self._computed(kind, target, given, named)
        finally:
            self._computing = False
        return proxy

    def _computed(self, kind: str, target: Any, given: Any, named: Any) -> Any:
        if kind == "placeholder":
            return self._images
        if kind == "call_module":
            return self.root.get_submodule(target)(*given, **named)
        if kind == "call_method":
            return getattr(given[0], target)(*given[1:], **named)
        if kind == "get_attr":
            owner, _, name = target.rpartition(".")
            return getattr(self.root.get_submodule(owner), name)
        return target(*given, **named) if kind == "call_function" else None


class _Proxy(fx.Proxy):
    """Stands for a tensor, and knows its size: a number but for the batch, which stays open."""

    value: Any

    @property
    def shape(self) -> tuple[Any, ...]:
        return (self.tracer.create_proxy("call_method", "size", (self, 0), {}), *self._sizes)

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        return int(self.value.dim())

    def __getattr__(self, name: str) -> Any:
        if name in ("dtype", "device", "ndim", "requires_grad"):
            return getattr(self.value, name)
        return super().__getattr__(name)

    @property
    def _sizes(self) -> tuple[int, ...]:
        return tuple(self.value.shape[1:])


def _value(found: Any) -> Any:
    return found.value if isinstance(found, _Proxy) else found
