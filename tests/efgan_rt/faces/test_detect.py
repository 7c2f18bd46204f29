"""Faces found by the real detectors, and the detector's file: named, stored or fetched."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from efgan_rt.engine_sets import shipped_set
from efgan_rt.errors import EfganError
from efgan_rt.faces import detector_file
from efgan_rt.faces.align import Similarity, similarity_between, warp
from efgan_rt.faces.detect import Face, HaarCascade, YuNet, distinct, find_faces
from efgan_rt.faces.detector_facts import DetectorFacts, sha256_of
from efgan_rt.faces.detector_file import fetch_detector, open_detector
from efgan_rt.faces.template import Template, read_template, template_from_dict
from efgan_rt.families.registry import read_properties
from efgan_rt.pictures.read import read_picture
from engines.directory import EngineDirectory


@pytest.fixture(scope="module")
def yunet(yunet_file: Path) -> YuNet:
    return YuNet(yunet_file, sha256_of(yunet_file))


@pytest.fixture(scope="module")
def crop(synth_dir: Path) -> np.ndarray:
    return read_picture(synth_dir / "images" / "id000_neutral.jpg")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder of the user's."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def grown(crop: np.ndarray, side: int) -> npt.NDArray[np.uint8]:
    size = (side, side)
    return np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def points_of(face: Face) -> npt.NDArray[np.float32]:
    assert face.points is not None
    return face.points


def test_a_face_has_five_points_where_the_labels_have_its_parts(
    yunet: YuNet, crop: np.ndarray
) -> None:
    (face,) = yunet.find(crop)
    right_eye, left_eye, nose, right_mouth, left_mouth = points_of(face)
    # The set's own labels; the detector sees nose and mouth some pixels higher.
    assert np.allclose((right_eye + left_eye) / 2, (61.9, 51.7), atol=4)
    assert np.allclose(nose, (60.9, 76.5), atol=8)
    assert np.allclose((right_mouth + left_mouth) / 2, (61.2, 99.3), atol=8)
    assert right_eye[0] < left_eye[0]
    assert face.score is not None and face.score > 0.8


@pytest.mark.parametrize("degrees", [0, 20, -20])
def test_points_follow_the_face_through_turn_scale_and_shift(
    yunet: YuNet, crop: np.ndarray, degrees: float
) -> None:
    turn = 2.5 * np.exp(1j * np.radians(degrees))
    placed = Similarity(complex(turn), 400 + 300j - complex(turn) * (64 + 64j))
    picture = warp(crop, placed, 800, 600)
    (face,) = [each for each in yunet.find(picture) if each.area > 100 * 100]
    expected = placed.apply(points_of(yunet.find(crop)[0]))
    difference = np.abs(points_of(face) - expected).mean() / 2.5
    print(f"mean difference {difference:.2f} pixels of the crop")
    assert difference < 3  # the detector's own scatter with size and turn


def test_faces_at_the_edge_and_of_several_sizes_are_found_largest_first(
    yunet: YuNet, crop: np.ndarray
) -> None:
    picture = np.full((600, 900, 3), 128, np.uint8)
    picture[:256, :256] = cv2.resize(crop, (256, 256), interpolation=cv2.INTER_CUBIC)
    picture[472:, 772:] = crop
    picture[300:364, 400:464] = cv2.resize(crop, (64, 64), interpolation=cv2.INTER_AREA)
    faces = yunet.find(picture)
    assert len(faces) == 3
    assert [round(face.area**0.5 / 20) for face in faces] == sorted(
        (round(face.area**0.5 / 20) for face in faces), reverse=True
    )
    assert faces[0].left < 128 and faces[1].left > 700 and 380 < faces[2].left < 460


def test_a_picture_without_a_face_has_none(yunet: YuNet) -> None:
    assert yunet.find(np.full((50, 300, 3), 90, np.uint8)) == []
    assert yunet.find(np.zeros((1, 1, 3), np.uint8)) == []


GOOD = Face(20, 10, 60, 70, 0.9, np.full((5, 2), 50, np.float32))
AT_THE_EDGE = Face(-25, 90, 60, 60)
FILLING = Face(-10, -20, 220, 140, 0.7, np.full((5, 2), -15, np.float32))


class Claims:
    """A detector that finds what it was told."""

    def __init__(self, *faces: Face) -> None:
        self.facts = DetectorFacts("claims", "none", "")
        self._faces = list(faces)

    def find(self, picture: np.ndarray) -> list[Face]:
        return self._faces


@pytest.mark.parametrize(
    "wrong",
    [
        *({side: value} for side in ("left", "top") for value in (np.nan, np.inf, -np.inf, 1e20)),
        *({side: value} for side in ("width", "height") for value in (np.nan, np.inf, 1e20, 0, -5)),
        *({"left": value} for value in (200, -60)),
        *({"top": value} for value in (120, -70)),
        {"score": np.nan},
        *({"points": np.full((5, 2), value, np.float32)} for value in (np.nan, np.inf, 1e20, -401)),
    ],
    ids=str,
)
def test_a_finding_that_can_be_no_face_is_dropped_and_the_others_stay(
    wrong: dict[str, Any],
) -> None:
    picture = np.zeros((120, 200, 3), np.uint8)
    kept = [GOOD, AT_THE_EDGE, FILLING]
    assert find_faces(Claims(replace(GOOD, **wrong), *kept), picture) == kept


def test_a_piece_of_a_surer_face_is_none_and_a_face_before_it_is_one() -> None:
    whole = Face(1970, 1445, 1948, 2594, 0.94)
    pieces = [Face(2505, 1933, 1197, 1312, 0.61), Face(1999, 2617, 1109, 1205, 0.6)]
    before_it, beside_it = Face(2400, 3000, 400, 500, 0.85), Face(100, 100, 300, 400, 0.61)
    assert distinct([*pieces, before_it, beside_it, whole]) == [whole, before_it, beside_it]


def test_yunet_itself_gives_nothing_that_can_be_no_face(
    yunet: YuNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = np.zeros((1, 15), np.float32)
    row[0, 2:4], row[0, 14] = 1e20, 0.9  # what an Intel processor has been seen to give

    class Network:
        def detect(self, picture: np.ndarray) -> np.ndarray:
            return row

    monkeypatch.setattr(yunet, "_network", Network())
    assert yunet.find(np.zeros((1, 1, 3), np.uint8)) == []


def test_a_crop_made_by_the_points_shows_them_on_the_template(
    yunet: YuNet, crop: np.ndarray
) -> None:
    template = points_of(yunet.find(crop)[0]) * np.float32(0.9) + np.float32(6)
    picture = grown(crop, 500)
    again = warp(picture, similarity_between(points_of(yunet.find(picture)[0]), template), 128, 128)
    assert np.abs(points_of(yunet.find(again)[0]) - template).mean() < 2


def test_the_haar_cascade_gives_boxes_without_points(crop: np.ndarray) -> None:
    picture = np.full((400, 400, 3), 128, np.uint8)
    picture[72:328, 72:328] = cv2.resize(crop, (256, 256), interpolation=cv2.INTER_CUBIC)
    (face,) = HaarCascade().find(picture)
    assert face.points is None and face.score is None
    assert abs(face.centre - (200 + 200j)) < 30


def test_the_detector_that_comes_along_is_the_default(home: Path) -> None:
    shipped = detector_file.shipped_file()
    assert shipped is not None and sha256_of(shipped) == detector_file.SHA256
    assert shipped.stat().st_size == detector_file.BYTES
    assert "Permission is hereby granted" in (shipped.parent / "LICENSE").read_text()
    detector, why = open_detector(None)
    assert detector.facts == DetectorFacts("yunet", detector_file.NAME, detector_file.SHA256)
    assert why == f"YuNet, {detector_file.NAME} (comes along)"
    engines = shipped_set()
    assert engines is not None
    framing_template = read_properties(EngineDirectory(engines)).template
    assert framing_template is not None and framing_template.detector == detector.facts


def test_the_cascade_is_taken_where_it_is_named(home: Path) -> None:
    detector, why = open_detector(Path("haar"))
    assert detector.facts.name == "haar" and "named by --detector" in why


@pytest.fixture
def nothing_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the package that has lost its detector."""
    monkeypatch.setattr(detector_file, "shipped_file", lambda: None)


def test_a_shipped_file_that_was_changed_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / "changed.onnx"
    file.write_bytes(b"changed")
    monkeypatch.setattr(detector_file, "shipped_file", lambda: file)
    with pytest.raises(EfganError, match=r"changed\.onnx: is damaged; install efgan-rt again"):
        open_detector(None)


def test_nothing_is_fetched_where_the_detector_comes_along(home: Path) -> None:
    file, what = fetch_detector(["no address"])
    assert file == detector_file.shipped_file()
    assert what == f"nothing was fetched: {detector_file.NAME} comes along with efgan-rt"


@pytest.mark.usefixtures("nothing_shipped")
def test_without_a_file_the_cascade_is_taken_and_it_is_said(home: Path) -> None:
    detector, why = open_detector(None)
    assert detector.facts.name == "haar" and len(detector.facts.sha256) == 64
    assert "no YuNet file is there" in why and "--fetch-detector" in why


def test_a_named_file_is_taken_with_its_hash(yunet_file: Path, home: Path) -> None:
    detector, why = open_detector(yunet_file)
    assert detector.facts.name == "yunet"
    assert detector.facts.sha256 == hashlib.sha256(yunet_file.read_bytes()).hexdigest()
    assert "named by --detector" in why


def test_a_file_that_is_no_detector_is_refused(home: Path) -> None:
    path = home / "x.onnx"
    path.write_bytes(b"no network")
    with pytest.raises(EfganError, match=r"x\.onnx: cannot be run as a YuNet"):
        open_detector(path)
    with pytest.raises(EfganError, match="not a detector's file"):
        open_detector(home)


@pytest.mark.usefixtures("nothing_shipped")
def test_a_stored_file_that_is_not_the_pinned_one_is_refused(home: Path) -> None:
    stored = detector_file.own_file()
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"cut short")
    with pytest.raises(EfganError, match="is damaged; fetch it again with --fetch-detector"):
        open_detector(None)


@pytest.mark.usefixtures("nothing_shipped")
def test_a_fetched_file_is_stored_whole_and_only_if_it_is_the_pinned_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = home / "zoo.onnx"
    source.write_bytes(b"pinned")
    wrong = home / "wrong.onnx"
    wrong.write_bytes(b"another")
    monkeypatch.setattr(detector_file, "SHA256", hashlib.sha256(b"pinned").hexdigest())
    stored, what = fetch_detector([wrong.as_uri(), source.as_uri()])
    assert what == f"fetched {stored}"
    assert stored == detector_file.own_file() and stored.read_bytes() == b"pinned"
    assert [path.name for path in stored.parent.iterdir()] == [detector_file.NAME]
    assert fetch_detector(["no address"]) == (
        stored,
        f"nothing was fetched: {stored} is there already",
    )


@pytest.mark.usefixtures("nothing_shipped")
def test_a_fetch_that_fails_says_what_each_address_gave(home: Path) -> None:
    wrong = home / "wrong.onnx"
    wrong.write_bytes(b"another")
    with pytest.raises(EfganError) as caught:
        fetch_detector([wrong.as_uri(), (home / "none").as_uri(), "no address"])
    text = str(caught.value)
    assert "another file than the pinned one" in text
    assert "No such file" in text and "no address: unknown url type" in text
    assert "give it with --detector FILE" in text
    assert not detector_file.own_file().exists()


def test_a_template_comes_back_as_it_was_written(yunet: YuNet, tmp_path: Path) -> None:
    import json

    points = np.array([[43, 48], [85, 49], [64, 72], [46, 91], [82, 92]], np.float32)
    template = Template(points, 128, yunet.facts, 12)
    path = tmp_path / "template.json"
    path.write_text(json.dumps(template.to_dict()))
    again = read_template(path)
    assert np.array_equal(again.points, points) and again.detector == yunet.facts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "x"}, "not an alignment template"),
        ({"crop_px": "128"}, "crop_px is '128', expected a whole number"),
        ({"points": {}}, "lacks or garbles 'right_eye'"),
        ({"detector": {"name": "yunet"}}, "lacks or garbles"),
        ({"detector": {"name": "yunet", "file": "f", "sha256": "12"}}, "sha256 is no hash"),
        ({"detector": {"name": 1, "file": "f", "sha256": "12"}}, "the detector's name is 1"),
    ],
)
def test_a_template_that_is_none_is_named(change: dict[str, object], message: str) -> None:
    names = ("right_eye", "left_eye", "nose", "right_mouth", "left_mouth")
    good: dict[str, object] = {
        "format": "efgan-rt template 1",
        "crop_px": 128,
        "points": {name: [1.0, 2.0] for name in names},
        "detector": {"name": "yunet", "file": "f", "sha256": "0f" * 32},
        "pictures": 1,
    }
    assert template_from_dict(good, "here").crop_px == 128
    with pytest.raises(EfganError, match=f"^here: .*{message}"):
        template_from_dict(good | change, "here")
