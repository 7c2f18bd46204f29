"""Fields between two states of a face: nothing for no change, true where the source shows it."""

import cv2
import numpy as np
import pytest

from efgan_rt.action_units import AU_NAMES
from efgan_rt.faces.mouths import DEPTH
from tests.toy_face_model import landmarks_of, painted, toy_face, toy_model, turned
from train.portraits import shading
from train.portraits.face_model import EYE, EYES, FACE, MOUTH, SKIN, units_vector
from train.portraits.movement import (
    OPENED_GAP,
    Mover,
    lids_seams,
    lips_seam,
    moved_picture,
    seam_darkened,
)

SIDE = 128


@pytest.fixture(scope="module")
def mover() -> Mover:
    return Mover(toy_model())


def test_no_change_moves_nothing(mover: Mover) -> None:
    face = toy_face(256, {"AU12": 2.0})
    own = mover.drawn(mover.points(face, face.moved, SIDE), SIDE)
    fields = mover.fields(own, own, np.zeros(17, np.float32))
    assert not fields.displacement.any()
    assert not fields.mouth.any() and not fields.shade.any()
    assert np.array_equal(moved_picture(face.picture, fields.displacement), face.picture)


def test_a_face_of_its_own_units_lies_on_its_landmarks(mover: Mover) -> None:
    face = toy_face(256, {"AU12": 2.0}, turned(yaw=10))
    points = mover.points(face, face.moved, 256)[list(toy_model().landmarks)]
    used = landmarks_of(face.fit)
    assert points[36, :2] == pytest.approx(used[33], abs=0.3)
    assert points[48, :2] == pytest.approx(used[61], abs=0.3)


@pytest.mark.parametrize("units", [{"AU12": 3.0}, {"AU01": 4.0, "AU02": 4.0}, {"AU04": 4.0}])
@pytest.mark.parametrize("yaw", [0.0, 12.0])
def test_a_moved_picture_is_the_target_where_the_source_shows_it(
    mover: Mover, units: dict[str, float], yaw: float
) -> None:
    side = 256
    face = toy_face(side, {}, turned(yaw))
    before = mover.drawn(mover.points(face, face.moved, side), side)
    after = mover.drawn(mover.points(face, units_vector(units), side), side)
    fields = mover.fields(before, after)
    assert np.linalg.norm(fields.displacement, axis=2).max() > 3
    target, moved = painted(after), moved_picture(painted(before), fields.displacement)
    # Not at the face's rim and the lips' slit, where a pixel mixes what lies apart.
    inner = cv2.erode((after.part == SKIN).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    off = np.abs(moved.astype(int) - target)[inner]
    unmoved = np.abs(painted(before).astype(int) - target)[inner]
    assert off.mean() < 1.0 and np.percentile(off, 99) < 8
    assert off.mean() < unmoved.mean() / 4


def test_movement_fades_out_beyond_the_model(mover: Mover) -> None:
    face = toy_face(256, {})
    before = mover.drawn(mover.points(face, face.moved, SIDE), SIDE)
    after = mover.drawn(mover.points(face, units_vector({"AU12": 4.0, "AU26": 5.0}), SIDE), SIDE)
    displacement = mover.fields(before, after).displacement
    assert np.abs(displacement[:2]).max() < 0.05
    assert np.isfinite(displacement).all()


def test_a_mouth_that_opens_has_places_that_the_source_does_not_show(mover: Mover) -> None:
    face = toy_face(256, {})
    before = mover.drawn(mover.points(face, face.moved, SIDE), SIDE)
    after = mover.drawn(mover.points(face, units_vector({"AU25": 3.0, "AU26": 5.0}), SIDE), SIDE)
    fields = mover.fields(before, after)
    assert fields.mouth.sum() > 50
    assert (after.part[fields.mouth] == MOUTH).all()
    along, down = fields.place[fields.mouth].T
    assert -0.55 < along.min() < -0.2 and 0.2 < along.max() < 0.55
    assert -0.05 < down.min() < 0.05 and 0.1 < down.max() < 0.6
    rows = np.nonzero(fields.mouth)[0]
    assert np.corrcoef(rows, down)[0, 1] > 0.9
    assert not fields.place[~fields.mouth].any()


def test_a_mouth_that_is_open_already_stays_its_own(mover: Mover) -> None:
    face = toy_face(256, {"AU25": 3.0, "AU26": 5.0})
    own = mover.drawn(mover.points(face, face.moved, SIDE), SIDE)
    wider = units_vector({"AU12": 3.0, "AU25": 3.0, "AU26": 5.0})
    fields = mover.fields(own, mover.drawn(mover.points(face, wider, SIDE), SIDE))
    shown = (own.part == MOUTH).sum()
    assert shown > 50 and fields.mouth.sum() < 0.15 * shown


def test_weights_say_where_face_mouth_and_eyes_are(mover: Mover) -> None:
    face = toy_face(256, {})
    own = mover.drawn(mover.points(face, face.moved, SIDE), SIDE)
    weights = mover.fields(own, own).weights
    marks = own.points[list(toy_model().landmarks), :2].round().astype(int)
    assert all(weights[y, x] & 2 for x, y in marks[48:60])
    assert all(weights[y, x] & 4 for x, y in marks[36:48])
    assert not any(weights[y, x] & 6 for x, y in marks[27:31])
    assert np.array_equal(weights & 1 > 0, own.part > 0)


def test_shade_is_what_the_gained_units_say_on_skin_alone() -> None:
    model = toy_model()
    table = np.zeros((len(model.neutral), len(AU_NAMES)))
    table[:, AU_NAMES.index("AU12")] = 0.04
    mover = Mover(model, table)
    face = toy_face(256, {})
    before = mover.drawn(mover.points(face, face.moved, SIDE), SIDE)
    gained = units_vector({"AU12": 3.0, "AU26": 5.0})
    after = mover.drawn(mover.points(face, gained, SIDE), SIDE)
    shade = mover.fields(before, after, gained).shade
    inner = cv2.erode((after.part == SKIN).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert shade[inner] == pytest.approx(0.12, abs=1e-3)
    assert not shade[:2].any()
    assert np.array_equal(mover.fields(before, after).shade, np.zeros((SIDE, SIDE)))


def test_the_shapes_darken_what_turns_from_the_light_and_never_more_than_allowed() -> None:
    table = shading.from_shapes(toy_model())
    assert table.shape == (len(toy_model().neutral), 17)
    assert np.abs(table).max() <= shading.LARGEST / 5
    cheeks = table[: FACE[1] + 1, AU_NAMES.index("AU06")]
    assert cheeks.min() < -0.001 and cheeks.max() > 0.001
    assert not table[FACE[1] + 1 :].any()


@pytest.mark.parametrize("of", ["lips", "lids"])
def test_a_seam_is_dark_where_lips_or_lids_meet_and_nowhere_else(mover: Mover, of: str) -> None:
    face = toy_face(256, {})
    points = mover.points(face, units_vector({"AU45": 5}), 256)
    plain = np.full((256, 256, 3), 200, np.float32)
    lines = (lips_seam if of == "lips" else lids_seams)(points, toy_model())
    seamed = seam_darkened(plain, lines, strength=0.5, soft=1.5)
    marks = points[list(toy_model().landmarks), :2]
    above, below = (62, 66) if of == "lips" else (37, 41)
    x, y = ((marks[above] + marks[below]) / 2).round().astype(int)
    assert seamed[y, x, 1] == pytest.approx(100, abs=15)
    assert np.array_equal(seamed[: y - 20], plain[: y - 20])


def gaps(mover: Mover, points: np.ndarray) -> list[float]:
    """Of both pairs of both eyes' lids, as shares of the eye's width."""
    marks = points[list(mover.model.landmarks), :2]
    return [
        (marks[lower] - marks[upper])[1] / (marks[eye.start + 3] - marks[eye.start])[0]
        for eye in EYES
        for upper, lower in (
            (eye.start + 1, eye.start + 5),
            (eye.start + 2, eye.start + 4),
        )
    ]


def test_lids_meet_in_a_state_that_shuts_them(mover: Mover) -> None:
    face = toy_face(256, {})
    open_, half, shut = (
        gaps(mover, mover.points(face, units_vector({"AU45": unit}), 256)) for unit in (0, 2.5, 5)
    )
    assert min(open_) > 0.3
    assert all(a > b > c for a, b, c in zip(open_, half, shut, strict=True))
    assert max(np.abs(shut)) < 0.08


def test_shut_eyes_open_to_a_usual_gap(mover: Mover) -> None:
    face = toy_face(256, {"AU45": 5.0})
    assert face.lids < 0.1
    opened = gaps(mover, mover.points(face, units_vector({}), 256))
    assert opened == pytest.approx([OPENED_GAP] * 4, abs=0.1)
    own = gaps(mover, mover.points(face, face.moved, 256))
    assert max(np.abs(own)) < 0.1


def test_an_eye_that_opens_has_places_between_its_corners(mover: Mover) -> None:
    face = toy_face(256, {"AU45": 5.0})
    before = mover.drawn(mover.points(face, face.moved, SIDE), SIDE)
    after = mover.drawn(mover.points(face, units_vector({}), SIDE), SIDE)
    fields = mover.fields(before, after)
    marks = after.points[list(mover.model.landmarks), :2]
    apart = np.linalg.norm(marks[45] - marks[36])
    for eye in EYES:
        begin, end = marks[eye.start], marks[eye.start + 3]
        width, middle = end[0] - begin[0], (begin + end) / 2
        near = np.abs(np.mgrid[:SIDE, :SIDE][1] - middle[0]) < width / 2
        rows, columns = np.nonzero(fields.mouth & near & (after.part == EYE))
        assert len(rows) > width  # a few rows of pixels
        place = fields.place[rows, columns]
        assert place[:, 0] == pytest.approx((columns - middle[0]) / width, abs=0.02)
        assert place[:, 1] == pytest.approx((rows - middle[1]) / apart + DEPTH / 2, abs=0.02)
    assert not mover.fields(after, after).mouth.any()  # its own eyes stay


def test_no_line_of_the_eye_is_left_between_shut_lids(mover: Mover) -> None:
    face = toy_face(256, {})
    before = mover.drawn(mover.points(face, face.moved, SIDE, lids_apart=True), SIDE)
    after = mover.drawn(mover.points(face, units_vector({"AU45": 5}), SIDE), SIDE)
    fields = mover.fields(before, after)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    from_row = np.rint(rows + fields.displacement[..., 1]).astype(int).clip(0, SIDE - 1)
    from_column = np.rint(columns + fields.displacement[..., 0]).astype(int).clip(0, SIDE - 1)
    shows_eye = before.part[from_row, from_column] == EYE
    assert (before.part == EYE).sum() > 60
    assert shows_eye.sum() <= 0.1 * (before.part == EYE).sum()
