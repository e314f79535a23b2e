"""ONNX Runtime on this machine's processor: what most networks are deployed on there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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


class Loaded(NamedTuple):
    """A network as sessions that run it, and the images that it is given.

    `tracing` also notes what each kernel takes, which takes time itself.
    """

    session: onnxruntime.InferenceSession
    images: dict[str, NDArray[np.float32]]
    tracing: onnxruntime.InferenceSession | None


class OnnxRuntime(Timer):
    """Times networks as `nas export format=onnx` writes them, on ONNX Runtime's CPU provider.

    Writing one takes some seconds. Batch norms are folded into convolutions and layers fused, so
    that times of layers say nothing of a network's. `warmup`, `repeats`, `seconds` and `precision`
    are `nascli.devices.settings.Limits`.

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
        check(self.name, "float32", threads=threads, batch=batch)
        self._limits = Limits(warmup, repeats, seconds, precision)
        self._limits.check(self.name)
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
        self.check()
        with tempfile.TemporaryDirectory() as folder:
            yield [self._pass(self._loaded(case, Path(folder), trace=False)) for case in cases]

    def traced(self, cases: Sequence[Case]) -> tuple[list[Latency], list[tuple[Kernel, ...]]]:
        """See `nascli.core.device.Tracing`; two sessions of each network are held."""
        from nascli.devices.measuring import timed

        self.check()
        with tempfile.TemporaryDirectory() as folder:
            ready = [self._loaded(case, Path(folder), trace=True) for case in cases]
            passes = [self._pass(one) for one in ready]
            latencies = timed(passes, self._limits, self.conditions())
            return latencies, traced([(one.tracing, one.images) for one in ready])

    def _loaded(self, case: Case, folder: Path, *, trace: bool) -> Loaded:
        import onnxruntime

        from nascli.devices.running import images_of
        from nascli.formats.onnx import save

        network, shape = case
        images = images_of(max(2, self.batch), shape)
        file = folder / "network.onnx"
        save(network, images, file, int8=self.int8, batch=self.batch)

        def session(*, traced: bool) -> onnxruntime.InferenceSession:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
            options.log_severity_level = 3
            options.enable_profiling = traced
            options.profile_file_prefix = str(folder / "trace")
            return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

        given = {"images": images[: self.batch].numpy()}
        return Loaded(session(traced=False), given, session(traced=True) if trace else None)

    def _pass(self, loaded: Loaded) -> Callable[[], float]:
        from nascli.devices.measuring import clocked

        one = partial(loaded.session.run, None, loaded.images)
        return partial(clocked, one, threads=self.threads)
