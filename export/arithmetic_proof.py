"""Does a network compute in what its set says? Asked of TensorRT before a build and after it.

TensorRT 11 has no switch for half precision, and a graph that lost it compiles to FP32 without a
word, several times slower. So the strongly typed network that the parser made must prove itself:
every convolution in the set's type, inputs and outputs, and every normalisation in FP32, whose sums
overflow in half. After the build the engine inspector is asked the same, where a GPU can open the
plan: the compiler fuses layers, and its own account says what became of them.

The Interpolator has a rule of its own. It is a few thousand products and FP32 in every set.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from efgan_rt.errors import EfganError
from export.tensorrt_module import trt

CONVOLUTIONS: Final = (trt.LayerType.CONVOLUTION, trt.LayerType.DECONVOLUTION)
FLOATING: Final = (trt.DataType.FLOAT, trt.DataType.HALF, trt.DataType.BF16)
SHOWN_LAYERS: Final = 3
REMEDY: Final = "no plans were written; make the engines again with: efgan-rt build-engines CKPT.pt"

# In the inspector's JSON a type is a word of its own ("Half") or part of a format's description
# ("Row major linear FP16 format"), under "Datatype" or "Format/Datatype" by version.
_HALF = re.compile(r"\b(half|fp16)\b", re.IGNORECASE)
_FLOAT = re.compile(r"\b(float|fp32)\b", re.IGNORECASE)
_CONVOLVES = re.compile(r"conv", re.IGNORECASE)


class Arithmetic(Enum):
    """What a network must compute in."""

    HALF = "convolutions in half, normalisations in FP32"
    SINGLE = "convolutions and normalisations in FP32"
    SINGLE_THROUGHOUT = "no convolutions, everything in FP32"


def arithmetic_of(precision: str, *, is_exact: bool) -> Arithmetic:
    """The rule for a network.

    Args:
        precision: of its set's graphs, `fp16` or `fp32`.
        is_exact: whether it is among `efgan_rt.families.family.Family.exact`.
    """
    if is_exact:
        return Arithmetic.SINGLE_THROUGHOUT
    return Arithmetic.HALF if precision == "fp16" else Arithmetic.SINGLE


@dataclass(frozen=True)
class Proof:
    """What was counted; written into the manifest."""

    layers: int
    convolutions: int
    normalisations: int


def prove_network(name: str, network: trt.INetworkDefinition, rule: Arithmetic) -> Proof:
    """Holds a parsed network to its rule.

    Raises:
        EfganError: a layer computes in another type, or there is none to prove it by.
    """
    convolutions = normalisations = 0
    wrong: list[str] = []
    wanted = trt.DataType.HALF if rule is Arithmetic.HALF else trt.DataType.FLOAT
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    constants = {
        layer.get_output(0).name for layer in layers if layer.type == trt.LayerType.CONSTANT
    }
    for layer in layers:
        if layer.type in CONVOLUTIONS:
            convolutions += 1
            wrong += _other_types(layer, wanted)
        elif layer.type == trt.LayerType.NORMALIZATION:
            normalisations += 1
            wrong += _other_types(layer, trt.DataType.FLOAT)
        elif rule is Arithmetic.SINGLE_THROUGHOUT and not _is_storage(layer, constants):
            wrong += _other_types(layer, trt.DataType.FLOAT)
    if rule is Arithmetic.SINGLE_THROUGHOUT:
        wrong += [f"{convolutions} convolutions"] if convolutions else []
    elif not convolutions:
        wrong.append("no convolution at all")
    _refuse(name, wrong, rule, "the network that TensorRT read")
    return Proof(network.num_layers, convolutions, normalisations)


def _is_storage(layer: trt.ILayer, constants: set[str]) -> bool:
    """Whether it only holds a weight, which may be stored in half, or widens one."""
    if layer.type == trt.LayerType.CAST:
        return layer.get_input(0).name in constants and layer.get_output_type(0) == (
            trt.DataType.FLOAT
        )
    return bool(layer.type == trt.LayerType.CONSTANT)


def _other_types(layer: trt.ILayer, wanted: trt.DataType) -> list[str]:
    """`layer is FLOAT` where a floating-point input or output has another type than `wanted`."""
    inputs = [layer.get_input(index) for index in range(layer.num_inputs)]
    outputs = [layer.get_output(index) for index in range(layer.num_outputs)]
    found = {each.dtype for each in (*inputs, *outputs) if each is not None}
    return [f"{layer.name} is {each.name}" for each in FLOATING if each in found - {wanted}]


def prove_engine(name: str, inspected: str, rule: Arithmetic) -> dict[str, int | str]:
    """Holds a built engine to its rule, by what the engine inspector says of it.

    The compiler may hide convolutions inside fused layers that it gives other names, up to a whole
    network in one layer, whose inputs and outputs may all be FP32. So each layer that it does call
    a convolution must take the set's type; that no layer shows half is a note, for the network
    itself has proved what it computes in.

    Args:
        name: the network's, for messages.
        inspected: the inspector's JSON, of TensorRT 10 or 11.
        rule: what it must compute in.

    Returns:
        `engine_layers`, how many of them take or give half, and a `note` where none does and some
        should.

    Raises:
        EfganError: a convolution computes in another type, or something in half that should not.
    """
    # A layer is a name only where the plan was built without details, which proves nothing.
    layers = [each if isinstance(each, dict) else {} for each in json.loads(inspected)["Layers"]]
    half = sum(any(_HALF.search(each) for each in _types(layer)) for layer in layers)
    wrong = []
    for layer in layers:
        if not _CONVOLVES.search(str(layer.get("LayerType", ""))):
            continue
        types = " ".join(_types(layer, "Inputs"))
        is_half = bool(_HALF.search(types)) and not _FLOAT.search(types)
        if is_half != (rule is Arithmetic.HALF):
            wrong.append(f"{layer.get('Name')} takes {types or 'no type'}")
    if rule is not Arithmetic.HALF and half:
        wrong.append(f"{half} of its {len(layers)} layers are in half")
    _refuse(name, wrong, rule, "the engine that TensorRT built")
    found: dict[str, int | str] = {"engine_layers": len(layers), "engine_layers_in_half": half}
    if rule is Arithmetic.HALF and not half:
        found["note"] = (
            f"none of the engine's {len(layers)} layers shows half, as where TensorRT fuses a "
            "network into one; the network that it read computes in half"
        )
    return found


def _types(layer: dict[str, Any], *sides: str) -> Iterator[str]:
    """What the inspector writes of the tensors' types, version by version in other words."""
    for side in sides or ("Inputs", "Outputs"):
        for tensor in layer.get(side, []):
            for key, value in tensor.items():
                if key.lower() in ("datatype", "format/datatype"):
                    yield str(value)


def _refuse(name: str, wrong: list[str], rule: Arithmetic, what: str) -> None:
    if wrong:
        shown = ", ".join(wrong[:SHOWN_LAYERS]) + (" ..." if len(wrong) > SHOWN_LAYERS else "")
        raise EfganError(f"{name}: {what}: {shown}, expected {rule.value}; {REMEDY}")
