"""Faces followed through a video: which are the same, where they lie, smoothed over time.

A detector reads every frame afresh, so its points tremble; framed by them, an edit would tremble on
the face. So a curve is laid through each point's places in the neighbouring frames, before and
after: it follows a head that moves and leaves the trembling out. A face that is missed for a moment
is filled in, unless another lies where it would be; one that is seen for a moment only is taken for
an error. Which people are edited is decided over a scene: who looks away and back is one person.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from efgan_rt.faces.detect import Face
from engines.arrays import FloatArray

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
STEPS_OF_MOTION: Final = 6  # frames by which the way of a face is told
# The mean difference of two small grey frames, in levels, from which a new scene begins.
CUT_LEVELS: Final = 30.0
# The share of the smaller box that another face takes, from which it hides it.
HIDING_SHARE: Final = 0.25
# How far from where they left, in widths of the face, people come back into a scene as the same.
RETURN_STEP: Final = 1.5

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
    def first(self) -> Sighting:
        """The earliest sighting."""
        found = self.sightings[0]
        assert found is not None
        return found

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

    def expected(self, frame: int) -> Face:
        """Where it lies in a frame to come, if it moves on as in its last few."""
        face = self.last.face
        row = self.seen(STEPS_OF_MOTION)
        (since, one), (until, other) = row[0], row[-1]
        step = (other.face.centre - one.face.centre) / max(until - since, 1)
        ahead = step * (frame - until)
        return replace(face, left=face.left + ahead.real, top=face.top + ahead.imag)

    def seen(self, latest: int = 0) -> list[tuple[int, Sighting]]:
        """The frames in which it was seen, of so many latest ones or of all, and how."""
        rows = self.sightings[-latest:]
        numbered = enumerate(rows, start=self.end - len(rows))
        return [(frame, each) for frame, each in numbered if each is not None]


class Tracker:
    """Links the faces of consecutive frames."""

    def __init__(self, fps: float) -> None:
        self._gap = max(1, round(LARGEST_GAP_S * fps))
        self._shortest = max(1, round(SHORTEST_S * fps))
        self._frame = 0
        self._scene = 0
        self.scenes = [0]
        """The first frame of each scene."""
        self._tracks: list[Track] = []

    def add(self, sightings: Sequence[Sighting], change: float) -> None:
        """Takes the next frame.

        Args:
            sightings: its faces.
            change: how much it differs from the frame before, the mean over a few grey pixels, in
                levels; by it a new scene is seen.
        """
        if change > CUT_LEVELS:
            self._scene = self._frame
            self.scenes.append(self._frame)
        open_tracks = [
            track
            for track in self._tracks
            if track.end > self._frame - self._gap and track.start >= self._scene
        ]
        pairs = [
            (_distance(track.expected(self._frame), each.face), number, track)
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
        """The tracks that are long enough, their gaps filled.

        A track in whose gap another face lies is two tracks: there the face is hidden.
        """
        seen = defaultdict(list)
        for track in self._tracks:
            for frame, sighting in track.seen():
                seen[frame].append((track, sighting.face))
        found = []
        for track in self._tracks:
            others = {
                frame: [face for other, face in seen[frame] if other is not track]
                for frame in range(track.start, track.end)
            }
            found += _pieces(track, others)
        shortest = min(self._shortest, self._frame)
        return [track for track in found if len(track.seen()) >= shortest]


def _pieces(track: Track, others: dict[int, list[Face]]) -> list[Track]:
    """A track with its gaps filled, cut where another face hides it."""
    rows = track.seen()
    pieces = [Track(rows[0][0], [rows[0][1]])]
    for (before, one), (after, other) in pairwise(rows):
        between = [
            _between(one, other, (frame - before) / (after - before))
            for frame in range(before + 1, after)
        ]
        hidden = any(
            _overlap(sighting.face, face) >= HIDING_SHARE
            for frame, sighting in enumerate(between, start=before + 1)
            for face in others[frame]
        )
        if hidden:
            pieces.append(Track(after, [other]))
        else:
            pieces[-1].sightings += [*between, other]
    return pieces


def people(tracks: Sequence[Track], scenes: Sequence[int]) -> list[int]:
    """Whose track each is, as numbers.

    Within a scene a face that is gone and comes back near where it left, as large, is the same.

    Args:
        tracks: finished.
        scenes: the first frame of each.
    """
    found = [0] * len(tracks)
    latest: list[Track] = []  # of each person
    for number in sorted(range(len(tracks)), key=lambda each: tracks[each].start):
        track = tracks[number]
        scene = bisect_right(scenes, track.start)
        back = [
            (_distance(other.last.face, track.first.face), person)
            for person, other in enumerate(latest)
            if other.end <= track.start and bisect_right(scenes, other.start) == scene
        ]
        distance, person = min(back, default=(float("inf"), 0))
        if distance > RETURN_STEP:
            person = len(latest)
            latest.append(track)
        latest[person] = track
        found[number] = person
    return found


def largest_people(
    tracks: Sequence[Track], owners: Sequence[int], scenes: Sequence[int], most: int | None
) -> set[int]:
    """The people whose faces fill most of each scene, over all its frames.

    Args:
        tracks: finished.
        owners: of `people`.
        scenes: the first frame of each.
        most: how many of each scene; None for all.
    """
    filled: defaultdict[int, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
    for track, owner in zip(tracks, owners, strict=True):
        scene = bisect_right(scenes, track.start)
        filled[scene][owner] += track.mean_area * len(track.sightings)
    return {
        owner
        for areas in filled.values()
        for owner in sorted(areas, key=lambda each: -areas[each])[:most]
    }


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


def _overlap(one: Face, other: Face) -> float:
    """What two boxes share, as a share of the smaller one."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    return max(width, 0.0) * max(height, 0.0) / max(min(one.area, other.area), 1e-6)


def _between(one: Sighting, other: Sighting, share: float) -> Sighting:
    """A sighting on an even way from one to another."""
    shape = (1 - share) * _shape(one.face) + share * _shape(other.face)
    units = (1 - share) * one.units + share * other.units
    return Sighting(_with_shape(one.face, shape), np.asarray(units, dtype=np.float32))
