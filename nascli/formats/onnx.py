"""ONNX, which runtimes on every platform read; if asked for, with numbers of 8 bits."""

from __future__ import annotations

import io
import json
import logging
import math
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nascli.core.fault import Fault
from nascli.formats.format import Answers, Exported
from nascli.formats.tracing import folded

_NEEDED = ("onnx", "onnxscript", "onnxruntime")
_OPERATORS: dict[int, Any] = {}  # opset -> torch's registry of what it can write


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
        needed("format=onnx", "format=pt2, which needs nothing")
        self._int8, self._opset = int8, opset
        self.tolerance = math.inf if int8 else 1e-4  # its accuracy says how good it is

    def write(self, exported: Exported, file: Path) -> Answers:
        """See `Format.write`."""
        notes = {"nascli": json.dumps(exported.card.to_json())}
        save(exported.network, exported.some, file, self._opset, int8=self._int8, notes=notes)
        session = exact(file)
        return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def exact(file: Path) -> Any:
    """A session of onnxruntime that computes what the file says, on every processor.

    On x86 without VNNI (AVX2) its matrix products of 8 bits add pairs of products in 16 bits, where
    they saturate (onnxruntime's documentation, "Quantization", U8S8). Its slower products that do
    not are asked for; others never saturate.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def missing() -> list[str]:
    """Which of the packages that write or run ONNX are not installed."""
    return [name for name in _NEEDED if find_spec(name) is None]


def needed(what: str, instead: str) -> None:
    """Raises a Fault where `what` lacks a package that writes or runs ONNX."""
    if lacking := missing():
        raise Fault(
            f"{what} needs {', '.join(lacking)}: pip install 'nascli[onnx]', or take {instead}"
        )


def save(
    network: nn.Module,
    some: Tensor,
    file: Path,
    opset: int = 18,
    *,
    int8: bool = False,
    batch: int | None = None,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Writes `network` as one graph from "images" to "logits".

    Args:
        network: images (B, C, H, W) -> logits; it stays as it is, and is written in eval mode.
        some: images to see it at work by, and to take the ranges of 8 bits from: at least two,
            and as many as the graph takes.
        file: to be written.
        opset: version of ONNX's operators.
        int8: quantise weights and activations.
        batch: images that the graph takes; None: any number, which takes twice as long to write.
        notes: what its metadata hold.

    Raises:
        Fault: it cannot be written down as a graph.
    """
    example = some[: 2 if batch is None else batch]
    sizes = {"images": {0: torch.export.Dim("batch")}} if batch is None else None
    with _quiet(), _read_once():
        program = torch.onnx.export(
            folded(network, example),
            (example,),
            dynamo=True,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=sizes,
            opset_version=opset,
            verbose=False,
        )
        assert program is not None
        program.model.metadata_props.update(notes or {})
        if int8:
            with tempfile.TemporaryDirectory() as folder:
                whole = Path(folder) / "float.onnx"
                program.save(whole)
                _quantise(whole, file, some, batch or 32)
        else:
            program.save(file)


def _quantise(source: Path, target: Path, some: Tensor, batch: int) -> None:
    """Static quantisation (Jacob et al., CVPR 2018, arXiv 1712.05877), ranges from `some`."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches = (some[n : n + batch] for n in range(0, len(some), batch))

        def get_next(self) -> Any:
            batch = next(self._batches, None)
            return None if batch is None else {"images": batch.numpy()}

    prepared = source.with_name("prepared.onnx")
    quant_pre_process(source, prepared)
    quantize_static(prepared, target, Reader(), per_channel=True, weight_type=QuantType.QInt8)


@contextmanager
def _read_once() -> Iterator[None]:
    """torch reads the source of all its operators anew for each network, which takes long.

    It offers no way to keep them, so this is an inner part of it; where a version has that part
    elsewhere, writing takes as long as it takes.
    """
    try:
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        original, read = vars(ONNXRegistry)["from_torchlib"], ONNXRegistry.from_torchlib
    except (ImportError, AttributeError, KeyError):
        yield
        return

    def kept(opset_version: int) -> Any:
        if opset_version not in _OPERATORS:
            _OPERATORS[opset_version] = read(opset_version=opset_version)
        return _OPERATORS[opset_version]

    ONNXRegistry.from_torchlib = staticmethod(kept)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        ONNXRegistry.from_torchlib = original  # type: ignore[method-assign]


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
