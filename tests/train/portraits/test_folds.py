"""Pictures of what units do to light, on the neutral face seen from the front."""

import numpy as np
import pytest

from efgan_rt.action_units import AU_NAMES
from tests.toy_face_model import toy_face, toy_model
from train.portraits.creases import crease_shade
from train.portraits.face_model import units_vector
from train.portraits.folds import FOLDS_PX, drawn_places, fold_pictures, skin_places
from train.portraits.movement import Mover


def test_places_go_right_and_down_from_the_middle_of_the_face() -> None:
    places = skin_places(np.array([[0.0, 1.0, 5.0], [8.0, 1.0, 0.0], [0.0, 10.0, 0.0]]))
    assert places.tolist() == [[0, 0], [1, 0], [0, -1]]


def test_a_picture_has_a_units_shading_where_the_skin_is_and_none_beside_it() -> None:
    model = toy_model()
    shading = np.zeros((len(model.neutral), len(AU_NAMES)))
    shading[:, AU_NAMES.index("AU06")] = 0.05  # a unit without folds
    pictures = fold_pictures(model, shading)
    assert pictures.shape == (len(AU_NAMES), FOLDS_PX, FOLDS_PX)
    cheek = pictures[AU_NAMES.index("AU06")]
    assert cheek.max() == pytest.approx(0.05, abs=1e-4) and not cheek[0].any()
    assert not pictures[AU_NAMES.index("AU45")].any()


def test_a_fold_lies_where_it_was_drawn() -> None:
    model = toy_model()
    picture = fold_pictures(model, np.zeros((len(model.neutral), len(AU_NAMES))))
    unit = np.zeros(len(AU_NAMES), np.float32)
    unit[AU_NAMES.index("AU10")] = 1
    places = np.array([[x, y, 0.0] for x in np.linspace(-3, 3, 9) for y in np.linspace(-3, 1, 9)])
    at = np.rint((skin_places(places) + 1) * FOLDS_PX / 2 - 0.5).astype(int)
    looked_up = picture[AU_NAMES.index("AU10"), at[:, 1], at[:, 0]]
    drawn = crease_shade(places, unit)
    on_skin = picture[AU_NAMES.index("AU10"), at[:, 1], at[:, 0]] != 0
    assert on_skin.sum() > 20
    assert np.abs(looked_up - drawn)[on_skin].max() < 0.02
    assert np.corrcoef(looked_up[on_skin], drawn[on_skin])[0, 1] > 0.9


def test_every_pixel_of_a_drawn_face_knows_its_place() -> None:
    model, face = toy_model(), toy_face(128, {})
    mover = Mover(model)
    drawn = mover.drawn(mover.points(face, units_vector({}), 64), 64)
    places = drawn_places(model, drawn)
    seen = drawn.triangle >= 0
    assert np.array_equal(np.isnan(places[..., 0]), ~seen)
    rows, columns = np.nonzero(seen)
    assert np.corrcoef(columns, places[seen][:, 0])[0, 1] > 0.99
    assert np.corrcoef(rows, places[seen][:, 1])[0, 1] > 0.99
