"""Faces are cut out as the template has them; crops are told from photographs."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.engine_sets import shipped_set
from efgan_rt.errors import EfganError
from efgan_rt.faces.align import Similarity, warp
from efgan_rt.faces.detect import Face, HaarCascade, YuNet
from efgan_rt.faces.detector_facts import DetectorFacts, sha256_of
from efgan_rt.faces.framing import (
    FaceChoice,
    FaceFramer,
    framing_notes,
    rescaled,
    square_to_crop,
)
from efgan_rt.faces.template import STANDARD_POINTS, Template
from efgan_rt.families.registry import read_properties
from efgan_rt.pictures.crop import to_crop
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from engines.base import EngineError
from engines.directory import EngineDirectory
from tests.toy_engines import write_toy_engines

FACTS = DetectorFacts("yunet", "face_detection_yunet_2026may.onnx", "0f" * 32)


class Found:
    """A detector that finds what it is told."""

    def __init__(self, *faces: Face) -> None:
        self.facts = FACTS
        self.faces = list(faces)

    def find(self, picture: Picture) -> list[Face]:
        return sorted(self.faces, key=lambda face: -face.area)


def face_at(placed: Similarity, *, points: bool = True) -> Face:
    """A standard face under a similarity."""
    left, top = placed.apply(np.array([[16, 20]], np.float32))[0].tolist()
    side = 96 * placed.scale
    return Face(left, top, side, side, 0.9, placed.apply(STANDARD_POINTS) if points else None)


def grown(crop: Picture, side: int) -> Picture:
    return np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


@pytest.fixture(scope="module")
def template() -> Template:
    """The shipped engine set's own."""
    directory = shipped_set()
    assert directory is not None
    found = read_properties(EngineDirectory(directory)).template
    assert found is not None
    return found


@pytest.fixture(scope="module")
def yunet(yunet_file: Path) -> YuNet:
    return YuNet(yunet_file, sha256_of(yunet_file))


@pytest.fixture(scope="module")
def example(repository: Path) -> Picture:
    return read_picture(sorted((repository / "examples" / "faces").glob("*.jpg"))[0])


def test_the_shipped_set_has_a_template(template: Template) -> None:
    assert template.crop_px == 128 and template.detector.name == "yunet"
    assert abs(template.points - STANDARD_POINTS).max() < 2


def test_an_engine_set_without_a_template_has_none(tmp_path: Path) -> None:
    write_toy_engines(tmp_path)
    assert read_properties(EngineDirectory(tmp_path)).template is None


def test_a_garbled_template_refuses_the_engine_set(tmp_path: Path) -> None:
    write_toy_engines(tmp_path, properties={"alignment": {"format": "x"}})
    with pytest.raises(EngineError, match="property alignment: not an alignment template"):
        read_properties(EngineDirectory(tmp_path))


def test_points_come_to_lie_on_the_template() -> None:
    placed = Similarity(3 * np.exp(0.3j), 200 + 150j)
    template = Template(STANDARD_POINTS + np.float32(3), 128, FACTS, 1)
    picture = np.zeros((700, 700, 3), np.uint8)
    (framed,) = FaceFramer(Found(face_at(placed)), template).frame(picture)
    assert framed.face is not None and framed.crop.shape == (128, 128, 3)
    seen = framed.to_crop.apply(placed.apply(STANDARD_POINTS))
    assert np.allclose(seen, template.points, atol=0.01)


def test_a_template_of_another_size_is_rescaled_to_the_crop() -> None:
    placed = Similarity(3, 200 + 150j)
    template = Template(rescaled(STANDARD_POINTS, 128, 256), 256, FACTS, 1)
    picture = np.zeros((700, 700, 3), np.uint8)
    (framed,) = FaceFramer(Found(face_at(placed)), template, crop_px=64).frame(picture)
    assert framed.crop.shape == (64, 64, 3)
    seen = framed.to_crop.apply(placed.apply(STANDARD_POINTS))
    assert np.allclose(seen, rescaled(STANDARD_POINTS, 128, 64), atol=0.01)


def test_a_box_without_points_gives_place_and_size() -> None:
    box = Face(300, 200, 217.4, 217.4)
    picture = np.zeros((700, 700, 3), np.uint8)
    (framed,) = FaceFramer(Found(box), None).frame(picture)
    assert abs(framed.to_crop.turn - 0.5) < 1e-3
    centre = framed.to_crop.turn * box.centre + framed.to_crop.shift
    assert abs(centre - (63.8 + 60.5j)) < 0.01


@pytest.mark.parametrize(
    ("choice", "sides"),
    [
        (FaceChoice(), [200, 100, 60]),
        (FaceChoice("largest"), [200]),
        (FaceChoice(2), [200, 100]),
        (FaceChoice(min_face_px=20), [200, 100, 60, 30]),
        (FaceChoice(min_face_px=300), []),
    ],
)
def test_faces_are_chosen_by_size_and_number(choice: FaceChoice, sides: list[int]) -> None:
    faces = [
        face_at(Similarity(side / 96, complex(50 + 3 * side, 50))) for side in (60, 200, 30, 100)
    ]
    framed = FaceFramer(Found(*faces), None, choice).frame(np.zeros((900, 900, 3), np.uint8))
    assert [round(each.face.width) for each in framed if each.face] == sides


@pytest.mark.parametrize("which", ["some", 0, -1, 1.5, True])
def test_a_choice_that_is_none_is_refused(which: str | int) -> None:
    with pytest.raises(EfganError, match="expected 'all', 'largest' or a number from 1"):
        FaceChoice(which)


def test_a_smallest_face_of_nothing_is_refused() -> None:
    with pytest.raises(EfganError, match="the smallest face: found 0, expected 1 or more"):
        FaceChoice(min_face_px=0)


def test_without_a_detector_only_crops_can_be_framed() -> None:
    with pytest.raises(EfganError, match="cannot be found without a detector"):
        FaceFramer(None, None)
    (framed,) = FaceFramer(None, None, FaceChoice(crops=True)).frame(np.zeros((90, 50), np.uint8))
    assert framed.face is None


def test_a_picture_without_a_face_gives_nothing() -> None:
    assert FaceFramer(Found(), None).frame(np.zeros((300, 400), np.uint16)) == ()


@pytest.mark.parametrize("shape", [(256, 256, 3), (200, 320, 3), (333, 257)])
def test_a_whole_crop_is_cut_as_it_always_was(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    (framed,) = FaceFramer(None, None, FaceChoice(crops=True)).frame(picture)
    assert np.array_equal(framed.crop, to_crop(picture))
    height, width = shape[:2]
    middle = np.array([[(width - 1) / 2, (height - 1) / 2]], np.float32)
    assert np.allclose(framed.to_crop.apply(middle), 63.5, atol=0.5)


@pytest.mark.parametrize(
    ("placed", "is_crop"),
    [
        (Similarity(2, 0.5 + 0.5j), True),
        (Similarity(1.7, 20 + 20j), True),
        (Similarity(1.5, 30 + 30j), False),  # smaller than any training crop's face
        (Similarity(2, 46 + 0j), True),
        (Similarity(2, 50 + 0j), False),
        (Similarity(2 * np.exp(0.18j), 20 - 20j), True),
        (Similarity(2 * np.exp(0.25j), 30 - 30j), False),
    ],
)
@pytest.mark.parametrize("side", [256, 512])
def test_a_face_that_lies_as_in_the_training_crops_makes_a_crop(
    placed: Similarity, is_crop: bool, side: int
) -> None:
    in_picture = placed.then(square_to_crop((256, 256), side))
    picture = np.zeros((side, side, 3), np.uint8)
    (framed,) = FaceFramer(Found(face_at(in_picture)), None).frame(picture)
    assert (framed.face is None) == is_crop
    (framed,) = FaceFramer(Found(face_at(in_picture)), None, FaceChoice(crops=False)).frame(picture)
    assert framed.face is not None


def test_a_picture_of_two_faces_is_no_crop() -> None:
    face, other = face_at(Similarity(2, 0)), face_at(Similarity(0.6, 180 + 180j))
    picture = np.zeros((256, 256, 3), np.uint8)
    assert len(FaceFramer(Found(face, other), None).frame(picture)) == 2
    assert FaceFramer(Found(face), None).frame(picture)[0].face is None


def test_a_picture_of_the_networks_size_is_a_crop_without_asking_the_detector() -> None:
    class Never(Found):
        def find(self, picture: Picture) -> list[Face]:
            raise AssertionError("asked")

    assert FaceFramer(Never(), None).frame(np.zeros((128, 128, 3), np.uint8))[0].face is None


def test_rendered_crops_are_recognised_at_any_size(
    yunet: YuNet, template: Template, repository: Path
) -> None:
    framer = FaceFramer(yunet, template)
    for file in sorted((repository / "examples" / "faces").glob("*.jpg"))[:4]:
        crop = read_picture(file)
        for side in (129, 300, 700):
            assert [each.face for each in framer.frame(grown(crop, side))] == [None], (file, side)


def test_rendered_crops_are_recognised_by_the_cascade_too(repository: Path) -> None:
    framer = FaceFramer(HaarCascade(), None)
    for file in sorted((repository / "examples" / "faces").glob("*.jpg"))[:4]:
        assert [each.face for each in framer.frame(grown(read_picture(file), 300))] == [None], file


def test_a_portrait_is_no_crop(yunet: YuNet, template: Template, london_images: Path) -> None:
    for detector in (yunet, HaarCascade()):
        framer = FaceFramer(detector, template)
        for file in sorted(london_images.iterdir())[:3]:
            (framed,) = framer.frame(read_picture(file))
            assert framed.face is not None, file


def test_a_turned_face_is_framed_as_the_upright_one(
    yunet: YuNet, template: Template, example: Picture
) -> None:
    """A rendered face laid into a larger picture, grown and turned, comes out as it was framed."""
    framer = FaceFramer(yunet, template, FaceChoice("largest", crops=False))
    (upright,) = framer.frame(grown(example, 384))
    placed = Similarity(3 * np.exp(0.35j), 250 + 130j)
    (turned,) = framer.frame(warp(example, placed, 800, 700))
    difference = np.abs(upright.crop.astype(int) - turned.crop)[24:104, 24:104].mean()
    print(f"mean difference {difference:.1f} levels")
    assert difference < 8  # the detector's scatter; another face differs by 40


def test_what_is_said_of_a_detector(template: Template) -> None:
    own = template.detector
    assert framing_notes(own, template) == ()
    (note,) = framing_notes(DetectorFacts("yunet", "other.onnx", "0" * 64), template)
    assert note.startswith(f"the engine set's alignment template was made with {own.file}, and oth")
    (note,) = framing_notes(DetectorFacts("retina", "r.onnx", "0" * 64), template)
    assert "is of the detector 'yunet', and 'retina' is at hand" in note
    (note,) = framing_notes(DetectorFacts("haar", "h.xml", "0" * 64), template)
    assert "tilted faces are edited less well" in note and "with YuNet" in note
    (note,) = framing_notes(own, None)
    assert "has no alignment template" in note
