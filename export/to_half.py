"""Half precision, decided here and recorded in the graph.

Two things are called half precision and are kept apart. *Weights* in half are storage: a file half
the size, computed with in FP32. *Precision* fp16 is arithmetic: convolutions in float16, instance
norm in FP32 between casts. Only convolutions change type; the norms' scales, the Interpolator and
all constants are too small to be worth rounding.

ONNX Runtime's CPU kernels compute a half graph in FP32 and so hide overflow. What half arithmetic
does to a network is therefore asked of PyTorch, where every layer's result is rounded to float16,
and of the largest activation in FP32, which says how near to float16's end the network works.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeVar

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from export.graphs import CONVOLUTIONS
from train.families.family import Networks
from train.layers import Conv

N = TypeVar("N", bound=Networks)
PRODUCTS: Final = ("Gemm", "MatMul")


def half_twin(networks: N) -> N:
    """A copy whose convolutions compute in float16; the rest keeps its type."""
    twin = copy.deepcopy(networks)
    for layer in _convolutions(twin):
        layer.half()
    return twin


@contextmanager
def fast_half_convolutions(networks: Networks) -> Iterator[None]:
    """Lets a half twin's convolutions add up in FP32, as a GPU does, while the context is open.

    Inputs, weights and results are rounded to float16 as before. PyTorch's own half convolutions
    take 50 times as long on processors without float16 instructions (a toy's cascade, 8 faces:
    22 s against 0.4 s).
    """
    handles: list[RemovableHandle] = []
    layers = list(_convolutions(networks))
    for layer in layers:
        layer.float()
        handles.append(layer.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),)))
        handles.append(layer.register_forward_hook(lambda _, _inputs, output: output.half()))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for layer in layers:
            layer.half()


def with_rounded_weights(networks: N) -> N:
    """A copy that computes in FP32 with convolution weights rounded to float16."""
    twin = copy.deepcopy(networks)
    for layer in _convolutions(twin):
        layer.weight.data = layer.weight.data.half().float()
    return twin


def _convolutions(networks: Networks) -> Iterator[Conv]:
    for module in networks.parts().values():
        yield from (layer for layer in module.modules() if isinstance(layer, Conv))


@contextmanager
def recorded_peaks(modules: Mapping[str, nn.Module]) -> Iterator[Mapping[str, float]]:
    """Records the largest absolute activation of any layer of each module, by the module's name.

    Yields:
        The peaks so far, updated by every forward pass while the context is open.
    """
    peaks = dict.fromkeys(modules, 0.0)
    handles: list[RemovableHandle] = []

    def watch(name: str, layer: nn.Module) -> None:
        def record(_layer: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor):
                peaks[name] = max(peaks[name], output.abs().max().item())

        handles.append(layer.register_forward_hook(record))

    for name, module in modules.items():
        for layer in module.modules():
            watch(name, layer)
    try:
        yield peaks
    finally:
        for handle in handles:
            handle.remove()


def store_convolutions_in_half(model: ModelProto) -> None:
    """Stores convolution weights as float16, in place, with a cast to float32 before their use.

    So too the weights of matrix products that float16 holds exactly, as those of a half checkpoint.

    ONNX Runtime and OpenVINO fold the casts when they load, so nothing is slower for it. The
    numbers are those of `with_rounded_weights`.
    """
    graph = model.graph
    wanted = {node.input[1] for node in graph.node if node.op_type in CONVOLUTIONS}
    exact = {node.input[1] for node in graph.node if node.op_type in PRODUCTS}
    casts = []
    for initializer in graph.initializer:
        if initializer.data_type != TensorProto.FLOAT or initializer.name not in wanted | exact:
            continue
        name, stored = initializer.name, f"{initializer.name}.half"
        values = numpy_helper.to_array(initializer)
        rounded = values.astype(np.float16)
        if name in exact and not np.array_equal(rounded.astype(np.float32), values):
            continue
        initializer.CopyFrom(numpy_helper.from_array(rounded, stored))
        casts.append(
            helper.make_node("Cast", [stored], [name], name=f"cast.{name}", to=TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
