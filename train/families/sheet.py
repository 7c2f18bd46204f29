"""A picture of what a training's networks do by now: rows of crops, as one PNG to look at."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from efgan_rt.pictures.original import Picture


def write_sheet(rows: Sequence[Sequence[Picture]], path: Path) -> None:
    """Writes rows of equally many crops, uint8 RGB, all of one size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = np.vstack([np.hstack(list(row)) for row in rows])
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
