"""The pairs for motion that `efgan-rt prepare --face-model` makes of portraits.

Several processes make a chunk each; as MediaPipe may hang when its process ends, they are ended.
"""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import cv2

from efgan_rt.cli.console import (
    INTERRUPTED,
    SOME_FAILED,
    picture_progress,
    print_text,
    printable,
    remark,
)
from efgan_rt.cli.options import default_workers
from efgan_rt.cli.prepare import PrepareRequest
from efgan_rt.errors import EfganError
from efgan_rt.extras import needs_extra
from efgan_rt.pipeline.files import Plan
from efgan_rt.pipeline.outcome import Failure
from efgan_rt.shots import stills
from train.portraits.face_model import load_face_model
from train.portraits.landmarks import Landmarker, open_landmarker
from train.portraits.portrait_pairs import (
    ATLAS,
    ChunkMaker,
    ChunkRecord,
    begin,
    records,
    settings_of,
    write_atlas,
    write_folds,
)


def run(request: PrepareRequest) -> int:
    """Does what was asked; the exit status.

    Raises:
        EfganError: the run cannot be done.
    """
    with needs_extra("portraits"):
        import numba  # noqa: F401
        import scipy  # noqa: F401
    if not request.pictures.is_dir():
        raise EfganError(f"{request.pictures}: no such folder; expected pictures")
    assert request.face_model is not None and request.landmarker is not None, "as it was checked"
    with closing(open_landmarker(request.landmarker)) as find:
        return _run(request, request.face_model, request.landmarker, find)


def _run(request: PrepareRequest, face_model: Path, landmarker: Path, find: Landmarker) -> int:
    model = load_face_model(face_model)
    names = _names(request)
    settings = settings_of(
        names,
        model,
        landmarker,
        pairs=request.pairs,
        smallest_px=request.min_crop,
        held_out=tuple(request.held_out or ()),
    )
    waiting = begin(request.folder, settings, overwrite=request.overwrite)
    if done := settings.chunks - len(waiting):
        remark(f"{request.folder}: {done} of {settings.chunks} chunks are there already")
    workers = min(request.workers or default_workers(), len(waiting))
    maker = partial(
        ChunkMaker,
        request.pictures,
        names,
        request.folder,
        settings,
        model,
        max_pixels=request.max_pixels,
    )
    interrupted = False
    with picture_progress() as progress:
        before = done * settings.chunk
        bar = progress.add_task("making pairs", total=len(names), completed=min(before, len(names)))
        try:
            made = (
                map(maker(find).make, waiting)
                if workers < 2
                else _in_processes((maker, landmarker), waiting, workers)
            )
            for record in made:
                for name, reason in record.left_out.items():
                    text = printable(f"left out: {request.pictures / name}: {reason}")
                    progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
                count = len(record.train) + len(record.test) + len(record.left_out)
                progress.update(bar, advance=count)
        except KeyboardInterrupt:
            interrupted = True
    found = records(request.folder, settings)
    if not interrupted:
        write_folds(request.folder, model)
    _print_result(request, found, 0 if interrupted else write_atlas(request.folder, model))
    if interrupted:
        print_text("interrupted: the same command goes on from here")
        return INTERRUPTED
    return SOME_FAILED if any(record.left_out for record in found) else 0


def _names(request: PrepareRequest) -> list[str]:
    plan = Plan(request.pictures, request.folder, stills(""), ".png")
    root = request.pictures
    names = [job.source.relative_to(root).as_posix() for job in plan.jobs()]
    if not names:
        raise EfganError(f"{root}: holds no picture")
    return names


def _in_processes(
    wanted: tuple[partial[ChunkMaker], Path],
    waiting: list[int],
    workers: int,
) -> Iterator[ChunkRecord]:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes that start now
    pool = multiprocessing.get_context("spawn").Pool(workers, _start, wanted)
    try:
        yield from pool.imap_unordered(_make, waiting)
    finally:
        pool.terminate()


_maker: ChunkMaker | None = None
"""Of a process of the pool."""


def _start(maker: partial[ChunkMaker], landmarker: Path) -> None:
    global _maker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process hears it and ends the others
    cv2.setNumThreads(1)
    _maker = maker(open_landmarker(landmarker))


def _make(number: int) -> ChunkRecord:
    assert _maker is not None
    return _maker.make(number)


def _print_result(request: PrepareRequest, found: list[ChunkRecord], mouths: int) -> None:
    train, test = (sum(len(r.train) for r in found), sum(len(r.test) for r in found))
    print_text(
        f"{(train + test) * request.pairs:,} pairs of {train:,} portraits to train on and {test:,} "
        f"to test on in {request.folder}"
    )
    failures = [
        Failure(request.pictures / name, reason)
        for record in found
        for name, reason in record.left_out.items()
    ]
    for why, count in Counter(failure.kind for failure in failures).most_common():
        print_text(f"  left out: {count:,} x {why}")
    if mouths:
        print_text(
            f"{mouths} open mouths in {request.folder / ATLAS}: parts of people's pictures, which "
            "a training's weights would hold"
        )
    elif train:
        print_text("no picture shows an open mouth from the front, so there is no atlas of mouths")
