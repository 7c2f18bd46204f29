"""`efgan-rt prepare`: what a training reads, from pictures as people have them.

With labels, or for some to be read weakly: crops and one label table. With a face model and no
labels: pairs for a training of motion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from efgan_rt.choices import FrameRule, LabelFormat, Naming
from efgan_rt.cli.face_options import DetectorOption, FetchDetectorOption, faces_option
from efgan_rt.cli.options import (
    FailFastOption,
    MaxPixelsOption,
    WorkersOption,
    files_option,
    panel,
)

labels_option = panel("The labels")
pairs_option = panel("Pairs for motion, without labels")
# What counts where pairs are made, and what counts nowhere else.
PAIRS_ONLY = ("face_model", "landmarker", "pairs", "min_crop", "held_out")
PAIRS_TOO = ("pictures", "out", "overwrite", "max_pixels", "workers")


class Points(StrEnum):
    """Whose centres of eyes, nose and mouth go into the table."""

    AUTO = "auto"
    LABELS = "labels"
    DETECTOR = "detector"


class CropFormat(StrEnum):
    """Formats that crops are written in."""

    PNG = "png"
    JPG = "jpg"


@dataclass(frozen=True)
class PrepareRequest:
    """Makes a training set: face crops of 128 pixels, one label table, one alignment template.

    With `--face-model` and `--landmarker`: pairs for a training of motion, from any portraits.

    Labels are OpenFace's, py-feat's, LibreFace's, GANimation's or AffectNet's files, or a table
    with the columns file, identity, expression, AU01_r ... What they lack is said and left out.

    **Examples**

    - `efgan-rt prepare RaFD openface --out rafd --detector yunet.onnx`
    - `efgan-rt prepare photos au.csv --out set --identity each --expression mixed`
    - `efgan-rt prepare CFEE of --out cfee --names folders --name-pattern "(?P<identity>[0-9]+)_"`
    - `efgan-rt prepare portraits --face-model ICT-FaceKit --landmarker face_landmarker.task`

    **Exit status**: 0 all done, 1 the run could not be done, 2 wrong usage, 3 some
    pictures failed, 130 interrupted.
    """

    context: typer.Context
    pictures: Annotated[Path, typer.Argument(metavar="PICTURES", help="The folder of pictures.")]
    labels: Annotated[
        Path | None,
        typer.Argument(
            metavar="[LABELS]",
            help="Their labels: a file, or a folder of files (default: none).",
        ),
    ] = None
    out: Annotated[
        Path | None,
        files_option(
            metavar="DIR",
            help="Where crops, labels.csv and template.json go; of pairs, PICTURES-pairs unless "
            "said.",
        ),
    ] = None
    write: Annotated[CropFormat, files_option(help="Format of the crops.")] = CropFormat.PNG
    overwrite: Annotated[
        bool,
        files_option("--overwrite", help="Replace what is in the way."),
    ] = False
    max_pixels: MaxPixelsOption = 200_000_000
    contact_sheet: Annotated[
        Path | None,
        files_option(
            metavar="FILE.png", help="Also write one picture of up to 384 crops, to look at."
        ),
    ] = None
    format: Annotated[
        LabelFormat,
        labels_option("--format", help="Format of the labels."),
    ] = LabelFormat.AUTO
    min_confidence: Annotated[
        float | None,
        labels_option(
            metavar="0..1",
            min=0.0,
            max=1.0,
            help="Drop label rows below it, where the format has one (default: 0.8).",
        ),
    ] = None
    scale_probabilities: Annotated[
        bool,
        labels_option(
            "--scale-probabilities", help="Take five times py-feat's probability for an intensity."
        ),
    ] = False
    au_from: Annotated[
        Path | None,
        labels_option(
            "--au-from",
            metavar="ENGINES",
            help="Weak labels: action units as this engine set reads them in the crops.",
        ),
    ] = None
    names: Annotated[
        Naming,
        labels_option(help="What the pictures' names say of who and what."),
    ] = Naming.AUTO
    name_pattern: Annotated[
        str | None,
        labels_option(
            metavar="REGEX",
            help="With groups (?P<identity>...) and (?P<expression>...), sought in the path.",
        ),
    ] = None
    identity: Annotated[
        str,
        labels_option(
            metavar="each|NAME",
            help="Of pictures without one; each: every picture is a person of its own.",
        ),
    ] = ""
    expression: Annotated[
        str,
        labels_option(metavar="NAME", help="Of pictures without one; mixed: no named expression."),
    ] = ""
    angle: Annotated[
        list[int] | None,
        labels_option(
            metavar="DEGREES",
            help="RaFD's cameras that are taken, 0 to 180 (default: 90, the frontal one).",
        ),
    ] = None
    ids: Annotated[
        Path | None,
        labels_option(metavar="FILE", help="Take only the pictures named there, one a line."),
    ] = None
    people: Annotated[
        list[str] | None,
        labels_option(metavar="GLOB", help="Take only these identities, such as id0*."),
    ] = None
    frames: Annotated[
        FrameRule,
        labels_option(
            help="Frames are told by the number in a picture's name, or by the names' order."
        ),
    ] = FrameRule.NUMBER
    detector: DetectorOption = None
    fetch_detector: FetchDetectorOption = False
    template: Annotated[
        Path | None,
        faces_option(
            metavar="template.json",
            help="Frame the faces as that set's are (default: as the set that ships).",
        ),
    ] = None
    points: Annotated[
        Points,
        faces_option(
            help="Whose eyes, nose and mouth go into the table; auto: the labels', if there."
        ),
    ] = Points.AUTO
    crops: Annotated[
        bool,
        faces_option("--crops", help="The pictures are square crops already."),
    ] = False
    largest: Annotated[
        bool,
        faces_option(
            "--largest", help="Of several faces take the largest; else such a picture fails."
        ),
    ] = False
    min_score: Annotated[
        float,
        faces_option(
            metavar="0..1", min=0.0, max=1.0, help="Faces that the detector scores below it fail."
        ),
    ] = 0.6
    face_model: Annotated[
        Path | None,
        pairs_option(
            "--face-model",
            metavar="DIR|FILE.npz",
            help="The ICT Face Model: a copy of its repository, or its arrays.",
        ),
    ] = None
    landmarker: Annotated[
        Path | None,
        pairs_option(metavar="FILE.task", help="MediaPipe's face_landmarker.task."),
    ] = None
    pairs: Annotated[
        int,
        pairs_option(metavar="N", min=1, max=1000, help="Of each portrait."),
    ] = 4
    min_crop: Annotated[
        int,
        pairs_option(
            "--min-crop",
            metavar="PX",
            min=1,
            help="Leave faces out whose crop has fewer pixels of its own.",
        ),
    ] = 140
    held_out: Annotated[
        list[str] | None,
        pairs_option(
            "--held-out",
            metavar="GLOB",
            help="Pictures to test on, such as 'ann/*' (default: about one of ten).",
        ),
    ] = None
    workers: WorkersOption = None
    fail_fast: FailFastOption = False

    def __post_init__(self) -> None:
        """Refuses what does not go together, or would do nothing."""
        if self.face_model is not None or self.landmarker is not None:
            self._refuse_others((*PAIRS_ONLY, *PAIRS_TOO), "does not go with pairs for motion")
            if self.face_model is None or self.landmarker is None:
                missing = "--landmarker" if self.landmarker is None else "--face-model"
                raise typer.BadParameter("pairs for motion need it too", param_hint=missing)
            return
        names = [each.name or "" for each in self.context.command.params]
        self._refuse_others(
            [name for name in names if name not in PAIRS_ONLY],
            "needs --face-model and --landmarker",
        )
        if self.out is None:
            raise typer.BadParameter("say where the set goes", param_hint="--out")
        if self.crops and self.template is not None:
            raise typer.BadParameter("crops are framed already", param_hint="--template")

    @property
    def done_by(self) -> str:
        """What does it."""
        return f"efgan_rt.cli.prepared_{'pairs' if self.face_model is not None else 'set'}"

    @property
    def folder(self) -> Path:
        """Where the result goes."""
        return self.out or self.pictures.with_name(f"{self.pictures.resolve().name}-pairs")

    def _refuse_others(self, allowed: Sequence[str], why: str) -> None:
        """Refuses what was typed and is not allowed.

        Raises:
            typer.BadParameter: something was.
        """
        for each in self.context.command.params:
            source = self.context.get_parameter_source(each.name or "")
            if each.name not in allowed and source is not None and source.name == "COMMANDLINE":
                hint = each.opts[0] if each.opts[0].startswith("-") else each.opts[0].upper()
                raise typer.BadParameter(why, param_hint=hint)
