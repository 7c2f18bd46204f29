"""`efgan-rt studio`: a page on this machine to try edits on, and to run them on a folder."""

from pathlib import Path
from typing import Annotated

import typer

from efgan_rt.cli.face_options import CropsOption, DetectorOption, MinFaceOption, MinScoreOption
from efgan_rt.cli.options import (
    Backend,
    BackendOption,
    EnginesOption,
    MaxPixelsOption,
    NoMarkOption,
    PrecisionOption,
    ThreadsOption,
    panel,
)

page_option = panel("The page")


def studio(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER]", help="Pictures to choose from, and to run an edit on."),
    ] = None,
    out: Annotated[
        Path | None,
        page_option(
            "--out",
            metavar="DIR",
            help="Where edits of the folder's pictures go (default: FOLDER/edited).",
        ),
    ] = None,
    port: Annotated[
        int,
        page_option(metavar="N", min=0, max=65535, help="0: any free one."),
    ] = 0,
    max_pixels: MaxPixelsOption = 200_000_000,
    no_mark: NoMarkOption = False,
    min_face: MinFaceOption = 40,
    min_score: MinScoreOption = 0.6,
    crops: CropsOption = None,
    detector: DetectorOption = None,
    engines: EnginesOption = None,
    backend: BackendOption = Backend.AUTO,
    precision: PrecisionOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Opens a page to try edits on: faces, sliders, before and after, presets, a folder's run.

    It prints an address on this machine, with a secret in it that every request needs; nobody
    else can use the page, and the page fetches nothing from anywhere else. Ctrl-C ends it.

    **Examples**

    - `efgan-rt studio`
    - `efgan-rt studio photos --port 8321`
    - `efgan-rt studio photos --out edited`
    """
    from efgan_rt.extras import needs_extra

    with needs_extra("studio"):
        from efgan_rt.studio.server import StudioOptions, serve

    serve(
        StudioOptions(
            folder=folder,
            out=out,
            port=port,
            max_pixels=max_pixels,
            mark=not no_mark,
            min_face_px=min_face,
            min_score=min_score,
            crops=crops,
            detector=detector,
            engines=engines,
            backend=backend,
            precision=precision,
            threads=threads,
        )
    )
