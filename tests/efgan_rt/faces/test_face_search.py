"""Faces of every size, turn and light: what the detector is shown so that it finds them."""

import cmath
import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.faces.align import Similarity, warp
from efgan_rt.faces.detect import Face, HaarCascade, YuNet, is_doubtful
from efgan_rt.faces.detector_facts import sha256_of
from efgan_rt.faces.framing import FaceChoice, FaceFramer
from efgan_rt.faces.image import HostImage
from efgan_rt.faces.search import normal_exposure, quarter_turned, views_of
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from efgan_rt.pipeline.faces import no_face_reason

SIDE = 420


@pytest.fixture(scope="module")
def yunet(yunet_file: Path) -> YuNet:
    return YuNet(yunet_file, sha256_of(yunet_file))


@pytest.fixture(scope="module")
def crops(repository: Path) -> list[Picture]:
    return [read_picture(file) for file in sorted((repository / "examples/faces").glob("*.jpg"))]


def portrait(crop: Picture) -> Picture:
    """A face in the middle of a larger picture."""
    ground = tuple(int(value) for value in crop[:4].reshape(-1, 3).mean(axis=0))
    canvas = np.full((SIDE, SIDE, 3), ground, np.uint8)
    canvas[110:310, 110:310] = cv2.resize(crop, (200, 200), interpolation=cv2.INTER_CUBIC)
    return canvas


def turned(picture: Picture, degrees: float) -> tuple[Picture, Similarity]:
    """A picture turned about its middle, and where its points go."""
    height, width = picture.shape[:2]
    side = math.ceil(math.hypot(height, width))
    turn = cmath.exp(1j * math.radians(degrees))
    middle = complex(width - 1, height - 1) / 2
    similarity = Similarity(turn, complex(side - 1, side - 1) / 2 - turn * middle)
    return np.asarray(warp(picture, similarity, side, side), np.uint8), similarity


def points_of(face: Face) -> np.ndarray:
    assert face.points is not None
    return face.points


def error_of(face: Face, expected: np.ndarray) -> float:
    """The mean distance of its points, in distances of the eyes."""
    between = np.linalg.norm(expected[0] - expected[1])
    return float(np.linalg.norm(points_of(face) - expected, axis=1).mean() / between)


def crowd(crops: Sequence[Picture], side: int) -> tuple[Picture, list[complex]]:
    """A picture of 30 megapixels with faces far apart, some of them where tiles meet."""
    canvas = np.full((5000, 6000, 3), (150, 150, 140), np.uint8)
    centres = []
    for number in range(20):
        left, top = 160 + number % 5 * 1400, 210 + number // 5 * 1480
        canvas[top : top + side, left : left + side] = cv2.resize(
            crops[number % len(crops)], (side, side), interpolation=cv2.INTER_AREA
        )
        centres.append(complex(left + side / 2, top + side / 2))
    return canvas, centres


def test_small_faces_are_found_in_a_large_picture(yunet: YuNet, crops: list[Picture]) -> None:
    picture, centres = crowd(crops, 104)  # boxes of about 70 pixels, 3 in the search of the whole
    faces = yunet.find(picture)
    assert len(faces) == len(centres)
    assert all(min(abs(face.centre - centre) for face in faces) < 20 for centre in centres)


@pytest.mark.parametrize(("width", "height"), [(1632, 1224), (4032, 3024)])
def test_the_smallest_faces_are_found_in_pictures_of_usual_sizes(
    yunet: YuNet, crops: list[Picture], width: int, height: int
) -> None:
    picture = np.full((height, width, 3), (150, 150, 140), np.uint8)
    side = 66  # boxes of about 45 pixels
    places = [(x, y) for y in range(90, height - 90, 260) for x in range(120, width - 120, 310)]
    for number, (left, top) in enumerate(places):
        small = cv2.resize(crops[number % len(crops)], (side, side), interpolation=cv2.INTER_AREA)
        picture[top : top + side, left : left + side] = small
    found = yunet.find(picture)
    middle = complex(side, side) / 2
    seen = [
        any(abs(face.centre - complex(x, y) - middle) < side / 3 for face in found)
        for x, y in places
    ]
    assert np.mean(seen) > 0.9


def test_every_child_of_a_school_is_found(yunet: YuNet, cases: Path) -> None:
    picture = read_picture(cases / "crowd" / "school_60MP_80faces_80px.jpg", max_pixels=10**8)
    faces = yunet.find(picture)
    assert len(FaceChoice(min_face_px=40).of(faces)) == len(faces) == 80


@pytest.mark.parametrize(
    ("width", "height", "min_face_px", "views"),
    [
        (128, 128, 40, 1),
        (1200, 900, 40, 2),
        (4032, 3024, 40, 2),  # a telephone's: the whole is enough
        (9504, 6336, 40, 1 + 4 * 3),
        (9504, 6336, 100, 2),
        (1100, 900, 10, 2),
        (3000, 800, 10, 1 + 3),
    ],
)
def test_only_a_picture_in_which_small_faces_would_be_lost_is_searched_in_tiles(
    width: int, height: int, min_face_px: int, views: int
) -> None:
    picture = np.zeros((height, width, 3), np.uint8)
    assert len(list(views_of(HostImage(picture), min_face_px))) == views


def test_a_views_places_are_the_pictures() -> None:
    picture = np.zeros((2000, 6000, 3), np.uint8)
    picture[1500:1540, 4300:4340] = 255
    seen = 0
    for view in views_of(HostImage(picture), 40):
        light = view.image.pixels()[..., 0].astype(np.float64)
        if light.any():
            rows, columns = np.indices(light.shape)
            place = np.array([[np.average(each, weights=light) for each in (columns, rows)]])
            assert np.allclose(view.to_picture.apply(place), (4319.5, 1519.5), atol=6)
            seen += 1
    assert seen == 2  # the whole, and a tile


def test_a_face_that_a_tile_cuts_off_is_left_to_its_neighbour() -> None:
    picture = np.zeros((2000, 5000, 3), np.uint8)
    left, right = list(views_of(HostImage(picture), 40))[:2]
    width = left.image.shape[1]
    assert left.holds(-20, 5, 60, 80) and not left.holds(width - 30, 5, width + 10, 80)
    assert not right.holds(-20, 5, 60, 80)


@pytest.mark.parametrize("quarters", range(4))
def test_the_way_back_from_a_turned_picture_is_exact(quarters: int) -> None:
    picture = np.zeros((5, 9, 3), np.uint8)
    picture[1, 7] = 255
    turned, back = quarter_turned(HostImage(picture), quarters)
    (row,), (column,) = np.nonzero(turned.pixels()[..., 0])
    assert back.apply(np.array([[column, row]])).tolist() == [[7, 1]]


@pytest.mark.parametrize("degrees", [0, 50, 90, 135, 180, 225, 270, 315])
def test_a_face_is_read_rightly_whichever_way_it_lies(
    yunet: YuNet, crops: list[Picture], degrees: float
) -> None:
    for crop in crops[:3]:
        upright = portrait(crop)
        (face,) = yunet.find(upright)
        picture, similarity = turned(upright, degrees)
        (lying,) = yunet.find(picture)
        assert error_of(lying, similarity.apply(points_of(face))) < 0.15


@pytest.mark.slow
@pytest.mark.parametrize("degrees", range(0, 360, 45))
def test_real_people_are_read_rightly_whichever_way_they_lie(
    yunet: YuNet, london_images: Path, degrees: float
) -> None:
    for file in sorted(london_images.glob("*.jpg"))[::36]:
        upright = read_picture(file)
        (face,) = yunet.find(upright)
        picture, similarity = turned(upright, degrees)
        (lying,) = yunet.find(picture)
        assert error_of(lying, similarity.apply(points_of(face))) < 0.15


def test_the_crop_of_a_lying_face_shows_it_upright(yunet: YuNet, crops: list[Picture]) -> None:
    upright = portrait(crops[0])
    framer = FaceFramer(yunet, None, FaceChoice(crops=False))
    (wanted,) = framer.frame(upright)
    (framed,) = framer.frame(np.ascontiguousarray(np.rot90(upright)))
    assert abs(math.degrees(cmath.phase(framed.to_crop.turn)) - 90) < 5
    difference = np.abs(framed.crop.astype(int) - wanted.crop).mean()
    print(f"mean difference {difference:.2f} levels")
    assert difference < 4


def test_a_scan_that_lies_is_framed_upright(yunet: YuNet, cases: Path) -> None:
    scan = read_picture(cases / "files" / "scan_lying.jpg")
    (framed,) = FaceFramer(yunet, None).frame(scan)
    assert 60 < abs(math.degrees(cmath.phase(framed.to_crop.turn))) < 120
    (again,) = yunet.find(framed.crop)
    assert again.score is not None and again.score > 0.85


def test_an_upright_face_is_searched_for_once(
    yunet: YuNet, crops: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = 0
    detect = yunet._network.detect

    def counted(picture: Picture) -> np.ndarray:
        nonlocal runs
        runs += 1
        return detect(picture)

    monkeypatch.setattr(yunet._network, "detect", counted)
    (face,) = yunet.find(portrait(crops[0]))
    assert not is_doubtful(face)
    assert runs == 2 + 2 + 6  # two sizes, the window twice, three windows twice


UPRIGHT = np.array([[40, 40], [60, 40], [50, 52], [42, 62], [58, 62]], np.float32)


@pytest.mark.parametrize(
    ("score", "points", "doubtful"),
    [
        (0.95, UPRIGHT, False),
        (0.85, UPRIGHT, True),
        (0.95, UPRIGHT[:, ::-1], True),
        (0.95, 100 - UPRIGHT, True),
        (0.95, np.full((5, 2), 3, np.float32), True),
        (0.5, None, False),
    ],
    ids=["sure", "low score", "lying", "upside down", "one place", "without points"],
)
def test_a_face_is_doubtful_by_its_score_or_by_its_points(
    score: float, points: np.ndarray | None, doubtful: bool
) -> None:
    assert is_doubtful(Face(20, 20, 60, 60, score, points)) is doubtful


DARK = 0.03


def test_a_face_is_found_in_a_picture_that_is_nearly_black_or_white(
    yunet: YuNet, crops: list[Picture]
) -> None:
    (face,) = yunet.find(portrait(crops[0]))
    usual = portrait(crops[0]).astype(np.float64)
    for changed in (usual * DARK, 255 - (255 - usual) * 0.06):
        picture = np.rint(changed).astype(np.uint8)
        (seen,) = yunet.find(picture)
        assert error_of(seen, points_of(face)) < 0.1


def test_only_pictures_of_an_unusual_exposure_are_brought_to_another(
    crops: list[Picture],
) -> None:
    usual = portrait(crops[0])
    assert normal_exposure(usual) is None
    assert normal_exposure(np.zeros((9, 9, 3), np.uint8)) is None
    assert normal_exposure(np.full((1, 1, 3), 255, np.uint8)) is None
    for change in ((DARK, DARK, DARK), (1, 0.1, 0.1)):
        table = normal_exposure((usual * change).astype(np.uint8))
        assert table is not None
        shown = cv2.LUT((usual * change).astype(np.uint8), table)
        assert 80 < shown.mean() < 150


def test_the_haar_cascade_finds_small_faces_in_a_large_picture(crops: list[Picture]) -> None:
    canvas = np.full((3000, 4800, 3), 150, np.uint8)
    canvas[1000:1064, 3000:3064] = cv2.resize(crops[0], (64, 64), interpolation=cv2.INTER_AREA)
    faces = HaarCascade(40).find(canvas)
    assert any(abs(face.centre - (3032 + 1032j)) < 12 for face in faces)


def test_a_picture_with_too_small_a_face_says_how_large_it_is(
    yunet: YuNet, crops: list[Picture]
) -> None:
    choice = FaceChoice(min_face_px=300, crops=False)
    framer = FaceFramer(yunet, None, choice)
    assert framer.frame(portrait(crops[0])) == ()
    reason = no_face_reason(Path("a.jpg"), choice, framer.smaller_px)
    assert "no face of at least 300 pixels was found; the largest has 1" in reason
    assert framer.frame(np.full((90, 200, 3), 90, np.uint8)) == () and framer.smaller_px is None
    assert "a.jpg: no face was found; --crops" in no_face_reason(
        Path("a.jpg"), FaceChoice(min_face_px=10)
    )
