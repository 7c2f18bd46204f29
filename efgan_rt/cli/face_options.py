"""Options about the faces in pictures that more than one command has; imports nothing but typer."""

from pathlib import Path
from typing import Annotated

from efgan_rt.choices import NoFace
from efgan_rt.cli.options import panel

faces_option = panel("The faces")


FacesOption = Annotated[
    str,
    faces_option(
        "--faces",
        metavar="all|largest|N",
        help="Which faces of a photograph are edited; N: so many of the largest.",
    ),
]
MinFaceOption = Annotated[
    int,
    faces_option(
        "--min-face",
        metavar="PX",
        min=1,
        help="Leave smaller faces alone; such faces are found in pictures of any size.",
    ),
]
MinScoreOption = Annotated[
    float,
    faces_option(
        "--min-score",
        metavar="0..1",
        min=0.0,
        max=1.0,
        help="What YuNet scores below it is no face.",
    ),
]
NoFaceOption = Annotated[
    NoFace,
    faces_option("--no-face", help="What becomes of a picture without a face."),
]
CropsOption = Annotated[
    bool | None,
    faces_option(
        "--crops/--no-crops",
        help="Every picture is a face crop, or none is (default: each is recognised).",
    ),
]
DetectorOption = Annotated[
    Path | None,
    faces_option(
        "--detector",
        metavar="FILE.onnx|haar",
        help="YuNet's file, or haar (default: YuNet as it comes along).",
    ),
]
FetchDetectorOption = Annotated[
    bool,
    faces_option("--fetch-detector", help="Fetch YuNet (0.2 MB, MIT) where this copy has lost it."),
]
