"""`efgan-rt video`: edits the faces of a video."""

from pathlib import Path
from typing import Annotated

import typer

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
)


def video(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A video.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Such as out.mp4, .mov or .mkv.")],
    expression: Annotated[
        str | None,
        edit_option(
            "--expression", "-e", metavar="NAME", help="Such as happy. `efgan-rt info` lists them."
        ),
    ] = None,
    intensity: IntensityOption = 1.0,
    au: AuOption = None,
    reference: Annotated[
        Path | None,
        edit_option(
            metavar="FACE",
            help="A face whose expression is taken over: a picture, or OpenFace's CSV of one face.",
        ),
    ] = None,
    preset: PresetOption = None,
    faces: FacesOption = "all",
    min_face: MinFaceOption = 40,
    min_score: MinScoreOption = 0.6,
    detector: DetectorOption = None,
    fetch_detector: FetchDetectorOption = False,
    quality: Annotated[
        int,
        files_option(
            metavar="N",
            min=1,
            max=100,
            help="Of the pictures; 95 looks like the frames themselves.",
        ),
    ] = 95,
    overwrite: Annotated[
        bool,
        files_option("--overwrite", help="Replace OUT."),
    ] = False,
    no_mark: NoMarkOption = False,
    engines: EnginesOption = None,
    model: ModelOption = None,
    backend: BackendOption = Backend.AUTO,
    precision: PrecisionOption = None,
    batch_size: BatchSizeOption = None,
    threads: ThreadsOption = None,
    workers: WorkersOption = None,
    json_: JsonOption = False,
) -> None:
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
    from efgan_rt.choices import NoFace
    from efgan_rt.cli.edited_video import VideoRequest, run
    from efgan_rt.errors import EfganError
    from efgan_rt.presets.library import load_presets
    from efgan_rt.requests.edits import EditOptions
    from efgan_rt.requests.faces import FaceOptions, face_choice
    from efgan_rt.tuning import RunWishes

    try:
        edit = EditOptions(
            (expression,) if expression else (),
            (reference,) if reference else (),
            intensity,
            au,
            presets=load_presets([preset] if preset else ()),
        )
        if len(edit.names) > 1:
            raise EfganError("a video has one edit; give --expression or --reference")
        for name, each in edit.presets.items():
            if each.rules or each.only_if is not None:
                raise EfganError(
                    f"a video has one edit for all its faces, and preset '{name}' has "
                    f"{'rules' if each.rules else 'only_if'}; name a preset without"
                )
        if edit.faces is not None and faces == "all":
            faces = str(edit.faces)
        choice = face_choice(faces, min_face, crops=False)
        face_options = FaceOptions(choice, min_score, NoFace.SKIP, detector, fetch_detector)
    except EfganError as error:
        raise typer.BadParameter(str(error)) from error

    status = run(
        VideoRequest(
            source=source,
            output=output,
            edit=edit,
            faces=face_options,
            quality=quality,
            overwrite=overwrite,
            mark=not no_mark,
            engines=engines,
            model=model,
            backend=backend,
            precision=precision,
            wishes=RunWishes(batch_size, None, threads, workers),
            json=json_,
        )
    )
    if status:
        raise typer.Exit(status)
