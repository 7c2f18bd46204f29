"""Pairs of a portrait: drawn anew from a seed, packed without losing what counts."""

from collections.abc import Iterator

import numpy as np
import pytest

from efgan_rt.action_units import AU_NAMES, MAX_INTENSITY
from tests.toy_face_model import landmarks_of, toy_face, toy_model
from train.portraits.movement import PARTING, Mover
from train.portraits.pairs import (
    ARRAYS,
    DEPTH_UNIT,
    MOUTH_BIT,
    PLACE_UNIT,
    PROTOTYPES,
    STEPS,
    Pair,
    PairMaker,
    drawn_units,
    framed,
    packed,
)


@pytest.fixture(scope="module")
def maker() -> PairMaker:
    model = toy_model()
    shading = np.full((len(model.neutral), len(AU_NAMES)), 0.01)
    return PairMaker(Mover(model, shading))


def pairs_of(maker: PairMaker) -> Iterator[Pair]:
    face = toy_face(256, {})
    for seed in range(20):
        yield maker.pair(face, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def opening(maker: PairMaker) -> Pair:
    """A pair that opens a mouth which its source does not show."""
    return next(pair for pair in pairs_of(maker) if pair.steps[-1].mouth.sum() > 30)


def test_the_same_seed_gives_the_same_pair(maker: PairMaker) -> None:
    face = toy_face(256, {})
    one, same, other = (maker.pair(face, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one.source, same.source)
    assert np.array_equal(one.steps[1].displacement, same.steps[1].displacement)
    assert not np.array_equal(one.source, other.source)


def test_a_step_is_its_share_of_the_way(maker: PairMaker, opening: Pair) -> None:
    lengths = [np.linalg.norm(step.displacement, axis=2).mean() for step in opening.steps]
    assert lengths[0] == pytest.approx(lengths[2] / 3, rel=0.2)
    assert lengths[1] == pytest.approx(lengths[2] * 2 / 3, rel=0.2)


def test_packing_keeps_a_pairs_precision(opening: Pair) -> None:
    arrays = packed(opening)
    assert {name: (array.shape, array.dtype) for name, array in arrays.items()} == {
        name: (shape, np.dtype(kind)) for name, (shape, kind) in ARRAYS.items()
    }
    off = np.abs(arrays["skin"].astype(np.float32) - opening.skin)
    assert np.nanmax(off) < 1e-3
    assert np.array_equal(np.isnan(arrays["skin"]), np.isnan(opening.skin))
    for step, fields in enumerate(opening.steps):
        off = np.abs(arrays["displacement"][step].astype(np.float32) - fields.displacement)
        assert off.max() < 1 / 128  # pixels of the grid, for movements of up to 16
        mouth = (arrays["weights"][step] & MOUTH_BIT) > 0
        assert np.array_equal(mouth, fields.mouth)
        assert np.array_equal(arrays["weights"][step] & (MOUTH_BIT - 1), fields.weights)
        units = np.array([PLACE_UNIT, DEPTH_UNIT])
        places = arrays["place"][step] * units - [0.5, 0]
        lowest, highest = np.array([-0.5, 0]), np.array([0.5, 0.6])
        wanted = np.clip(fields.place, lowest, highest)
        assert (np.abs(places - wanted)[mouth] <= units * 0.51).all()


def test_a_framed_portrait_keeps_landmarks_and_fit_together() -> None:
    face = framed(toy_face(256, {"AU12": 2.0}), np.random.default_rng(1))
    used = face.landmarks[[33, 263, 61, 291]]
    assert np.abs(landmarks_of(face.fit)[[33, 263, 61, 291]] - used).max() < 1e-6
    assert face.picture.shape == (384, 384, 3)


def test_quiet_units_have_the_mouth_closed_and_all_are_in_range() -> None:
    rng = np.random.default_rng(0)
    parting = [AU_NAMES.index(unit) for unit in PARTING]
    for _ in range(200):
        quiet, any_ = drawn_units(rng, quiet=True), drawn_units(rng)
        assert not quiet[parting].any() and quiet[AU_NAMES.index("AU12")] <= 2
        assert any_.min() >= 0 and any_.max() <= MAX_INTENSITY


def test_named_expressions_are_made_of_known_units() -> None:
    for units in PROTOTYPES.values():
        assert set(units) <= set(AU_NAMES)
        assert all(0 < value <= MAX_INTENSITY for value in units.values())


def test_a_pair_says_as_many_steps_as_the_set_has(opening: Pair) -> None:
    assert len(opening.steps) == STEPS
