"""Edits that do not flicker: what is added to a face is averaged over neighbouring frames.

The networks see each frame by itself, and a little noise in it changes what they paint. In the
crops a face lies still, so its edits of a few frames can be averaged; frames in which the face
itself looks different, because it speaks or turns, count less.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.faces.framing import Framed
from efgan_rt.faces.motion import Motion
from efgan_rt.pictures.original import Picture
from efgan_rt.video.tracks import Sighting

Residual = npt.NDArray[np.int16] | npt.NDArray[np.float16]

STEADY_S: Final = 0.08  # standard deviation over time
# Mean difference of two crops without their noise, in levels, up to which a face looks the same.
ALIKE_LEVELS: Final = 4.0
SEEN_PX: Final = 32  # the size at which crops are compared


@dataclass(frozen=True, eq=False)
class FaceInFrame:
    """A face to be edited in one frame.

    Attributes:
        sighting: where it is and what it shows, smoothed.
        strength: how much of its edit it gets, 0 to 1.
        area: of its track, on average; the same in all its frames.
        track: its number.
    """

    sighting: Sighting
    strength: float
    area: float
    track: int


@dataclass(eq=False)
class Edit:
    """A face's edit in one frame.

    Attributes:
        frame: its number.
        framed: the face as the networks see it.
        face: which it is.
        residual: int16 (crop, crop, 3), the edited crop less the crop, or the fields of `motion`;
            set by the networks.
        motion: what a set with motion says of the face.
    """

    frame: int
    framed: Framed
    face: FaceInFrame
    residual: Residual = field(default_factory=lambda: np.zeros((0, 0, 3), np.int16))
    motion: Motion | None = None


class SteadyEdits:
    """Averages each track's edits over the frames around each.

    Attributes:
        reach: how many frames before and after one have a say in it.
    """

    def __init__(self, fps: float) -> None:
        self._sigma = STEADY_S * fps
        self.reach = round(2 * self._sigma)
        self._tracks: defaultdict[int, dict[int, tuple[Edit, npt.NDArray[Any]]]] = defaultdict(dict)

    def add(self, edit: Edit) -> None:
        """Takes an edit that has been through the networks."""
        seen = cv2.resize(edit.framed.crop, (SEEN_PX, SEEN_PX), interpolation=cv2.INTER_AREA)
        self._tracks[edit.face.track][edit.frame] = edit, seen.astype(np.float32)

    def edited(self, edit: Edit) -> Picture | Motion:
        """The edited crop, or the face's motion.

        Every edit up to `reach` frames later must have been added.
        """
        track = self._tracks[edit.face.track]
        _, own = track[edit.frame]
        total = np.zeros(edit.residual.shape, np.float32)
        weights = 0.0
        for frame in range(edit.frame - self.reach, edit.frame + self.reach + 1):
            if frame not in track:
                continue
            other, seen = track[frame]
            away = float(np.abs(seen - own).mean())
            after = (frame - edit.frame) / max(self._sigma, 1e-6)
            weight = float(np.exp(-0.5 * (after**2 + (away / ALIKE_LEVELS) ** 2)))
            total += np.float32(weight) * other.residual
            weights += weight
        total *= np.float32(edit.face.strength / weights)
        if edit.motion is not None:
            return replace(edit.motion, fields=total.astype(np.float16))
        return np.asarray(np.clip(np.rint(edit.framed.crop + total), 0, 255), dtype=np.uint8)

    def forget_before(self, frame: int) -> None:
        """Lets go of what no frame from this one on needs."""
        for number, track in list(self._tracks.items()):
            for old in [each for each in track if each < frame - self.reach]:
                del track[old]
            if not track:
                del self._tracks[number]
