"""Runs over several processes, real ones, with toy engines."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from efgan_rt.choices import NoFace
from efgan_rt.expressions import target_for
from efgan_rt.faces.framing import FaceChoice
from efgan_rt.families.registry import family_of
from efgan_rt.pipeline.files import Plan, asked_of_all
from efgan_rt.pipeline.journal import FOLDER, Journal
from efgan_rt.pipeline.outcome import Failure, Outcome
from efgan_rt.pipeline.parts import WRITER_LOCK, claim
from efgan_rt.pipeline.publish import Publisher
from efgan_rt.pipeline.resume import Inspector
from efgan_rt.pipeline.run_state import BatchOptions
from efgan_rt.requests.faces import FaceOptions
from efgan_rt.shards.coordinator import Coordinator
from efgan_rt.shards.processes import ProcessExecutor
from efgan_rt.shards.worker import WorkerSetup
from efgan_rt.shots import one_shot_each, stills
from engines.choice import choose_backend
from engines.directory import EngineDirectory
from tests.efgan_rt.shards.poison import KILLS, NAME, killed_work, poisoned_work

Cli = Callable[..., Any]
BATCH = 4


@pytest.fixture
def batch(cli: Cli, tmp_path: Path, toy_engines: Path) -> Cli:
    def run(source: Path, out: str, *options: object) -> Any:
        engines = ("--engines", toy_engines, "--backend", "onnxruntime", "--batch-size", BATCH)
        return cli("batch", source, tmp_path / out, "-e", "happy", "--crops", *engines, *options)

    return run


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and FOLDER not in path.parts
    }


def parts_left(out: Path) -> list[Path]:
    return [path for path in (out / FOLDER / "parts").rglob("*") if path.is_file()]


def test_two_processes_write_what_one_writes(batch: Cli, faces: Path, tmp_path: Path) -> None:
    (faces / "broken.png").write_text("no picture")
    one, two = batch(faces, "one"), batch(faces, "two", "--processes", 2)
    assert (one.status, two.status) == (3, 3)
    assert content_of(tmp_path / "two") == content_of(tmp_path / "one")
    assert len(content_of(tmp_path / "two")) == 11
    assert "processes: 2; batch 4, 1 thread, 1 worker each" in two.err
    assert "11 of 12 pictures edited: 11 files in" in two.out
    assert "│ stage_1" in two.out and "│ encode" in two.out
    assert parts_left(tmp_path / "two") == []


def test_what_is_done_starts_no_process(batch: Cli, faces: Path) -> None:
    batch(faces, "out", "--processes", 2)
    began = time.monotonic()
    again = batch(faces, "out", "--processes", 2)
    assert "11 were already done" in again.out
    assert time.monotonic() - began < 20
    assert again.status == 0


def test_the_same_folder_goes_on_in_one_process_and_back(
    batch: Cli, faces: Path, tmp_path: Path
) -> None:
    batch(faces, "out", "--processes", 2)
    whole = content_of(tmp_path / "out")
    for name in ("00.png", "a/x.png"):
        (tmp_path / "out" / name).unlink()
    assert "2 of 11 pictures edited" in batch(faces, "out").out
    (tmp_path / "out" / "b/x.png").unlink()
    assert "1 of 11 pictures edited" in batch(faces, "out", "--processes", 2).out
    assert content_of(tmp_path / "out") == whole


def test_a_report_has_every_picture(batch: Cli, faces: Path, tmp_path: Path) -> None:
    assert batch(faces, "out", "--processes", 2, "--report", tmp_path / "page.html").status == 0
    page = (tmp_path / "page.html").read_text()
    assert all(name in page for name in ("00.png", "a/x.png", "b/z.png"))


def coordinated(
    faces: Path,
    out: Path,
    engines: Path,
    *,
    size: int,
    said: list[str] | None = None,
    failed: list[Failure] | None = None,
    on_progress: Callable[[ProcessExecutor, int], None] = lambda *_: None,
    processes: int = 2,
    **more: Any,
) -> Outcome:
    """A run by coordinator, without the command line."""
    directory = EngineDirectory(engines)
    properties = family_of(directory).read(directory)
    choice = choose_backend("onnxruntime", directory, None)
    target = target_for(properties.expressions, properties.au_names, expression="happy", au=None)
    plan = Plan(faces, out, stills(""))
    setup = WorkerSetup(
        engines,
        choice,
        BATCH,
        1,
        None,
        FaceOptions(FaceChoice(crops=True), 0.6, NoFace.FAIL, None, False),
        one_shot_each(1),
        stills(""),
        BatchOptions(workers=1),
        False,
        out,
    )
    with Journal(out) as journal:
        executor = ProcessExecutor(setup, journal.parts, size=processes, **more)
        coordinator = Coordinator(
            executor,
            Inspector(journal),
            Publisher(journal, overwrite=False),
            setup.options,
            size=size,
            say=(said if said is not None else []).append,
            on_failure=(failed if failed is not None else []).append,
            on_progress=lambda done, _: on_progress(executor, done),
        )
        return coordinator.run(asked_of_all(plan.jobs(), [target], [b"recipe"]))


def test_pictures_of_a_killed_worker_are_done_by_another(
    faces: Path, tmp_path: Path, toy_engines: Path
) -> None:
    said: list[str] = []
    killed: list[int] = []

    def kill_one(executor: ProcessExecutor, done: int) -> None:
        if done and not killed:
            killed.append(0)
            executor.kill(0)

    outcome = coordinated(
        faces, tmp_path / "out", toy_engines, size=3, said=said, on_progress=kill_one
    )
    assert (outcome.done, outcome.failed) == (11, 0)
    assert len(content_of(tmp_path / "out")) == 11
    assert killed
    assert all("was killed by SIGKILL; what it was at is done again" in each for each in said)


def test_the_picture_that_kills_its_worker_is_named_and_the_others_are_edited(
    faces: Path, tmp_path: Path, toy_engines: Path
) -> None:
    (faces / "03.png").rename(faces / f"{NAME}.png")
    failed: list[Failure] = []
    outcome = coordinated(
        faces, tmp_path / "out", toy_engines, size=4, failed=failed, target=poisoned_work
    )
    assert (outcome.done, outcome.failed) == (10, 1)
    assert len(content_of(tmp_path / "out")) == 10
    (failure,) = failed
    poison = faces / f"{NAME}.png"
    assert failure.reason == (
        f"{poison}: 5 processes in a row were lost with it; the last one was killed by SIGKILL"
    )


def test_a_picture_whose_workers_are_killed_from_outside_is_not_blamed(
    faces: Path, tmp_path: Path, toy_engines: Path
) -> None:
    said: list[str] = []
    outcome = coordinated(
        *(faces, tmp_path / "out", toy_engines), size=1, processes=1, said=said, target=killed_work
    )
    assert len(said) == KILLS
    assert (outcome.done, outcome.failed) == (11, 0)


def test_a_run_whose_coordinator_is_killed_leaves_no_worker_and_is_finished_by_the_same_command(
    faces: Path, tmp_path: Path, toy_engines: Path
) -> None:
    for number in range(60):
        shutil.copyfile(faces / f"0{number % 7}.png", faces / f"more-{number}.png")
    command = [
        *(sys.executable, "-m", "efgan_rt.cli.app", "batch", str(faces), str(tmp_path / "out")),
        *("-e", "happy", "--crops", "--engines", str(toy_engines), "--backend", "onnxruntime"),
        *("--batch-size", str(BATCH), "--processes", "2"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    out = tmp_path / "out"
    until = time.monotonic() + 120
    while not content_of(out) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(content_of(out)) == 71
    with Journal(out) as journal:
        assert all(journal.is_ours(out / name) for name in content_of(out))
    assert parts_left(out) == []


def test_nobody_touches_the_parts_of_a_worker_that_may_live(tmp_path: Path) -> None:
    with Journal(tmp_path):
        pass
    left = tmp_path / FOLDER / "parts" / "7" / "worker-0"
    held = claim(left)
    (left / "0").write_bytes(b"half an out")
    with Journal(tmp_path) as journal:
        assert journal.parts.name == "8"
    assert (left / "0").read_bytes() == b"half an out"
    held.close()
    with Journal(tmp_path):
        pass
    assert not left.exists()
    assert WRITER_LOCK not in os.listdir(tmp_path / FOLDER / "parts")


def test_engines_that_cannot_be_opened_end_the_run(
    batch: Cli, faces: Path, tmp_path: Path, toy_engines: Path
) -> None:
    engines = tmp_path / "engines"
    shutil.copytree(toy_engines, engines)
    stage = engines / "stage_2.onnx"
    stage.write_bytes(stage.read_bytes()[:-1])
    result = batch(faces, "out", "--processes", 2, "--engines", engines)
    assert result.status == 1
    assert "stage_2.onnx" in result.err
    assert content_of(tmp_path / "out") == {}


def test_fail_fast_stops_all(batch: Cli, faces: Path) -> None:
    (faces / "00.png").write_text("no picture")
    result = batch(faces, "out", "--processes", 2, "--fail-fast")
    assert result.status == 3
    assert "not a picture" in result.err
