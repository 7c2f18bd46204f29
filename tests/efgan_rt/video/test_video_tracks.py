"""Faces followed through a video."""

from collections.abc import Sequence

import numpy as np
import pytest

from efgan_rt.faces.align import similarity_between
from efgan_rt.faces.detect import Face
from efgan_rt.faces.framing import Framed
from efgan_rt.faces.motion import Motion
from efgan_rt.faces.template import STANDARD_POINTS
from efgan_rt.video.steady import Edit, FaceInFrame, SteadyEdits
from efgan_rt.video.tracks import (
    Sighting,
    Track,
    Tracker,
    largest_people,
    people,
    smoothed,
    strengths,
)
from engines.arrays import FloatArray

FPS = 25.0


def face_at(
    x: float, y: float = 100.0, size: float = 80.0, noise: FloatArray | None = None
) -> Face:
    """A face whose five points lie in its box as the template's do."""
    points = STANDARD_POINTS / 128 * size + (x, y)
    if noise is not None:
        points = points + noise
    return Face(x, y, size, size, 0.9, points.astype(np.float32))


def sighting(face: Face, unit: float = 0.0) -> Sighting:
    return Sighting(face, np.array([unit], np.float32))


def tracks_of(frames: Sequence[Sequence[Face]]) -> list[Track]:
    tracker = Tracker(FPS)
    for faces in frames:
        tracker.add([sighting(face) for face in faces], 0.0)
    return tracker.finish()


def test_two_people_are_two_tracks_whatever_the_order_they_are_found_in() -> None:
    frames = [[face_at(10 + t), face_at(300 - t)][:: (-1) ** t] for t in range(20)]
    left, right = sorted(tracks_of(frames), key=lambda track: track.last.face.left)
    assert [each.face.left for each in left.sightings if each] == [10 + t for t in range(20)]
    assert [each.face.left for each in right.sightings if each] == [300 - t for t in range(20)]


def test_a_face_that_is_missed_for_a_moment_is_filled_in() -> None:
    frames = [[] if 8 <= t < 12 else [face_at(10 + 2 * t)] for t in range(20)]
    (track,) = tracks_of(frames)
    np.testing.assert_allclose(
        [each.face.left for each in track.sightings if each], 10 + 2 * np.arange(20), atol=1e-4
    )


def test_a_face_that_is_gone_for_long_comes_back_as_another() -> None:
    frames = [[] if 10 <= t < 30 else [face_at(10)] for t in range(40)]
    assert [(track.start, track.end) for track in tracks_of(frames)] == [(0, 10), (30, 40)]


def test_what_is_seen_for_a_moment_only_is_an_error() -> None:
    frames = [[face_at(10), face_at(300)] if t == 7 else [face_at(10)] for t in range(20)]
    assert len(tracks_of(frames)) == 1


def test_a_video_shorter_than_a_moment_keeps_its_face() -> None:
    assert len(tracks_of([[face_at(10)]])) == 1


def test_faces_of_another_size_or_far_away_are_not_the_same() -> None:
    assert len(tracks_of([[face_at(10)]] * 9 + [[face_at(10, size=160)]] * 9)) == 2
    assert len(tracks_of([[face_at(10)]] * 9 + [[face_at(100)]] * 9)) == 2


def test_a_new_scene_ends_every_track() -> None:
    tracker = Tracker(FPS)
    for t in range(20):
        tracker.add([sighting(face_at(10))], 100.0 if t == 10 else 0.0)
    assert [(track.start, track.end) for track in tracker.finish()] == [(0, 10), (10, 20)]
    assert tracker.scenes == [0, 10]


def crossing(hidden: range) -> list[list[Face]]:
    """Two people who pass each other; the one behind, 2nd in a frame, is not seen for a while."""
    ways = [(face_at(100 + 10 * t), face_at(480 - 10 * t, size=76)) for t in range(40)]
    return [[front] if t in hidden else [front, back] for t, (front, back) in enumerate(ways)]


def test_a_face_that_another_hides_is_not_filled_in() -> None:
    found = tracks_of(crossing(range(15, 24)))
    spans = sorted((track.start, track.end) for track in found)
    assert spans == [(0, 15), (0, 40), (24, 40)]


def test_people_who_cross_stay_who_they_are() -> None:
    (front,) = (each for each in tracks_of(crossing(range(15, 24))) if each.end - each.start == 40)
    assert [each.face.left for _, each in front.seen()] == [100 + 10 * t for t in range(40)]


def test_who_looks_away_and_back_is_one_person() -> None:
    frames = [[] if 10 <= t < 30 else [face_at(10 + t)] for t in range(40)]
    found = tracks_of(frames)
    assert people(found, [0]) == [0, 0]
    # In another scene, elsewhere or as large as nobody grows meanwhile it is another.
    assert people(found, [0, 20]) == [0, 1]
    for other in (face_at(400), face_at(10, size=160)):
        assert people([*found[:1], Track(30, [sighting(other)] * 9)], [0]) == [0, 1]


def test_a_bystander_never_becomes_the_largest_while_she_looks_away() -> None:
    bystander = face_at(300, size=50)
    frames = [[bystander] if 10 <= t < 30 else [face_at(10), bystander] for t in range(40)]
    found = tracks_of(frames)
    owners = people(found, [0])
    wanted = largest_people(found, owners, [0], 1)
    kept = [track for track, owner in zip(found, owners, strict=True) if owner in wanted]
    assert [(each.start, each.end) for each in kept] == [(0, 10), (30, 40)]
    assert largest_people(found, owners, [0], None) == set(owners)


def test_each_scene_has_its_own_largest() -> None:
    large, small = Track(0, [sighting(face_at(10))] * 9), Track(9, [sighting(face_at(9, size=40))])
    assert largest_people([large, small], [0, 1], [0, 9], 1) == {0, 1}
    assert largest_people([large, small], [0, 1], [0], 1) == {0}


def moving_track(noise_px: float, frames: int = 60) -> tuple[Track, list[Face]]:
    """A face on a wide, fast curve, seen with noise in every frame; and as it truly is."""
    random = np.random.default_rng(0)
    true = [face_at(200 + 150 * np.sin(t / 8), 100 + 40 * np.cos(t / 5)) for t in range(frames)]
    seen = [
        face_at(face.left, face.top, noise=random.normal(0, noise_px, (5, 2)).astype(np.float32))
        for face in true
    ]
    return Track(0, [sighting(face) for face in seen]), true


def trembling(faces: Sequence[Face], true: Sequence[Face]) -> float:
    """How much further than the true face each step goes, in pixels, RMS over points."""
    seen, wanted = (np.array([face.points for face in each]) for each in (faces, true))
    errors = seen - wanted
    return float(np.sqrt((np.diff(errors, axis=0) ** 2).mean()))


def test_smoothing_takes_the_trembling_out_of_a_moving_face() -> None:
    track, true = moving_track(1.0)
    raw = [each.face for each in track.sightings if each]
    smooth = [each.face for each in smoothed(track, FPS)]
    assert trembling(smooth, true) < trembling(raw, true) / 4


def test_smoothing_leaves_a_moving_face_where_it_is() -> None:
    track, true = moving_track(0.0)
    for face, wanted in zip(smoothed(track, FPS), true, strict=True):
        assert face.face.points is not None and wanted.points is not None
        assert np.abs(face.face.points - wanted.points).max() < 1.5


def test_one_wild_reading_does_not_move_its_frame() -> None:
    track, true = moving_track(0.2)
    wild = face_at(true[30].left + 12, true[30].top)
    track.sightings[30] = sighting(wild)
    found, wanted = smoothed(track, FPS)[30].face.points, true[30].points
    assert found is not None and wanted is not None
    assert np.abs(found - wanted).max() < 2


def test_action_units_are_averaged_over_time() -> None:
    units = [float(t % 2) for t in range(40)]
    track = Track(0, [sighting(face_at(10), unit) for unit in units])
    found = [each.units[0] for each in smoothed(track, FPS)]
    np.testing.assert_allclose(found[10:30], 0.5, atol=0.02)
    assert smoothed(track, FPS)[0].units.dtype == np.float32


def test_a_track_of_any_length_can_be_smoothed() -> None:
    for frames in (1, 2, 3, 4, 5):
        track, true = moving_track(0.0, frames)
        assert len(smoothed(track, FPS)) == frames
        assert smoothed(track, FPS)[0].face.left == pytest.approx(true[0].left, abs=20)


def test_a_face_fades_in_and_out_within_a_scene_and_not_at_its_borders() -> None:
    track = Track(10, [sighting(face_at(10))] * 20)
    inside = strengths(track, [0], 50, FPS)
    np.testing.assert_allclose(inside[:5], [0.2, 0.4, 0.6, 0.8, 1])
    np.testing.assert_allclose(inside[-5:], [1, 0.8, 0.6, 0.4, 0.2])
    assert strengths(track, [0, 10, 30], 50, FPS).tolist() == [1] * 20
    assert strengths(Track(0, track.sightings), [0], 20, FPS).tolist() == [1] * 20


def edits(crops: Sequence[int], residuals: Sequence[int]) -> list[Edit]:
    """Edits of one face whose crop and residual have one level each."""
    similarity = similarity_between(STANDARD_POINTS, STANDARD_POINTS)
    found = []
    for frame, (level, change) in enumerate(zip(crops, residuals, strict=True)):
        crop = np.full((16, 16, 3), level, np.uint8)
        face = FaceInFrame(sighting(face_at(10)), 1.0, 100.0, 0)
        edit = Edit(frame, Framed(similarity, crop, face.sighting.face), face)
        edit.residual = np.full((16, 16, 3), change, np.int16)
        found.append(edit)
    return found


def level(steady: SteadyEdits, edit: Edit) -> int:
    edited = steady.edited(edit)
    assert not isinstance(edited, Motion)
    return int(edited[0, 0, 0])


def test_edits_of_a_face_that_stays_the_same_do_not_flicker() -> None:
    steady = SteadyEdits(FPS)
    row = edits([100] * 21, [40 + 6 * (-1) ** t for t in range(21)])
    for edit in row:
        steady.add(edit)
    levels = [level(steady, edit) for edit in row]
    assert max(levels[5:-5]) - min(levels[5:-5]) <= 1
    assert levels[10] == pytest.approx(140, abs=1)


def test_a_face_that_changes_keeps_its_own_edit() -> None:
    steady = SteadyEdits(FPS)
    row = edits([100] * 10 + [160] * 10, [40] * 10 + [-40] * 10)
    for edit in row:
        steady.add(edit)
    assert [level(steady, row[t]) for t in (9, 10)] == [140, 120]


def test_what_no_later_frame_needs_is_let_go_of() -> None:
    steady = SteadyEdits(FPS)
    for edit in edits([100] * 20, [0] * 20):
        steady.add(edit)
    steady.forget_before(20)
    assert sorted(steady._tracks[0]) == list(range(20 - steady.reach, 20))
    steady.forget_before(100)
    assert not steady._tracks
