"""The planned arena beside that of TensorFlow Lite Micro's own interpreter.

python benchmarks/micro_arena.py [random networks]         (default: 100; pip install tflite-micro)

Every network is written as a .tflite file, step by step, with the schema that the interpreter's
package ships, and loaded: what it reports is compared with what `nascli.costs.arena` plans from the
network's steps. The networks are the five of MLPerf Tiny, rebuilt (their files are not here), and
random ones of the spaces cell, nasbench201, chain, mobile and shufflenet. Weights are arbitrary:
memory does not depend on them.
"""

import json
import os
import platform
import random
import re
import sys
import tempfile
import types
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import microcontrollers as published  # noqa: E402

from nascli.core.plan import IMAGES, Shape  # noqa: E402
from nascli.core.space import sample  # noqa: E402
from nascli.costs.arena import arena, tail  # noqa: E402
from nascli.costs.int8 import Int8Network, Step  # noqa: E402
from nascli.costs.int8_layers import int8_network  # noqa: E402
from nascli.spaces.cell import Cell  # noqa: E402
from nascli.spaces.chain import Chain  # noqa: E402
from nascli.spaces.mobile import Mobile  # noqa: E402
from nascli.spaces.nasbench201 import NASBench201  # noqa: E402

HEADS = {  # of the benchmark's own files, with the same interpreter: published.md
    "ResNet8": 49_152, "MobileNetV1 0.25 at 96": 73_728, "DS-CNN": 16_000,
    "wake word": 6_656, "ToyCar": 768,
}  # fmt: skip
TOTALS = {
    "ResNet8": 55_984, "MobileNetV1 0.25 at 96": 103_680, "DS-CNN": 24_272,
    "wake word": 16_640, "ToyCar": 3_984,
}  # fmt: skip
MEGABYTES = 16
_SCALE = 1 / 256  # of every tensor, and so of biases, as weights have 1


def five() -> Mapping[str, Int8Network]:
    """The networks of MLPerf Tiny."""
    resnet = published.resnet([1, 1, 1], 10)
    return {
        "ResNet8": int8_network(resnet, published.CONVOLUTIONS),
        "MobileNetV1 0.25 at 96": published.mobilenet(0.25, 2, 96),
        "DS-CNN": published.keywords(),
        "wake word": published.wake_word(),
        "ToyCar": published.toy_car(),
    }


def operation(path: str, **arguments: object) -> dict[str, object]:
    return {"_target_": f"nascli.operations.{path}", **arguments}


def drawn(seed: int = 0) -> Iterator[tuple[str, Int8Network]]:
    """Random networks of the spaces in turn, at sizes that fit a microcontroller."""
    rng = random.Random(seed)
    cell = {
        "max_pool_3x3": operation("pool.max_pool"),
        "skip_connect": operation("skip.skip_connect"),
        "sep_conv_3x3": operation("separable.SeparableConv", kernel=3),
        "dil_conv_5x5": operation("separable.DilatedConv", kernel=5),
    }
    bench = {
        "none": operation("skip.Zero"),
        "skip_connect": operation("skip.skip_connect"),
        "nor_conv_1x1": operation("convolution.ReluConvNorm", kernel=1),
        "nor_conv_3x3": operation("convolution.ReluConvNorm", kernel=3),
        "avg_pool_3x3": operation("pool.average_pool"),
    }
    blocks = {
        f"mb{k}{e}{a}{s}": operation(
            "inverted.InvertedResidual", kernel=k, expansion=e, activation=a, squeeze=s
        )
        for k in (3, 5) for e in (1, 3) for a in ("relu6", "hswish") for s in ("none", "se8")
    }  # fmt: skip
    shuffles = {
        "shuffle3": operation("shuffle.ShuffleBlock", kernel=3),
        "shuffle5": operation("shuffle.ShuffleBlock", kernel=5),
        "xception": operation("shuffle.ShuffleBlock", xception=True),
    }
    conv = {"conv": operation("inverted.ConvNorm")}
    while True:
        size, few = rng.choice((16, 24, 28, 29, 32)), rng.choice((4, 8, 12, 16))
        task = types.SimpleNamespace(
            name="images", input_shape=(rng.choice((1, 3)), size, size), classes=10
        )
        stages = [{"name": "stem", "options": ["conv"], "channels": few}]
        stages += [
            {"name": f"stage{n}", "channels": few * 2**n, "stride": 2, "repeats": 2} for n in (1, 2)
        ]
        spaces = {
            "cell": Cell(task, cell, channels=few, cells=rng.choice((3, 5))),
            "nasbench201": NASBench201(task, bench, channels=few, cells_per_stage=1),
            "chain": Chain(task, {**conv, **blocks}, stages, tuple(blocks)),
            "shufflenet": Chain(task, {**conv, **shuffles}, stages, tuple(shuffles)),
            "mobile": Mobile(
                task, widths=[[few, 2 * few], 2 * few, 3 * few], depths=[1, 2, 2],
                expansions=(1, 3), stem_width=few, head_width=64,
            ),
        }  # fmt: skip
        for name, space in spaces.items():
            plan = space.plan(sample(space, rng))
            yield name, int8_network(plan, space.operations)


class File:
    """A .tflite file of a network: every step one operator."""

    def __init__(self, network: Int8Network) -> None:
        from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

        self._schema, self._network = schema, network
        self._model = schema.ModelT()
        self._model.version, self._model.buffers = 3, [schema.BufferT()]
        self._model.operatorCodes, self._codes = [], dict[int, int]()
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._shapes: dict[str, Shape] = {IMAGES: network.input_shape}
        self._tensors = {IMAGES: self._tensor(self._nhwc(network.input_shape))}
        for step in network.steps:
            self._shapes[step.name] = step.shape
            made = self._tensors[step.name] = self._tensor(self._nhwc(step.shape))
            zero = self._graph.tensors[made].quantization
            if step.kind == "gate":  # as a sigmoid must have it, and its scale
                zero.zeroPoint = [-128]
            elif step.kind == "mean":  # a pool has that of its input
                read = self._graph.tensors[self._tensors[step.inputs[0]]]
                zero.zeroPoint = list(read.quantization.zeroPoint)
            self._step(step)
        self._graph.inputs = [self._tensors[IMAGES]]
        self._graph.outputs = [self._tensors[network.steps[-1].name]]
        self._model.subgraphs = [self._graph]

    def bytes(self) -> bytes:
        import flatbuffers

        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    @staticmethod
    def _nhwc(shape: Shape) -> tuple[int, ...]:
        return 1, shape[1], shape[2], shape[0]

    def _tensor(
        self, shape: tuple[int, ...], data: np.ndarray | None = None, scales: int = 1, axis: int = 0
    ) -> int:
        schema, made = self._schema, self._schema.TensorT()
        kind = np.dtype(np.int8) if data is None else data.dtype
        kinds = {"int8": schema.TensorType.INT8, "int32": schema.TensorType.INT32}
        made.shape, made.type = list(shape), kinds[kind.name]
        made.quantization = schema.QuantizationParametersT()
        weights = data is not None and data.dtype == np.int8
        made.quantization.scale = [1.0 if weights else _SCALE] * scales
        made.quantization.zeroPoint = [0] * scales
        made.quantization.quantizedDimension = axis
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            self._model.buffers.append(buffer)
            made.buffer = len(self._model.buffers) - 1
        self._graph.tensors.append(made)
        return len(self._graph.tensors) - 1

    def _numbers(self, *values: int) -> int:
        return self._tensor((len(values),), np.array(values, np.int32))

    def _weights(self, shape: tuple[int, ...], biases: int, axis: int) -> list[int]:
        """Weights and biases, with a scale for each output channel where `axis` is not -1."""
        scales = 1 if axis < 0 else biases
        weights = self._tensor(shape, np.zeros(shape, np.int8), scales, max(axis, 0))
        return [weights, self._tensor((biases,), np.zeros(biases, np.int32), scales)]

    def _operator(self, name: str, inputs: list[int], step: Step, options: Any = None) -> None:
        schema = self._schema
        code = getattr(schema.BuiltinOperator, name)
        if code not in self._codes:
            made = schema.OperatorCodeT()
            made.builtinCode = code
            made.deprecatedBuiltinCode, made.version = min(code, 127), 1
            self._codes[code] = len(self._model.operatorCodes)
            self._model.operatorCodes.append(made)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes[code]
        operator.inputs, operator.outputs = inputs, [self._tensors[step.name]]
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self._graph.operators.append(operator)

    def _step(self, step: Step) -> None:
        schema = self._schema
        reads = [self._tensors[read] for read in step.inputs]
        channels = step.shape[0]
        given = self._shapes[step.inputs[0]] if step.inputs else (0, 0, 0)
        if step.kind in ("conv", "depthwise"):
            high, wide = map(int, step.size.split("x"))
            deep = step.kind == "depthwise"
            options = schema.DepthwiseConv2DOptionsT() if deep else schema.Conv2DOptionsT()
            options.strideH, options.strideW = (
                max(1, round(a / b)) for a, b in zip(given[1:], step.shape[1:], strict=True)
            )
            valid = (given[1] - high + 1, given[2] - wide + 1) == step.shape[1:] and high > 1
            options.padding = schema.Padding.VALID if valid else schema.Padding.SAME
            options.dilationHFactor = options.dilationWFactor = 1
            options.fusedActivationFunction = schema.ActivationFunctionType.RELU
            if valid:
                options.strideH = options.strideW = 1
            shape = (1, high, wide, channels) if deep else (channels, high, wide, given[0])
            if deep:
                options.depthMultiplier = 1
            weights = self._weights(shape, channels, 3 if deep else 0)
            name = "DEPTHWISE_CONV_2D" if deep else "CONV_2D"
            self._operator(name, reads + weights, step, options)
        elif step.kind == "linear":
            weights = self._weights((channels, step.weights // channels), channels, -1)
            self._graph.tensors[self._tensors[step.name]].shape = [1, channels]
            options = schema.FullyConnectedOptionsT()
            self._operator("FULLY_CONNECTED", reads + weights, step, options)
        elif step.kind in ("pool", "mean"):
            options = schema.Pool2DOptionsT()
            whole = step.kind == "mean"
            options.padding = schema.Padding.VALID if whole else schema.Padding.SAME
            options.filterHeight, options.filterWidth = given[1:] if whole else (3, 3)
            options.strideH, options.strideW = (
                -(-a // b) for a, b in zip(given[1:], step.shape[1:], strict=True)
            )
            self._operator("AVERAGE_POOL_2D", reads, step, options)
        elif step.kind == "add":
            self._operator("ADD", reads, step, schema.AddOptionsT())
        elif step.kind == "multiply":
            self._operator("MUL", reads, step, schema.MulOptionsT())
        elif step.kind == "concatenate":
            options = schema.ConcatenationOptionsT()
            options.axis = 3
            self._operator("CONCATENATION", reads, step, options)
        elif step.kind == "slice":
            size = self._nhwc(step.shape)
            ends = [self._numbers(0, 0, 0, 0), self._numbers(*size), self._numbers(1, 1, 1, 1)]
            self._operator("STRIDED_SLICE", reads + ends, step, schema.StridedSliceOptionsT())
        elif step.kind == "pad":
            more = [b - a for a, b in zip(self._nhwc(given), self._nhwc(step.shape), strict=True)]
            borders = np.array([[0, n] for n in more], np.int32)
            border = self._tensor((4, 2), borders)
            self._operator("PAD", [*reads, border], step, schema.PadOptionsT())
        elif step.kind == "resize":
            size = self._numbers(*step.shape[1:])
            options = schema.ResizeBilinearOptionsT()
            options.halfPixelCenters = True
            self._operator("RESIZE_BILINEAR", [*reads, size], step, options)
        elif step.kind == "zeros":
            values = [
                self._numbers(*self._nhwc(step.shape)),
                self._tensor((), np.zeros((), np.int8)),
            ]
            self._operator("FILL", values, step, schema.FillOptionsT())
        else:
            self._operator({"relu": "RELU", "gate": "LOGISTIC"}[step.kind], reads, step)


def interpreted(network: Int8Network) -> tuple[int, int]:
    """Head and tail in bytes, as the interpreter tells them."""
    from tflite_micro.python.tflite_micro import runtime

    model = File(network).bytes()
    with tempfile.TemporaryFile() as told:
        sys.stderr.flush()
        before = os.dup(2)
        os.dup2(told.fileno(), 2)
        try:
            made = runtime.Interpreter.from_bytes(model, arena_size=MEGABYTES << 20)
            made.print_allocations()
        finally:
            os.dup2(before, 2)
            os.close(before)
        told.seek(0)
        text = told.read().decode()
    found = re.search(
        r"Arena allocation head (\d+) bytes.*?Arena allocation tail (\d+) bytes", text, re.S
    )
    if found is None:
        raise RuntimeError(text)
    return int(found[1]), int(found[2])


def row(name: str, network: Int8Network) -> dict[str, Any]:
    """One network, planned and interpreted."""
    head, rest = interpreted(network)
    return {
        "network": name,
        "steps": len(network.steps),
        "weights_bytes": network.flash_bytes,
        "head_planned": arena(network),
        "head": head,
        "tail_estimated": tail(network),
        "tail": rest,
    }


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    rows = [
        {**row(name, network), "head_published": HEADS[name], "total_published": TOTALS[name]}
        for name, network in five().items()
    ]
    several = [row(name, network) for name, network in islice(drawn(), count)]
    equal = sum(one["head_planned"] == one["head"] for one in several)
    errors = [one["tail_estimated"] / one["tail"] - 1 for one in several]
    summary = {
        "published": len(rows),
        "published_equal": sum(
            one["head"] == one["head_planned"] == one["head_published"] for one in rows
        ),
        "random": count,
        "random_equal": equal,
        "tail_share": [
            round(f([one["tail"] / (one["tail"] + one["head"]) for one in [*rows, *several]]), 3)
            for f in (min, max)
        ],
        "tail_error": [round(min(errors), 3), round(max(errors), 3)],
    }
    for one in rows:
        print(json.dumps(one))
    print(json.dumps(summary))
    result = {
        "command": f"python benchmarks/micro_arena.py {count}",
        "machine": {"platform": platform.platform(), "python": platform.python_version()},
        "tflite_micro": version("tflite_micro"),
        "summary": summary,
        "published": rows,
        "random": several,
    }
    file = ROOT / "benchmarks" / "results" / "micro_arena.json"
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
