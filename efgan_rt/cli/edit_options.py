"""Options about the edit, some of which more than one command has; imports nothing but typer."""

from pathlib import Path
from typing import Annotated

from efgan_rt.choices import Pace
from efgan_rt.cli.options import edit_option

IntensityOption = Annotated[
    float,
    edit_option(
        "--intensity",
        metavar="0..2",
        help="How far towards the expression or the other face: 1 is all the way.",
    ),
]
AuOption = Annotated[
    str | None,
    edit_option(
        "--au",
        metavar="UNITS",
        help="Action units, 0 to 5, on top: AU12=3.5 sets, AU04-=1 lowers, AU12+=1 raises.",
    ),
]
ReferencesOption = Annotated[
    list[Path] | None,
    edit_option(
        "--reference",
        metavar="FACE",
        help="A face whose expression is taken over: a picture, or OpenFace's CSV of one face.",
    ),
]
TableOption = Annotated[
    Path | None,
    edit_option(
        "--from-csv",
        metavar="TABLE",
        help="An edit for each picture: columns file, expression, intensity, AU12, AU12+ ...",
    ),
]
PresetsOption = Annotated[
    list[str] | None,
    edit_option(
        "--preset",
        metavar="NAME|FILE.toml",
        help="A saved edit in place of the others; several make one folder each.",
    ),
]
PresetOption = Annotated[
    str | None,
    edit_option(
        "--preset",
        metavar="NAME|FILE.toml",
        help="A saved edit, without rules, in place of the others.",
        show_default=False,
    ),
]
OnlyIfOption = Annotated[
    str | None,
    edit_option(
        "--only-if",
        metavar="UNITS",
        help="Leave faces alone of which this is not true: AU12<1.5, AU45>=1 ...",
    ),
]
KnownUnitsOption = Annotated[
    Path | None,
    edit_option(
        "--aus",
        metavar="OPENFACE",
        help="What the pictures show, by OpenFace's CSV or a folder of them, not estimated.",
    ),
]
FramesOption = Annotated[
    int | None,
    edit_option(
        "--frames",
        metavar="N",
        help="The expression unfolding: N pictures from the one given to its edit.",
    ),
]
PaceOption = Annotated[
    Pace | None,
    edit_option(
        "--pace",
        help="What is even about the frames' steps: what is seen of them (the default), or "
        "action units.",
    ),
]
FpsOption = Annotated[
    float | None,
    edit_option("--fps", metavar="F", help="Frames a second of an animation (default: 12)."),
]
StagesOption = Annotated[
    bool,
    edit_option("--stages", help="The picture after each stage of the cascade."),
]
