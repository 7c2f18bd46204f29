"""Photographs without a face, with one that cannot be used, or with a detector that fails."""

import threading
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.choices import NoFace
from efgan_rt.errors import EfganError
from efgan_rt.faces.detect import Face
from efgan_rt.faces.framing import Framed
from efgan_rt.faces.motion_paste import Move
from efgan_rt.faces.paste import paste
from efgan_rt.pictures.original import Metadata, Original, Picture, Pixels
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import write_original, write_picture
from efgan_rt.pipeline import pasting
from efgan_rt.pipeline.files import Plan
from efgan_rt.pipeline.outcome import PictureResult, Status
from efgan_rt.pipeline.run_state import BatchOptions
from efgan_rt.shots import stills
from tests.efgan_rt.inverter import Inverter, files_in, run_jobs
from tests.efgan_rt.red_squares import RED, RedSquares, Told, face_at, finding, photograph, run


def test_a_photograph_without_a_face_fails_by_name(source: Path, out: Path) -> None:
    write_picture(source / "a.png", photograph(500, 700))
    write_picture(source / "b.png", photograph(500, 700, (100, 100)))
    write_picture(source / "small.png", photograph(500, 700, (100, 100), side=20))
    outcome = run(source, out)
    assert (outcome.done, outcome.written, outcome.failed) == (1, 1, 2)
    assert {failure.reason for failure in outcome.failures} == {
        f"{source}/{name}.png: no face of at least 40 pixels was found; {largest}--min-face takes "
        "smaller ones, --crops takes the picture for a face crop, --no-face copy or skip accepts it"
        for name, largest in (("a", ""), ("small", "the largest has 20, "))
    }
    assert outcome.reasons == {"no face of at least N pixels was found": 2}


def test_a_photograph_without_a_face_is_copied_byte_for_byte(source: Path, out: Path) -> None:
    original = Original(photograph(500, 700), metadata=Metadata(xmp=b"<x:xmpmeta/>"))
    write_original(source / "a.jpg", original, quality=71)
    data = (source / "a.jpg").read_bytes() + b"whatever follows"
    (source / "a.jpg").write_bytes(data)
    told: list[PictureResult] = []
    faces = finding(NoFace.COPY)
    outcome = run(source, out, faces=faces, targets=("x", "y"), on_picture=told.append)
    assert (outcome.copied, outcome.done, outcome.written, outcome.failed) == (1, 0, 2, 0)
    assert told[0].status is Status.COPIED
    assert (out / "x" / "a.jpg").read_bytes() == (out / "y" / "a.jpg").read_bytes() == data


def test_a_copy_in_another_format_is_the_same_picture(source: Path, out: Path) -> None:
    write_picture(source / "a.png", photograph(500, 700))
    jobs = Plan(source, out, stills(""), ".tiff").jobs()
    outcome = run_jobs(jobs, out, [Inverter()], faces=finding(NoFace.COPY))
    assert outcome.copied == 1
    np.testing.assert_array_equal(read_picture(out / "a.tiff"), read_picture(source / "a.png"))


def test_copies_are_known_to_a_later_run_that_wants_copies(source: Path, out: Path) -> None:
    write_picture(source / "a.png", photograph(500, 700))
    assert run(source, out, faces=finding(NoFace.COPY)).copied == 1
    again = run(source, out, faces=finding(NoFace.COPY))
    assert (again.already, again.copied) == (1, 0)
    assert run(source, out, faces=finding(NoFace.FAIL)).failed == 1


def test_a_photograph_without_a_face_can_be_passed_over(source: Path, out: Path) -> None:
    write_picture(source / "a.png", photograph(500, 700))
    told: list[PictureResult] = []
    outcome = run(source, out, faces=finding(NoFace.SKIP), on_picture=told.append)
    assert (outcome.skipped, outcome.written, outcome.failed, outcome.done) == (1, 0, 0, 0)
    assert told[0].status is Status.SKIPPED
    assert files_in(out) == []


class Failing(RedSquares):
    """A detector that fails on pictures with a green corner."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def find(self, picture: Picture) -> list[Face]:
        if picture[0, 0, 1] == 255:
            raise self._error
        return super().find(picture)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (cv2.error("broken"), "the face detector failed: broken"),
        (EfganError("the points coincide"), "the points coincide"),
        (ZeroDivisionError("a bug"), "unexpected ZeroDivisionError: a bug ("),
    ],
)
def test_a_detector_that_fails_costs_its_picture_and_no_other(
    source: Path, out: Path, error: Exception, reason: str
) -> None:
    bad = photograph(500, 700, (100, 100))
    bad[0, 0] = (0, 255, 0)
    write_picture(source / "bad.png", bad)
    for number in range(5):
        write_picture(source / f"{number}.png", photograph(500, 700, (100, 100)))
    outcome = run(source, out, faces=finding(detector=lambda: Failing(error)))
    assert (outcome.written, outcome.failed) == (5, 1)
    assert outcome.failures[0].reason.startswith(f"{source}/bad.png: {reason}")


def test_a_detector_that_hangs_costs_its_picture_and_no_other(source: Path, out: Path) -> None:
    released = threading.Event()

    class Hanging(RedSquares):
        def find(self, picture: Picture) -> list[Face]:
            if picture[0, 0, 1] == 255:
                released.wait(20)
            return super().find(picture)

    bad = photograph(500, 700, (100, 100))
    bad[0, 0] = (0, 255, 0)
    write_picture(source / "bad.png", bad)
    write_picture(source / "good.png", photograph(500, 700, (100, 100)))
    options = BatchOptions(timeout_s=2)
    outcome = run(source, out, faces=finding(detector=Hanging), options=options)
    released.set()
    assert (outcome.written, outcome.failed) == (1, 1)
    assert outcome.failures[0].reason == (
        f"{source}/bad.png: decoding has not come to an end in 2 s; --timeout allows more"
    )


def test_a_face_whose_points_coincide_is_named(source: Path, out: Path) -> None:
    points = np.full((5, 2), 150, np.float32)
    broken = Face(130, 120, 60, 60, 0.7, points)
    write_picture(source / "a.png", photograph(500, 700))
    faces = finding(detector=partial(Told, face_at(300, 100), broken), crops=False)
    outcome = run(source, out, faces=faces)
    assert [failure.reason for failure in outcome.failures] == [
        f"{source}/a.png: the face at 130,120 (60 x 60): the points of the face coincide or lie "
        "nowhere in a picture"
    ]


def test_a_face_that_cannot_be_put_back_is_named(
    source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(pixels: Pixels, framed: Framed, edited: Picture, move: Move) -> None:
        if framed.face is not None and framed.face.left == 300:
            raise MemoryError
        paste(pixels, framed, edited, move)

    monkeypatch.setattr(pasting, "paste", broken)
    picture = photograph(500, 700, (300, 200))
    picture[50:200, 50:200] = RED
    write_picture(source / "a.png", picture)
    write_picture(source / "b.png", photograph(500, 700, (100, 100)))
    outcome = run(source, out)
    assert (outcome.written, outcome.failed) == (1, 1)
    assert outcome.failures[0].reason.startswith(
        f"{source}/a.png: face 2 of 2: unexpected MemoryError ("
    )
