"""ONNX, which runtimes on every platform read; if asked for, with numbers of 8 bits."""

from __future__ import annotations

import io
import json
import logging
import math
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nascli.core.fault import Fault
from nascli.formats.format import Answers, Exported
from nascli.formats.tracing import folded

_NEEDED = ("onnx", "onnxscript", "onnxruntime")


class Onnx:
    """One graph from pixels to logits: input "images" (batch, C, H, W) float32, output "logits".

    Normalisation is inside, and every batch norm that follows a convolution in its weights. The
    file's metadata holds what network.json does.

    Args:
        int8: quantise weights (for each channel) and activations to 8 bits, ranges taken from
            images of the training split.
        opset: version of ONNX's operators.

    Raises:
        Fault: onnx, onnxscript or onnxruntime is not installed.
    """

    suffix = ".onnx"

    def __init__(self, int8: bool = False, opset: int = 18) -> None:
        lacking = missing()
        if lacking:
            raise Fault(
                f"format=onnx needs {', '.join(lacking)}: pip install 'nascli[onnx]', or take "
                "format=pt2, which needs nothing"
            )
        self._int8, self._opset = int8, opset
        self.tolerance = math.inf if int8 else 1e-4  # its accuracy says how good it is

    def write(self, exported: Exported, file: Path) -> Answers:
        """See `Format.write`."""
        with _quiet():
            program = torch.onnx.export(
                folded(exported.network, exported.some[:2]),
                (exported.some[:2],),
                dynamo=True,
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
                opset_version=self._opset,
                verbose=False,
            )
        assert program is not None
        program.model.metadata_props.update(nascli=json.dumps(exported.card.to_json()))
        with _quiet():
            if self._int8:
                with tempfile.TemporaryDirectory() as folder:
                    whole = Path(folder) / "float.onnx"
                    program.save(whole)
                    _quantise(whole, file, exported.some)
            else:
                program.save(file)
        import onnxruntime

        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def missing() -> list[str]:
    """Which of the packages that it needs are not installed."""
    return [name for name in _NEEDED if find_spec(name) is None]


def _quantise(source: Path, target: Path, some: Tensor) -> None:
    """Static quantisation (Jacob et al., CVPR 2018, arXiv 1712.05877), ranges from `some`."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches = (some[n : n + 32] for n in range(0, len(some), 32))

        def get_next(self) -> Any:
            batch = next(self._batches, None)
            return None if batch is None else {"images": batch.numpy()}

    prepared = source.with_name("prepared.onnx")
    quant_pre_process(source, prepared)
    quantize_static(prepared, target, Reader(), per_channel=True, weight_type=QuantType.QInt8)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells of its steps on stdout, and of what no user can change in warnings."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
