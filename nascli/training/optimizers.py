"""torch's optimizers without its compiler.

Their methods import it, which takes seconds, for nothing but to keep it out of themselves. Here
nothing of an optimizer is compiled, so the methods are taken without what surrounds them; state,
arithmetic and settings are torch's.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch

_METHODS = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def _bare(optimizer: type[torch.optim.Optimizer]) -> dict[str, Any]:
    methods = {name: inspect.unwrap(getattr(optimizer, name)) for name in _METHODS}
    return {**methods, "step": torch.no_grad()(inspect.unwrap(optimizer.step))}


SGD: type[torch.optim.SGD] = type("SGD", (torch.optim.SGD,), _bare(torch.optim.SGD))
Adam: type[torch.optim.Adam] = type("Adam", (torch.optim.Adam,), _bare(torch.optim.Adam))
AdamW: type[torch.optim.AdamW] = type("AdamW", (torch.optim.AdamW,), _bare(torch.optim.AdamW))
