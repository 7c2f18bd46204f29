"""What is in flight in a batch run: bounded, timed, and finished or abandoned at Ctrl-C."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from efgan_rt.pipeline import batch
from efgan_rt.pipeline.batch import SPARE_BATCHES
from efgan_rt.pipeline.files import PictureJob, Plan
from efgan_rt.pipeline.run_state import BatchOptions
from efgan_rt.reporting.latency import LatencyRecorder
from efgan_rt.shots import stills
from tests.efgan_rt.inverter import BATCH, Inverter, files_in, run, run_jobs


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
