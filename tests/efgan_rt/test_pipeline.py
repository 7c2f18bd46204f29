"""Batch runs with an editor of numpy alone, which inverts pictures as a lane would edit them."""

import errno
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from efgan_rt.action_units import AU_NAMES, FloatArray
from efgan_rt.errors import EfganError
from efgan_rt.expressions import Target
from efgan_rt.faces.framing import Framed
from efgan_rt.faces.paste import paste
from efgan_rt.images import (
    Picture,
    decode_original,
    read_original,
    read_picture,
    to_crop,
    write_original,
    write_picture,
)
from efgan_rt.metadata.record import Density, Metadata
from efgan_rt.originals import Original, Pixels
from efgan_rt.picture_header import PictureHeader
from efgan_rt.pipeline import batch, decoders, pasting
from efgan_rt.pipeline.batch import SPARE_BATCHES, run_batch
from efgan_rt.pipeline.files import PictureJob, Plan, asked_of_all
from efgan_rt.pipeline.journal import FOLDER, Journal
from efgan_rt.pipeline.outcome import KEPT_FAILURES, Failure, Outcome
from efgan_rt.pipeline.publish import Publisher, not_written
from efgan_rt.pipeline.workers import BatchOptions
from efgan_rt.reporting.latency import LatencyRecorder
from efgan_rt.shots import Product, Shot, one_shot_each, stills

K = len(AU_NAMES)
BATCH = 4


def offset_target(value: float) -> Target:
    return Target(np.ones(K, np.float32), np.full(K, value, np.float32))


@dataclass(frozen=True)
class Inverted:
    pixels: Picture
    source_au: FloatArray
    attention: Picture
    seconds: dict[str, float]
    stage_pixels: tuple[Picture, ...] = ()


class Inverter:
    """Gives 255 - pixels, less ten levels for each unit of the offset.

    As with a lane, what it gives back is its own and overwritten by the next run.
    """

    def __init__(self, before: Callable[[int], None] = lambda _: None) -> None:
        self.given: list[tuple[Picture, FloatArray | None]] = []
        self.progress: list[FloatArray | None] = []
        self._before = before
        self._pixels = np.zeros((BATCH, 128, 128, 3), np.uint8)
        self._au = np.zeros((BATCH, K), np.float32)

    def run(
        self,
        pixels: Picture,
        scale: FloatArray,
        offset: FloatArray,
        *,
        source_au: FloatArray | None = None,
        progress: FloatArray | None = None,
        stages: bool = False,
    ) -> Inverted:
        assert (pixels.shape, scale.shape, offset.shape) == (
            self._pixels.shape,
            (BATCH, K),
            (BATCH, K),
        )
        self._before(len(self.given))
        self.progress.append(progress)
        self.given.append((pixels.copy(), source_au if source_au is None else source_au.copy()))
        shift = (10 * offset[:, 0]).astype(np.uint8)[:, None, None, None]
        self._pixels[:] = 255 - pixels - shift
        if source_au is None:
            self._au[:] = pixels.reshape(BATCH, -1)[:, :1] / 51
        else:
            self._au[:] = -1  # a lane's array, which must not be relied on between runs
        attention = self._pixels[..., 0]
        made = (self._pixels // 2, self._pixels) if stages else ()
        return Inverted(self._pixels, self._au, attention, {"stage_1": 0.001}, made)

    def estimate(self, pixels: Picture) -> FloatArray:
        return np.full((BATCH, K), pixels[0, 0, 0, 0] / 51, np.float32)


def run(
    source: Path,
    output: Path,
    *,
    editor: Inverter | None = None,
    lanes: int = 1,
    targets: tuple[str, ...] = ("",),
    options: BatchOptions | None = None,
    recorder: LatencyRecorder | None = None,
    on_failure: Callable[[Failure], None] = lambda _: None,
) -> Outcome:
    editors = [editor] if editor else [Inverter() for _ in range(lanes)]
    return run_jobs(
        Plan(source, output, stills(*targets)).jobs(),
        output,
        editors,
        targets=len(targets),
        options=options,
        recorder=recorder,
        on_failure=on_failure,
    )


def run_jobs(
    jobs: Iterator[PictureJob],
    output: Path,
    editors: list[Inverter],
    *,
    targets: int = 1,
    recipe: str = "",
    **settings: Any,
) -> Outcome:
    with Journal(output) as journal:
        return run_batch(
            asked_of_all(
                jobs,
                [offset_target(number) for number in range(targets)],
                [f"{recipe}{number}".encode() for number in range(targets)],
            ),
            editors,
            one_shot_each(targets),
            batch=BATCH,
            journal=journal,
            **settings,
        )


def files_in(folder: Path) -> list[str]:
    found = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return sorted(str(p) for p in found if p.parts[0] != FOLDER)


@pytest.mark.parametrize("lanes", [1, 3])
def test_every_picture_is_edited_into_a_mirrored_tree(
    faces: Path, tmp_path: Path, lanes: int
) -> None:
    outcome = run(faces, tmp_path / "out", lanes=lanes)
    assert (outcome.pictures, outcome.written, outcome.failed) == (11, 11, 0)
    assert files_in(tmp_path / "out") == files_in(faces)
    for name in files_in(faces):
        np.testing.assert_array_equal(
            read_picture(tmp_path / "out" / name), 255 - read_picture(faces / name)
        )


def test_the_tail_is_padded_with_black_to_the_fixed_batch(faces: Path, tmp_path: Path) -> None:
    editor = Inverter()
    run(faces, tmp_path / "out", editor=editor)
    assert len(editor.given) == 3
    assert editor.given[1][0][3].any()
    assert not editor.given[2][0][3].any()


def test_a_picture_of_another_size_keeps_its_size(
    tmp_path: Path, make_picture: Callable[..., Picture]
) -> None:
    (tmp_path / "in").mkdir()
    write_picture(tmp_path / "in" / "large.png", make_picture(300, 200))
    run(tmp_path / "in", tmp_path / "out")
    result = read_picture(tmp_path / "out" / "large.png")
    assert result.shape == (300, 200, 3)
    wanted = 255 - to_crop(make_picture(300, 200)).astype(int)
    assert np.abs(to_crop(result).astype(int) - wanted).mean() < 2


def test_depth_alpha_grey_and_metadata_survive_a_run(
    tmp_path: Path, make_picture: Callable[..., Picture]
) -> None:
    picture = make_picture()
    metadata = Metadata(xmp=b"<x:xmpmeta/>", density=Density(300, 300, "inch"))
    originals = {
        "deep.png": Original(picture.astype(np.uint16) * 257, metadata=metadata),
        "grey.jpg": Original(picture[..., 0], metadata=metadata),
        "alpha.tif": Original(picture, picture[..., 1], Metadata(xmp=metadata.xmp)),
    }
    (tmp_path / "in").mkdir()
    for name, original in originals.items():
        write_original(tmp_path / "in" / name, original)
    options = BatchOptions(mark=False)
    assert run(tmp_path / "in", tmp_path / "out", options=options).failed == 0
    for name, before in originals.items():
        after = read_original(tmp_path / "out" / name)
        assert after.pixels.dtype == before.pixels.dtype, name
        assert after.pixels.shape == before.pixels.shape, name
        assert after.metadata.xmp == before.metadata.xmp, name
        if before.alpha is not None and after.alpha is not None:
            np.testing.assert_array_equal(after.alpha, before.alpha)
        assert (before.alpha is None) == (after.alpha is None), name
    deep = read_original(tmp_path / "out" / "deep.png").pixels
    np.testing.assert_array_equal(deep, 65535 - originals["deep.png"].pixels)


def test_several_targets_share_one_decoding_and_one_reading_of_the_source(
    faces: Path, tmp_path: Path
) -> None:
    editor = Inverter()
    outcome = run(faces, tmp_path / "out", editor=editor, targets=("a", "b", "c"))
    assert (outcome.pictures, outcome.written) == (11, 33)
    picture = read_picture(faces / "b" / "x.png")
    for number, folder in enumerate("abc"):
        np.testing.assert_array_equal(
            read_picture(tmp_path / "out" / folder / "b" / "x.png"),
            (255 - picture - 10 * number).astype(np.uint8),
        )
    for first in range(0, 9, 3):
        pixels, none_yet = editor.given[first]
        assert none_yet is None
        for _, source_au in editor.given[first + 1 : first + 3]:
            assert source_au is not None
            np.testing.assert_array_equal(source_au[:, 0], pixels[:, 0, 0, 0] / np.float32(51))


def test_shots_on_the_way_to_a_target_have_their_own_progress(faces: Path, tmp_path: Path) -> None:
    editor = Inverter()
    shots = (Shot(0, 0.5), Shot(0))
    products = (Product("", (0,), "_1"), Product("", (1,), "_2"))
    jobs = asked_of_all(
        Plan(faces / "00.png", tmp_path / "out", products).jobs(), [offset_target(0)], [b"1", b"2"]
    )
    with Journal(tmp_path / "out") as journal:
        run_batch(jobs, [editor], shots, products, batch=BATCH, journal=journal, stages=2)
    assert files_in(tmp_path / "out") == ["00_1.png", "00_2.png"]
    (both,) = editor.progress  # for one face leaves room for the other
    np.testing.assert_array_equal(both, [[0.25, 0.5], [0.5, 1], [0, 0], [0, 0]])


def test_the_pictures_of_every_stage_come_from_one_run(faces: Path, tmp_path: Path) -> None:
    editor = Inverter()
    shots = (Shot(0, stage=1), Shot(0, stage=2), Shot(0))
    products = tuple(Product("", (number,), f"_{number}") for number in range(3))
    jobs = asked_of_all(
        Plan(faces / "00.png", tmp_path / "out", products).jobs(), [offset_target(0)], [b""] * 3
    )
    with Journal(tmp_path / "out") as journal:
        run_batch(jobs, [editor], shots, products, batch=BATCH, journal=journal, stages=2)
    assert len(editor.given) == 1
    last = 255 - read_picture(faces / "00.png")
    for number, expected in enumerate((last // 2, last, last)):
        np.testing.assert_array_equal(read_picture(tmp_path / "out" / f"00_{number}.png"), expected)


def test_action_units_that_are_known_are_not_read(faces: Path, tmp_path: Path) -> None:
    editor = Inverter()
    plan = Plan(faces, tmp_path / "out", stills(""))
    known = np.full(K, 2.5, np.float32)
    jobs = [
        replace(job, source_au=known if job.source.name[0] == "0" else None)
        for job in asked_of_all(plan.jobs(), [offset_target(0)], [b""])
    ]
    with Journal(tmp_path / "out") as journal:
        options = BatchOptions(workers=1)
        run_batch(iter(jobs), [editor], batch=BATCH, journal=journal, options=options)
    (_, all_known), (mixed_pixels, mixed), (_, none) = editor.given
    np.testing.assert_array_equal(all_known, [known] * BATCH)
    assert mixed is not None and none is None
    np.testing.assert_array_equal(mixed[:3], [known] * 3)
    np.testing.assert_array_equal(mixed[3:], editor.estimate(mixed_pixels)[3:])


def test_broken_pictures_are_named_and_the_rest_is_done(faces: Path, tmp_path: Path) -> None:
    (faces / "a" / "empty.png").touch()
    (faces / "text.jpg").write_text("no picture")
    (faces / "cut.png").write_bytes((faces / "00.png").read_bytes()[:-20])
    (faces / "dangling.png").symlink_to("nowhere")
    told: list[Failure] = []
    outcome = run(faces, tmp_path / "out", on_failure=told.append)
    assert (outcome.pictures, outcome.written, outcome.failed) == (15, 11, 4)
    assert sorted(told, key=str) == sorted(outcome.failures, key=str)
    reasons = {failure.source.name: failure.reason for failure in told}
    assert set(reasons) == {"empty.png", "text.jpg", "cut.png", "dangling.png"}
    assert all(reason.startswith(str(faces)) for reason in reasons.values())
    assert "the file is empty" in reasons["empty.png"]
    assert len(files_in(tmp_path / "out")) == 11


def test_failures_are_kept_up_to_a_bound_and_all_counted(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number in range(KEPT_FAILURES + 20):
        (source / f"{number}.jpg").touch()
    told: list[Failure] = []
    outcome = run(source, tmp_path / "out", on_failure=told.append)
    assert outcome.failed == len(told) == KEPT_FAILURES + 20
    assert len(outcome.failures) == KEPT_FAILURES


def test_an_output_that_cannot_be_written_is_a_failure(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a").write_text("in the way of the folder a")
    outcome = run(faces, out)
    assert (outcome.written, outcome.failed) == (9, 2)
    assert {failure.reason for failure in outcome.failures} == {
        f"{out}/a: cannot be made a folder: File exists"
    }


def test_a_file_that_came_to_be_there_during_the_run_is_kept(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "03.png").write_text("precious")
    outcome = run(faces, out)
    assert outcome.failed == 1
    assert outcome.failures[0].reason == (
        f"{out}/03.png: has come to be there, or has changed, during the run; "
        "replace it with --overwrite"
    )
    assert (out / "03.png").read_text() == "precious"
    assert run(faces, out, options=BatchOptions(overwrite=True)).failed == 0
    assert (out / "03.png").read_bytes() != b"precious"


def test_a_full_disk_stops_the_run_with_its_own_sentence(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(publisher: Publisher, path: Path, *_: object, **__: object) -> None:
        cause = OSError(errno.ENOSPC, "No space left on device")
        raise not_written(path, cause) from cause

    monkeypatch.setattr(Publisher, "stage", full)
    with pytest.raises(EfganError) as caught:
        run(faces, tmp_path / "out")
    assert str(caught.value).endswith(
        ".png: cannot be written: No space left on device; "
        "mend that and run the same command again: what is done stays done"
    )


def test_fail_fast_stops_at_the_first_failure(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number in range(500):
        (source / f"{number:03}.jpg").touch()
    outcome = run(source, tmp_path / "out", options=BatchOptions(workers=2, fail_fast=True))
    assert 1 <= outcome.failed <= 2  # a second worker may have had one in hand
    assert not outcome.interrupted


def test_a_bug_in_an_editor_ends_the_run_with_its_own_exception(
    faces: Path, tmp_path: Path
) -> None:
    def break_at_the_second_batch(number: int) -> None:
        if number == 1:
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        run(faces, tmp_path / "out", editor=Inverter(break_at_the_second_batch))


def test_a_bug_in_a_decoder_fails_its_picture_and_no_other(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(data: bytes, path: Path, *, header: PictureHeader) -> Original:
        if path.name == "x.png":
            raise ZeroDivisionError("a bug")
        return decode_original(data, path, header=header)

    monkeypatch.setattr(decoders, "decode_original", broken)
    outcome = run(faces, tmp_path / "out")
    assert (outcome.written, outcome.failed) == (9, 2)
    reasons = {failure.reason.split(" (")[0] for failure in outcome.failures}
    assert reasons == {
        f"{faces}/{folder}/x.png: unexpected ZeroDivisionError: a bug" for folder in "ab"
    }
    assert all(
        failure.reason.endswith("); this is a bug in efgan-rt, please report it")
        for failure in outcome.failures
    )


def test_a_bug_in_an_encoder_fails_its_picture_and_no_other(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = threading.Lock()
    calls = 0

    def broken(pixels: Pixels, framed: Framed, edited: Picture) -> None:
        nonlocal calls
        with lock:
            calls += 1
            if calls == 5:
                raise MemoryError
        paste(pixels, framed, edited)

    monkeypatch.setattr(pasting, "paste", broken)
    outcome = run(faces, tmp_path / "out")
    assert (outcome.written, outcome.failed) == (10, 1)
    assert ".png: unexpected MemoryError (" in outcome.failures[0].reason


def test_a_bug_in_the_journal_ends_the_run_though_decoders_wait_for_slots(
    tmp_path: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    jobs = [PictureJob(faces / "00.png", (tmp_path / f"{n}.png",)) for n in range(200)]
    monkeypatch.setattr(Journal, "intend", broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run_jobs(iter(jobs), tmp_path, [Inverter()])


def interrupt() -> None:
    """What Ctrl-C does: the main thread gets a signal."""
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    signal.pthread_kill(main_thread, signal.SIGINT)


def test_an_interrupt_finishes_what_is_in_flight(faces: Path, tmp_path: Path) -> None:
    waiting = threading.Event()
    pulled = 0

    def jobs() -> Iterator[PictureJob]:
        nonlocal pulled
        for number in range(10_000):
            pulled += 1
            yield PictureJob(faces / "00.png", (tmp_path / "out" / f"{number}.png",))

    def interrupt_the_third_batch(number: int) -> None:
        if number == 2:
            assert waiting.wait(10)
            interrupt()

    outcome = run_jobs(
        jobs(),
        tmp_path / "out",
        [Inverter(interrupt_the_third_batch)],
        on_progress=lambda *_: waiting.set(),
    )
    assert outcome.interrupted
    assert not outcome.abandoned
    assert outcome.written == outcome.pictures == pulled < 10_000
    assert len(files_in(tmp_path / "out")) == pulled


def test_a_second_interrupt_waits_for_nothing(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted, waiting, waiting_again, released = (threading.Event() for _ in range(4))

    def on_signal(*_: object) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    def on_progress(*_: int) -> None:
        (waiting_again if interrupted.is_set() else waiting).set()

    def hang(_: int) -> None:
        assert waiting.wait(10)
        interrupt()
        assert waiting_again.wait(10)
        interrupt()
        released.wait(10)

    monkeypatch.setattr(batch, "GRACE_S", 0.01)
    jobs = Plan(faces, tmp_path / "out", stills("")).jobs()
    before = signal.signal(signal.SIGINT, on_signal)
    try:
        outcome = run_jobs(jobs, tmp_path / "out", [Inverter(hang)], on_progress=on_progress)
    finally:
        signal.signal(signal.SIGINT, before)
        released.set()
    assert outcome.interrupted
    assert outcome.abandoned
    assert outcome.written == 0


def test_pictures_in_flight_are_bounded_by_the_slots(faces: Path, tmp_path: Path) -> None:
    out, total, in_hand = tmp_path / "out", 400, 3
    most = (1 + SPARE_BATCHES) * BATCH + in_hand
    pulled = 0
    highest = 0
    changed = threading.Condition()

    def jobs() -> Iterator[PictureJob]:
        nonlocal pulled, highest
        for number in range(total):
            with changed:
                pulled += 1
                highest = max(highest, pulled - len(files_in(out)))
                changed.notify()
            yield PictureJob(faces / "00.png", (out / f"{number}.png",))

    def wait_until_the_decoders_are_far_ahead(batches: int) -> None:
        wanted = min(total, (batches + SPARE_BATCHES) * BATCH)
        with changed:
            assert changed.wait_for(lambda: pulled >= wanted, timeout=10)

    outcome = run_jobs(
        jobs(),
        out,
        [Inverter(wait_until_the_decoders_are_far_ahead)],
        options=BatchOptions(workers=in_hand),
    )
    assert outcome.written == total
    assert SPARE_BATCHES * BATCH <= highest <= most


def test_each_batch_is_timed_by_stage_in_the_order_of_the_pipeline(
    faces: Path, tmp_path: Path
) -> None:
    recorder = LatencyRecorder()
    run(faces, tmp_path / "out", recorder=recorder, targets=("a", "b"))
    found = {each.stage: each for each in recorder.summary()}
    assert list(found) == [
        "decode",
        "wait for a slot",
        "wait for the networks",
        "stage_1",
        "wait for an encoder",
        "encode",
    ]
    assert {each.n for each in found.values()} == {3}
    assert found["stage_1"].p50_ms == pytest.approx(2.0)  # two targets, a millisecond each
    assert found["decode"].p50_ms > 0
    assert found["encode"].p50_ms > 0
