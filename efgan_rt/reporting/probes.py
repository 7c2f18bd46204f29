"""What a processor can do at best, asked of the same runtime that runs the networks.

One large matrix product and one large convolution, each a network of a single layer, opened and
timed as the engines are. The faster of the two stands for the machine: a network of many small
layers cannot exceed it, and how much of it the networks reach is a figure that travels between
machines. The two files are written here, for the `onnx` package is not needed to run engines.

Source: onnx.proto of ONNX 1.23 for the field numbers; a test holds the files to the package.
"""

import hashlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from time import perf_counter
from typing import Final

import numpy as np

from engines.base import Engine, TensorSpec
from engines.choice import BackendChoice, lack_of_bf16
from engines.manifest import NetworkEntry
from engines.onnx_bytes import encoded, encoded_number
from engines.processor import this_processor

PRODUCT: Final = "matrix product"
CONVOLUTION: Final = "convolution"
SIDE: Final = 1024  # of the product's square matrices
CHANNELS: Final = 64
PICTURE_PX: Final = 64
KERNEL: Final = 3
PICTURES: Final = 8
FEWEST_RUNS: Final = 3
_FLOAT: Final = 1  # TensorProto.DataType, TypeProto.Tensor.elem_type
_INTS: Final = 7  # AttributeProto.AttributeType


@dataclass(frozen=True)
class Probe:
    """A network of one layer.

    Attributes:
        name: what it is.
        model: its ONNX file.
        entry: as a manifest would have it.
        batch: rows, or pictures, of a run.
        multiplications: of a run.
    """

    name: str
    model: bytes
    entry: NetworkEntry
    batch: int
    multiplications: int


def probes() -> tuple[Probe, Probe]:
    """The matrix product and the convolution."""
    taps = CHANNELS * KERNEL**2
    return (
        _probe(PRODUCT, "MatMul", (SIDE,), (SIDE, SIDE), SIDE, SIDE * SIDE),
        _probe(
            CONVOLUTION,
            "Conv",
            (CHANNELS, PICTURE_PX, PICTURE_PX),
            (CHANNELS, CHANNELS, KERNEL, KERNEL),
            PICTURES,
            taps * CHANNELS * PICTURE_PX**2,
        ),
    )


def _probe(
    name: str,
    operator: str,
    shape: Sequence[int],
    weights: Sequence[int],
    batch: int,
    multiplications_each: int,
) -> Probe:
    """A layer from (B, *shape) to the same."""
    given, taken = (TensorSpec(each, "float32", ("B", *shape)) for each in ("x", "y"))
    attributes = {"pads": [KERNEL // 2] * 4} if operator == "Conv" else {}
    model = one_layer(operator, given, taken, weights, attributes)
    sha256 = hashlib.sha256(model).hexdigest()
    entry = NetworkEntry(
        name, "probe.onnx", sha256, len(model), (1, batch, batch), (given,), (taken,), {}
    )
    return Probe(name, model, entry, batch, batch * multiplications_each)


def one_layer(
    operator: str,
    given: TensorSpec,
    taken: TensorSpec,
    weights: Sequence[int],
    attributes: dict[str, list[int]],
) -> bytes:
    """An ONNX file of one layer with random weights, from one float32 tensor to another."""
    values = np.random.default_rng(0).standard_normal(weights, np.float32)
    values *= np.float32(prod(weights[1:]) ** -0.5)
    node = b"".join(
        [
            encoded(1, given.name.encode()),
            encoded(1, b"w"),
            encoded(2, taken.name.encode()),
            encoded(4, operator.encode()),
            *(encoded(5, _attribute(name, numbers)) for name, numbers in attributes.items()),
        ]
    )
    tensor = b"".join(
        [
            *(encoded_number(1, size) for size in weights),
            encoded_number(2, _FLOAT),
            encoded(8, b"w"),
            encoded(9, values.astype("<f4").tobytes()),
        ]
    )
    graph = b"".join(
        [
            encoded(1, node),
            encoded(2, operator.encode()),
            encoded(5, tensor),
            encoded(11, _value(given)),
            encoded(12, _value(taken)),
        ]
    )
    opset = encoded(1, b"") + encoded_number(2, 20)
    return encoded_number(1, 10) + encoded(7, graph) + encoded(8, opset)


def _attribute(name: str, numbers: Sequence[int]) -> bytes:
    ints = b"".join(encoded_number(8, number) for number in numbers)
    return encoded(1, name.encode()) + ints + encoded_number(20, _INTS)


def _value(spec: TensorSpec) -> bytes:
    """A `ValueInfoProto`."""
    sizes = (
        encoded(2, size.encode()) if isinstance(size, str) else encoded_number(1, size)
        for size in spec.shape
    )
    shape = b"".join(encoded(1, size) for size in sizes)
    tensor = encoded_number(1, _FLOAT) + encoded(2, shape)
    return encoded(1, spec.name.encode()) + encoded(2, encoded(1, tensor))


@dataclass(frozen=True)
class Limit:
    """What this processor does at best in one runtime, whatever the precision.

    Attributes:
        gflops: thousand million operations a second by probe and precision; a multiplication and
            its addition are two.
    """

    gflops: dict[str, float]

    @property
    def best(self) -> float:
        """The largest."""
        return max(self.gflops.values())


def measure_limit(choice: BackendChoice, *, threads: int | None, seconds: float) -> Limit:
    """Times both probes in every precision that runs here; the median of the runs counts.

    A slower precision's own limit would make full use of the processor out of half of it.

    Args:
        choice: a backend that runs on the processor.
        threads: as the engines have.
        seconds: for each probe, of all its precisions together.

    Raises:
        EngineError: the runtime refuses.
    """
    gflops = {}
    precisions = ["fp32"]
    if choice.backend == "openvino" and not lack_of_bf16(this_processor()):
        precisions.append("bf16")
    for probe in probes():
        for precision in precisions:
            engine = _opened(probe, replace(choice, precision=precision), threads)
            times = _timed(engine, probe, seconds / len(precisions))
            speed = 2 * probe.multiplications / statistics.median(times) / 1e9
            gflops[f"{probe.name} in {precision}"] = speed
    return Limit(gflops)


def _opened(probe: Probe, choice: BackendChoice, threads: int | None) -> Engine:
    if choice.backend == "openvino":
        from engines.openvino_engine import OpenvinoEngine

        return OpenvinoEngine(
            probe.model,
            probe.entry,
            precision=choice.precision,
            batch=probe.batch,
            threads=threads,
        )
    from engines.onnxruntime_engine import OnnxRuntimeEngine

    return OnnxRuntimeEngine(probe.model, probe.entry, batch=probe.batch, threads=threads)


def _timed(engine: Engine, probe: Probe, seconds: float) -> list[float]:
    (spec,) = engine.inputs
    random = np.random.default_rng(0)
    inputs = {spec.name: random.standard_normal(spec.resolve(), np.float32)}
    request = engine.request()
    request.run(inputs)  # the first run prepares the weights
    times: list[float] = []
    while len(times) < FEWEST_RUNS or sum(times) < seconds:
        started = perf_counter()
        request.run(inputs)
        times.append(perf_counter() - started)
    return times
