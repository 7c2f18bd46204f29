"""A toy engine directory, written without PyTorch: the contract's networks, 8 channels, 16 pixels.

The interpolator is exact (an identity product stands for the MLP), so that a test can say what each
stage aims at and sees rounded arithmetic; the estimator is linear in the mean colour; a stage has
what makes backends differ: convolutions, instance norm, tanh, sigmoid, bytes in and out.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from engines.base import TensorSpec
from engines.manifest import Manifest, NetworkEntry

CROP_PX = 16
AU_NAMES = ("AU01", "AU12", "AU45")
WIDTH = 8
HEADER = '<ir_version: 10, opset_import: ["" : 20]>'

ESTIMATOR = """
au_estimator (uint8[B,{px},{px},3] pixels) => (float[B,{k}] au) {{
    as_float = Cast<to=1>(pixels)
    colour = ReduceMean<keepdims=0>(as_float, axes_hw)
    reading = Gemm(colour, w_au, b_au)
    au = Clip(reading, zero, five)
}}"""

INTERPOLATOR = """
interpolator (float[B,{k}] source_au, float[B,{k}] target_scale, float[B,{k}] target_offset,
              float[B,{s}] progress) => (float[{s},B,{k}] stage_au) {{
    scaled = Mul(target_scale, source_au)
    moved = Add(scaled, target_offset)
    target = Clip(moved, zero, five)
    change = Sub(target, source_au)
    by_stage = Transpose<perm=[1,0]>(progress)
    share = Unsqueeze(by_stage, last_axis)
    asked = Mul(share, change)
    residual = MatMul(asked, identity)
    aim = Add(residual, source_au)
    stage_au = Clip(aim, zero, five)
}}"""

FROM_PIXELS = """
    as_float = Cast<to=1>(pixels)
    nchw = Transpose<perm=[0,3,1,2]>(as_float)
    to_two = Div(nchw, half_range)
    image = Sub(to_two, one)"""
FROM_IMAGE = """
    image = Cast<to=1>(image_in)"""
STAGE = """
{name} ({source}, float[B,{k}] au)
    => ({image}[B,3,{px},{px}] image_out, uint8[B,{px},{px},3] pixels_out,
        uint8[B,{px},{px}] attention) {{{start}
    seen = Conv<pads=[1,1,1,1]>(image, w_in)
    normed = InstanceNormalization(seen, gain, shift)
    aimed = Gemm(au, w_aim, b_aim)
    aim = Unsqueeze(aimed, axes_hw_nchw)
    mixed = Add(normed, aim)
    features = Relu(mixed)
    colour_raw = Conv<pads=[1,1,1,1]>(features, w_colour)
    colour = Tanh(colour_raw)
    mask_raw = Conv<pads=[1,1,1,1]>(features, w_mask)
    mask = Sigmoid(mask_raw)
    difference = Sub(colour, image)
    edit = Mul(mask, difference)
    edited = Add(image, edit)
    image_out = Cast<to={image_type}>(edited)
    raised = Add(edited, one)
    stretched = Mul(raised, half_range)
    clipped = Clip(stretched, zero, full_range)
    rounded = Round(clipped)
    nhwc = Transpose<perm=[0,2,3,1]>(rounded)
    pixels_out = Cast<to=2>(nhwc)
    mask_range = Mul(mask, full_range)
    mask_rounded = Round(mask_range)
    flat_mask = Squeeze(mask_rounded, channel_axis)
    attention = Cast<to=2>(flat_mask)
}}"""


def write_toy_engines(
    directory: Path,
    *,
    stages: int = 2,
    precision: str = "fp32",
    batch: tuple[int, int, int] = (1, 4, 8),
    properties: Mapping[str, Any] | None = None,
) -> Manifest:
    """Writes the networks and their manifest.

    Args:
        directory: an existing folder.
        stages: of the cascade.
        precision: `fp16` makes the images between stages float16.
        batch: the range written into the manifest.
        properties: that replace those of the networks written.
    """
    unit = ("B", len(AU_NAMES))
    pixels = TensorSpec("pixels", "uint8", ("B", CROP_PX, CROP_PX, 3))
    image_dtype = "float16" if precision == "fp16" else "float32"
    image_shape = ("B", 3, CROP_PX, CROP_PX)
    au = TensorSpec("au", "float32", unit)
    targets = (TensorSpec(name, "float32", unit) for name in ("target_scale", "target_offset"))
    progress = TensorSpec("progress", "float32", ("B", stages))
    tensors: dict[str, tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]] = {
        "au_estimator": ((pixels,), (au,)),
        "interpolator": (
            (TensorSpec("source_au", "float32", unit), *targets, progress),
            (TensorSpec("stage_au", "float32", (stages, *unit)),),
        ),
    }
    stage_outputs = (
        TensorSpec("image_out", image_dtype, image_shape),
        TensorSpec("pixels_out", "uint8", ("B", CROP_PX, CROP_PX, 3)),
        TensorSpec("attention", "uint8", ("B", CROP_PX, CROP_PX)),
    )
    for number in range(1, stages + 1):
        source = pixels if number == 1 else TensorSpec("image_in", image_dtype, image_shape)
        tensors[f"stage_{number}"] = ((source, au), stage_outputs)
    networks = {}
    for name, (inputs, outputs) in tensors.items():
        content = toy_network(name, stages=stages, precision=precision).SerializeToString()
        (directory / f"{name}.onnx").write_bytes(content)
        networks[name] = entry_for(name, content, inputs, outputs, batch)
    known: dict[str, Any] = {
        "stages": stages,
        "crop_px": CROP_PX,
        "au_names": list(AU_NAMES),
        "expressions": {"happy": [0.0, 4.5, 0.0], "blink": [0.0, 0.0, 5.0]},
    }
    manifest = Manifest(
        "0.1.0", "onnx", precision, "fp32", networks, known | dict(properties or {})
    )
    manifest.write(directory)
    return manifest


def toy_faces(count: int = 6) -> npt.NDArray[np.uint8]:
    """Smooth pictures of the toy's size, uint8 (count, 16, 16, 3), each of its own colours."""
    rows, columns = np.mgrid[:CROP_PX, :CROP_PX] / CROP_PX
    phases = np.random.default_rng(1).uniform(0, 6, (count, 3))
    waves = [
        [np.sin(4 * rows + phase) + np.cos(4 * columns - phase) for phase in each]
        for each in phases
    ]
    return np.ascontiguousarray(np.moveaxis(63 * np.array(waves) + 127, 1, -1).astype(np.uint8))


def entry_for(
    name: str,
    content: bytes,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    batch: tuple[int, int, int] = (1, 4, 8),
) -> NetworkEntry:
    """The manifest's entry for a network whose file holds `content`."""
    sha256 = hashlib.sha256(content).hexdigest()
    return NetworkEntry(
        name, f"{name}.onnx", sha256, len(content), batch, inputs, outputs, {"max_error": 1e-6}
    )


def toy_network(name: str, *, stages: int = 2, precision: str = "fp32") -> onnx.ModelProto:
    """One network: `au_estimator`, `interpolator` or `stage_<number>`."""
    half = precision == "fp16"
    values: dict[str, Any] = {"px": CROP_PX, "k": len(AU_NAMES), "s": stages, "name": name}
    if name == "au_estimator":
        text = ESTIMATOR.format(**values)
    elif name == "interpolator":
        text = INTERPOLATOR.format(**values)
    else:
        first = name == "stage_1"
        image = "float16" if half else "float"
        text = STAGE.format(
            source=(
                f"uint8[B,{CROP_PX},{CROP_PX},3] pixels"
                if first
                else f"{image}[B,3,{CROP_PX},{CROP_PX}] image_in"
            ),
            start=FROM_PIXELS if first else FROM_IMAGE,
            image=image,
            image_type=onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT,
            **values,
        )
    model = onnx.parser.parse_model(HEADER + text)
    used = {input_name for node in model.graph.node for input_name in node.input}
    seed = sum(name.encode())
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, tensor_name)
        for tensor_name, array in _constants(seed).items()
        if tensor_name in used
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _constants(seed: int) -> Mapping[str, npt.NDArray[Any]]:
    random = np.random.default_rng(seed)
    units = len(AU_NAMES)

    def weights(*shape: int) -> npt.NDArray[np.float32]:
        spread = np.float32(1.5 / np.sqrt(np.prod(shape[1:])))
        return random.standard_normal(shape, np.float32) * spread

    return {
        "zero": np.array(0, np.float32),
        "one": np.array(1, np.float32),
        "five": np.array(5, np.float32),
        "half_range": np.array(127.5, np.float32),
        "full_range": np.array(255, np.float32),
        "axes_hw": np.array([1, 2]),
        "axes_hw_nchw": np.array([2, 3]),
        "last_axis": np.array([2]),
        "channel_axis": np.array([1]),
        "identity": np.eye(units, dtype=np.float32),
        "w_au": np.full((3, units), 0.01, np.float32),
        "b_au": np.linspace(-1, 1, units, dtype=np.float32),
        "w_in": weights(WIDTH, 3, 3, 3),
        "gain": 1 + weights(WIDTH),
        "shift": weights(WIDTH),
        "w_aim": 0.2 * weights(units, WIDTH),
        "b_aim": weights(WIDTH),
        "w_colour": weights(3, WIDTH, 3, 3),
        "w_mask": weights(1, WIDTH, 3, 3),
    }
