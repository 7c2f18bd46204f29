"""The edits on which an exported cascade is held against the trained one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Probe:
    """The edits on which parity is measured: n faces, each with a target of its own."""

    pixels: npt.NDArray[np.uint8]  # (n, H, W, 3)
    target_scale: npt.NDArray[np.float32]  # (n, K)
    target_offset: npt.NDArray[np.float32]  # (n, K)
    progress: npt.NDArray[np.float32]  # (n, S)

    @property
    def places(self) -> dict[str, npt.NDArray[Any]]:
        """By the places of a cascade's program."""
        return dict(vars(self))


def probe_for(
    faces: npt.NDArray[np.uint8],
    stages: int,
    au_count: int,
    expressions: Mapping[str, npt.NDArray[np.float32]],
) -> Probe:
    """Every face towards an expression, in turn; without expressions, every unit up by 1."""
    count = len(faces)
    scale = np.ones((count, au_count), np.float32)
    offset = np.ones((count, au_count), np.float32)
    prototypes = list(expressions.values())
    if prototypes:
        scale[:] = 0
        offset[:] = [prototypes[i % len(prototypes)] for i in range(count)]
    progress = np.arange(1, stages + 1, dtype=np.float32) / np.float32(stages)
    return Probe(faces, scale, offset, np.tile(progress, (count, 1)))
