"""A picture's fine detail goes with the edit: no ghost of an old line, no smooth patch, no loss."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.faces.align import Similarity, warp
from efgan_rt.faces.detail import plan_detail
from efgan_rt.faces.detect import Face
from efgan_rt.faces.framing import Framed
from efgan_rt.faces.paste import paste
from efgan_rt.pictures.original import Picture, rgb8
from efgan_rt.pictures.read import read_picture

GROWN = 4


def skin(line_y: int | None, seed: int = 2) -> Picture:
    """A face-like tone of 512 pixels with pores, and a thin dark line (lips) at a height."""
    random = np.random.default_rng(seed)
    pores = cv2.GaussianBlur(random.normal(0, 9, (512, 512)).astype(np.float32), (0, 0), 1)
    tone = 170 + pores[..., np.newaxis] * 2.0 + np.array([10, -20, -30], np.float32)
    picture = np.asarray(np.clip(tone, 0, 255), dtype=np.uint8)
    if line_y is not None:
        curve = np.array([[x, line_y + (x - 256) ** 2 // 900] for x in range(170, 342)], np.int32)
        cv2.polylines(picture, [curve], False, (70, 30, 30), 4, cv2.LINE_AA)
    return picture


def framed(picture: Picture) -> Framed:
    to_crop = Similarity(1 / GROWN, (0.5 + 0.5j) / GROWN - 0.5 - 0.5j)
    return Framed(to_crop, rgb8(warp(picture, to_crop, 128, 128)), Face(0, 0, 1, 1))


def added_plainly(face: Framed, picture: Picture, edited: Picture) -> Picture:
    change = np.subtract(edited, face.crop, dtype=np.float32)
    grown = warp(change, face.to_crop.inverse, *picture.shape[1::-1])
    return np.asarray(np.clip(np.rint(picture + grown), 0, 255), dtype=np.uint8)


def sharpness(picture: Picture) -> float:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())


def test_an_edit_of_nothing_plans_nothing() -> None:
    crop = framed(skin(300)).crop
    plan = plan_detail(crop, crop.copy())
    assert not plan.active.any() and (plan.kept == 1).all()


def test_where_the_crop_is_not_edited_nothing_is_planned() -> None:
    crop = framed(skin(300)).crop
    edited = crop.copy()
    edited[70:86, 40:90] = 240
    active = plan_detail(crop, edited).active
    assert active[72:84, 44:86].any()
    active[55:100, 25:105] = False
    assert not active.any()


@pytest.mark.parametrize("moved_px", [12, 48])
def test_no_ghost_of_the_old_line_stays(moved_px: int) -> None:
    before, truth = skin(300), skin(300 + moved_px)
    face, edited = framed(before), framed(truth).crop
    result = before.copy()
    paste(result, face, edited)

    def ghost(picture: Picture) -> float:
        """Fine structure, beyond the pores', where only the old line was."""
        part = (slice(294, 305), slice(230, 282))
        return sharpness(picture[part]) / sharpness(skin(None)[part])

    plain = added_plainly(face, before, edited)
    print(f"ghost: {ghost(result):.2f}, difference alone {ghost(plain):.2f}")
    assert ghost(plain) > 10 and ghost(result) < ghost(plain) / 8


def test_detail_that_moved_is_as_fine_as_it_was() -> None:
    """A line moved by three crop pixels is sharper than the networks could draw it."""
    before, truth = skin(300), skin(312)
    face, edited = framed(before), framed(truth).crop
    result = before.copy()
    paste(result, face, edited)
    part = (slice(296, 328), slice(230, 282))
    drawn = warp(edited, face.to_crop.inverse, 512, 512)
    print(sharpness(result[part]) / sharpness(truth[part]))
    assert sharpness(result[part]) > 0.6 * sharpness(truth[part])
    assert sharpness(result[part]) > 3 * sharpness(drawn[part])


def test_where_a_line_goes_skin_is_lent_and_no_smooth_patch_stays() -> None:
    before = skin(300)
    face, edited = framed(before), framed(skin(None)).crop
    result = before.copy()
    paste(result, face, edited)
    part = (slice(290, 316), slice(230, 282))
    plain = added_plainly(face, before, edited)
    skins = sharpness(skin(None, seed=7)[part])
    print(f"where the line was: {sharpness(result[part]) / skins:.2f} of the skin's fine structure")
    assert 0.5 * skins < sharpness(result[part]) < sharpness(plain[part]) / 8


def test_rendered_pairs_come_nearer_to_the_truth_than_by_the_difference_alone(
    synth_dir: Path,
) -> None:
    """The rendered pictures stand for photographs, their half size for the networks' crop."""

    def half(name: str) -> tuple[Picture, Picture]:
        picture = read_picture(synth_dir / "images" / name)
        small = cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA)
        return picture, np.asarray(small, dtype=np.uint8)

    gains = []
    for person in ("id201", "id214", "id233"):
        for expression in ("happy", "surprised", "angry"):
            before, crop = half(f"{person}_neutral.jpg")
            truth, edited = half(f"{person}_{expression}.jpg")
            to_crop = Similarity(0.5, -0.25 - 0.25j)
            face = Framed(to_crop, crop, Face(0, 0, 1, 1))
            result = before.copy()
            paste(result, face, edited)
            plain = added_plainly(face, before, edited)
            inside = (slice(20, 108), slice(20, 108))
            errors = [
                float(((each[inside].astype(float) - truth[inside]) ** 2).mean())
                for each in (plain, result)
            ]
            gains.append(10 * np.log10(errors[0] / errors[1]))
    print("dB nearer:", np.round(gains, 2))
    assert min(gains) > 0 and np.mean(gains) > 0.7
