"""Modules at dotted paths, as the places of a plan name them."""

from __future__ import annotations

import itertools

from torch import nn


def attach(root: nn.Module, path: str, module: nn.Module) -> None:
    """Registers `module` in `root` at a dotted path, or puts it in the place of the one there.

    Modules on the way are made as needed: a list where a number follows.
    """
    names = path.split(".")
    for name, following in itertools.pairwise(names):
        child = root._modules.get(name)
        if child is None:
            child = nn.ModuleList() if following.isdigit() else nn.Module()
            root.add_module(name, child)
        root = child
    root.add_module(names[-1], module)


def attached(root: nn.Module, path: tuple[str, ...]) -> nn.Module:
    """The module at a path, looked up anew, so that one which was replaced since is found."""
    for name in path:
        child = root._modules[name]
        assert child is not None
        root = child
    return root
