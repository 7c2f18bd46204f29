"""What `build-engines` may be asked for, and what does not go together."""

import re
from enum import StrEnum

import typer


class Precision(StrEnum):
    """Arithmetic of an engine set; int8 is what OpenVINO has beside fp32."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


class Stored(StrEnum):
    """Element types of stored weights."""

    FP32 = "fp32"
    FP16 = "fp16"


class Target(StrEnum):
    """What is made of the networks."""

    AUTO = "auto"
    ONNX = "onnx"
    TENSORRT = "tensorrt"
    OPENVINO = "openvino"


class Hardware(StrEnum):
    """Which GPUs may open a plan beside the one it was made on."""

    NONE = "none"
    AMPERE_PLUS = "ampere-plus"
    SAME_COMPUTE_CAPABILITY = "same-compute-capability"


def wants_int8(backend: Target, precision: Precision | None) -> bool:
    """True where int8 files are asked for; either option says it."""
    if precision is Precision.INT8:
        if backend in (Target.AUTO, Target.OPENVINO):
            return True
        raise typer.BadParameter(
            "int8 files are for OpenVINO; leave --backend out, or say --backend openvino",
            param_hint="--backend",
        )
    if backend is Target.OPENVINO and precision is not None:
        raise typer.BadParameter(
            f"for {precision.value} OpenVINO reads the ONNX files; only int8 has files of its own",
            param_hint="--precision",
        )
    return backend is Target.OPENVINO


def refuse_for_a_directory(
    backend: Target,
    precision: Precision | None,
    weights: Stored | None,
    sizes: tuple[int, int, int] | None,
    *,
    int8: bool,
) -> None:
    """Refuses what an engine directory cannot become without its checkpoint."""
    if precision is Precision.FP32:
        raise typer.BadParameter(
            "from an engine directory half precision is made, and int8; give the checkpoint for "
            "fp32",
            param_hint="--precision",
        )
    if weights is not None:
        raise typer.BadParameter(
            "an engine directory keeps its weights as they were stored; give the checkpoint to "
            "store them otherwise",
            param_hint="--weights",
        )
    if backend is Target.ONNX and precision is None:
        raise typer.BadParameter(
            "an engine directory has its ONNX files; TensorRT plans, int8 files and half precision "
            "are made from it",
            param_hint="--backend",
        )
    if int8 and sizes is not None:
        raise typer.BadParameter(
            "int8 files are for the batches that the engine directory is for", param_hint="--batch"
        )


def batch_range(text: str) -> tuple[int, int, int]:
    """`1:8:32` as numbers; a single number stands for all three."""
    match = re.fullmatch(r"(\d{1,6})(?::(\d{1,6}):(\d{1,6}))?", text)
    sizes = [int(each or match[1]) for each in match.groups()] if match else []
    if not sizes or sizes[0] < 1 or sizes != sorted(sizes):
        raise typer.BadParameter(
            f"'{text}' is no batch range; expected MIN:OPT:MAX in rising order, such as 1:8:32",
            param_hint="--batch",
        )
    return sizes[0], sizes[1], sizes[2]


def stream_count(text: str) -> int | None:
    """`--auxiliary-streams` as a number; None for `auto`."""
    if text == "auto":
        return None
    if not re.fullmatch(r"\d{1,2}", text):
        raise typer.BadParameter(
            f"'{text}' is no number of streams; expected 0 to 99, or auto",
            param_hint="--auxiliary-streams",
        )
    return int(text)
