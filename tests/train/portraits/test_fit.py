"""A known face comes back from its landmarks, and its action units from how they moved."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from efgan_rt.action_units import AU_NAMES
from tests.toy_face_model import landmarks_of, toy_fit, toy_model, turned
from train.portraits.face_model import load_face_model
from train.portraits.fit import (
    OWN_INTENSITY,
    fit,
    fitted_face,
    moved_units,
    said_units,
    scored_shapes,
)

SMILE, CHEEKS = AU_NAMES.index("AU12"), AU_NAMES.index("AU06")


def scores_of(expression: np.ndarray) -> dict[str, float]:
    """As MediaPipe would name the shapes of a face."""
    scores = {}
    for name, value in zip(toy_model().names, expression, strict=True):
        scores[name.replace("_L", "Left").replace("_R", "Right")] = float(value)
    scores["browInnerUp"] = scores.pop("browInnerUpLeft")
    del scores["browInnerUpRight"]
    return scores


def test_scores_are_the_shapes_of_their_names() -> None:
    known = toy_fit(256, {"AU12": 4.0, "AU01": 2.0, "AU26": 1.0})
    found = scored_shapes(toy_model(), scores_of(known.expression) | {"tongueOut": 1.0})
    assert np.allclose(found, known.expression)


@pytest.mark.parametrize(("yaw", "roll"), [(0, 0), (15, 6), (-10, -20)])
def test_a_known_pose_and_known_shapes_come_back(yaw: float, roll: float) -> None:
    known = toy_fit(256, {"AU12": 3.5, "AU01": 2.0, "AU25": 2.5}, turned(yaw, roll))
    landmarks = landmarks_of(known)
    found, error_cm = fit(toy_model(), landmarks, scores_of(known.expression))
    assert error_cm < 0.05
    angle = np.arccos(np.clip((np.trace(found.rotation @ known.rotation.T) - 1) / 2, -1, 1))
    assert np.rad2deg(angle) < 2
    assert found.scale == pytest.approx(known.scale, rel=0.02)
    assert np.abs(found.expression - known.expression).max() < 0.1
    used = landmarks.any(axis=1)
    off = np.linalg.norm(landmarks_of(found) - landmarks, axis=1)[used]
    assert off.max() < 0.15 * known.scale


def test_real_faces_fit_as_well_as_they_are_known_to(
    shared_face_model: Callable[[], Path], shared_portraits: Path
) -> None:
    model = load_face_model(shared_face_model())
    with np.load(shared_portraits / "fits.npz") as file:
        landmarks, scores = file["landmarks"][:400:200], file["blendshapes"][:400:200]
        names = [str(name) for name in file["blendshape_names"]]
    with (shared_portraits / "portraits.csv").open() as table:
        known = [float(row["fit_error_cm"]) for row in csv.DictReader(table)][:400:200]
    for points, values, error_cm in zip(landmarks, scores, known, strict=True):
        named = dict(zip(names, values.tolist(), strict=True))
        _, found = fit(model, points.astype(np.float64), named)
        assert found == pytest.approx(error_cm, abs=0.02)  # the landmarks are kept in half


def test_landmarks_of_no_face_do_not_fit() -> None:
    rng = np.random.default_rng(0)
    _, error_cm = fit(toy_model(), rng.uniform(0, 256, (478, 2)), {})
    assert error_cm > 0.35


def test_a_face_at_rest_has_no_units() -> None:
    known = toy_fit(256, {})
    found = moved_units(toy_model(), known, landmarks_of(known))
    assert np.abs(found).max() < 1e-3
    assert not said_units(np.zeros(17, np.float32), smile=0.0, gap=0.0, lids=0.3).any()


@pytest.mark.parametrize("unit", ["AU01", "AU04", "AU12", "AU15", "AU26"])
def test_a_unit_is_read_off_what_it_moves(unit: str) -> None:
    known = toy_fit(256, {unit: 3.0})
    found = moved_units(toy_model(), known, landmarks_of(known))
    assert int(found.argmax()) == AU_NAMES.index(unit)
    assert found[AU_NAMES.index(unit)] == pytest.approx(3.0, abs=0.8)


def test_a_smile_that_is_scored_high_is_said_to_be_one() -> None:
    said = said_units(np.zeros(17, np.float32), smile=0.9, gap=0.15, lids=0.3)
    assert said[SMILE] == pytest.approx(4.7 * 0.9, abs=1e-5)
    assert said[CHEEKS] == pytest.approx(0.75 * 4.7 * 0.9, abs=1e-5)
    assert said[AU_NAMES.index("AU25")] == pytest.approx(2.5, abs=1e-5)


def test_what_a_resting_face_seems_to_show_is_its_own_shape() -> None:
    units = np.zeros(17, np.float32)
    brows = AU_NAMES.index("AU01")
    units[brows] = OWN_INTENSITY
    assert said_units(units, smile=0.0, gap=0.0, lids=0.3)[brows] == 0
    units[brows] = 5
    assert said_units(units, smile=0.0, gap=0.0, lids=0.3)[brows] == pytest.approx(5)


@pytest.mark.parametrize(("lids", "blink"), [(0.3, 0), (0.115, 2.5), (0.05, 5), (0.0, 5)])
def test_shut_lids_are_said_whatever_the_fit_makes_of_them(lids: float, blink: float) -> None:
    said = said_units(np.zeros(17, np.float32), smile=0.0, gap=0.0, lids=lids)
    assert said[AU_NAMES.index("AU45")] == pytest.approx(blink, abs=1e-5)


def test_a_smile_moves_the_model_by_the_mean_of_what_is_said_and_seen() -> None:
    known = toy_fit(256, {"AU12": 2.0})
    landmarks = landmarks_of(known)
    picture = np.zeros((256, 256, 3), np.uint8)
    face = fitted_face(toy_model(), picture, known, landmarks, smile=0.8)
    seen = moved_units(toy_model(), known, landmarks)
    assert face.moved[SMILE] == pytest.approx((seen[SMILE] + face.said[SMILE]) / 2, abs=1e-5)
    assert face.said[SMILE] > face.moved[SMILE] > seen[SMILE]
    assert face.gap == pytest.approx(0.06 / 5.2, rel=0.3)
