"""Action units for crops that have none: what an engine set's own estimator reads in them.

Weak labels, and marked as such in the table. The estimator learnt from other pictures (the one that
comes along from rendered faces), so it carries over as far as it does and no further; a training
on its readings cannot know more than it knew.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from efgan_rt.action_units import MAX_INTENSITY
from efgan_rt.editing import OpenedSet
from efgan_rt.pictures.crop import resized
from efgan_rt.pictures.read import read_picture
from efgan_rt.pipeline.fingerprint import engines_fingerprint
from engines.arrays import FloatArray


class WeakLabels:
    """Reads action units with an engine set."""

    def __init__(self, directory: Path) -> None:
        """Opens the set.

        Raises:
            EngineError: it cannot be used.
        """
        self._set = OpenedSet.open(directory)
        choice = self._set.choice
        fingerprint = engines_fingerprint(
            directory, backend=choice.backend, precision=choice.precision
        )
        self.source = f"weak: au_estimator of {fingerprint[:12]}"
        self.au_names = self._set.au_names

    def read(
        self, crops: Sequence[Path], on_progress: Callable[[int], None] = lambda _: None
    ) -> FloatArray:
        """The action units of crops, float32 (N, K), 0 to 5.

        Raises:
            EfganError: a crop cannot be read.
        """
        batch = self._set.batch
        found = np.empty((len(crops), len(self.au_names)), np.float32)
        for start in range(0, len(crops), batch):
            pixels = np.stack([read_picture(path) for path in crops[start : start + batch]])
            sized = resized(pixels, self._set.crop_px)
            found[start : start + len(pixels)] = self._set.estimate(sized)
            on_progress(start + len(pixels))
        return found.clip(0, MAX_INTENSITY)
