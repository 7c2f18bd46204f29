"""PyTorch to ONNX: one self-contained file a network, the same bytes from the same weights.

The exporter leaves behind masks built at run time from constants (its folding stops at small
tensors), a source path on every node, and shapes of every intermediate tensor; all of it goes. Then
the graph is held to what it must be, because an exporter that changed its mind about a layer would
otherwise show only as a slower or a subtly different engine.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import onnx
import onnx_ir
import torch
from onnx import ModelProto, ValueInfoProto
from onnxscript import optimizer
from torch import Tensor

from engines.base import TensorSpec
from engines.manifest import BATCH_DIMENSION
from export.networks import ExportedNetwork
from train.layers import InstanceNorm

# 20 is what torch exports without conversion and what TensorRT 10.12 and later, ONNX Runtime and
# OpenVINO all read; only bf16 graphs would need 22.
OPSET: Final = 20
# Large enough for a mask of the crop (1 x 1 x 128 x 128 bool) and far below a layer's weights at
# the paper's width, so folding never unrolls weights.
FOLDED_BYTES: Final = 1 << 18
EXAMPLE_BATCH: Final = 2  # 1 would be taken for a constant


def to_onnx(network: ExportedNetwork) -> ModelProto:
    """Exports a network; shapes are free in the batch only.

    Raises:
        AssertionError: the graph is not what it must be (`check_graph`): a bug, not a user's error.
    """
    free = torch.export.Dim(BATCH_DIMENSION, min=1)
    with quiet_exporter():
        program = torch.onnx.export(
            network.module.eval(),
            tuple(example(spec) for spec in network.inputs),
            input_names=[spec.name for spec in network.inputs],
            output_names=[spec.name for spec in network.outputs],
            dynamic_shapes={
                spec.name: {
                    axis: free for axis, size in enumerate(spec.shape) if size == BATCH_DIMENSION
                }
                for spec in network.inputs
            },
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        assert program is not None
        folded = program.model
        optimizer.optimize(folded, input_size_limit=FOLDED_BYTES, output_size_limit=FOLDED_BYTES)
    model = onnx_ir.serde.serialize_model(folded)
    strip_annotations(model)
    model.graph.name = network.name
    check_graph(model, network)
    return model


def example(spec: TensorSpec) -> Tensor:
    """A tensor to trace with; its values do not matter, as no branch depends on one."""
    dtype = getattr(torch, spec.dtype)
    return torch.zeros(spec.resolve(**{BATCH_DIMENSION: EXAMPLE_BATCH}), dtype=dtype)


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Silences what the exporter says about itself (torchvision missing, its own deprecations)."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def strip_annotations(model: ModelProto) -> None:
    """Removes what running does not need: source paths on nodes and intermediate shapes."""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    annotated = (model.graph.node, model.graph.input, model.graph.output, model.graph.initializer)
    for entries in annotated:
        for entry in entries:
            del entry.metadata_props[:]
            entry.ClearField("doc_string")


def check_graph(model: ModelProto, network: ExportedNetwork) -> None:
    """Holds a graph to its contract.

    Raises:
        AssertionError: it is invalid ONNX, has functions left, has not one normalisation for each
            of the module's, or differs in a tensor's name, type or shape.
    """
    onnx.checker.check_model(model, full_check=True)
    assert not model.functions, f"{network.name}: functions left in the graph"
    wanted = sum(isinstance(layer, InstanceNorm) for layer in network.module.modules())
    found = sum(node.op_type == "InstanceNormalization" for node in model.graph.node)
    assert found == wanted, f"{network.name}: {found} instance norms, expected {wanted}"
    assert tuple(map(tensor_spec, model.graph.input)) == network.inputs
    assert tuple(map(tensor_spec, model.graph.output)) == network.outputs


def tensor_spec(value: ValueInfoProto) -> TensorSpec:
    """A graph's input or output as this project writes it."""
    tensor = value.type.tensor_type
    shape = tuple(size.dim_param or size.dim_value for size in tensor.shape.dim)
    return TensorSpec(
        value.name, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name, shape
    )
