"""An FP32 graph in half precision, made by rewriting it: with the `onnx` package alone.

Convolutions compute in float16, and so does what lies between two of them: activations, sums,
products, and what only moves values. Everything else stays in FP32 between casts: normalisations,
matrix products, what samples a grid, and all that follows a network's last convolution, where a
face's displacement and its action units are. That is what PyTorch's half twins are exported to
(`export.to_half`), but for casts that stand a little earlier or later.
"""

from collections.abc import Iterable
from typing import Final

import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from export.graphs import CONVOLUTIONS, tensor_types

# What may compute in half between two convolutions.
LIGHT: Final = frozenset(
    {"Add", "AveragePool", "Concat", "Expand", "Identity", "LeakyRelu", "Mul", "Pad", "Relu"}
    | {"Reshape", "Resize", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"}
)
# What is not left behind on the way from one convolution to the next, but computes in FP32.
NORM: Final = "InstanceNormalization"
PEAK: Final = "peak_activation"
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def to_half(model: ModelProto, handed_on: Iterable[str] = ()) -> ModelProto:
    """A network that computes in half precision.

    Args:
        model: in FP32; its weights may be stored as float16, with a cast before their use.
        handed_on: inputs and outputs that are float16 from now on: what one network hands to the
            next.

    Returns:
        A new model, with the same names.
    """
    types = tensor_types(model)
    stored = _stored_halves(model, types)
    in_half = _nodes_in_half(model)
    graph = model.graph
    rewritten = _Rewritten(types, stored, {each.name: each for each in graph.initializer})
    for index, node in enumerate(graph.node):
        if node.op_type == "Cast" and node.output[0] in stored:
            continue
        rewritten.add(node, in_half=index in in_half)
    made = ModelProto()
    made.CopyFrom(model)
    names = set(handed_on)
    rewritten.hand_on(made, names)
    del made.graph.node[:]
    made.graph.node.extend(rewritten.finished({each.name for each in graph.output} - names))
    used = {name for node in made.graph.node for name in node.input}
    del made.graph.initializer[:]
    made.graph.initializer.extend(
        each for name, each in rewritten.initializers.items() if name in used
    )
    onnx.checker.check_model(made, full_check=True)
    return made


def with_visible_rounding(model: ModelProto) -> ModelProto:
    """A half graph as float16 rounds it, to be computed in FP32, with its largest activation.

    ONNX Runtime's processor kernels compute a half graph in FP32 and lose its rounding and its
    overflows. Here every value that is float16 is rounded to it and widened again, an infinity
    included; that holds where the runtime optimises nothing. One more output, `PEAK`, float32 (),
    is the largest absolute value before rounding.

    Args:
        model: as `to_half` makes it. Inputs and outputs that are float16 stay so.
    """
    types = tensor_types(model)
    made = ModelProto()
    made.CopyFrom(model)
    outputs = {each.name for each in model.graph.output}
    nodes: list[NodeProto] = []
    peaks: list[str] = []

    def round_to(raw: str, name: str) -> None:
        nodes.append(helper.make_node("Cast", [raw], [f"{name}.rounded"], to=HALF))
        nodes.append(helper.make_node("Cast", [f"{name}.rounded"], [name], to=FLOAT))

    for each in made.graph.input:
        if each.type.tensor_type.elem_type == HALF:
            nodes.append(helper.make_node("Cast", [each.name], [f"{each.name}.wide"], to=FLOAT))
    widened = {node.input[0]: node.output[0] for node in nodes}
    for tensor in made.graph.initializer:
        if tensor.data_type == HALF:
            values = numpy_helper.to_array(tensor).astype("float32")
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for node in made.graph.node:
        given = [widened.get(name, name) for name in node.input]
        del node.input[:]
        node.input.extend(given)
        rounded = [name for name in node.output if types.get(name) == HALF and name not in outputs]
        for index, name in enumerate(node.output):
            if name in rounded:
                node.output[index] = f"{name}.raw"
        if node.op_type == "Cast" and rounded:
            node.attribute[0].i = FLOAT
        nodes.append(node)
        for name in rounded:
            nodes.append(helper.make_node("Abs", [f"{name}.raw"], [f"{name}.size"]))
            nodes.append(
                helper.make_node("ReduceMax", [f"{name}.size"], [f"{name}.peak"], keepdims=0)
            )
            peaks.append(f"{name}.peak")
            round_to(f"{name}.raw", name)
    if peaks:
        nodes.append(helper.make_node("Max", peaks, [PEAK]))
        made.graph.output.append(helper.make_tensor_value_info(PEAK, FLOAT, []))
    kept = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del made.graph.node[:]
    made.graph.node.extend(kept)
    onnx.checker.check_model(made, full_check=True)
    return made


class _Rewritten:
    """A graph in the making: nodes in order, a half twin of each tensor that needs one."""

    def __init__(
        self, types: dict[str, int], stored: dict[str, str], initializers: dict[str, TensorProto]
    ) -> None:
        self.initializers = dict(initializers)
        self._types = types
        self._stored = stored
        self._nodes: list[NodeProto] = []
        self._halves = dict(stored)
        self._wide: dict[str, str] = {}  # FP32 name -> the half that it has to be cast from

    def add(self, node: NodeProto, *, in_half: bool) -> None:
        """Takes a node over, in half precision or in FP32."""
        made = NodeProto()
        made.CopyFrom(node)
        for index, name in enumerate(node.input):
            if self._types.get(name) == FLOAT and name:
                is_scale = node.op_type == "Resize" and index in (1, 2)
                made.input[index] = (
                    self._half(name) if in_half and not is_scale else self._full(name)
                )
        self._nodes.append(made)
        for index, name in enumerate(node.output):
            if in_half and self._types.get(name) == FLOAT:
                made.output[index] = self._halves[name] = f"{name}.half"
                self._wide[name] = made.output[index]

    def hand_on(self, model: ModelProto, names: set[str]) -> None:
        """Gives inputs and outputs of the graph another type."""
        for each in (*model.graph.input, *model.graph.output):
            if each.name in names:
                each.type.tensor_type.elem_type = HALF
        for each in model.graph.input:
            if each.name not in names:
                continue
            inner = f"{each.name}.full"
            for node in self._nodes:
                for index, name in enumerate(node.input):
                    if name == each.name:
                        node.input[index] = inner
            self._nodes.insert(0, helper.make_node("Cast", [each.name], [inner], to=FLOAT))
        for each in model.graph.output:
            if each.name in names:
                inner = self._full(each.name)
                renamed = f"{inner}.full"
                for node in self._nodes:
                    for names_of in (node.input, node.output):
                        for index, name in enumerate(names_of):
                            if name == inner:
                                names_of[index] = renamed
                self._nodes.append(helper.make_node("Cast", [renamed], [each.name], to=HALF))

    def finished(self, wanted: Iterable[str]) -> list[NodeProto]:
        """All nodes, once these names exist in FP32."""
        for name in wanted:
            if name in self._wide:
                self._full(name)
        return self._nodes

    def _half(self, name: str) -> str:
        if name not in self._halves:
            self._halves[name] = f"{name}.half"
            if name in self.initializers:
                values = numpy_helper.to_array(self.initializers[name]).astype("float16")
                half = numpy_helper.from_array(values, f"{name}.half")
                self.initializers[half.name] = half
            else:
                self._nodes.append(helper.make_node("Cast", [name], [f"{name}.half"], to=HALF))
        return self._halves[name]

    def _full(self, name: str) -> str:
        source = self._wide.pop(name, None) or self._stored.pop(name, None)
        if source is not None:
            self._nodes.append(helper.make_node("Cast", [source], [name], to=FLOAT))
        return name


def _stored_halves(model: ModelProto, types: dict[str, int]) -> dict[str, str]:
    """Weights in FP32 by the name of the float16 that they are cast from."""
    constants = {each.name for each in model.graph.initializer if each.data_type == HALF}
    return {
        node.output[0]: node.input[0]
        for node in model.graph.node
        if node.op_type == "Cast" and node.input[0] in constants and types[node.output[0]] == FLOAT
    }


def _nodes_in_half(model: ModelProto) -> set[int]:
    """The convolutions, and what lies between two of them."""
    nodes = model.graph.node
    convolutions = {index for index, node in enumerate(nodes) if node.op_type in CONVOLUTIONS}
    passable = {index for index, node in enumerate(nodes) if node.op_type in LIGHT | {NORM}}
    behind = set(convolutions)
    made = {name for index in behind for name in nodes[index].output}
    for index, node in enumerate(nodes):
        if index in passable and made.intersection(node.input):
            behind.add(index)
            made.update(node.output)
    before: set[int] = set()
    taken = {nodes[index].input[0] for index in convolutions}
    for index in reversed(range(len(nodes))):
        if index in passable and taken.intersection(nodes[index].output):
            before.add(index)
            taken.update(nodes[index].input)
    light = {index for index in behind & before if nodes[index].op_type in LIGHT}
    return convolutions | light
