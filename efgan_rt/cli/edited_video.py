"""The edit of a video: what `efgan-rt video` does once its options are read."""

from contextlib import closing
from dataclasses import asdict, replace

from efgan_rt.cli.batch_units import read_reference
from efgan_rt.cli.console import INTERRUPTED, frame_progress, print_json, print_text, remark
from efgan_rt.cli.video import VideoRequest
from efgan_rt.counting import counted
from efgan_rt.editing import OpenedSet
from efgan_rt.engine_sets import find_set
from efgan_rt.families.registry import family_of
from efgan_rt.pipeline.fingerprint import engines_fingerprint
from efgan_rt.probed import choose_for_run
from efgan_rt.requests.edits import Edits
from efgan_rt.requests.faces import open_faces
from efgan_rt.tuning import RunWishes, settings_for
from efgan_rt.video.reader import probe
from efgan_rt.video.run import VideoResult, check_output, edit_video
from efgan_rt.video.streams import plan_streams
from efgan_rt.video.writer import need_encoder
from engines.directory import EngineDirectory


def run(request: VideoRequest) -> int:
    """Does what was asked; the exit status.

    Raises:
        EfganError: it cannot be done.
        EngineError: the engines cannot be used.
    """
    check_output(request.source, request.output, overwrite=request.overwrite)
    facts = probe(request.source)
    need_encoder("a video")
    plan = plan_streams(request.source, request.output)
    for sentence in (*facts.notes, *plan.notes):
        remark(sentence)
    engine_set = find_set(request.engines, request.model)
    directory = EngineDirectory(engine_set.directory)
    family = family_of(directory)
    family.refuse(request.edit.asked)
    properties = family.read(directory)
    choice = choose_for_run(
        request.backend,
        directory,
        request.precision,
        batch=request.batch_size,
        threads=request.threads,
    )
    # Which faces are edited is decided over a whole video, so every frame gives all of them.
    which = request.face_options.choice.which
    faces = open_faces(
        replace(request.face_options, choice=replace(request.face_options.choice, which="all")),
        properties,
    )
    for sentence in (
        f"engines: {engine_set.directory} ({engine_set.reason})",
        *faces.remarks,
    ):
        remark(sentence)
    wishes = RunWishes(request.batch_size, None, request.threads, request.workers)
    settings = settings_for(directory, choice, wishes, remark)
    opened_set = OpenedSet.open(
        directory,
        choice=choice,
        batch=settings.batch,
        threads=settings.threads,
        lanes=1,
        say=remark,
    )
    remark(f"backend: {opened_set.choice.reason}")
    recipe = {
        "engines": engines_fingerprint(
            engine_set.directory,
            backend=opened_set.choice.backend,
            precision=opened_set.choice.precision,
        ),
        **faces.recipe,
    }
    edits = Edits(
        request.edit,
        family,
        properties,
        lambda path, output: read_reference(path, output, faces, opened_set),
        remark,
    )

    try:
        with closing(opened_set.lane()) as lane, frame_progress(facts.frames) as (search, edit):
            result = edit_video(
                request.source,
                request.output,
                facts,
                plan,
                edits.target,
                lane,
                faces.finding.new_framer,
                batch=opened_set.batch,
                crop_px=opened_set.crop_px,
                most=None if which == "all" else 1 if which == "largest" else int(which),
                quality=request.quality,
                mark=not request.no_mark,
                workers=settings.workers,
                move=opened_set.move,
                recipe=recipe,
                on_search=search,
                on_edit=edit,
            )
    except KeyboardInterrupt:
        remark("interrupted: what is done is kept; the same command goes on from there")
        return INTERRUPTED
    _tell(request, result)
    return 0


def _tell(request: VideoRequest, result: VideoResult) -> None:
    if request.json:
        print_json({"output": str(request.output), **asdict(result)})
        return
    followed = counted(result.faces, "face")
    rate = result.frames / result.seconds
    print_text(
        f"{request.output}: {result.edited:,} of {result.frames:,} frames edited, {followed} "
        f"followed, in {result.seconds:.1f} s, {rate:.1f} frames a second"
    )
