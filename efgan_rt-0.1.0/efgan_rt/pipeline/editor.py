"""What the pipeline asks of whatever edits its batches: `efgan_rt.lane.Lane` is one."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from efgan_rt.action_units import FloatArray
from efgan_rt.edited import MotionBatch
from efgan_rt.pictures.original import Picture


class EditedBatch(Protocol):
    """What an editor gives back; the arrays are the editor's own, overwritten by its next run."""

    @property
    def pixels(self) -> Picture:
        """The edited crops, uint8 (B, crop, crop, 3)."""
        ...

    @property
    def source_au(self) -> FloatArray:
        """The action units that the crops had, float32 (B, K)."""
        ...

    @property
    def attention(self) -> Picture:
        """Where the last stage edited, uint8 (B, crop, crop), 255 for most."""
        ...

    @property
    def stage_pixels(self) -> Sequence[Picture]:
        """The crops after each stage, in order; only where they were asked for."""
        ...

    @property
    def motion(self) -> MotionBatch | None:
        """What the last stage says of each face, of a set with motion."""
        ...

    @property
    def stage_motion(self) -> Sequence[MotionBatch]:
        """The same of each stage, in order; only where it was asked for."""
        ...

    @property
    def seconds(self) -> Mapping[str, float]:
        """The time each network took."""
        ...


class BatchEditor(Protocol):
    """Edits one batch at a time, for one thread: `efgan_rt.cascade.Lane` is one."""

    def run(
        self,
        pixels: Picture,
        scale: FloatArray,
        offset: FloatArray,
        *,
        source_au: FloatArray | None = None,
        progress: FloatArray | None = None,
        stages: bool = False,
    ) -> EditedBatch:
        """Edits every picture of a batch.

        Args:
            pixels: uint8 (B, crop, crop, 3).
            scale: float32 (B, K), see `efgan_rt.expressions.Target`.
            offset: float32 (B, K).
            source_au: float32 (B, K), where it is known already from an earlier run.
            progress: float32 (B, S): how far each stage goes; k/S if None.
            stages: whether `stage_pixels` is wanted, too.
        """
        ...

    def estimate(self, pixels: Picture) -> FloatArray:
        """The action units of a batch, float32 (B, K); the editor's own array, like a run's.

        Args:
            pixels: uint8 (B, crop, crop, 3).
        """
        ...
