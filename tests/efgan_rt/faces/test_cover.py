"""What covers a face is left as it is, and a free face is edited as ever."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.faces.align import Similarity
from efgan_rt.faces.cover import covered_share, fitted, free_share
from efgan_rt.faces.detect import Face
from efgan_rt.faces.framing import Framed
from efgan_rt.faces.motion import FIELDS, SHADED, Motion
from efgan_rt.faces.mouths import Mouths
from efgan_rt.faces.paste import paste
from efgan_rt.faces.template import STANDARD_POINTS
from efgan_rt.pictures.original import Picture

FACES = sorted((Path(__file__).parents[3] / "examples" / "faces").glob("*.jpg"))
SKIN, CLOTH, DARK = (196, 146, 120), (170, 205, 225), (30, 30, 34)


def face(number: int) -> Picture:
    bgr = cv2.imread(str(FACES[number]))
    assert bgr is not None
    return np.asarray(bgr[..., ::-1], np.uint8)


def with_hand(crop: Picture) -> tuple[Picture, Picture]:
    """Four fingers over the mouth, and what they cover, 0 or 1."""
    drawn, mask = crop.copy(), np.zeros(crop.shape[:2], np.uint8)
    for finger in range(4):
        ends = (38 + 4 * finger, 84 + 12 * finger), (110, 88 + 11 * finger)
        shade = [level * (0.85 + 0.08 * (finger % 2)) for level in SKIN]
        cv2.line(drawn, *ends, [0.7 * level for level in shade], 13, cv2.LINE_AA)
        cv2.line(drawn, *ends, shade, 9, cv2.LINE_AA)
        cv2.line(mask, *ends, 1, 12)
    return drawn, mask


def with_mask(crop: Picture) -> tuple[Picture, Picture]:
    outline = np.array([[30, 70], [64, 62], [98, 70], [94, 105], [64, 122], [34, 105]], np.int32)
    drawn, mask = crop.copy(), np.zeros(crop.shape[:2], np.uint8)
    cv2.fillPoly(drawn, [outline], CLOTH, cv2.LINE_AA)
    cv2.fillPoly(mask, [outline], 1)
    return drawn, mask


def with_microphone(crop: Picture) -> tuple[Picture, Picture]:
    drawn, mask = crop.copy(), np.zeros(crop.shape[:2], np.uint8)
    cv2.circle(drawn, (64, 100), 15, DARK, -1, cv2.LINE_AA)
    cv2.line(drawn, (64, 100), (76, 127), DARK, 12)
    cv2.circle(mask, (64, 100), 15, 1, -1)
    return drawn, mask


@pytest.mark.parametrize("number", range(len(FACES)))
def test_a_free_face_is_free(number: int) -> None:
    assert free_share(face(number)) is None


@pytest.mark.parametrize("cover", [with_hand, with_mask, with_microphone])
def test_most_of_a_cover_is_left_and_the_rest_of_the_face_is_not(cover: object) -> None:
    assert callable(cover)
    left, kept = [], []
    for number in range(len(FACES)):
        crop, mask = cover(face(number))
        free = free_share(crop)
        share = np.ones((128, 128), np.float32) if free is None else fitted(free, 128)
        left.append(float((share[mask > 0] < 0.5).mean()))
        kept.append(float((share[20:58, 34:94] > 0.5).mean()))
    assert np.mean(left) >= 0.8
    assert np.mean(kept) >= 0.9


def shaded(crop: Picture, points: bool) -> tuple[Picture, Picture]:
    """A crop as a picture, before and after an edit that darkens all of it."""
    fields = np.zeros((32, 32, FIELDS), np.float16)
    fields[..., SHADED] = -0.3
    mouths = Mouths(np.zeros((1, 4, 4, 3), np.uint8), np.ones((1, 3), np.float32))
    found = Face(20, 20, 88, 100, 0.9, STANDARD_POINTS if points else None)
    after = crop.copy()
    paste(after, Framed(Similarity(1, 0), crop, found), Motion(fields, 0, mouths))
    return crop, after


def test_covered_pixels_keep_their_bits_and_the_rest_is_edited() -> None:
    crop, mask = with_mask(face(0))
    before, after = shaded(crop, points=True)
    change = np.abs(before.astype(int) - after).max(axis=2)
    deep = cv2.erode(mask, np.ones((15, 15), np.uint8)) > 0
    assert (change[deep] == 0).mean() > 0.9
    assert (change[30:50, 40:88] > 0).mean() > 0.9


def test_a_crop_in_which_no_face_was_looked_for_is_edited_everywhere() -> None:
    crop, mask = with_mask(face(0))
    before, after = shaded(crop, points=False)
    assert (np.abs(before.astype(int) - after).max(axis=2)[mask > 0] > 0).mean() > 0.95


def test_of_a_face_that_the_picture_cuts_off_nothing_is_asked() -> None:
    crop, _ = with_mask(face(0))
    fields = np.zeros((32, 32, FIELDS), np.float16)
    fields[..., SHADED] = -0.3
    mouths = Mouths(np.zeros((1, 4, 4, 3), np.uint8), np.ones((1, 3), np.float32))
    found = Face(20, 20, 88, 100, 0.9, STANDARD_POINTS)
    for rows, is_asked in ((128, True), (118, True), (112, False)):
        picture = crop[:rows].copy()
        paste(picture, Framed(Similarity(1, 0), crop, found), Motion(fields, 0, mouths))
        is_left = (picture[90:100, 56:72] == crop[90:100, 56:72]).mean() > 0.9
        assert is_left == is_asked


def test_an_edit_that_repaints_stays_away_too() -> None:
    crop, mask = with_mask(face(0))
    found = Face(20, 20, 88, 100, 0.9, STANDARD_POINTS)
    after = crop.copy()
    edited = np.asarray(cv2.subtract(crop, np.full_like(crop, 40)), np.uint8)
    paste(after, Framed(Similarity(1, 0), crop, found), edited)
    deep = cv2.erode(mask, np.ones((15, 15), np.uint8)) > 0
    change = np.abs(crop.astype(int) - after).max(axis=2)
    assert (change[deep] == 0).mean() > 0.9
    assert change[30:50, 40:88].mean() > 30


def test_the_network_says_shares() -> None:
    share = covered_share(face(0))
    assert share.shape == (32, 32)
    assert share.min() >= 0 and share.max() <= 1
