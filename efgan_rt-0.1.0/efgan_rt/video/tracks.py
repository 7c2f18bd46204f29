"""Faces followed through a video: which are the same, where they lie, smoothed over time.

A detector reads every frame afresh, so its points tremble; framed by them, an edit would tremble on
the face. So a curve is laid through each point's places in the neighbouring frames, before and
after: it follows a head that moves and leaves the trembling out. A face that is missed for a moment
is filled in, and one that is seen for a moment only is taken for an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from efgan_rt.action_units import FloatArray
from efgan_rt.faces.detect import Face

# Standard deviations over time of what a frame's neighbours count.
SMOOTH_S: Final = 0.16
AU_SMOOTH_S: Final = 0.2
# How far from its neighbours' curve, in widths of the face, a frame's points are hardly believed.
OUTLIER_SHARE: Final = 0.03
LARGEST_GAP_S: Final = 0.4
SHORTEST_S: Final = 0.2
FADE_S: Final = 0.2
LARGEST_STEP: Final = 0.6  # of a face's width, from one frame to the next that shows it
LARGEST_GROWTH: Final = 1.5
# The mean difference of two small grey frames, in levels, from which a new scene begins.
CUT_LEVELS: Final = 30.0

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sighting:
    """A face in one frame.

    Attributes:
        face: where it is.
        units: float32 (K,), its action units.
    """

    face: Face
    units: FloatArray


@dataclass(eq=False)
class Track:
    """A face from frame to frame, without gaps once it is finished.

    Attributes:
        start: the first frame.
        sightings: one a frame; None where it was missed.
    """

    start: int
    sightings: list[Sighting | None]

    @property
    def last(self) -> Sighting:
        """The latest sighting; the list never ends with a gap."""
        found = self.sightings[-1]
        assert found is not None
        return found

    @property
    def end(self) -> int:
        """The frame behind the last."""
        return self.start + len(self.sightings)

    @property
    def mean_area(self) -> float:
        """Of its boxes, in square pixels."""
        return float(np.mean([each.face.area for each in self.sightings if each is not None]))


class Tracker:
    """Links the faces of consecutive frames."""

    def __init__(self, fps: float) -> None:
        self._gap = max(1, round(LARGEST_GAP_S * fps))
        self._shortest = max(1, round(SHORTEST_S * fps))
        self._frame = 0
        self._small: FloatArray | None = None
        self._scene = 0
        self.scenes = [0]
        """The first frame of each scene."""
        self._tracks: list[Track] = []

    def add(self, sightings: Sequence[Sighting], small: FloatArray) -> None:
        """Takes the next frame.

        Args:
            sightings: its faces.
            small: the frame as a few grey pixels, float32, by which a new scene is seen.
        """
        if self._small is not None and np.abs(small - self._small).mean() > CUT_LEVELS:
            self._scene = self._frame
            self.scenes.append(self._frame)
        self._small = small
        open_tracks = [
            track
            for track in self._tracks
            if track.end > self._frame - self._gap and track.start >= self._scene
        ]
        pairs = [
            (_distance(track.last.face, each.face), number, track)
            for number, each in enumerate(sightings)
            for track in open_tracks
        ]
        taken: dict[int, Track] = {}
        used: set[int] = set()
        for distance, number, track in sorted(pairs, key=lambda pair: pair[0]):
            if distance <= LARGEST_STEP and number not in taken and id(track) not in used:
                taken[number] = track
                used.add(id(track))
        for number, each in enumerate(sightings):
            if number not in taken:
                self._tracks.append(Track(self._frame, [each]))
                continue
            sightings_so_far = taken[number].sightings
            sightings_so_far += [None] * (self._frame - taken[number].end)
            sightings_so_far.append(each)
        self._frame += 1

    def finish(self) -> list[Track]:
        """The tracks that are long enough, their gaps filled."""
        found = [
            track
            for track in self._tracks
            if sum(each is not None for each in track.sightings) >= min(self._shortest, self._frame)
        ]
        for track in found:
            track.sightings = _filled(track.sightings)
        return found


def strengths(track: Track, scenes: Sequence[int], frames: int, fps: float) -> FloatArray:
    """How much of its edit a track gets in each of its frames, float32, 0 to 1.

    A face that comes or goes within a scene fades in or out, so that its edit does not jump.

    Args:
        track: finished.
        scenes: the first frame of each.
        frames: of the video.
        fps: frames a second.
    """
    count = len(track.sightings)
    number = np.arange(count, dtype=np.float32)
    fade = max(1.0, FADE_S * fps)
    strength = np.ones(count, np.float32)
    if track.start not in scenes:
        strength = np.minimum(strength, (number + 1) / fade)
    if track.end not in (*scenes, frames):
        strength = np.minimum(strength, (count - number) / fade)
    return strength


def smoothed(track: Track, fps: float) -> list[Sighting]:
    """The sightings of a finished track with points and action units smoothed over time."""
    sightings = [each for each in track.sightings if each is not None]
    shapes = np.stack([_shape(each.face) for each in sightings]).astype(np.float64)
    units = np.stack([each.units for each in sightings]).astype(np.float64)
    widths = np.array([max(each.face.width, 1.0) for each in sightings])
    found = []
    for at, sighting in enumerate(sightings):
        shape = _local_curve(shapes, at, SMOOTH_S * fps, widths[at] * OUTLIER_SHARE)
        near, weights = _bell(len(sightings), at, AU_SMOOTH_S * fps)
        au = np.average(units[near], axis=0, weights=weights)
        found.append(Sighting(_with_shape(sighting.face, shape), au.astype(np.float32)))
    return found


def _local_curve(shapes: Points, at: int, sigma: float, outlier_px: float) -> Points:
    """Where a curve of the second degree through the neighbouring frames goes at one of them.

    Such a curve follows a head that moves, and one that speeds up. Frames in which the points lie
    far from a first curve count little in the second.
    """
    near, weights = _bell(len(shapes), at, sigma)
    degree = min(2, (len(near) - 1) // 2)
    times = (near - at)[:, np.newaxis] ** np.arange(degree + 1)
    values = shapes[near].reshape(len(near), -1)
    for _ in range(2):
        roots = np.sqrt(weights)[:, np.newaxis]
        curve = np.linalg.lstsq(times * roots, values * roots, rcond=None)[0]
        away = np.abs(times @ curve - values).mean(axis=1)
        weights = weights * np.exp(-0.5 * (away / outlier_px) ** 2)
    return np.asarray(curve[0].reshape(shapes.shape[1:]))


def _bell(count: int, at: int, sigma: float) -> tuple[npt.NDArray[np.int64], Points]:
    """The frames around one, and how much each of them counts."""
    reach = round(3 * sigma)
    near = np.arange(max(0, at - reach), min(count, at + reach + 1))
    return near, np.exp(-0.5 * ((near - at) / max(sigma, 1e-6)) ** 2)


def _shape(face: Face) -> FloatArray:
    """The points of a face and its box's corners, (N, 2)."""
    right, bottom = face.left + face.width, face.top + face.height
    box = np.array([[face.left, face.top], [right, bottom]], dtype=np.float32)
    return box if face.points is None else np.concatenate([box, face.points])


def _with_shape(face: Face, shape: FloatArray | Points) -> Face:
    (left, top), (right, bottom) = shape[:2].tolist()
    points = None if face.points is None else shape[2:].astype(np.float32)
    return replace(face, left=left, top=top, width=right - left, height=bottom - top, points=points)


def _distance(one: Face, other: Face) -> float:
    """How far apart in widths of the face; infinite where the sizes are too different."""
    growth = max(one.width, other.width) / max(min(one.width, other.width), 1e-6)
    if growth > LARGEST_GROWTH or (one.points is None) != (other.points is None):
        return float("inf")
    return abs(one.centre - other.centre) / max(one.width, other.width)


def _filled(sightings: list[Sighting | None]) -> list[Sighting | None]:
    """Gaps filled by even steps between their ends."""
    filled = list(sightings)
    known = [number for number, each in enumerate(sightings) if each is not None]
    for before, after in pairwise(known):
        one, other = sightings[before], sightings[after]
        assert one is not None and other is not None
        for number in range(before + 1, after):
            share = (number - before) / (after - before)
            shape = (1 - share) * _shape(one.face) + share * _shape(other.face)
            units = (1 - share) * one.units + share * other.units
            filled[number] = Sighting(
                _with_shape(one.face, shape), np.asarray(units, dtype=np.float32)
            )
    return filled
