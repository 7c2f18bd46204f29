"""Batch runs with an editor of numpy alone, which inverts pictures as a lane would edit them."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from efgan_rt.action_units import AU_NAMES
from efgan_rt.expressions import Target
from efgan_rt.lane import SOURCE_AU, Edited
from efgan_rt.pictures.original import Picture
from efgan_rt.pipeline.batch import run_batch
from efgan_rt.pipeline.files import PictureJob, Plan, asked_of_all
from efgan_rt.pipeline.journal import FOLDER, Journal
from efgan_rt.pipeline.outcome import Failure, Outcome
from efgan_rt.pipeline.run_state import BatchOptions
from efgan_rt.reporting.latency import LatencyRecorder
from efgan_rt.shots import one_shot_each, stills
from engines.arrays import Array, FloatArray

K = len(AU_NAMES)
BATCH = 4


def offset_target(value: float) -> Target:
    return Target(np.ones(K, np.float32), np.full(K, value, np.float32))


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
        goal: Mapping[str, Array],
        *,
        known: Mapping[str, Array] | None = None,
        progress: FloatArray | None = None,
        stages: bool = False,
    ) -> Edited:
        scale, offset = goal["target_scale"], goal["target_offset"]
        source_au = (known or {}).get(SOURCE_AU)
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
        return Edited(
            self._pixels, {SOURCE_AU: self._au}, None, attention, {"stage_1": 0.001}, made
        )

    @property
    def reader(self) -> str:
        return "au_estimator"

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
