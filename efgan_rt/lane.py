"""What edits one batch of faces: a lane of engines, run by its family's wiring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from efgan_rt.errors import EfganError
from efgan_rt.faces.motion import Motion
from efgan_rt.faces.mouths import Mouths
from efgan_rt.families.family import PIXELS, Wiring
from efgan_rt.families.properties import Properties
from engines.arrays import Array, Bytes, FloatArray
from engines.device_lane import DeviceLane
from engines.host_lane import HostLane
from engines.program import Output

SOURCE_AU: Final = "source_au"


@dataclass(frozen=True, eq=False)
class MotionBatch:
    """What a stage of a set with motion says of a batch.

    Attributes:
        fields: float16 (B, h, w, 10), see `efgan_rt.faces.motion`.
        choices: int32 (B,), which mouth of the set each face shows.
        mouths: the set's.
    """

    fields: npt.NDArray[np.float16]
    choices: npt.NDArray[np.int32]
    mouths: Mouths

    def of(self, row: int) -> Motion:
        """One face's, copied."""
        return Motion(self.fields[row].copy(), int(self.choices[row]), self.mouths)


@dataclass(frozen=True, eq=False)
class Edited:
    """What a batch has become. From a lane: its own arrays, overwritten by its next run."""

    pixels: Bytes
    """uint8 (B, crop, crop, 3), RGB, of the last stage."""
    kept: Mapping[str, Array]
    """What later runs of the same faces may be given; see `Wiring.kept`."""
    aims: FloatArray | None
    """float32 (S, B, K): what each stage aimed at, of a family that says so."""
    attention: Bytes | None
    """uint8 (B, crop, crop), 255 where the last stage edited most, of a family that says so."""
    seconds: Mapping[str, float]
    """Time of each network that was run; on a GPU also of `upload` and `download`."""
    stage_pixels: tuple[Bytes, ...] = ()
    """What each stage made, in order, each like `pixels`, which is the last; only if asked for."""
    motion: MotionBatch | None = None
    """What the last stage says of each face, of a set with motion."""
    stage_motion: tuple[MotionBatch, ...] = ()
    """The same of each stage, in order; only if asked for."""

    @property
    def source_au(self) -> FloatArray:
        """float32 (B, K): the action units that the faces showed, of a family that reads them."""
        return self.kept[SOURCE_AU]

    @property
    def stage_au(self) -> FloatArray:
        """The aims of a family that has them."""
        assert self.aims is not None, "asked of a family with aims"
        return self.aims


class RunOptions(TypedDict, total=False):
    """See `Lane.run`."""

    known: Mapping[str, Array] | None
    progress: FloatArray | None
    stages: bool


class BatchEditor(Protocol):
    """Edits one batch at a time, for one thread: `Lane` is one."""

    @property
    def reader(self) -> str:
        """The network that reads a face's action units."""
        ...

    def run(self, pixels: Bytes, goal: Mapping[str, Array], **more: Unpack[RunOptions]) -> Edited:
        """See `Lane.run`."""
        ...

    def estimate(self, pixels: Bytes) -> FloatArray:
        """See `Lane.estimate`."""
        ...


class Lane:
    """Edits one batch at a time, for one thread. Owns its lane of engines."""

    def __init__(
        self, lane: HostLane | DeviceLane, wiring: Wiring, properties: Properties, batch: int
    ) -> None:
        self._lane = lane
        self._wiring = wiring
        self._mouths = properties.mouths
        self._progress = even_progress(properties.stages, batch)

    def close(self) -> None:
        """Gives back what it holds; a second call does nothing."""
        self._lane.close()

    def read(self, pixels: Bytes, output: Output) -> Array:
        """What some network says of a batch of crops, uint8 (B, crop, crop, 3).

        Ownership: the lane's own array, overwritten by its next run.
        """
        return self._lane.run({PIXELS: pixels}, (output,)).outputs[output]

    def estimate(self, pixels: Bytes) -> FloatArray:
        """The action units of a batch, uint8 (B, crop, crop, 3) -> float32 (B, K).

        Ownership: the lane's own array, overwritten by its next run.

        Raises:
            EfganError: the set's family reads no action units.
        """
        return self.read(pixels, self._units)

    @property
    def reader(self) -> str:
        """See `BatchEditor.reader`."""
        return self._units[0]

    @property
    def _units(self) -> Output:
        if self._wiring.units is None:
            raise EfganError("these engines read no action units")
        return self._wiring.units

    def run(
        self,
        pixels: Bytes,
        goal: Mapping[str, Array],
        *,
        known: Mapping[str, Array] | None = None,
        progress: FloatArray | None = None,
        stages: bool = False,
    ) -> Edited:
        """Edits one full batch; every array is C-contiguous and may be reused afterwards.

        Args:
            pixels: uint8 (B, crop, crop, 3), RGB.
            goal: by place, what each face is to become, a row a face.
            known: by place, what is known of the faces, as `Edited.kept` has it.
            progress: float32 (B, S): how far each stage goes; k/S if None.
            stages: whether the pictures after each stage are wanted, too.

        Returns:
            The edited batch. Ownership: the lane's own arrays, overwritten by its next run; what
            was known is given back as it is.

        Raises:
            EfganError: an array holds NaN or infinity.
            EngineError: an array is of the wrong type or shape.
        """
        wiring, known = self._wiring, known or {}
        given = {**goal, **known}
        if wiring.progress is not None:
            given[wiring.progress] = self._progress if progress is None else progress
        for name, array in given.items():
            check_finite(name, array)
        shown = slice(None) if stages else slice(-1, None)
        pictures, fields = wiring.pictures[shown], wiring.fields[shown]
        read = {place: output for place, output in wiring.kept.items() if place not in known}
        others = (wiring.attention, wiring.mouth_choice, wiring.aims)
        wanted = (*pictures, *fields, *read.values(), *(each for each in others if each))
        ran = self._lane.run({PIXELS: pixels, **given}, wanted)
        made = tuple(ran.outputs[each] for each in pictures)
        motions = self._motions(tuple(ran.outputs[each] for each in fields), ran.outputs)
        return Edited(
            made[-1],
            {**known, **{place: ran.outputs[output] for place, output in read.items()}},
            None if wiring.aims is None else ran.outputs[wiring.aims],
            None if wiring.attention is None else ran.outputs[wiring.attention],
            ran.seconds,
            made if stages else (),
            motions[-1] if motions else None,
            motions if stages else (),
        )

    def _motions(
        self, fields: Sequence[Array], outputs: Mapping[Output, Array]
    ) -> tuple[MotionBatch, ...]:
        choice = self._wiring.mouth_choice
        if choice is None or self._mouths is None:
            return ()
        return tuple(MotionBatch(each, outputs[choice], self._mouths) for each in fields)


def even_progress(stages: int, batch: int) -> FloatArray:
    """How far each stage goes where nobody says otherwise: k/S, float32 (B, S)."""
    rising = np.arange(1, stages + 1, dtype=np.float32) / np.float32(stages)
    return np.tile(rising, (batch, 1))


def check_finite(name: str, array: Array) -> None:
    """Refuses what would make a picture of NaN.

    Raises:
        EfganError: a row holds NaN or infinity.
    """
    if not np.isfinite(array).all():
        rows = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1)).tolist()
        raise EfganError(f"{name} holds NaN or infinity in rows {rows}, expected finite numbers")
