"""Photographs through the pipeline: any number of faces, found by a detector that can be told.

With the editor of numpy from `test_pipeline`, which inverts crops. A face is told to the detector
by a red square in the picture, so that what is found is what lies there, wherever it is.
"""

import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from efgan_rt.errors import EfganError
from efgan_rt.faces.align import Similarity
from efgan_rt.faces.detect import Face
from efgan_rt.faces.detector_facts import DetectorFacts
from efgan_rt.faces.framing import FaceChoice, FaceFramer, Framed
from efgan_rt.faces.paste import paste, paste_box
from efgan_rt.faces.template import STANDARD_POINTS, Template
from efgan_rt.images import (
    Picture,
    decode_original,
    read_original,
    read_picture,
    write_original,
    write_picture,
)
from efgan_rt.metadata.record import Metadata
from efgan_rt.originals import Original, Pixels
from efgan_rt.picture_header import PictureHeader
from efgan_rt.pipeline import batch, decoders, pasting
from efgan_rt.pipeline.faces import FaceFinding, NoFace
from efgan_rt.pipeline.files import Plan
from efgan_rt.pipeline.outcome import Outcome, PictureResult, Status
from efgan_rt.pipeline.workers import BatchOptions
from efgan_rt.reporting.latency import LatencyRecorder
from efgan_rt.shots import stills
from tests.efgan_rt.test_pipeline import BATCH, Inverter, files_in, run_jobs

RED = (255, 0, 0)
SIDE = 96  # of a face's square; its crop is then the picture's pixels at their own size
FACTS = DetectorFacts("yunet", "told.onnx", "0f" * 32)
TEMPLATE = Template(STANDARD_POINTS, 128, FACTS, 1)


class RedSquares:
    """A detector that finds red squares, of any size."""

    facts = FACTS

    def find(self, picture: Picture) -> list[Face]:
        is_red = (picture[..., 0] > 200) & (picture[..., 1] < 60) & (picture[..., 2] < 60)
        count, _, stats, _ = cv2.connectedComponentsWithStats(is_red.astype(np.uint8))
        faces = [face_at(*(int(each) for each in stats[k][:3])) for k in range(1, count)]
        return sorted(faces, key=lambda face: -face.area)


def face_at(left: int, top: int, side: int = SIDE) -> Face:
    """A face whose box is a square; its points are the standard ones, whose box is (16, 20)."""
    scale = side / SIDE
    placed = Similarity(scale, complex(left, top) - scale * (16 + 20j))
    return Face(left, top, side, side, 0.9, placed.apply(STANDARD_POINTS))


def photograph(height: int, width: int, *corners: tuple[int, int], side: int = SIDE) -> Picture:
    """A picture of blue noise with a face at each left and top."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 2] = np.random.default_rng(7).integers(100, 200, (height, width))
    for left, top in corners:
        picture[top : top + side, left : left + side] = RED
    return picture


def finding(
    no_face: NoFace = NoFace.FAIL, detector: Any = RedSquares, **choice: Any
) -> FaceFinding:
    chosen = FaceChoice(**choice)
    return FaceFinding(chosen, lambda: FaceFramer(detector(), TEMPLATE, chosen), no_face)


def run(
    source: Path,
    out: Path,
    *,
    faces: FaceFinding | None = None,
    targets: tuple[str, ...] = ("",),
    editors: list[Inverter] | None = None,
    **settings: Any,
) -> Outcome:
    jobs = Plan(source, out, stills(*targets)).jobs()
    return run_jobs(
        jobs,
        out,
        editors or [Inverter()],
        targets=len(targets),
        faces=faces or finding(),
        **settings,
    )


def expected(picture: Pixels, *faces: Face, shift: int = 0) -> Pixels:
    """What the inverter makes of a picture's faces, one after the other."""
    framer = FaceFramer(Told(*faces), TEMPLATE, FaceChoice(crops=False, min_face_px=1))
    result = picture.copy()
    for framed in framer.frame(picture):
        paste(result, framed, (255 - framed.crop - shift).astype(np.uint8))
    return result


class Told:
    """A detector that finds what it is told."""

    facts = FACTS

    def __init__(self, *faces: Face) -> None:
        self._faces = list(faces)

    def find(self, _: Picture) -> list[Face]:
        return self._faces


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def grid(count: int, columns: int = 6) -> list[tuple[int, int]]:
    """Places of so many faces that keep apart."""
    return [(20 + 140 * (k % columns), 24 + 140 * (k // columns)) for k in range(count)]


@pytest.mark.parametrize("count", [1, 3, 4, 5, 30])
def test_every_face_of_a_photograph_is_edited(source: Path, out: Path, count: int) -> None:
    corners = grid(count)
    picture = photograph(760, 900, *corners)
    write_picture(source / "a.png", picture)
    told: list[PictureResult] = []
    outcome = run(source, out, on_picture=told.append)
    assert (outcome.written, outcome.failed, outcome.faces) == (1, 0, count)
    wanted = expected(picture, *(face_at(*corner) for corner in corners))
    np.testing.assert_array_equal(read_picture(out / "a.png"), wanted)
    assert sorted(face.box or () for face in told[0].faces) == sorted(
        (left, top, SIDE, SIDE) for left, top in corners
    )


def test_what_lies_outside_the_faces_is_untouched(source: Path, out: Path) -> None:
    picture = photograph(500, 700, (300, 200))
    write_picture(source / "a.png", picture)
    run(source, out)
    (framed,) = FaceFramer(RedSquares(), TEMPLATE).frame(picture)
    box = paste_box(framed, picture.shape[:2])
    edited = read_picture(out / "a.png")
    assert (edited[box] != picture[box]).any()
    edited[box] = picture[box]
    np.testing.assert_array_equal(edited, picture)


def test_photographs_and_crops_mix_and_neighbours_do_not_matter(source: Path, out: Path) -> None:
    counts = [0, 1, 2, 7, 1, 3, 13, 1, 1, 2]
    crop = photograph(128, 128)
    for number, count in enumerate(counts):
        picture = photograph(760, 900, *grid(count)) if count else crop
        write_picture(source / f"{number}.png", picture)
    outcome = run(source, out, targets=("x", "y"), editors=[Inverter(), Inverter()])
    assert (outcome.written, outcome.failed, outcome.faces) == (20, 0, sum(counts))
    for number, count in enumerate(counts):
        for folder, shift in (("x", 0), ("y", 10)):
            edited = read_picture(out / folder / f"{number}.png")
            picture = read_picture(source / f"{number}.png")
            if count:
                faces = (face_at(*corner) for corner in grid(count))
                np.testing.assert_array_equal(edited, expected(picture, *faces, shift=shift))
            else:
                np.testing.assert_array_equal(edited, (255 - picture - shift).astype(np.uint8))


def test_a_face_at_the_edge_is_edited_up_to_the_edge(source: Path, out: Path) -> None:
    corners = [(0, 0), (604, 0), (0, 404), (604, 404)]
    picture = photograph(500, 700, *corners)
    write_picture(source / "a.png", picture)
    assert run(source, out).failed == 0
    edited = read_picture(out / "a.png")
    np.testing.assert_array_equal(edited, expected(picture, *(face_at(*each) for each in corners)))
    assert (edited[:90, 0, 1] > 100).all() and (edited[-60:, -1, 1] > 100).all()


def test_only_the_faces_that_were_chosen_are_edited(source: Path, out: Path) -> None:
    picture = photograph(600, 900)
    for left, side in ((20, 120), (300, 110), (600, 30)):
        picture[100 : 100 + side, left : left + side] = RED
    write_picture(source / "a.png", picture)
    edited = {}
    choices: list[dict[str, Any]] = [
        {},
        {"min_face_px": 20},
        {"which": "largest"},
        {"which": 2, "min_face_px": 20},
    ]
    for number, choice in enumerate(choices):
        assert run(source, out / str(number), faces=finding(**choice)).failed == 0
        result = read_picture(out / str(number) / "a.png")
        edited[number] = [bool((result[115, x] != RED).any()) for x in (70, 350, 615)]
    assert list(edited.values()) == [
        [True, True, False],
        [True, True, True],
        [True, False, False],
        [True, True, False],
    ]


def test_a_photograph_without_a_face_fails_by_name(source: Path, out: Path) -> None:
    write_picture(source / "a.png", photograph(500, 700))
    write_picture(source / "b.png", photograph(500, 700, (100, 100)))
    write_picture(source / "small.png", photograph(500, 700, (100, 100), side=20))
    outcome = run(source, out)
    assert (outcome.done, outcome.written, outcome.failed) == (1, 1, 2)
    assert {failure.reason for failure in outcome.failures} == {
        f"{source}/{name}.png: no face of at least 40 pixels was found; --min-face takes smaller "
        "ones, --crops takes the picture for a face crop, --no-face copy or skip accepts it"
        for name in ("a", "small")
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
    options = BatchOptions(timeout_s=0.5)
    outcome = run(source, out, faces=finding(detector=Hanging), options=options)
    released.set()
    assert (outcome.written, outcome.failed) == (1, 1)
    assert outcome.failures[0].reason == (
        f"{source}/bad.png: decoding has not come to an end in 0.5 s; --timeout allows more"
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
    def broken(pixels: Pixels, framed: Framed, edited: Picture) -> None:
        if framed.face is not None and framed.face.left == 300:
            raise MemoryError
        paste(pixels, framed, edited)

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


@pytest.mark.parametrize("workers", [1, 3])
def test_more_faces_than_all_slots_have_rows_are_no_deadlock(
    source: Path, out: Path, workers: int
) -> None:
    picture = photograph(760, 900, *grid(30))
    for number in range(4):
        write_picture(source / f"{number}.png", picture)
    options = BatchOptions(workers=workers)
    assert (1 + batch.SPARE_SLOTS) * BATCH < 30
    outcome = run(source, out, options=options)
    assert (outcome.written, outcome.faces) == (4, 120)
    wanted = expected(picture, *(face_at(*corner) for corner in grid(30)))
    for number in range(4):
        np.testing.assert_array_equal(read_picture(out / f"{number}.png"), wanted)


@pytest.mark.parametrize("budget", [1, 2_000_000, 5_000_000])
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_tight_budget_is_no_deadlock_and_changes_no_picture(
    source: Path, out: Path, budget: int, workers: int
) -> None:
    corners = [(20, 24), (300, 200)]
    picture = photograph(500, 700, *corners)
    for number in range(12):
        write_picture(source / f"{number:02}.png", picture)
    options = BatchOptions(workers=workers, memory_bytes=budget)
    recorder = LatencyRecorder()
    outcome = run(source, out, options=options, recorder=recorder)
    assert (outcome.written, outcome.failed) == (12, 0)
    waits = [each for each in recorder.summary() if each.stage == "wait for memory"]
    assert len(waits) == 1 or budget > 1
    wanted = expected(picture, *(face_at(*corner) for corner in corners))
    for number in range(12):
        np.testing.assert_array_equal(read_picture(out / f"{number:02}.png"), wanted)


def test_pictures_in_flight_keep_within_the_budget(
    source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = photograph(500, 700, (100, 100))
    for number in range(20):
        write_picture(source / f"{number:02}.png", picture)
    lock = threading.Lock()
    now = most = 0

    def decode(data: bytes, path: Path, *, header: PictureHeader) -> Original:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        return decode_original(data, path, header=header)

    def finished(_: PictureResult) -> None:
        nonlocal now
        with lock:
            now -= 1

    monkeypatch.setattr(decoders, "decode_original", decode)
    three = 3 * (3 * picture.nbytes) + 500_000  # a picture, its edit, the codec's copy
    options = BatchOptions(workers=4, memory_bytes=three)
    assert run(source, out, options=options, on_picture=finished).written == 20
    assert 2 <= most <= 3


def test_detecting_and_pasting_are_stages_of_their_own(source: Path, out: Path) -> None:
    for number in range(5):
        write_picture(source / f"{number}.png", photograph(500, 700, (100, 100), (300, 100)))
    recorder = LatencyRecorder()
    run(source, out, recorder=recorder)
    found = {each.stage: each for each in recorder.summary()}
    assert list(found) == [
        "decode",
        "detect",
        "wait for a slot",
        "wait for the networks",
        "stage_1",
        "wait for an encoder",
        "paste",
        "encode",
    ]
    assert {each.n for each in found.values()} == {3}
    assert all(found[stage].p50_ms > 0 for stage in ("decode", "detect", "paste", "encode"))


def test_an_interrupted_run_of_photographs_is_completed_by_the_same_command(
    source: Path, out: Path
) -> None:
    picture = photograph(500, 700, (100, 100), (300, 200), (500, 300))
    for number in range(9):
        write_picture(source / f"{number}.png", picture)

    def stop(number: int) -> None:
        if number == 2:
            raise ZeroDivisionError("pulled the plug")

    with pytest.raises(ZeroDivisionError):
        run(source, out, editors=[Inverter(stop)], options=BatchOptions(workers=1))
    before = {name: (out / name).stat().st_mtime_ns for name in files_in(out)}
    assert 0 < len(before) < 9
    outcome = run(source, out)
    assert (outcome.done, outcome.already, outcome.failed) == (9 - len(before), len(before), 0)
    for name, time in before.items():
        assert (out / name).stat().st_mtime_ns == time
    wanted = expected(picture, face_at(100, 100), face_at(300, 200), face_at(500, 300))
    for name in files_in(out):
        np.testing.assert_array_equal(read_picture(out / name), wanted)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_edited_upright_whatever_its_orientation(
    source: Path, out: Path, orientation: int
) -> None:
    upright = photograph(400, 700, (100, 50), (400, 200))
    stored = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: p.transpose(1, 0, 2)[::-1],
        7: lambda p: p.transpose(1, 0, 2)[::-1, ::-1],
        8: lambda p: p.transpose(1, 0, 2)[:, ::-1],
    }[orientation](upright)
    exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes((orientation,)) + bytes(7)
    original = Original(np.ascontiguousarray(stored), metadata=Metadata(exif=exif))
    write_original(source / "a.png", original)
    told: list[PictureResult] = []
    assert run(source, out, on_picture=told.append).failed == 0
    edited = read_original(out / "a.png")
    assert edited.metadata.orientation == 1
    wanted = expected(upright, face_at(100, 50), face_at(400, 200))
    np.testing.assert_array_equal(edited.pixels, wanted)
    assert sorted(face.box or () for face in told[0].faces) == [
        (100, 50, SIDE, SIDE),
        (400, 200, SIDE, SIDE),
    ]


def test_depth_grey_and_alpha_of_photographs_survive(source: Path, out: Path) -> None:
    picture = photograph(400, 700, (100, 50))
    deep = picture.astype(np.uint16) * 257 + 3
    alpha = np.full((400, 700), 128, np.uint8)
    write_original(source / "deep.png", Original(deep))
    write_original(source / "alpha.png", Original(picture, alpha))
    grey = picture[..., 2]
    write_original(source / "grey.png", Original(grey))
    faces = finding(detector=partial(Told, face_at(100, 50)), crops=False)
    assert run(source, out, faces=faces).failed == 0
    edited = read_original(out / "deep.png").pixels
    assert edited.dtype == np.uint16
    np.testing.assert_array_equal(edited, expected(deep, face_at(100, 50)))
    assert (edited % 257 != 3).any()  # more than 8 bits' worth of levels
    with_alpha = read_original(out / "alpha.png")
    np.testing.assert_array_equal(with_alpha.alpha, alpha)
    np.testing.assert_array_equal(with_alpha.pixels, expected(picture, face_at(100, 50)))
    assert read_original(out / "grey.png").pixels.shape == (400, 700)


@pytest.mark.slow
def test_24_megapixels_with_five_faces_change_in_five_places(source: Path, out: Path) -> None:
    corners = [(300, 400), (1500, 2600), (2900, 500), (4000, 2500), (5200, 1200)]
    picture = photograph(4000, 6000, *corners, side=600)
    write_picture(source / "a.png", picture)
    told: list[PictureResult] = []
    outcome = run(source, out, targets=("x", "y"), on_picture=told.append)
    assert (outcome.written, outcome.failed, outcome.faces) == (2, 0, 5)
    faces = [face_at(*corner, 600) for corner in corners]
    for folder, shift in (("x", 0), ("y", 10)):
        edited = read_picture(out / folder / "a.png")
        np.testing.assert_array_equal(edited, expected(picture, *faces, shift=shift))
        framer = FaceFramer(Told(*faces), TEMPLATE, FaceChoice(crops=False))
        for framed in framer.frame(picture):
            box = paste_box(framed, picture.shape[:2])
            assert (edited[box] != picture[box]).mean() > 0.3
            edited[box] = picture[box]
        np.testing.assert_array_equal(edited, picture)


MEMORY_SCRIPT = """
import resource, sys
from pathlib import Path
from efgan_rt.pipeline.workers import BatchOptions
from tests.efgan_rt.test_pipeline_faces import run
options = BatchOptions(workers=2, memory_bytes=int(sys.argv[3]))
outcome = run(Path(sys.argv[1]), Path(sys.argv[2]), options=options)
assert outcome.failed == 0, outcome.failures
print(outcome.written, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def highest_mb(repository: Path, source: Path, out: Path, budget: int) -> tuple[int, int]:
    """Files written and the most memory that a process of its own took, in MiB."""
    command = [sys.executable, "-c", MEMORY_SCRIPT, *map(str, (source, out, budget))]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    written, megabytes = map(int, done.stdout.split())
    return written, megabytes


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_large_pictures(
    repository: Path, tmp_path: Path
) -> None:
    picture = photograph(3000, 4000, (300, 400), (1500, 1600))
    picture[picture[..., 0] == 0] = (0, 0, 150)  # no noise, so that the codecs are quick
    megabytes = picture.nbytes >> 20
    highest = {}
    for count in (1, 16):
        source = tmp_path / f"in-{count}"
        source.mkdir()
        write_picture(source / "00.jpg", picture)
        for number in range(1, count):
            (source / f"{number:02}.jpg").symlink_to(source / "00.jpg")
        budget = 2 * 3 * picture.nbytes + 1_000_000  # two of them at a time
        written, highest[count] = highest_mb(repository, source, tmp_path / f"{count}", budget)
        assert written == count
    assert highest[1] > 2 * megabytes  # so the figure is of what it should be
    assert highest[16] < highest[1] + 5 * megabytes
