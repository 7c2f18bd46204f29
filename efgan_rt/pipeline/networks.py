"""What a lane's thread does: slots of crops through the networks, and back to their pictures.

An engine that fails stops the run, and so does one that hangs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from efgan_rt.choices import Pace
from efgan_rt.editing import padded
from efgan_rt.lane import SOURCE_AU, BatchEditor, Edited, MotionBatch, even_progress
from efgan_rt.pictures.original import Picture
from efgan_rt.pipeline.run_state import RunState
from efgan_rt.pipeline.slots import Row, Slot
from efgan_rt.pipeline.stages import MEASURE, WAIT_LANE
from efgan_rt.pipeline.views import read_batch
from efgan_rt.shots import NetworkRun
from efgan_rt.unfolding import Unfolding
from engines.arrays import Array, FloatArray


def edit_batches(
    state: RunState, editor: BatchEditor, runs: Sequence[NetworkRun], stages: int
) -> None:
    """Runs ready slots through the networks, and hands on pictures whose last face is back.

    Args:
        state: what the threads share.
        editor: the lane.
        runs: what gives all shots of the run.
        stages: of the editor's family.
    """
    while (slot := state.ring.ready.take()) is not None:
        slot.times.note_wait(WAIT_LANE, slot.sent_at)
        passage = _Passage(state, editor, slot, stages)
        passage.edit([run for run in runs if any(map(slot.wants, run.shots))])
        passage.note_source_au()
        ready = [row.item for row in slot.rows if row.item.finish_face()]
        state.ring.give_back(slot)
        for item in ready:
            state.ready.put(item)


@dataclass(frozen=True, eq=False)
class _Task:
    """All faces of a slot on their way to one target.

    Attributes:
        edit: which of the pictures' targets.
        progress: float32 (n, S), how far each stage goes.
        shots: by number, the stage that each shows; None is the last. Of a probe there is none.
    """

    edit: int
    progress: FloatArray
    shots: Mapping[int, int | None]


class _Passage:
    """One slot's way through the networks, and what is known of its faces meanwhile.

    What a face shows does not depend on the target: its action units are read once, by the first
    run, then handed back. How it unfolds is measured once for each target. A slot that is filled
    to a half or less has room for its faces several times, so that several tasks go together.
    """

    def __init__(self, state: RunState, editor: BatchEditor, slot: Slot, stages: int) -> None:
        self._state = state
        self._editor = editor
        self._slot = slot
        self._batch = len(slot.pixels)
        self._faces = len(slot.rows)
        self._together = self._batch // self._faces
        self._even = even_progress(stages, self._faces)
        self._kept = self._known()
        self._unfoldings: dict[int, Unfolding] = {}
        if any(row.item.job.rules for row in slot.rows):
            self.note_source_au()  # rules ask for it

    def edit(self, runs: Sequence[NetworkRun]) -> None:
        """Makes all shots of some runs, and copies them to where they belong."""
        tasks = []
        for run in runs:
            if self._leave(run):
                continue
            if run.progress == 0:
                self._hand_out(run.shots, self._slot.pixels)
            else:
                tasks.append(_Task(run.edit, self._progress(run), run.shots))
        for part in self._parts(tasks):
            staged = any(stage is not None for task in part for stage in task.shots.values())
            result = self._run(part, stages=staged)
            for number, task in enumerate(part):
                rows = slice(number * self._faces, (number + 1) * self._faces)
                for shot, stage in task.shots.items():
                    made = result.pixels if stage is None else result.stage_pixels[stage - 1]
                    self._hand_out((shot,), made[rows])
                    moved = result.motion
                    if moved is not None and stage is not None:
                        moved = result.stage_motion[stage - 1]
                    if moved is not None:
                        self._hand_out_motion(shot, moved, rows.start)
            if self._state.views:
                self._measure(part, result)

    def _parts(self, tasks: Sequence[_Task]) -> Iterator[Sequence[_Task]]:
        """The tasks in groups that go through the networks together."""
        for start in range(0, len(tasks), self._together):
            yield tasks[start : start + self._together]

    def _measure(self, part: Sequence[_Task], result: Edited) -> None:
        """Has the edits read, for a page."""
        started = perf_counter()
        progress = self._rows([task.progress for task in part])
        source_au = self._kept.get(SOURCE_AU)
        if source_au is not None:
            source_au = self._rows([source_au] * len(part))
        with self._watched():
            readings = read_batch(
                self._editor, result, source_au, self._goal(part), progress[:, -1:]
            )
        for number, task in enumerate(part):
            for place, row in enumerate(self._slot.rows):
                for shot in task.shots:
                    row.item.readings[shot, row.face] = readings[number * self._faces + place]
        self._slot.times.add(MEASURE, perf_counter() - started)

    def note_source_au(self) -> None:
        """Tells each picture what its faces showed, where the networks had to know."""
        if (source_au := self._kept.get(SOURCE_AU)) is not None:
            for number, row in enumerate(self._slot.rows):
                row.item.source_au[row.face] = source_au[number].copy()

    def _progress(self, run: NetworkRun) -> FloatArray:
        """How far each stage goes, float32 (n, S)."""
        if run.progress == 1:
            return self._even
        if run.pace is Pace.UNITS:
            return self._even * np.float32(run.progress)
        if run.edit not in self._unfoldings:

            def edited_at(shares: Sequence[float]) -> Iterator[Picture]:
                tasks = [_Task(run.edit, self._even * np.float32(each), {}) for each in shares]
                for part in self._parts(tasks):
                    made = self._run(part).pixels
                    for number in range(len(part)):
                        yield made[number * self._faces : (number + 1) * self._faces]

            crops = self._slot.pixels[: self._faces]
            self._unfoldings[run.edit] = Unfolding(crops, edited_at)
        shares = self._unfoldings[run.edit].progress_at(run.progress)
        return self._even * shares[:, np.newaxis]

    def _run(self, part: Sequence[_Task], *, stages: bool = False) -> Edited:
        """The networks, once, over the faces of a few tasks, one task behind the other."""
        pixels = self._slot.pixels
        if len(part) > 1:
            pixels = self._rows([pixels[: self._faces]] * len(part))
        progress = None
        if any(task.progress is not self._even for task in part):
            progress = self._rows([task.progress for task in part])
        known = {place: self._rows([each] * len(part)) for place, each in self._kept.items()}
        with self._watched():
            result = self._editor.run(
                pixels, self._goal(part), known=known, progress=progress, stages=stages
            )
        for place, array in result.kept.items():
            if place not in self._kept:
                self._kept[place] = array[: self._faces].copy()
        self._add_seconds(result.seconds)
        return result

    def _goal(self, part: Sequence[_Task]) -> dict[str, Array]:
        """What each row is to become, by place, float32 (B, ...) each, of a few tasks."""
        asked = [row.item.target(task.edit, row.face) for task in part for row in self._slot.rows]
        # A face that is left alone goes along with whatever goal; nobody looks at what it becomes.
        some = next(each for each in asked if each is not None)
        goals = [each or some for each in asked]
        return {
            place: self._rows([np.stack([goal.places[place] for goal in goals])])
            for place in goals[0].places
        }

    def _leave(self, run: NetworkRun) -> bool:
        """Notes the faces of which a run's edit asks nothing; True if that is all of them."""
        rows = self._slot.rows
        left = [row for row in rows if row.item.job.rules and self._asks_nothing(run, row)]
        for row in left:
            row.item.left.update((shot, row.face) for shot in run.shots)
        return len(left) == len(rows)

    @staticmethod
    def _asks_nothing(run: NetworkRun, row: Row) -> bool:
        return row.item.target(run.edit, row.face) is None

    def _rows(self, parts: Sequence[Array]) -> Array:
        """A full batch: the parts one behind the other, zeros behind them."""
        return padded(parts, self._batch)

    def _hand_out(self, shots: Iterable[int], pixels: Picture) -> None:
        """Copies a shot's pictures to those who want it."""
        for shot in shots:
            for number, row in enumerate(self._slot.rows):
                if shot in row.item.wanted:
                    row.item.edited[shot][row.face] = pixels[number]

    def _hand_out_motion(self, shot: int, moved: MotionBatch, first: int) -> None:
        """Copies what the networks say of each face to those who want the shot."""
        for number, row in enumerate(self._slot.rows):
            if shot in row.item.wanted:
                row.item.motion[shot, row.face] = moved.of(first + number)

    def _known(self) -> dict[str, Array]:
        """The source AUs of faces some of which came with theirs, (n, K); or that rules ask for."""
        rows, pixels = self._slot.rows, self._slot.pixels
        known = [row.item.job.source_au if row.face == 0 else None for row in rows]
        given = [each for each in known if each is not None]
        if not given and not any(row.item.job.rules for row in rows):
            return {}
        if len(given) == len(known):
            source_au = np.empty((self._faces, len(given[0])), np.float32)
        else:
            started = perf_counter()
            with self._watched():
                source_au = self._editor.estimate(pixels)[: self._faces].copy()
            self._add_seconds({self._editor.reader: perf_counter() - started})
        for number, each in enumerate(known):
            if each is not None:
                source_au[number] = each
        return {SOURCE_AU: source_au}

    def _watched(self) -> AbstractContextManager[None]:
        first = self._slot.rows[0].item.job.source
        return self._state.watchdog.over(f"the networks: a batch with {first}")

    def _add_seconds(self, seconds: Mapping[str, float]) -> None:
        for network, each in seconds.items():
            self._slot.times.add(network, each)
