"""What a batch has become, and what every lane, on the processor or a GPU, asks of its inputs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from efgan_rt.action_units import FloatArray
from efgan_rt.errors import EfganError
from efgan_rt.faces.motion import Motion
from efgan_rt.faces.mouths import Mouths

ByteArray = npt.NDArray[np.uint8]


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

    pixels: ByteArray
    """uint8 (B, crop, crop, 3), RGB, of the last stage."""
    source_au: FloatArray
    """float32 (B, K): the estimate, or the very array that was given."""
    stage_au: FloatArray
    """float32 (S, B, K): what each stage aimed at."""
    attention: ByteArray
    """uint8 (B, crop, crop), 255 where the last stage edited most."""
    seconds: Mapping[str, float]
    """Time of each network that was run; on a GPU also of `upload` and `download`."""
    stage_pixels: tuple[ByteArray, ...] = ()
    """What each stage made, in order, each like `pixels`, which is the last; only if asked for."""
    motion: MotionBatch | None = None
    """What the last stage says of each face, of a set with motion."""
    stage_motion: tuple[MotionBatch, ...] = ()
    """The same of each stage, in order; only if asked for."""


def even_progress(stages: int, batch: int) -> FloatArray:
    """How far each stage goes where nobody says otherwise: k/S, float32 (B, S)."""
    rising = np.arange(1, stages + 1, dtype=np.float32) / np.float32(stages)
    return np.tile(rising, (batch, 1))


def check_finite(name: str, array: FloatArray) -> None:
    """Refuses what would make a picture of NaN.

    Raises:
        EfganError: a row holds NaN or infinity.
    """
    if not np.isfinite(array).all():
        rows = np.flatnonzero(~np.isfinite(array).all(axis=-1)).tolist()
        raise EfganError(f"{name} holds NaN or infinity in rows {rows}, expected finite numbers")
