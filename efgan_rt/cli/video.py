"""`efgan-rt video`: edits the faces of a video."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from efgan_rt.choices import NoFace
from efgan_rt.cli.edit_options import AuOption, IntensityOption, PresetOption
from efgan_rt.cli.face_options import (
    DetectorOption,
    FacesOption,
    FetchDetectorOption,
    MinFaceOption,
    MinScoreOption,
)
from efgan_rt.cli.options import (
    Backend,
    BackendOption,
    BatchSizeOption,
    EnginesOption,
    JsonOption,
    ModelOption,
    NoMarkOption,
    PrecisionOption,
    ThreadsOption,
    WorkersOption,
    edit_option,
    files_option,
    said_of_options,
)

if TYPE_CHECKING:
    from efgan_rt.requests.edits import EditOptions
    from efgan_rt.requests.faces import FaceOptions


@dataclass(frozen=True)
class VideoRequest:
    """Edits the expression of the faces in a video; sounds, subtitles, chapters and tags stay.

    Needs `pip install "efgan-rt[video]"`. The video is read twice: once to find each face in all
    its frames, so that it can be followed smoothly, once to edit them. What was interrupted goes on
    where it was when the same command is given again.

    **Examples**

    - `efgan-rt video talk.mp4 smiling.mp4 -e happy --intensity 0.7`
    - `efgan-rt video talk.mp4 out.mkv --au "AU12+=1.5" --faces largest`
    - `efgan-rt video talk.mp4 out.mp4 --preset portrait`

    **Exit status**: 0 done, 1 it could not be done, 2 wrong usage, 130 interrupted.
    """

    done_by: ClassVar = "efgan_rt.cli.edited_video"

    source: Annotated[Path, typer.Argument(metavar="IN", help="A video.")]
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Such as out.mp4, .mov or .mkv.")]
    expression: Annotated[
        str | None,
        edit_option(
            "--expression", "-e", metavar="NAME", help="Such as happy. `efgan-rt info` lists them."
        ),
    ] = None
    intensity: IntensityOption = 1.0
    au: AuOption = None
    reference: Annotated[
        Path | None,
        edit_option(
            metavar="FACE",
            help="A face whose expression is taken over: a picture, or OpenFace's CSV of one face.",
        ),
    ] = None
    preset: PresetOption = None
    faces: FacesOption = "all"
    min_face: MinFaceOption = 40
    min_score: MinScoreOption = 0.6
    detector: DetectorOption = None
    fetch_detector: FetchDetectorOption = False
    quality: Annotated[
        int,
        files_option(
            metavar="N",
            min=1,
            max=100,
            help="Of the pictures; 95 looks like the frames themselves.",
        ),
    ] = 95
    overwrite: Annotated[
        bool,
        files_option("--overwrite", help="Replace OUT."),
    ] = False
    no_mark: NoMarkOption = False
    engines: EnginesOption = None
    model: ModelOption = None
    backend: BackendOption = Backend.AUTO
    precision: PrecisionOption = None
    batch_size: BatchSizeOption = None
    threads: ThreadsOption = None
    workers: WorkersOption = None
    json: JsonOption = False

    def __post_init__(self) -> None:
        """Refuses what does not go together."""
        with said_of_options():
            _ = self.edit, self.face_options

    @cached_property
    def edit(self) -> "EditOptions":
        """What is asked of the faces."""
        from efgan_rt.errors import EfganError
        from efgan_rt.presets.library import load_presets
        from efgan_rt.requests.edits import EditOptions

        edit = EditOptions(
            (self.expression,) if self.expression else (),
            (self.reference,) if self.reference else (),
            self.intensity,
            self.au,
            presets=load_presets([self.preset] if self.preset else ()),
        )
        if len(edit.names) > 1:
            raise EfganError("a video has one edit; give --expression or --reference")
        for name, each in edit.presets.items():
            if each.rules or each.only_if is not None:
                raise EfganError(
                    f"a video has one edit for all its faces, and preset '{name}' has "
                    f"{'rules' if each.rules else 'only_if'}; name a preset without"
                )
        return edit

    @cached_property
    def face_options(self) -> "FaceOptions":
        """Whose faces are edited, and how they are found."""
        from efgan_rt.requests.faces import FaceOptions, face_choice

        of_presets = self.edit.faces
        which = str(of_presets) if of_presets is not None and self.faces == "all" else self.faces
        choice = face_choice(which, self.min_face, crops=False)
        return FaceOptions(choice, self.min_score, NoFace.SKIP, self.detector, self.fetch_detector)
