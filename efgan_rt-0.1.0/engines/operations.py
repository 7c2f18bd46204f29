"""How many multiplications a network's graph asks for: what a share of a machine's limit is of.

Convolutions and matrix products are counted, by the shapes that OpenVINO infers; everything else of
a network like ours moves memory and multiplies next to nothing. What is counted is the graph as it
is, the zeros that a folded layer carries included.
"""

from math import prod
from typing import Any

from engines import runtimes
from engines.base import EngineError
from engines.manifest import NetworkEntry


def multiplications(model: bytes, entry: NetworkEntry) -> int:
    """Multiplications of one picture.

    Args:
        model: a complete ONNX file.
        entry: its entry in the manifest.

    Raises:
        EngineError: OpenVINO is missing or cannot read the model.
    """
    openvino = runtimes.import_openvino()
    try:
        graph = openvino.Core().read_model(model)
        graph.reshape({spec.name: list(spec.resolve(B=1)) for spec in entry.inputs})
        return sum(map(_of_operation, graph.get_ordered_ops()))
    except RuntimeError as error:
        raise EngineError(f"OpenVINO cannot read {entry.file}: {error}") from error


def _of_operation(operation: Any) -> int:
    kind = operation.get_type_name()
    if kind == "Convolution":  # weights: outputs, inputs, taps
        return _elements(operation.output(0)) * prod(_shape(operation.input(1))[1:])
    if kind == "ConvolutionBackpropData":  # weights: inputs, outputs, taps
        return _elements(operation.input(0)) * prod(_shape(operation.input(1))[1:])
    if kind == "MatMul":
        shared = _shape(operation.input(0))[-2 if operation.get_attributes()["transpose_a"] else -1]
        return _elements(operation.output(0)) * shared
    return 0


def _shape(port: Any) -> tuple[int, ...]:
    return tuple(port.get_shape())


def _elements(port: Any) -> int:
    return prod(_shape(port))
