"""How fast the engines are on this machine, and how much of that a batch run gets.

Measured one after the other, in one process: the engines alone (pictures already in memory), a run
from directory to directory through the whole pipeline, and the engines alone again, so that a
machine that grows slower in between shows on both sides of the ratio, and is told. What limits a
run is the engines where the ratio is near 1; below that it is decoding and encoding, which share
the processor with them.

Latency is that of one lane with the device to itself; pictures a second are those of all lanes
together, for on a GPU one lane uploads and downloads while another computes.
"""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import Final

import cv2
import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.families.family import Goal
from efgan_rt.lane import BatchEditor
from efgan_rt.pictures.crop import CROP_PX, to_crop
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import encode_picture
from efgan_rt.pipeline.batch import run_batch
from efgan_rt.pipeline.files import Plan, asked_of_all
from efgan_rt.pipeline.journal import Journal
from efgan_rt.pipeline.run_state import BatchOptions
from efgan_rt.reporting.latency import LatencyRecorder, StageLatency
from efgan_rt.shots import stills

WHOLE_BATCH: Final = "whole batch"
# A lane is warm after so many runs and so long, whichever comes last.
WARM_UP_RUNS: Final = 3
WARM_UP_S: Final = 0.5
GENERATED_PICTURES: Final = 32
SEED: Final = 0  # of the generated pictures
# A machine that does its one thing at so different speeds is doing something else besides.
MOST_DRIFT: Final = 0.1
MOST_SPREAD: Final = 1.25


@dataclass(frozen=True)
class EnginesResult:
    """The engines alone: latency of a batch by network, and pictures a second.

    Attributes:
        images_per_s_before: as measured before the pipeline's run.
        images_per_s_after: as measured after it.
        first_batch_s: what the very first run took; the later ones of the warm-up are dropped.
    """

    networks: list[StageLatency]
    images_per_s: float
    images_per_s_before: float
    images_per_s_after: float
    first_batch_s: float

    def unrest(self) -> list[str]:
        """Why the figures are not to be trusted, a sentence each; none if they are."""
        reasons = []
        drift = self.images_per_s_after / self.images_per_s_before - 1
        if abs(drift) > MOST_DRIFT:
            reasons.append(f"the engines' speed changed by {drift:+.0%} within the run")
        for each in self.networks:
            if each.stage == WHOLE_BATCH and each.p90_ms > MOST_SPREAD * each.p50_ms:
                reasons.append(
                    f"a batch takes {each.p50_ms:.1f} ms, one in ten {each.p90_ms:.1f} ms or more"
                )
        return reasons


@dataclass(frozen=True)
class PipelineResult:
    """Directory to directory: latency of a batch by stage, and pictures a second."""

    stages: list[StageLatency]
    images_per_s: float
    pictures: int


def measure(
    editors: Sequence[BatchEditor],
    target: Goal,
    pictures: Path,
    *,
    batch: int,
    crop_px: int = CROP_PX,
    seconds: float,
    warm_up_s: float = WARM_UP_S,
    options: BatchOptions | None = None,
) -> tuple[EnginesResult, PipelineResult]:
    """Measures the engines alone and the whole pipeline, each for about `seconds`.

    Args:
        editors: the lanes of the engines, at least one.
        target: what to make of every picture.
        pictures: a folder with at least one picture; they are used over and over.
        batch: the editors' fixed batch.
        crop_px: side of the crops.
        seconds: time for each of the two.
        warm_up_s: how long each lane runs before anything is measured, at the least.
        options: of the pipeline.

    Raises:
        EfganError: a picture in the folder cannot be edited.
    """
    files = picture_files(pictures)
    crops = [to_crop(read_picture(file), crop_px) for file in islice(cycle(files), batch)]
    pixels = np.stack(crops)
    first_batch_s = max([warm_up(editor, pixels, target, warm_up_s) for editor in editors])
    recorder = LatencyRecorder()
    before = _measure_engines(editors, pixels, target, seconds / 2, recorder)
    count = max(4 * batch * len(editors), round(seconds / before) * batch)
    pipeline = measure_pipeline(
        editors, target, files, count, batch=batch, crop_px=crop_px, options=options
    )
    after = _measure_engines(editors, pixels, target, seconds / 2, recorder)
    engines = EnginesResult(
        recorder.summary(),
        2 * batch / (before + after),
        batch / before,
        batch / after,
        first_batch_s,
    )
    return engines, pipeline


def picture_files(folder: Path) -> list[Path]:
    """The pictures to measure with.

    Raises:
        EfganError: there are none.
    """
    jobs = Plan(folder, folder / "edited", stills("")).jobs()
    files = [job.source for job in jobs]
    if not files:
        raise EfganError(f"{folder}: no picture found to measure with; name a folder of face crops")
    return files


def warm_up(editor: BatchEditor, pixels: Picture, target: Goal, seconds: float) -> float:
    """Runs a lane until it is warm: often enough and long enough; gives the first run's seconds."""
    started = perf_counter()
    _run_once(editor, pixels, target)
    first = perf_counter() - started
    runs = 1
    while runs < WARM_UP_RUNS or perf_counter() - started < seconds:
        _run_once(editor, pixels, target)
        runs += 1
    return first


def _run_once(editor: BatchEditor, pixels: Picture, target: Goal) -> dict[str, float]:
    goal = {place: np.stack([row] * len(pixels)) for place, row in target.places.items()}
    return dict(editor.run(pixels, goal).seconds)


def _measure_engines(
    editors: Sequence[BatchEditor],
    pixels: Picture,
    target: Goal,
    seconds: float,
    recorder: LatencyRecorder,
) -> float:
    """Seconds that a batch takes of all lanes' time together; records what one lane alone shows."""
    per_batch = _measure_lane(editors[0], pixels, target, seconds, recorder)
    if len(editors) == 1:
        return per_batch

    def run(editor: BatchEditor) -> float:
        return _measure_lane(editor, pixels, target, seconds, LatencyRecorder())

    with ThreadPoolExecutor(len(editors)) as pool:
        return 1 / sum(1 / each for each in pool.map(run, editors))


def _measure_lane(
    editor: BatchEditor,
    pixels: Picture,
    target: Goal,
    seconds: float,
    recorder: LatencyRecorder,
) -> float:
    """Runs batches back to back on one lane; gives the mean seconds of one."""
    started = now = perf_counter()
    runs = 0
    while now - started < seconds or not runs:
        networks = _run_once(editor, pixels, target)
        finished = perf_counter()
        for network, duration in networks.items():
            recorder.add(network, duration)
        recorder.add(WHOLE_BATCH, finished - now)
        now = finished
        runs += 1
    return (now - started) / runs


def measure_pipeline(
    editors: Sequence[BatchEditor],
    target: Goal,
    files: Sequence[Path],
    count: int,
    *,
    batch: int,
    crop_px: int = CROP_PX,
    options: BatchOptions | None = None,
) -> PipelineResult:
    """Edits `count` links to the files, in folders of at most 1,000, into a temporary folder.

    Raises:
        EfganError: a picture cannot be edited.
    """
    recorder = LatencyRecorder()
    with tempfile.TemporaryDirectory(prefix="efgan-bench-") as folder:
        source, output = Path(folder, "in"), Path(folder, "out")
        for number, file in enumerate(islice(cycle(files), count)):
            link = source / f"{number // 1000:04}" / f"{number:07}{file.suffix}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.absolute())
        with Journal(output) as journal:
            outcome = run_batch(
                asked_of_all(Plan(source, output, stills("")).jobs(), [target], [b""]),
                editors,
                batch=batch,
                journal=journal,
                crop_px=crop_px,
                options=options,
                recorder=recorder,
            )
    if outcome.failed:
        raise EfganError(f"a picture to measure with failed: {outcome.failures[0].reason}")
    return PipelineResult(recorder.summary(), outcome.written / outcome.seconds, outcome.pictures)


@contextmanager
def generated_pictures() -> Iterator[Path]:
    """A temporary folder of 32 JPEG files that cost about what a face crop costs to decode.

    Blurred noise: no face, which the networks' speed does not depend on.
    """
    random = np.random.default_rng(SEED)
    with tempfile.TemporaryDirectory(prefix="efgan-bench-") as folder:
        for number in range(GENERATED_PICTURES):
            noise = random.integers(0, 256, (CROP_PX, CROP_PX, 3)).astype(np.float32)
            smooth = cv2.GaussianBlur(noise, (0, 0), 6)
            picture = cv2.normalize(smooth, smooth, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
            Path(folder, f"{number:02}.jpg").write_bytes(encode_picture(".jpg", picture))
        yield Path(folder)
