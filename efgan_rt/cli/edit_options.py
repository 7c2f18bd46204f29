"""Options about the edit, some of which more than one command has; imports nothing but typer."""

from pathlib import Path
from typing import Annotated

import typer

from efgan_rt.choices import Pace
from efgan_rt.cli.options import EDIT_PANEL

IntensityOption = Annotated[
    float,
    typer.Option(
        "--intensity",
        metavar="0..2",
        rich_help_panel=EDIT_PANEL,
        help="How far towards the expression or the other face: 1 is all the way.",
    ),
]
AuOption = Annotated[
    str | None,
    typer.Option(
        "--au",
        metavar="UNITS",
        rich_help_panel=EDIT_PANEL,
        help="Action units, 0 to 5, on top: AU12=3.5 sets, AU04-=1 lowers, AU12+=1 raises.",
    ),
]
ReferencesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--reference",
        metavar="FACE",
        rich_help_panel=EDIT_PANEL,
        help="A face whose expression is taken over: a picture, or OpenFace's CSV of one face.",
    ),
]
TableOption = Annotated[
    Path | None,
    typer.Option(
        "--from-csv",
        metavar="TABLE",
        rich_help_panel=EDIT_PANEL,
        help="An edit for each picture: columns file, expression, intensity, AU12, AU12+ ...",
    ),
]
PresetsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--preset",
        metavar="NAME|FILE.toml",
        rich_help_panel=EDIT_PANEL,
        help="A saved edit in place of the others; several make one folder each.",
    ),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME|FILE.toml",
        rich_help_panel=EDIT_PANEL,
        help="A saved edit, without rules, in place of the others.",
        show_default=False,
    ),
]
OnlyIfOption = Annotated[
    str | None,
    typer.Option(
        "--only-if",
        metavar="UNITS",
        rich_help_panel=EDIT_PANEL,
        help="Leave faces alone of which this is not true: AU12<1.5, AU45>=1 ...",
    ),
]
KnownUnitsOption = Annotated[
    Path | None,
    typer.Option(
        "--aus",
        metavar="OPENFACE",
        rich_help_panel=EDIT_PANEL,
        help="What the pictures show, by OpenFace's CSV or a folder of them, not estimated.",
    ),
]
FramesOption = Annotated[
    int | None,
    typer.Option(
        "--frames",
        metavar="N",
        rich_help_panel=EDIT_PANEL,
        help="The expression unfolding: N pictures from the one given to its edit.",
    ),
]
PaceOption = Annotated[
    Pace | None,
    typer.Option(
        "--pace",
        rich_help_panel=EDIT_PANEL,
        help="What is even about the frames' steps: what is seen of them (the default), or "
        "action units.",
    ),
]
FpsOption = Annotated[
    float | None,
    typer.Option(
        "--fps",
        metavar="F",
        rich_help_panel=EDIT_PANEL,
        help="Frames a second of an animation (default: 12).",
    ),
]
StagesOption = Annotated[
    bool,
    typer.Option(
        "--stages",
        rich_help_panel=EDIT_PANEL,
        help="The picture after each stage of the cascade.",
    ),
]
