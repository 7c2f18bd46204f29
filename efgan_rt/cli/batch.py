"""`efgan-rt batch`: edits a directory of pictures."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

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
    EDIT_PANEL,
    FILES_PANEL,
    RUN_PANEL,
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
)
from efgan_rt.remote.path import place


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


def batch(
    in_dir: Annotated[
        Path,
        typer.Argument(
            metavar="IN_DIR",
            parser=place,
            help="Pictures: a folder or one; s3:// or gs://; a .txt of http(s):// addresses.",
        ),
    ],
    out_dir: Annotated[
        Path,
        typer.Argument(
            metavar="OUT_DIR", parser=place, help="Where the edits go: a folder, or s3://."
        ),
    ],
    expression: Annotated[
        list[str] | None,
        typer.Option(
            "--expression",
            "-e",
            metavar="NAME",
            rich_help_panel=EDIT_PANEL,
            help="Such as happy; several make one folder each. `efgan-rt info` lists them.",
        ),
    ] = None,
    intensity: IntensityOption = 1.0,
    au: AuOption = None,
    reference: ReferencesOption = None,
    from_csv: TableOption = None,
    preset: PresetsOption = None,
    only_if: OnlyIfOption = None,
    aus: KnownUnitsOption = None,
    frames: FramesOption = None,
    pace: PaceOption = None,
    fps: FpsOption = None,
    stages: StagesOption = False,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            rich_help_panel=FILES_PANEL,
            help="Of the outputs (default: each input's own); with --frames, gif, webp, apng and "
            "mp4 make one animation.",
        ),
    ] = None,
    quality: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=100,
            rich_help_panel=FILES_PANEL,
            help="Of JPEG and WebP (default: a JPEG's own for its edit, else 95).",
        ),
    ] = None,
    no_mark: NoMarkOption = False,
    sidecars: Annotated[
        bool,
        typer.Option(
            "--sidecars",
            rich_help_panel=FILES_PANEL,
            help="Also copy the .xmp and Takeout .json files beside the pictures, cleaned.",
        ),
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="PATTERN",
            rich_help_panel=FILES_PANEL,
            help="Leave out files and folders of such a name, or path in IN_DIR; repeatable.",
        ),
    ] = None,
    no_links: Annotated[
        bool,
        typer.Option(
            "--no-links",
            rich_help_panel=FILES_PANEL,
            help="Leave out pictures and folders that links lead out of IN_DIR to.",
        ),
    ] = False,
    keep_times: Annotated[
        bool,
        typer.Option(
            "--keep-times",
            rich_help_panel=FILES_PANEL,
            help="Give outputs the times of their inputs.",
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            rich_help_panel=FILES_PANEL,
            help="Replace outputs that no earlier run has made, or that were changed since.",
        ),
    ] = False,
    max_pixels: MaxPixelsOption = 200_000_000,
    jpeg_codec: Annotated[
        JpegCodec,
        typer.Option(
            "--jpeg-codec",
            rich_help_panel=FILES_PANEL,
            help="What decodes and encodes colour JPEGs; `nvimagecodec` on a GPU, with pixels that "
            "differ a little from libjpeg's.",
        ),
    ] = JpegCodec.LIBJPEG,
    contact_sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            rich_help_panel=FILES_PANEL,
            help="Also write one picture of inputs and edits, the first 48 rows.",
        ),
    ] = None,
    faces: FacesOption = "all",
    min_face: MinFaceOption = 40,
    min_score: MinScoreOption = 0.6,
    no_face: NoFaceOption = NoFace.FAIL,
    crops: CropsOption = None,
    detector: DetectorOption = None,
    fetch_detector: FetchDetectorOption = False,
    engines: EnginesOption = None,
    model: ModelOption = None,
    backend: BackendOption = Backend.AUTO,
    precision: PrecisionOption = None,
    batch_size: BatchSizeOption = None,
    threads: ThreadsOption = None,
    lanes: LanesOption = None,
    workers: WorkersOption = None,
    processes: ProcessesOption = None,
    gpus: GpusOption = None,
    ray: RayOption = None,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="S",
            min=0.01,
            rich_help_panel=RUN_PANEL,
            help="Give up what hangs: a picture, or a batch in the networks, for so many seconds.",
        ),
    ] = 300.0,
    fail_fast: FailFastOption = False,
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
    progress: ProgressOption = Progress.BAR,
    json_: JsonOption = False,
) -> None:
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
    from efgan_rt.cli.edited_folder import BatchRequest, run
    from efgan_rt.errors import EfganError
    from efgan_rt.pictures.animation import Playback
    from efgan_rt.pipeline.workers import BatchOptions
    from efgan_rt.presets.library import load_presets
    from efgan_rt.requests.edits import EditOptions
    from efgan_rt.requests.faces import FaceOptions, face_choice
    from efgan_rt.requests.outputs import OutputKind
    from efgan_rt.tuning import RunWishes

    if ray is not None and (processes is not None or gpus is not None):
        raise typer.BadParameter(
            "spreads over nodes, --processes and --gpus over this machine; choose one",
            param_hint="--ray",
        )
    if frames is None and (pace is not None or fps is not None):
        raise typer.BadParameter("is about the frames of --frames N", param_hint="--pace, --fps")
    playback = Playback() if fps is None else Playback(fps)
    try:
        kind = OutputKind(
            f".{format_}" if format_ else None,
            frames,
            pace or Pace.SEEN,
            stages,
            playback,
        )
        if fps is not None and not kind.is_animated:
            raise EfganError("--fps is for animations: --format gif, webp, apng or mp4")
        edit = EditOptions(
            tuple(expression or ()),
            tuple(reference or ()),
            intensity,
            au,
            from_csv,
            kind,
            load_presets(preset or ()),
            only_if,
        )
        if edit.faces is not None and faces == "all":
            faces = str(edit.faces)
        face_options = FaceOptions(
            face_choice(faces, min_face, crops),
            min_score,
            no_face,
            detector,
            fetch_detector,
        )
    except EfganError as error:
        raise typer.BadParameter(str(error)) from error

    status = run(
        BatchRequest(
            in_dir=in_dir,
            out_dir=out_dir,
            exclude=tuple(exclude or ()),
            no_links=no_links,
            edit=edit,
            known_units=aus,
            faces=face_options,
            options=BatchOptions(
                workers or default_workers(),
                quality,
                overwrite,
                fail_fast,
                max_pixels,
                timeout,
                playback=playback,
                mark=not no_mark,
                sidecars=sidecars,
                keep_times=keep_times,
                jpeg_codec=jpeg_codec,
            ),
            contact_sheet=contact_sheet,
            report=report,
            engines=engines,
            model=model,
            backend=backend,
            precision=precision,
            wishes=RunWishes(batch_size, lanes, threads, workers),
            processes=processes,
            gpus=gpus,
            ray=ray,
            dry_run=dry_run,
            json=json_,
            progress=progress,
        )
    )
    if status:
        raise typer.Exit(status)
