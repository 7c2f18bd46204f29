"""A lane: what one batch in flight owns, and the run from its pictures to the edited ones.

Arrays go from network to network by reference, the image between two stages included, so a lane
allocates nothing but a few views for a batch.
"""

from collections.abc import Mapping
from time import perf_counter

from efgan_rt.action_units import FloatArray
from efgan_rt.cascade_properties import AU_ESTIMATOR, INTERPOLATOR, stage_name
from efgan_rt.edited import ByteArray, Edited, MotionBatch, check_finite, even_progress
from efgan_rt.faces.mouths import Mouths
from engines.base import Array, Engine


class Lane:
    """What one batch in flight owns: a request of every network. For one thread at a time."""

    def __init__(
        self,
        engines: Mapping[str, Engine],
        stages: int,
        batch: int,
        *,
        mouths: Mouths | None = None,
    ) -> None:
        """Takes the engines of a cascade, and the mouths of a set with motion."""
        self._mouths = mouths
        self._inputs = {
            name: tuple(spec.name for spec in engine.inputs) for name, engine in engines.items()
        }
        self._requests = {name: engine.request() for name, engine in engines.items()}
        self._stages = stages
        self._progress = even_progress(stages, batch)

    def close(self) -> None:
        """Nothing to give back early: arrays and requests go with the lane."""

    def estimate(self, pixels: ByteArray) -> FloatArray:
        """The action units of a batch, uint8 (B, crop, crop, 3) -> float32 (B, K).

        Ownership: the lane's own array, overwritten by its next `estimate` or `run`.
        """
        return self._requests[AU_ESTIMATOR].run({"pixels": pixels})["au"]

    def run(
        self,
        pixels: ByteArray,
        scale: FloatArray,
        offset: FloatArray,
        *,
        source_au: FloatArray | None = None,
        progress: FloatArray | None = None,
        stages: bool = False,
    ) -> Edited:
        """Edits one full batch; every array is C-contiguous and may be reused afterwards.

        Args:
            pixels: uint8 (B, crop, crop, 3), RGB.
            scale: float32 (B, K); the target is clip(scale x source + offset, 0, 5).
            offset: float32 (B, K).
            source_au: float32 (B, K), 0 to 5; estimated from the pictures if None.
            progress: float32 (B, S): how far each stage goes; k/S if None.
            stages: whether the pictures after each stage are wanted, too; here they cost nothing.

        Returns:
            The edited batch. Ownership: the lane's own arrays, overwritten by its next run.

        Raises:
            EfganError: an array of action units, scales or progress holds NaN or infinity.
            EngineError: an array is of the wrong type or shape.
        """
        seconds: dict[str, float] = {}
        progress = self._progress if progress is None else progress
        for name, array in (("scale", scale), ("offset", offset), ("progress", progress)):
            check_finite(name, array)
        if source_au is None:
            source_au = self._timed(AU_ESTIMATOR, {"pixels": pixels}, seconds)["au"]
        else:
            check_finite("source_au", source_au)
        inputs = {
            "source_au": source_au,
            "target_scale": scale,
            "target_offset": offset,
            "progress": progress,
        }
        asked = self._timed(INTERPOLATOR, inputs, seconds)
        stage_au = asked["stage_au"]
        # What stages read: everything known so far, by the names of their inputs.
        known: dict[str, Array] = {"pixels": pixels}
        if self._mouths is not None:
            known["mouth_choice"] = asked["mouth_choice"]
        seen: list[ByteArray] = []
        motions: list[MotionBatch] = []
        for number in range(1, self._stages + 1):
            # Stage-major, so the slice is contiguous and bound without a copy, as is the image.
            known["au"] = stage_au[number - 1]
            name = stage_name(number)
            outputs = self._timed(name, {each: known[each] for each in self._inputs[name]}, seconds)
            known["image_in"] = outputs["image_out"]
            seen.append(outputs["pixels_out"])
            if self._mouths is not None:
                known["totals_in"] = outputs["totals_out"]
                batch = MotionBatch(outputs["fields"], asked["mouth_choice"], self._mouths)
                motions.append(batch)
        return Edited(
            seen[-1],
            source_au,
            stage_au,
            outputs["attention"],
            seconds,
            tuple(seen) if stages else (),
            motions[-1] if motions else None,
            tuple(motions) if stages else (),
        )

    def _timed(
        self, network: str, inputs: Mapping[str, Array], seconds: dict[str, float]
    ) -> Mapping[str, Array]:
        """Runs a network and notes the time it took."""
        started = perf_counter()
        outputs = self._requests[network].run(inputs)
        seconds[network] = perf_counter() - started
        return outputs
