"""`efgan-rt build-engines`: a checkpoint becomes an engine directory, or one gets new plans."""

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from engines.manifest import Manifest

PLANS_PANEL = "TensorRT plans"
DEFAULT_BATCH = (1, 8, 32)


class Precision(StrEnum):
    """Element types of an engine set."""

    FP32 = "fp32"
    FP16 = "fp16"


class Target(StrEnum):
    """What is made of the networks."""

    AUTO = "auto"
    ONNX = "onnx"
    TENSORRT = "tensorrt"


class Hardware(StrEnum):
    """Which GPUs may open a plan beside the one it was made on."""

    NONE = "none"
    AMPERE_PLUS = "ampere-plus"
    SAME_COMPUTE_CAPABILITY = "same-compute-capability"


def build_engines(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="CKPT|DIR",
            help="A checkpoint, .pt or .safetensors; or an engine directory, whose TensorRT plans "
            "are then made again from its ONNX files.",
        ),
    ],
    backend: Annotated[
        Target,
        typer.Option(
            help="`onnx`: ONNX files, for every backend. `tensorrt`: TensorRT plans beside them. "
            "`auto`: plans too where TensorRT and a CUDA GPU are.",
        ),
    ] = Target.AUTO,
    precision: Annotated[
        Precision | None,
        typer.Option(
            help="Arithmetic of the graphs; instance norms stay in fp32 "
            "(default: fp16 with TensorRT plans, else fp32).",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        Precision | None,
        typer.Option(
            help="Element type of the stored weights (default: as --precision).", show_default=False
        ),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(
            metavar="MIN:OPT:MAX",
            help="Smallest, most usual and largest batch "
            "(default: 1:8:32; for an engine directory, its own).",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where to put them (default: among your own, to become the current ones; "
            "for an engine directory, in its place).",
            show_default=False,
        ),
    ] = None,
    hardware_compatible: Annotated[
        Hardware,
        typer.Option(
            rich_help_panel=PLANS_PANEL, help="Which other GPUs may open the plans; slower."
        ),
    ] = Hardware.NONE,
    version_compatible: Annotated[
        bool,
        typer.Option(
            "--version-compatible",
            rich_help_panel=PLANS_PANEL,
            help="Let later versions of TensorRT open the plans; may be slower.",
        ),
    ] = False,
) -> None:
    """Compiles a checkpoint, network by network, into an engine directory.

    Each network is compared with PyTorch on faces; the differences are printed at the end and
    recorded in the manifest. Needs the extra `train`; TensorRT plans need the extra `tensorrt`,
    and for an engine directory that alone.

    **Examples**

    - `efgan-rt build-engines runs/happy/latest.pt`
    - `efgan-rt build-engines weights.safetensors --precision fp16 --batch 1:16:64 --out happy-fp16`
    - `efgan-rt build-engines weights.safetensors --backend tensorrt`
    - `efgan-rt build-engines happy-fp16 --backend tensorrt --batch 1:32:32`
    """
    sizes = _batch_range(batch) if batch is not None else None
    again = source.is_dir()
    if again:
        _refuse_for_a_directory(backend, precision, weights)

    options = {
        "hardware_compatibility": hardware_compatible.value.replace("-", "_"),
        "version_compatible": version_compatible,
    }
    try:
        if again:
            manifest, directory = _plans_again(source, out or source, sizes, options)
        else:
            wants_plans = backend is Target.TENSORRT or (backend is Target.AUTO and _plans_suit())
            chosen = precision or (Precision.FP16 if wants_plans else Precision.FP32)
            plans = options if wants_plans else None
            manifest, directory = _from_checkpoint(
                source, out, chosen, weights, sizes or DEFAULT_BATCH, plans
            )
    except KeyboardInterrupt:
        from efgan_rt.cli.console import remark

        remark("interrupted: nothing was written")
        raise typer.Exit(130) from None
    from efgan_rt.cli.engine_tables import print_engines

    print_engines(manifest, directory, current=out is None and not again)


def _refuse_for_a_directory(
    backend: Target, precision: Precision | None, weights: Precision | None
) -> None:
    """An engine directory keeps its ONNX files, so nothing that changes them can be asked for."""
    for option, given in (("--precision", precision), ("--weights", weights)):
        if given is not None:
            raise typer.BadParameter(
                "an engine directory keeps the arithmetic it was exported with; "
                "give the checkpoint to change it",
                param_hint=option,
            )
    if backend is Target.ONNX:
        raise typer.BadParameter(
            "an engine directory has its ONNX files; only TensorRT plans are made from it",
            param_hint="--backend",
        )


def _plans_suit() -> bool:
    """True where TensorRT and a GPU are; says what is missing where only one of the two is."""
    from efgan_rt.cli.console import remark
    from engines.nvidia_driver import present_gpu
    from engines.runtimes import tensorrt_is_installed

    installed, gpu = tensorrt_is_installed(), present_gpu()
    if installed and not gpu:
        remark("no TensorRT plans: TensorRT is installed, but there is no CUDA GPU here")
    if gpu and not installed:
        remark(f'no TensorRT plans for {gpu.name}: pip install "efgan-rt[tensorrt]" makes them')
    return installed and gpu is not None


def _plans_again(
    source: Path, out: Path, sizes: tuple[int, int, int] | None, options: dict[str, Any]
) -> "tuple[Manifest, Path]":
    from efgan_rt.cli.console import compile_progress, remark
    from export.plans import PlanOptions, remake_plans

    out.parent.mkdir(parents=True, exist_ok=True)
    with compile_progress() as watch:
        manifest = remake_plans(
            source, out, PlanOptions(**options), batch=sizes, progress=remark, watch=watch
        )
    return manifest, out


def _from_checkpoint(
    checkpoint: Path,
    out: Path | None,
    precision: Precision,
    weights: Precision | None,
    sizes: tuple[int, int, int],
    plans: dict[str, Any] | None,
) -> "tuple[Manifest, Path]":
    from efgan_rt.cli.console import compile_progress, remark
    from efgan_rt.engine_sets import make_current, own_set
    from efgan_rt.extras import needs_extra

    with needs_extra("train"):
        from export.build import build_engines as build
        from export.plans import PlanOptions

    directory = out or own_set(f"{checkpoint.stem}-{precision}")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with compile_progress() as watch:
        manifest = build(
            checkpoint,
            directory,
            precision=precision,
            batch=sizes,
            weights=weights,
            progress=remark,
            plans=None if plans is None else PlanOptions(**plans),
            watch=watch,
        )
    if out is None:
        make_current(directory)
    return manifest, directory


def _batch_range(text: str) -> tuple[int, int, int]:
    """`1:8:32` as numbers; a single number stands for all three."""
    match = re.fullmatch(r"(\d{1,6})(?::(\d{1,6}):(\d{1,6}))?", text)
    sizes = [int(each or match[1]) for each in match.groups()] if match else []
    if not sizes or sizes[0] < 1 or sizes != sorted(sizes):
        raise typer.BadParameter(
            f"'{text}' is no batch range; expected MIN:OPT:MAX in rising order, such as 1:8:32",
            param_hint="--batch",
        )
    return sizes[0], sizes[1], sizes[2]
