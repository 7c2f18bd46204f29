"""`efgan-rt build-engines`: a checkpoint becomes engines; engines get plans, int8 or half files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from efgan_rt.cli.build_options import (
    Hardware,
    Precision,
    Stored,
    Target,
    batch_range,
    refuse_for_a_directory,
    stream_count,
    wants_int8,
)

if TYPE_CHECKING:
    from engines.manifest import Manifest

PLANS_PANEL = "TensorRT plans"
DEFAULT_BATCH = (1, 8, 32)
DATA_CENTRE_BATCH = (1, 64, 128)


def build_engines(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="CKPT|DIR",
            help="A checkpoint, .pt or .safetensors; or an engine directory, which gets TensorRT "
            "plans or int8 files from its ONNX files, or becomes another in half precision.",
        ),
    ],
    backend: Annotated[
        Target,
        typer.Option(
            help="`onnx`: ONNX files, for every backend. `tensorrt`: TensorRT plans beside them. "
            "`openvino`: int8 files beside them. `auto`: as --precision says, and plans where "
            "TensorRT and a CUDA GPU are.",
        ),
    ] = Target.AUTO,
    precision: Annotated[
        Precision | None,
        typer.Option(
            help="Arithmetic of the graphs; instance norms stay in fp32. `int8`: graphs in fp32, "
            "and files for OpenVINO with the stages' convolutions in int8 beside them "
            "(default: fp16 with TensorRT plans, else fp32).",
        ),
    ] = None,
    weights: Annotated[
        Stored | None,
        typer.Option(
            help="Element type of the stored weights (default: as the graphs).", show_default=False
        ),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(
            metavar="MIN:OPT:MAX",
            help="Smallest, most usual and largest batch "
            "(default: 1:8:32, with a data centre's GPU 1:64:128; for an engine directory, its "
            "own). One number alone is a fixed batch: plans are compiled for it and run no other.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where to put them (default: among your own, to become the current ones; int8 "
            "files and plans for an engine directory other than the shipped one: in its place).",
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
    auxiliary_streams: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            rich_help_panel=PLANS_PANEL,
            help="Streams that a network may use beside its lane's, for branches side by side; "
            "`auto` is TensorRT's own choice.",
        ),
    ] = "0",
) -> None:
    """Compiles a checkpoint, network by network, into an engine directory.

    Each network is compared with PyTorch on faces; the differences are printed at the end and
    recorded in the manifest. Needs the extra `train`; TensorRT plans need the extra `tensorrt`,
    int8 files `cpu` and `int8`, and for an engine directory those alone. An engine directory in
    fp32 becomes one in half precision with `gpu` alone, held to the same bars without PyTorch.

    **Examples**

    - `efgan-rt build-engines runs/happy/latest.pt`
    - `efgan-rt build-engines weights.safetensors --precision fp16 --batch 1:16:64 --out happy-fp16`
    - `efgan-rt build-engines weights.safetensors --backend tensorrt`
    - `efgan-rt build-engines happy-fp16 --backend tensorrt --batch 1:32:32`
    - `efgan-rt build-engines happy --precision int8`
    - `efgan-rt build-engines happy --precision fp16`
    """
    sizes = batch_range(batch) if batch is not None else None
    again = source.is_dir()
    int8 = wants_int8(backend, precision)
    if again:
        refuse_for_a_directory(backend, None if int8 else precision, weights, sizes, int8=int8)

    options: dict[str, Any] = {
        "hardware_compatibility": hardware_compatible.value.replace("-", "_"),
        "version_compatible": version_compatible,
        "auxiliary_streams": stream_count(auxiliary_streams),
    }
    try:
        if again and int8:
            manifest, directory, current = _with_int8(source, out)
        elif again and precision is not None:
            plans = options if _wants_plans(backend) else None
            manifest, directory = _in_half(source, out, sizes, plans)
            current = out is None
        elif again:
            manifest, directory = _plans_again(source, out or source, sizes, options)
            current = False
        else:
            wants_plans = not int8 and _wants_plans(backend)
            precision = Precision.INT8 if int8 else precision
            chosen = precision or (Precision.FP16 if wants_plans else Precision.FP32)
            plans = options if wants_plans else None
            manifest, directory = _from_checkpoint(
                source, out, chosen, weights, sizes or _default_batch(), plans
            )
            current = out is None
    except KeyboardInterrupt:
        from efgan_rt.cli.console import remark

        remark("interrupted: nothing was written")
        raise typer.Exit(130) from None
    from efgan_rt.cli.engine_tables import print_engines

    print_engines(manifest, directory, current=current)


def _default_batch() -> tuple[int, int, int]:
    """What a run takes by default on this machine must be within."""
    from engines.nvidia_driver import is_of_a_data_centre, present_gpu

    gpu = present_gpu()
    return DATA_CENTRE_BATCH if gpu is not None and is_of_a_data_centre(gpu) else DEFAULT_BATCH


def _wants_plans(backend: Target) -> bool:
    return backend is Target.TENSORRT or (backend is Target.AUTO and _plans_suit())


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


def _in_half(
    source: Path,
    out: Path | None,
    sizes: tuple[int, int, int] | None,
    plans: dict[str, Any] | None,
) -> "tuple[Manifest, Path]":
    from efgan_rt.cli.console import compile_progress, remark
    from efgan_rt.engine_sets import make_current, own_set
    from efgan_rt.extras import needs_extra

    with needs_extra("gpu"):
        from export.half_files import remake_half
        from export.plans import PlanOptions

    directory = out or own_set(f"{source.resolve().name}-fp16")
    directory.parent.mkdir(parents=True, exist_ok=True)
    default = _default_batch()
    with compile_progress() as watch:
        manifest = remake_half(
            source,
            directory,
            batch=sizes or (None if default == DEFAULT_BATCH else default),
            progress=remark,
            plans=None if plans is None else PlanOptions(**plans),
            watch=watch,
        )
    if out is None:
        make_current(directory, manifest.family)
    return manifest, directory


def _with_int8(source: Path, out: Path | None) -> "tuple[Manifest, Path, bool]":
    """The engines with int8 files, where they are, and whether they have become the current ones.

    The shipped engines belong to the package and stay as they are.
    """
    from efgan_rt.cli.console import remark
    from efgan_rt.engine_sets import make_current, own_set, shipped_set
    from export.int8_files import remake_int8

    shipped = shipped_set()
    own = out is None and shipped is not None and source.resolve() == shipped.resolve()
    directory = own_set("shipped-int8") if own else out or source
    directory.parent.mkdir(parents=True, exist_ok=True)
    manifest = remake_int8(source, directory, progress=remark)
    if own:
        make_current(directory, manifest.family)
    return manifest, directory, own


def _from_checkpoint(
    checkpoint: Path,
    out: Path | None,
    precision: Precision,
    weights: Stored | None,
    sizes: tuple[int, int, int],
    plans: dict[str, Any] | None,
) -> "tuple[Manifest, Path]":
    from efgan_rt.cli.console import compile_progress, remark
    from efgan_rt.engine_sets import SHIPPED_MODEL, make_current, own_set
    from efgan_rt.extras import needs_extra

    with needs_extra("train"):
        from export.build import build_engines as build
        from export.plans import PlanOptions
        from train.checkpoint import read_content

    directory = out
    if directory is None:
        # Every training calls its weights alike, and each family has a current set of its own.
        family = read_content(checkpoint).get("family", SHIPPED_MODEL)
        kind = "" if family == SHIPPED_MODEL else f"{family}-"
        directory = own_set(f"{kind}{checkpoint.stem}-{precision}")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with compile_progress() as watch:
        manifest = build(
            checkpoint,
            directory,
            precision=Precision.FP32 if precision is Precision.INT8 else precision,
            batch=sizes,
            weights=weights,
            progress=remark,
            plans=None if plans is None else PlanOptions(**plans),
            watch=watch,
            int8=precision is Precision.INT8,
        )
    if out is None:
        make_current(directory, manifest.family)
    return manifest, directory
