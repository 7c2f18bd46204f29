"""The measurements of photographs measure what they say, on rendered faces and the real engines."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.kit import london_pairs
from benchmarks.photograph_faces import (
    Kit,
    added_alone,
    grown,
    pasted,
    sharpness,
    with_faces,
    with_grain,
)
from benchmarks.photographs import (
    as_kind,
    measure_crop_rule,
    measure_orientations,
    measure_sharpness,
    measure_truth,
    outside_mask,
)
from benchmarks.readme_tables import photographs
from efgan_rt.engine_sets import shipped_set
from efgan_rt.errors import EfganError
from efgan_rt.faces.align import Similarity
from efgan_rt.faces.detect import Face
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import write_picture


@pytest.fixture(scope="module")
def kit(yunet_file: Path) -> Kit:
    engines = shipped_set()
    assert engines is not None
    return Kit.open(engines, yunet_file)


@pytest.fixture(scope="module")
def example(repository: Path) -> Picture:
    return read_picture(sorted((repository / "examples" / "faces").glob("*.jpg"))[2])


@pytest.fixture(scope="module")
def photograph(example: Picture) -> Picture:
    return with_faces(400, 500, [(example, Similarity(2 * np.exp(0.1j), 120 + 60j))])


def test_a_laid_in_face_is_found_and_edited_once_for_each_expression(
    kit: Kit, photograph: Picture
) -> None:
    (framed,) = kit.framer.frame(photograph)
    assert kit.edited(framed, "happy") is kit.edited(framed, "happy")
    assert not np.array_equal(kit.edited(framed, "happy"), kit.edited(framed, "angry"))
    result = pasted(photograph, framed, kit.edited(framed, "happy"))
    outside = outside_mask(framed, (400, 500))
    assert outside.any() and not outside.all()
    assert np.array_equal(result[outside], photograph[outside])
    alone = added_alone(photograph, framed, kit.edited(framed, "happy"))
    assert np.array_equal(alone[outside], photograph[outside])
    assert not np.array_equal(alone, result)


def test_all_orientations_are_edited_as_the_upright_picture(
    kit: Kit, photograph: Picture, tmp_path: Path
) -> None:
    found = measure_orientations(kit, photograph, tmp_path)
    assert found["edited_as_upright"] == found["tried"] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_crops_and_photographs_are_told_apart(
    kit: Kit, example: Picture, photograph: Picture
) -> None:
    found = measure_crop_rule(kit, [example], [photograph])
    assert found["crops_taken_for_crops"] == 1 and found["portraits_taken_for_crops"] == 0


def test_sharpness_is_measured_in_the_face_alone(photograph: Picture) -> None:
    face = Face(150, 80, 200, 200)
    before = sharpness(photograph, face)
    elsewhere = photograph.copy()
    elsewhere[300:, :100:2] = 255
    assert sharpness(elsewhere, face) == before < sharpness(with_grain(photograph), face)


def test_each_form_has_its_ratios(kit: Kit, photograph: Picture) -> None:
    found = measure_sharpness(kit, {"one": photograph})
    assert set(found) == {"as_it_is", "at_1024_px", "at_1024_px_with_grain"}
    for of_form in found.values():
        assert of_form["pasted"]["n"] == of_form["difference_alone"]["n"] == 3
    grain = found["at_1024_px_with_grain"]["pasted"]
    print(found)
    assert grain["least"] > 0.85 and grain["most"] < 1.2


def test_the_paste_comes_nearer_to_the_truth(synth_dir: Path) -> None:
    for row in measure_truth(synth_dir, ["id202", "id215"]):
        print(row)
        assert row["pairs"] == 6
        assert row["psnr_db_pasted"] > row["psnr_db_difference_alone"]


def test_kinds_of_pixels() -> None:
    picture = np.full((4, 5, 3), (200, 100, 50), np.uint8)
    kinds = {kind: as_kind(picture, kind) for kind in ("rgb8", "grey8", "rgb16", "grey16")}
    assert kinds["rgb8"] is not picture and kinds["rgb16"][0, 0, 0] == 200 * 257
    assert kinds["grey8"].shape == (4, 5) and kinds["grey16"].dtype == np.uint16
    assert grown(picture, 2).shape == (8, 10, 3)


def test_the_test_people_alone_are_measured(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("112_neutral", "112_happy", "113_neutral", "020_neutral", "020_happy"):
        write_picture(tmp_path / "images" / f"{name}.jpg", np.zeros((8, 8, 3), np.uint8))
    assert list(london_pairs(tmp_path)) == ["112"]
    with pytest.raises(
        EfganError, match=r"nobody with images/N_neutral\.jpg and images/N_happy\.jpg"
    ):
        london_pairs(tmp_path / "images")


def test_the_readme_says_what_was_measured() -> None:
    spread = {"n": 6, "least": 0.91, "median": 0.95, "most": 1.02}
    document = {
        "sizes": [
            {"face_px": 40, "found": 1, "identity_change": 0, "change_outside_the_mask": 0},
            {"face_px": 2000, "found": 0},
        ],
        "five_faces": {"found": 4, "faces": 5, "pixels": 24_000_000},
        "crop_rule": {
            "crops": 12, "crops_taken_for_crops": 11,
            "portraits": 3, "portraits_taken_for_crops": 0,
        },
        "orientations": {"tried": [1, 2], "edited_as_upright": [1]},
        "truth": [
            {
                "picture_px_of_a_crop_px": 2,
                "psnr_db_difference_alone": 31.42,
                "psnr_db_pasted": 33.12,
            }
        ],
        "sharpness": {
            "portraits": {
                form: {"pasted": spread}
                for form in ("at_1024_px_with_grain", "as_it_is", "at_1024_px")
            }
        },
    }  # fmt: skip
    text = photographs(document)
    for expected in (
        "Faces of 40 to 2,000 pixels",
        "4 of 5 faces in 24 megapixels",
        "1 of 2 EXIF orientations",
        "11 of 12 rendered crops and 0 of 3 portraits",
        "31.4 dB to the truth by the difference alone and 33.1 dB by the paste",
        "Sharpness of 6 edited portraits in the face, before = 1: at 1,024 pixels with",
    ):
        assert expected in text, text
