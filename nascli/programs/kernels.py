"""Which kernels a run computes its supernet with: those in C, or torch's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Literal

from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.supernet import SharedWeights
from nascli.runs import reading
from nascli.runs.folder import ENVIRONMENT, Run

Kernels = Literal["auto", "native", "torch"]
_RECORD = "kernels"  # in environment.json


def check(kernels: Kernels) -> None:
    """Raises a Fault where kernels that are asked for cannot be had."""
    if kernels == "native":
        from nascli.kernels.native import library

        if library.load() is None:
            raise Fault(
                f"kernels=native cannot be had: {library.why()}; take kernels=auto, which goes on "
                "with PyTorch then"
            )


@contextmanager
def computing_with(
    kernels: Kernels, run: Run, problem: Problem, shared: SharedWeights | None
) -> Iterator[None]:
    """Computes with them meanwhile, and notes which they are in environment.json.

    `auto` goes on with what the run has begun with; where that cannot be, the listener hears of it.
    Without shared weights, or on a GPU, there is nothing to choose.
    """
    if shared is None or problem.accelerator != "cpu":
        yield
        return
    from nascli.kernels.native import library

    environment = reading.environment(run.place)
    before = environment.get(_RECORD)
    off = kernels == "torch" or (kernels == "auto" and before == "torch")
    with library.without() if off else nullcontext():
        library.load(problem.listener.warn)
        now = library.named()
        if before is not None and before != now:
            problem.listener.warn(
                f"warning: this run has computed with the kernels '{before}', and goes on with "
                f"'{now}'{_because(library.why())}: results differ in rounding from here"
            )
        elif now == "torch" and not off:
            problem.listener.warn(
                f"computing with PyTorch alone{_because(library.why())}; with kernels compiled for "
                "this processor a supernet trains faster"
            )
        if before != now:
            run.write_json(ENVIRONMENT, {**environment, _RECORD: now})
        yield


@contextmanager
def trying_with(kernels: Kernels, problem: Problem, shared: SharedWeights | None) -> Iterator[None]:
    """The same for what is tried before a new run begins; nothing is noted."""
    if shared is None or problem.accelerator != "cpu":
        yield
        return
    from nascli.kernels.native import library

    with library.without() if kernels == "torch" else nullcontext():
        library.load(problem.listener.warn)  # which may compile them
        yield


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
