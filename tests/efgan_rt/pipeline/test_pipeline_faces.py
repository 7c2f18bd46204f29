"""Photographs through the pipeline: any number of faces, found by a detector that can be told."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from efgan_rt.faces.framing import FaceFramer
from efgan_rt.faces.paste import paste_box
from efgan_rt.pictures.exif import orientation_of
from efgan_rt.pictures.original import Metadata, Original
from efgan_rt.pictures.read import read_original, read_picture
from efgan_rt.pictures.write import write_original, write_picture
from efgan_rt.pipeline.outcome import PictureResult
from efgan_rt.pipeline.run_state import BatchOptions
from efgan_rt.reporting.latency import LatencyRecorder
from tests.efgan_rt.inverter import Inverter, files_in
from tests.efgan_rt.red_squares import (
    RED,
    SIDE,
    TEMPLATE,
    RedSquares,
    Told,
    expected,
    face_at,
    finding,
    grid,
    photograph,
    run,
)


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
    assert orientation_of(edited.metadata.exif) == 1
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
