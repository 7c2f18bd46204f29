"""Options about the faces in pictures that more than one command has; imports nothing but typer."""

from pathlib import Path
from typing import Annotated

import typer

from efgan_rt.choices import NoFace

FACES_PANEL = "The faces"


FacesOption = Annotated[
    str,
    typer.Option(
        "--faces",
        metavar="all|largest|N",
        rich_help_panel=FACES_PANEL,
        help="Which faces of a photograph are edited; N: so many of the largest.",
    ),
]
MinFaceOption = Annotated[
    int,
    typer.Option(
        "--min-face",
        metavar="PX",
        min=1,
        rich_help_panel=FACES_PANEL,
        help="Leave smaller faces alone; such faces are found in pictures of any size.",
    ),
]
MinScoreOption = Annotated[
    float,
    typer.Option(
        "--min-score",
        metavar="0..1",
        min=0.0,
        max=1.0,
        rich_help_panel=FACES_PANEL,
        help="What YuNet scores below it is no face.",
    ),
]
NoFaceOption = Annotated[
    NoFace,
    typer.Option(
        "--no-face",
        rich_help_panel=FACES_PANEL,
        help="What becomes of a picture without a face.",
    ),
]
CropsOption = Annotated[
    bool | None,
    typer.Option(
        "--crops/--no-crops",
        rich_help_panel=FACES_PANEL,
        help="Every picture is a face crop, or none is (default: each is recognised).",
    ),
]
DetectorOption = Annotated[
    Path | None,
    typer.Option(
        "--detector",
        metavar="FILE.onnx|haar",
        rich_help_panel=FACES_PANEL,
        help="YuNet's file, or haar (default: YuNet as it comes along).",
    ),
]
FetchDetectorOption = Annotated[
    bool,
    typer.Option(
        "--fetch-detector",
        rich_help_panel=FACES_PANEL,
        help="Fetch YuNet (0.2 MB, MIT) where this copy has lost it.",
    ),
]
