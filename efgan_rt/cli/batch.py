"""`efgan-rt batch`: edits a directory of pictures."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from efgan_rt.choices import JpegCodec, NoFace, Pace
from efgan_rt.cli.edit_options import (
    AuOption,
    FpsOption,
    FramesOption,
    IntensityOption,
    KnownUnitsOption,
    OnlyIfOption,
    PaceOption,
    PresetsOption,
    ReferencesOption,
    StagesOption,
    TableOption,
)
from efgan_rt.cli.face_options import (
    CropsOption,
    DetectorOption,
    FacesOption,
    FetchDetectorOption,
    MinFaceOption,
    MinScoreOption,
    NoFaceOption,
)
from efgan_rt.cli.options import (
    Backend,
    BackendOption,
    BatchSizeOption,
    EnginesOption,
    FailFastOption,
    GpusOption,
    JsonOption,
    LanesOption,
    MaxPixelsOption,
    ModelOption,
    NoMarkOption,
    PrecisionOption,
    ProcessesOption,
    Progress,
    ProgressOption,
    RayOption,
    ThreadsOption,
    WorkersOption,
    default_workers,
    edit_option,
    files_option,
    run_option,
    said_of_options,
)
from efgan_rt.remote.path import place

if TYPE_CHECKING:
    from efgan_rt.pictures.animation import Playback
    from efgan_rt.pipeline.run_state import BatchOptions
    from efgan_rt.requests.edits import EditOptions
    from efgan_rt.requests.faces import FaceOptions
    from efgan_rt.tuning import RunWishes


class Format(StrEnum):
    """Formats that outputs can be written in."""

    PNG = "png"
    JPG = "jpg"
    WEBP = "webp"
    BMP = "bmp"
    TIFF = "tiff"
    GIF = "gif"
    APNG = "apng"
    MP4 = "mp4"


@dataclass(frozen=True)
class BatchRequest:
    """Edits the expression of everyone in a whole directory of pictures.

    Faces are found in photographs, edited and put back; a picture that is a face crop already is
    recognised and edited as a whole. The output tree mirrors the input tree. A picture that fails
    is named, and the run goes on.

    **Examples**

    - `efgan-rt batch photos smiling --expression happy`
    - `efgan-rt batch photos out -e happy --faces largest --no-face copy`
    - `efgan-rt batch faces out -e happy -e angry --intensity 0.7 --format png`
    - `efgan-rt batch faces out --au "AU12=3.5,AU04-=1"`
    - `efgan-rt batch faces out -e happy --frames 24 --format gif`
    - `efgan-rt batch faces out --reference smile.jpg --intensity 0.8`
    - `efgan-rt batch photos out -e happy --intensity 0.5 --only-if "AU12<1.5"`
    - `efgan-rt batch s3://bucket/photos s3://bucket/smiling -e happy`

    **Exit status**: 0 all done, 1 the run could not be done, 2 wrong usage, 3 some
    pictures failed, 130 interrupted.
    """

    done_by: ClassVar = "efgan_rt.cli.edited_folder"

    in_dir: Annotated[
        Path,
        typer.Argument(
            metavar="IN_DIR",
            parser=place,
            help="Pictures: a folder or one; s3:// or gs://; a .txt of http(s):// addresses.",
        ),
    ]
    out_dir: Annotated[
        Path,
        typer.Argument(
            metavar="OUT_DIR", parser=place, help="Where the edits go: a folder, or s3://."
        ),
    ]
    expression: Annotated[
        list[str] | None,
        edit_option(
            "--expression",
            "-e",
            metavar="NAME",
            help="Such as happy; several make one folder each. `efgan-rt info` lists them.",
        ),
    ] = None
    intensity: IntensityOption = 1.0
    au: AuOption = None
    reference: ReferencesOption = None
    from_csv: TableOption = None
    preset: PresetsOption = None
    only_if: OnlyIfOption = None
    aus: KnownUnitsOption = None
    frames: FramesOption = None
    pace: PaceOption = None
    fps: FpsOption = None
    stages: StagesOption = False
    format: Annotated[
        Format | None,
        files_option(
            "--format",
            help="Of the outputs (default: each input's own); with --frames, gif, webp, apng and "
            "mp4 make one animation.",
        ),
    ] = None
    quality: Annotated[
        int | None,
        files_option(
            metavar="N",
            min=1,
            max=100,
            help="Of JPEG and WebP (default: a JPEG's own for its edit, else 95).",
        ),
    ] = None
    no_mark: NoMarkOption = False
    sidecars: Annotated[
        bool,
        files_option(
            "--sidecars",
            help="Also copy the .xmp and Takeout .json files beside the pictures, cleaned.",
        ),
    ] = False
    exclude: Annotated[
        list[str] | None,
        files_option(
            "--exclude",
            metavar="PATTERN",
            help="Leave out files and folders of such a name, or path in IN_DIR; repeatable.",
        ),
    ] = None
    no_links: Annotated[
        bool,
        files_option(
            "--no-links", help="Leave out pictures and folders that links lead out of IN_DIR to."
        ),
    ] = False
    keep_times: Annotated[
        bool,
        files_option("--keep-times", help="Give outputs the times of their inputs."),
    ] = False
    overwrite: Annotated[
        bool,
        files_option(
            "--overwrite",
            help="Replace outputs that no earlier run has made, or that were changed since.",
        ),
    ] = False
    max_pixels: MaxPixelsOption = 200_000_000
    jpeg_codec: Annotated[
        JpegCodec,
        files_option(
            "--jpeg-codec",
            help="What decodes and encodes colour JPEGs; `nvimagecodec` on a GPU, with pixels that "
            "differ a little from libjpeg's.",
        ),
    ] = JpegCodec.LIBJPEG
    contact_sheet: Annotated[
        Path | None,
        files_option(
            metavar="FILE.png",
            help="Also write one picture of inputs and edits, the first 48 rows.",
        ),
    ] = None
    faces: FacesOption = "all"
    min_face: MinFaceOption = 40
    min_score: MinScoreOption = 0.6
    no_face: NoFaceOption = NoFace.FAIL
    crops: CropsOption = None
    detector: DetectorOption = None
    fetch_detector: FetchDetectorOption = False
    engines: EnginesOption = None
    model: ModelOption = None
    backend: BackendOption = Backend.AUTO
    precision: PrecisionOption = None
    batch_size: BatchSizeOption = None
    threads: ThreadsOption = None
    lanes: LanesOption = None
    workers: WorkersOption = None
    processes: ProcessesOption = None
    gpus: GpusOption = None
    ray: RayOption = None
    timeout: Annotated[
        float,
        run_option(
            metavar="S",
            min=0.01,
            help="Give up what hangs: a picture, or a batch in the networks, for so many seconds.",
        ),
    ] = 300.0
    fail_fast: FailFastOption = False
    dry_run: Annotated[
        bool,
        run_option("--dry-run", help="Check everything, list what would be made, write nothing."),
    ] = False
    report: Annotated[
        Path | None,
        run_option(
            metavar="FILE",
            help="Also write what became of each picture: page.html to look at, run.json to read.",
        ),
    ] = None
    progress: ProgressOption = Progress.BAR
    json: JsonOption = False

    def __post_init__(self) -> None:
        """Refuses what does not go together."""
        if self.ray is not None and (self.processes is not None or self.gpus is not None):
            raise typer.BadParameter(
                "spreads over nodes, --processes and --gpus over this machine; choose one",
                param_hint="--ray",
            )
        if self.frames is None and (self.pace is not None or self.fps is not None):
            raise typer.BadParameter(
                "is about the frames of --frames N", param_hint="--pace, --fps"
            )
        with said_of_options():
            _ = self.edit, self.face_options

    @cached_property
    def edit(self) -> "EditOptions":
        """What is asked of the faces."""
        from efgan_rt.errors import EfganError
        from efgan_rt.presets.library import load_presets
        from efgan_rt.requests.edits import EditOptions
        from efgan_rt.requests.outputs import OutputKind

        extension = f".{self.format}" if self.format else None
        kind = OutputKind(
            extension, self.frames, self.pace or Pace.SEEN, self.stages, self.playback
        )
        if self.fps is not None and not kind.is_animated:
            raise EfganError("--fps is for animations: --format gif, webp, apng or mp4")
        return EditOptions(
            tuple(self.expression or ()),
            tuple(self.reference or ()),
            self.intensity,
            self.au,
            self.from_csv,
            kind,
            load_presets(self.preset or ()),
            self.only_if,
        )

    @cached_property
    def face_options(self) -> "FaceOptions":
        """Whose faces are edited, and how they are found."""
        from efgan_rt.requests.faces import FaceOptions, face_choice

        of_presets = self.edit.faces
        which = str(of_presets) if of_presets is not None and self.faces == "all" else self.faces
        choice = face_choice(which, self.min_face, self.crops)
        return FaceOptions(choice, self.min_score, self.no_face, self.detector, self.fetch_detector)

    @property
    def playback(self) -> "Playback":
        """How frames play."""
        from efgan_rt.pictures.animation import Playback

        return Playback() if self.fps is None else Playback(self.fps)

    @property
    def options(self) -> "BatchOptions":
        """How the run treats its files."""
        from efgan_rt.pipeline.run_state import BatchOptions

        return BatchOptions(
            self.workers or default_workers(),
            self.quality,
            self.overwrite,
            self.fail_fast,
            self.max_pixels,
            self.timeout,
            playback=self.playback,
            mark=not self.no_mark,
            sidecars=self.sidecars,
            keep_times=self.keep_times,
            jpeg_codec=self.jpeg_codec,
        )

    @property
    def wishes(self) -> "RunWishes":
        """How the run is shared out, as far as that is asked for."""
        from efgan_rt.tuning import RunWishes

        return RunWishes(self.batch_size, self.lanes, self.threads, self.workers)
