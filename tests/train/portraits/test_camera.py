"""The model as a camera sees it: near hides far, and a fit moves with its picture."""

import numpy as np

from tests.toy_face_model import landmarks_of, toy_fit, toy_model, turned
from train.portraits.camera import draw, projected
from train.portraits.face_model import NOTHING, SKIN, FaceModel

NONE = np.zeros((1, 1, 3))


def model_of(triangles: list[list[int]], vertices: int) -> FaceModel:
    count = len(triangles)
    return FaceModel(
        np.zeros((vertices, 3)),
        NONE,
        NONE,
        ("jawOpen",),
        np.array(triangles, np.int32),
        np.full(count, SKIN, np.int32),
    )


# x, y down, nearness; clockwise on the screen is turned away.
FAR = [(0.0, 0.0, 0.0), (0.0, 20.0, 0.0), (20.0, 0.0, 0.0)]
NEAR = [(0.0, 0.0, 5.0), (0.0, 8.0, 5.0), (8.0, 0.0, 5.0)]


def test_the_nearer_triangle_is_seen_whichever_is_drawn_first() -> None:
    points = np.array(FAR + NEAR)
    for order in ([[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [0, 1, 2]]):
        drawn = draw(model_of(order, 6), points, 24)
        near = order.index([3, 4, 5])
        assert drawn.triangle[2, 2] == near
        assert drawn.triangle[2, 14] == 1 - near


def test_a_triangle_that_is_turned_away_is_not_drawn() -> None:
    drawn = draw(model_of([[0, 2, 1]], 3), np.array(FAR), 24)
    assert (drawn.part == NOTHING).all() and (drawn.triangle == -1).all()


def test_weights_give_a_pixel_its_own_place() -> None:
    points = np.array(FAR)
    drawn = draw(model_of([[0, 1, 2]], 3), points, 24)
    rows, columns = np.nonzero(drawn.triangle >= 0)
    places = drawn.weights[rows, columns] @ points[:, :2]
    assert np.abs(places - np.stack([columns, rows], axis=1)).max() < 1e-4


def test_triangles_beyond_the_grid_are_cut_off() -> None:
    drawn = draw(model_of([[0, 1, 2]], 3), np.array(FAR) * 10 - 50, 24)
    assert (drawn.triangle == 0).all()


def test_a_fit_moves_as_its_picture_does() -> None:
    fit = toy_fit(200, {"AU12": 3.0}, turned(yaw=12))
    angle = np.deg2rad(7)
    matrix = 1.3 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = np.array([5.0, -9.0])
    before, after = landmarks_of(fit), landmarks_of(fit.moved(matrix, shift))
    used = before.any(axis=1)
    assert np.abs(before[used] @ matrix.T + shift - after[used]).max() < 1e-6


def test_a_grown_picture_makes_near_nearer() -> None:
    fit, model = toy_fit(200, {}), toy_model()
    before = projected(fit, model.neutral)
    after = projected(fit.moved(2 * np.eye(2), np.zeros(2)), model.neutral)
    assert np.allclose(after[:, 2], 2 * before[:, 2])
