"""`efgan-rt build-engines`: a checkpoint becomes an engine directory."""

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from engines.manifest import Manifest


class Precision(StrEnum):
    """Element types of an engine set."""

    FP32 = "fp32"
    FP16 = "fp16"


def build_engines(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CKPT", help="A checkpoint, .pt or .safetensors.")
    ],
    precision: Annotated[
        Precision, typer.Option(help="Arithmetic of the graphs; instance norms stay in fp32.")
    ] = Precision.FP32,
    weights: Annotated[
        Precision | None,
        typer.Option(
            help="Element type of the stored weights (default: as --precision).", show_default=False
        ),
    ] = None,
    batch: Annotated[
        str,
        typer.Option(metavar="MIN:OPT:MAX", help="Smallest, most usual and largest batch."),
    ] = "1:8:32",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where to put them (default: among your own, to become the current ones).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Compiles a checkpoint, network by network, into an engine directory.

    Each network is compared with PyTorch on faces; the differences are printed at the end and
    recorded in the manifest. Needs the extra `train`.

    **Examples**

    - `efgan-rt build-engines runs/happy/latest.pt`
    - `efgan-rt build-engines weights.safetensors --precision fp16 --batch 1:16:64 --out happy-fp16`
    """
    sizes = _batch_range(batch)

    from efgan_rt.cli.console import print_table, print_text, remark
    from efgan_rt.engine_sets import make_current, own_set
    from efgan_rt.extras import needs_extra

    with needs_extra("train"):
        from export.build import build_engines as build

    directory = out or own_set(f"{checkpoint.stem}-{precision}")
    directory.parent.mkdir(parents=True, exist_ok=True)
    manifest = build(
        checkpoint,
        directory,
        precision=precision,
        batch=sizes,
        weights=weights,
        progress=remark,
    )
    if out is None:
        make_current(directory)
    print_table(_parity_table(manifest))
    print_text(f"{directory}{' (now the current engines)' if out is None else ''}")


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


def _parity_table(manifest: "Manifest") -> "Table":
    """A row for each figure of each network, as measured against PyTorch."""
    from rich.table import Table

    title = f"Parity with PyTorch: {manifest.precision} graphs, {manifest.weights} weights"
    table = Table(title=title, title_justify="left")
    table.add_column("network")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("MB", justify="right")
    for network in manifest.networks.values():
        head = network.name, f"{network.bytes / 1e6:.2f}"
        for figure, value in network.parity.items():
            table.add_row(head[0], figure, f"{value:.3g}", head[1])
            head = "", ""
    return table
