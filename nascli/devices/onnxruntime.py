"""ONNX Runtime on this machine's processor: what most networks are deployed on there."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nascli.devices.kernel_trace import traced
from nascli.devices.processor import processor
from nascli.devices.settings import Limits, check
from nascli.devices.timer import Timer

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime
    from numpy.typing import NDArray

    from nascli.core.device import Kernel, Latency
    from nascli.devices.timer import Case


_SESSIONS = 3  # of each network: where one lies in memory changes what it takes


class Written(NamedTuple):
    """A network as an ONNX file, and the images that it is given."""

    path: Path
    given: dict[str, NDArray[np.float32]]


class OnnxRuntime(Timer):
    """Times networks as `nas export format=onnx` writes them, on ONNX Runtime's CPU provider.

    Writing one takes some seconds. Batch norms are folded into convolutions and layers fused, so
    that times of layers say nothing of a network's. `warmup`, `repeats`, `seconds` and `precision`
    are `nascli.devices.settings.Limits`, of three sessions together: each lies elsewhere in memory.

    Args:
        threads: of the runtime.
        batch: images at once.
        int8: weights and activations of 8 bits, their ranges from random images: for speed only.

    Raises:
        Fault: a setting is not allowed.
    """

    name = "onnxruntime"

    def __init__(
        self,
        threads: int = 1,
        batch: int = 1,
        int8: bool = False,
        warmup: int = 5,
        repeats: int = 200,
        seconds: float = 1.0,
        precision: float = 0.01,
    ) -> None:
        self._limits = Limits(warmup, repeats, seconds, precision)
        check(self.name, "float32", self._limits, threads=threads, batch=batch)
        self.threads, self.batch, self.int8 = threads, batch, int8

    def check(self) -> None:
        """See `nascli.core.device.Located`."""
        from nascli.formats.onnx import needed

        needed("device=onnxruntime", "device=cpu, or device=none to leave latency out")

    def conditions(self) -> dict[str, str | int]:
        """See `Timer.conditions`."""
        import onnxruntime

        from nascli.devices.running import conditions

        return conditions(
            processor(),
            f"onnxruntime {onnxruntime.__version__}",
            "int8" if self.int8 else "float32",
            self.batch,
            self.threads,
            channels_last=False,
        )

    @contextmanager
    def passes(self, cases: Sequence[Case]) -> Iterator[list[Callable[[], float]]]:
        """See `Timer.passes`."""
        with self._written(cases) as files:
            yield [self._pass(file) for file in files]

    def traced(self, cases: Sequence[Case]) -> tuple[list[Latency], list[tuple[Kernel, ...]]]:
        """See `nascli.core.device.Tracing`."""
        with self._written(cases) as files:
            latencies = self._in_sessions(files, parts=False)
            tracing = [(self._session(file.path, trace=True), file.given) for file in files]
            return latencies, traced(tracing)

    def _timed(self, cases: Sequence[Case], *, parts: bool) -> list[Latency]:
        with self._written(cases) as files:
            return self._in_sessions(files, parts=parts)

    def _in_sessions(self, files: Sequence[Written], *, parts: bool) -> list[Latency]:
        """The latencies of all, each in several sessions, which are loaded in another order.

        Those of the set before are let go of once the next are loaded: none is given its old place.
        """
        from nascli.devices.measuring import order, timed, together

        limits = replace(
            self._limits,
            repeats=math.ceil(self._limits.repeats / _SESSIONS),
            seconds=self._limits.seconds / _SESSIONS,
            precision=self._limits.precision * math.sqrt(_SESSIONS),
        )
        sets = []
        for number in range(_SESSIONS):
            loaded = {place: self._pass(files[place]) for place in order(number, len(files))}
            passes = [loaded[place] for place in range(len(files))]
            sets.append(timed(passes, limits, self.conditions(), parts=parts))
        return together(sets)

    @contextmanager
    def _written(self, cases: Sequence[Case]) -> Iterator[list[Written]]:
        from nascli.devices.running import images_of
        from nascli.formats.onnx import save

        self.check()
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for number, (network, shape) in enumerate(cases):
                images, path = images_of(max(2, self.batch), shape), Path(folder) / f"{number}.onnx"
                save(network, images, path, int8=self.int8, batch=self.batch)
                files.append(Written(path, {"images": images[: self.batch].numpy()}))
            yield files

    def _pass(self, file: Written) -> Callable[[], float]:
        from nascli.devices.measuring import clocked

        one = partial(self._session(file.path).run, None, file.given)
        return partial(clocked, one, threads=self.threads)

    def _session(self, path: Path, *, trace: bool = False) -> onnxruntime.InferenceSession:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = 3
        options.enable_profiling = trace
        options.profile_file_prefix = str(path)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
