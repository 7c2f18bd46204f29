"""`efgan-rt batch`: edits a directory of pictures."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from efgan_rt.cli.options import (
    EDIT_PANEL,
    ENGINES_PANEL,
    FILES_PANEL,
    RUN_PANEL,
    Backend,
    BatchSizeOption,
    EnginesOption,
    PrecisionOption,
    ThreadsOption,
    WorkersOption,
    default_workers,
)


class Format(StrEnum):
    """Formats that outputs can be written in."""

    PNG = "png"
    JPG = "jpg"
    WEBP = "webp"
    BMP = "bmp"
    TIFF = "tiff"


def batch(
    in_dir: Annotated[Path, typer.Argument(metavar="IN_DIR", help="Face crops: a folder or one.")],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Where the edits go.")],
    expression: Annotated[
        list[str] | None,
        typer.Option(
            "--expression",
            "-e",
            metavar="NAME",
            rich_help_panel=EDIT_PANEL,
            help="Such as happy; several make one folder each. `efgan-rt info` lists them.",
            show_default=False,
        ),
    ] = None,
    intensity: Annotated[
        float,
        typer.Option(
            metavar="0..2",
            rich_help_panel=EDIT_PANEL,
            help="How far towards the expression: 1 is all the way.",
        ),
    ] = 1.0,
    au: Annotated[
        str | None,
        typer.Option(
            metavar="UNITS",
            rich_help_panel=EDIT_PANEL,
            help="Action units, 0 to 5, on top: AU12=3.5 sets, AU04-=1 lowers, AU12+=1 raises.",
        ),
    ] = None,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            rich_help_panel=FILES_PANEL,
            help="Format of the outputs (default: each input's own).",
            show_default=False,
        ),
    ] = None,
    quality: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=100, rich_help_panel=FILES_PANEL, help="Of JPEG and WebP."
        ),
    ] = 95,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            rich_help_panel=FILES_PANEL,
            help="Replace outputs that no earlier run has made, or that were changed since.",
        ),
    ] = False,
    max_pixels: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, rich_help_panel=FILES_PANEL, help="Largest picture accepted."
        ),
    ] = 200_000_000,
    contact_sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            rich_help_panel=FILES_PANEL,
            help="Also write one picture of inputs and edits, the first 48 rows.",
        ),
    ] = None,
    engines: EnginesOption = None,
    backend: Annotated[
        Backend, typer.Option(rich_help_panel=ENGINES_PANEL, help="What runs the networks.")
    ] = Backend.AUTO,
    precision: PrecisionOption = None,
    batch_size: BatchSizeOption = 8,
    threads: ThreadsOption = None,
    workers: WorkersOption = None,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="S",
            min=0.01,
            rich_help_panel=RUN_PANEL,
            help="Give up what hangs: a picture, or a batch in the networks, for so many seconds.",
        ),
    ] = 300.0,
    fail_fast: Annotated[
        bool,
        typer.Option("--fail-fast", rich_help_panel=RUN_PANEL, help="Stop at the first failure."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            rich_help_panel=RUN_PANEL,
            help="Check everything, list what would be made, write nothing.",
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=RUN_PANEL,
            help="Also write what became of each picture: page.html to look at, run.json to read.",
        ),
    ] = None,
    json_: Annotated[
        bool,
        typer.Option("--json", rich_help_panel=RUN_PANEL, help="The result as JSON on stdout."),
    ] = False,
) -> None:
    """Edits the expression in a whole directory of face crops.

    The output tree mirrors the input tree. Pictures may have any size; of one that is not square
    the largest centred square is edited. A picture that fails is named, and the run goes on.

    **Examples**

    - `efgan-rt batch faces smiling --expression happy`
    - `efgan-rt batch faces out -e happy -e angry --intensity 0.7 --format png`
    - `efgan-rt batch faces out --au "AU12=3.5,AU04-=1"`

    **Exit status**: 0 all done, 1 the run could not be done, 2 wrong usage, 3 some
    pictures failed, 130 interrupted.
    """
    expressions = expression or []
    if not expressions and au is None:
        raise typer.BadParameter("say what to edit: --expression NAME or --au UNITS")
    if not expressions and intensity != 1:
        raise typer.BadParameter("there is no --expression for it", param_hint="--intensity")
    if len(set(expressions)) < len(expressions):
        raise typer.BadParameter("an expression is given twice", param_hint="--expression")

    from efgan_rt.cli.batch_run import BatchRequest, run
    from efgan_rt.pipeline.workers import BatchOptions

    status = run(
        BatchRequest(
            in_dir=in_dir,
            out_dir=out_dir,
            expressions=tuple(expressions),
            intensity=intensity,
            au=au,
            extension=f".{format_}" if format_ else None,
            options=BatchOptions(
                workers or default_workers(), quality, overwrite, fail_fast, max_pixels, timeout
            ),
            contact_sheet=contact_sheet,
            report=report,
            engines=engines,
            backend=backend,
            precision=precision,
            batch_size=batch_size,
            threads=threads,
            dry_run=dry_run,
            json=json_,
        )
    )
    if status:
        raise typer.Exit(status)
