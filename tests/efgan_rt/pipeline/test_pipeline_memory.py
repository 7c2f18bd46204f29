"""Large photographs and many faces: bounded memory, no deadlock, the same pictures."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from efgan_rt.faces.framing import FaceChoice, FaceFramer
from efgan_rt.faces.paste import paste_box
from efgan_rt.pictures.header import Header
from efgan_rt.pictures.original import Original
from efgan_rt.pictures.read import decode_original, read_picture
from efgan_rt.pictures.write import write_picture
from efgan_rt.pipeline import batch, decoders
from efgan_rt.pipeline.outcome import PictureResult
from efgan_rt.pipeline.workers import BatchOptions
from efgan_rt.reporting.latency import LatencyRecorder
from tests.efgan_rt.inverter import BATCH
from tests.efgan_rt.red_squares import (
    TEMPLATE,
    Told,
    expected,
    face_at,
    grid,
    photograph,
    run,
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

    def decode(data: bytes, path: Path, *, header: Header, jpeg: None) -> Original:
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


@pytest.mark.slow
def test_24_megapixels_with_five_faces_change_in_five_places(source: Path, out: Path) -> None:
    corners = [(300, 400), (1500, 2600), (2900, 500), (4000, 2500), (5200, 1200)]
    picture = photograph(4000, 6000, *corners, side=600)
    picture[..., 2] = picture[..., 2] // 200 * 200 + np.arange(6000) % 50  # PNG is slow with noise
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
from tests.efgan_rt.red_squares import run
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
