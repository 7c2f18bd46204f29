"""Pictures and labels brought together: matching, names, framing, and the set that comes out."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.action_units import AU_NAMES
from efgan_rt.choices import FrameRule, Naming
from efgan_rt.errors import EfganError
from efgan_rt.faces.detect import Detector, Face, YuNet
from efgan_rt.faces.detector_facts import DetectorFacts, sha256_of
from efgan_rt.faces.template import STANDARD_POINTS
from efgan_rt.labels.matching import match_rows
from efgan_rt.labels.rows import LabelRow
from tests.label_files import landmarks
from train.data.alignment import alignment_beside
from train.data.framing import FramingRule, frame_face
from train.data.labels import read_labels
from train.data.names import compiled_pattern, facts_of, folder_facts, names_are_rafd, rafd_facts

RAFD = "Rafd090_01_Caucasian_female_angry_frontal.jpg"


def row(picture: str, frame: int | None = None, **more: object) -> LabelRow:
    return LabelRow("here", picture, frame, **more)  # type: ignore[arg-type]


def test_rows_are_matched_by_path_by_name_and_by_stem() -> None:
    pictures = ["a/one.jpg", "b/one.jpg", "b/two.png", "three.jpg"]
    rows = [row("a/one.jpg"), row("/data/set/b/one.jpg"), row("C:\\x\\two.png"), row("three")]
    matched = match_rows(rows, pictures)
    assert {name: each[0] for name, each in matched.rows.items()} == {
        "a/one.jpg": rows[0],
        "b/one.jpg": rows[1],
        "b/two.png": rows[2],
        "three.jpg": rows[3],
    }
    assert matched.unlabelled == 0


def test_a_name_that_several_pictures_have_is_not_guessed() -> None:
    matched = match_rows([row("one"), row("none.jpg")], ["a/one.jpg", "b/one.jpg"])
    assert matched.rows == {} and matched.unlabelled == 2
    assert matched.unmatched == {
        "several pictures of that name": 1,
        "no picture of that name": 1,
    }


def test_frames_are_told_by_the_number_that_ends_a_name() -> None:
    pictures = ["clip_aligned/frame_det_00_000001.bmp", "clip_aligned/frame_det_00_000003.bmp"]
    matched = match_rows([row("clip", 3), row("clip", 2)], [*pictures, "other/x_3.png"])
    assert list(matched.rows) == [pictures[1]]
    assert matched.unmatched == {"no picture of that frame number": 1}


def test_frames_are_told_by_order_only_where_that_was_said() -> None:
    pictures = ["ann.jpg", "bob.jpg", "cid.jpg"]
    by_number = match_rows([row("clip", 2)], pictures)
    assert by_number.rows == {}
    by_order = match_rows([row("clip", 2)], pictures, FrameRule.ORDER)
    assert list(by_order.rows) == ["bob.jpg"]
    with pytest.raises(EfganError, match="clip: frame 4 is labelled, but there are 3 pictures"):
        match_rows([row("clip", 4)], pictures, FrameRule.ORDER)


def test_rafds_names_say_who_what_angle_and_gaze() -> None:
    facts = rafd_facts(f"some/folder/{RAFD}")
    assert (facts.identity, facts.expression) == ("rafd01", "angry")
    assert (facts.angle, facts.gaze) == (90, "frontal")
    assert names_are_rafd([RAFD]) and not names_are_rafd([RAFD, "x.jpg"]) and not names_are_rafd([])
    with pytest.raises(EfganError, match=r"x\.jpg: not named as RaFD's pictures are"):
        rafd_facts("x.jpg")


def test_a_folder_named_after_an_expression_gives_it() -> None:
    assert folder_facts("set/06_Happily Surprised/12.jpg").expression == "happily_surprised"
    assert folder_facts("Anger/more/12.jpg").expression == "angry"
    assert folder_facts("photos/12.jpg").expression == ""


def test_a_pattern_goes_before_the_convention() -> None:
    pattern = compiled_pattern(r"(?P<identity>\d+)_")
    facts = facts_of("Happy/0012_a.jpg", Naming.FOLDERS, pattern)
    assert (facts.identity, facts.expression) == ("0012", "happy")
    with pytest.raises(EfganError, match=r"x\.jpg: --name-pattern finds nothing"):
        facts_of("x.jpg", Naming.NONE, pattern)


@pytest.mark.parametrize(
    ("text", "message"), [("(", "not a regular expression"), ("x", r"expected a group \(\?P<ident")]
)
def test_a_pattern_that_names_nothing_is_refused(text: str, message: str) -> None:
    with pytest.raises(EfganError, match=message):
        compiled_pattern(text)


class _Found:
    """A detector's answer, written down; framing only reads it."""

    def __init__(self, *faces: Face) -> None:
        self.faces = list(faces)
        self.facts = DetectorFacts("yunet", "x", "0f" * 32)

    def find(self, picture: np.ndarray) -> list[Face]:
        return self.faces


def face_at(left: float, side: float, score: float | None = 0.9) -> Face:
    points = (STANDARD_POINTS - 64) / 128 * side + np.array([left + side / 2, 100], np.float32)
    return Face(left, 100 - side / 2, side, side, score, points.astype(np.float32))


PICTURE = np.full((200, 400, 3), 90, np.uint8)


@pytest.mark.parametrize(
    ("faces", "labelled", "rule", "message"),
    [
        ([], (row("a"),), FramingRule(STANDARD_POINTS), "no face was found"),
        (
            [face_at(10, 90, 0.4)],
            (row("a"),),
            FramingRule(STANDARD_POINTS),
            r"score is 0\.40, expected 0\.6",
        ),
        (
            [face_at(10, 90), face_at(200, 60)],
            (row("a"),),
            FramingRule(STANDARD_POINTS),
            "2 faces were found; --largest",
        ),
        (
            [face_at(10, 90)],
            (row("a"), row("a")),
            FramingRule(STANDARD_POINTS),
            "2 faces are labelled; --largest",
        ),
        (
            [face_at(200, 90)],
            (row("a", landmarks=landmarks()),),
            FramingRule(STANDARD_POINTS),
            "no face was found where the labels have one",
        ),
        (
            [],
            (row("a"),),
            FramingRule(STANDARD_POINTS, is_cropped=True),
            "400 x 200 pixels, expected a sq",
        ),
    ],
)
def test_a_picture_that_cannot_be_framed_says_why(
    faces: list[Face], labelled: tuple[LabelRow, ...], rule: FramingRule, message: str
) -> None:
    detector: Detector = _Found(*faces)
    with pytest.raises(EfganError, match=message):
        frame_face(PICTURE, labelled, detector, rule)


def test_points_land_on_the_frame_and_give_the_regions() -> None:
    framed = frame_face(PICTURE, (row("a"),), _Found(face_at(10, 90)), FramingRule(STANDARD_POINTS))
    assert framed.crop.shape == (128, 128, 3)
    eyes, nose, mouth = framed.regions
    assert np.allclose(eyes, STANDARD_POINTS[:2].mean(axis=0), atol=0.01)
    assert np.allclose(nose, STANDARD_POINTS[2], atol=0.01)
    assert np.allclose(mouth, STANDARD_POINTS[3:].mean(axis=0), atol=0.01)


def test_the_largest_face_is_taken_where_that_was_said_and_bystanders_never_count() -> None:
    two = _Found(face_at(10, 90), face_at(200, 80))
    framed = frame_face(PICTURE, (row("a"),), two, FramingRule(STANDARD_POINTS, takes_largest=True))
    assert np.allclose(framed.regions[1], STANDARD_POINTS[2], atol=0.01)
    small = _Found(face_at(10, 90), face_at(200, 40))
    assert frame_face(PICTURE, (row("a"),), small, FramingRule(STANDARD_POINTS)).crop.shape == (
        128,
        128,
        3,
    )


def test_landmarks_choose_the_face_and_give_the_regions_in_the_crop() -> None:
    marks = (landmarks() - 60) / 128 * 80 + np.array([240, 100], np.float32)
    rule = FramingRule(STANDARD_POINTS, regions_from_labels=True)
    detector = _Found(face_at(10, 90), face_at(200, 80))
    framed = frame_face(PICTURE, (row("a", landmarks=marks),), detector, rule)
    eyes, _, mouth = framed.regions
    assert abs(eyes[0] - 64) < 1 and eyes[1] < 64 < mouth[1]


def test_without_points_the_landmarks_align_and_else_the_box() -> None:
    marks = landmarks() * 2
    box = Face(60, 60, 120, 120)
    labelled = (row("a", landmarks=marks),)
    framed = frame_face(
        PICTURE, labelled, _Found(box), FramingRule(STANDARD_POINTS, regions_from_labels=True)
    )
    eyes = framed.regions[0]
    assert np.allclose(eyes, STANDARD_POINTS[:2].mean(axis=0), atol=3)  # four points, least squares
    regions = np.array([[120, 110], [120, 130], [120, 150]], np.float32)
    framed = frame_face(
        PICTURE,
        (row("a", regions=regions),),
        _Found(box),
        FramingRule(STANDARD_POINTS, False, False, True),
    )
    assert np.allclose(framed.regions[:, 0], 63.8, atol=0.1)


def test_crops_are_resized_and_their_points_with_them() -> None:
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[100:110, 60:70] = 255
    regions = np.array([[64.5, 104.5], [1, 1], [2, 2]], np.float32)
    rule = FramingRule(STANDARD_POINTS, is_cropped=True, regions_from_labels=True)
    framed = frame_face(picture, (row("a", regions=regions),), None, rule)
    x, y = framed.regions[0]
    ys, xs = np.nonzero(framed.crop[..., 0] > 100)
    assert (abs(xs.mean() - x), abs(ys.mean() - y)) == (0, 0)


def test_a_table_may_be_read_for_the_units_that_it_has(tmp_path: Path) -> None:
    points = "eyes_x,eyes_y,nose_x,nose_y,mouth_x,mouth_y"
    path = tmp_path / "labels.csv"
    path.write_text(f"file,identity,expression,AU12_r,AU06_r,{points}\na.png,a,happy,1,2{',3' * 6}")
    table = read_labels(path, None)
    assert table.au_names == ("AU06", "AU12") and table.au.tolist() == [[2.0, 1.0]]
    assert read_labels(path, ()).au.shape == (1, 0)
    with pytest.raises(EfganError, match="no column AU01_r"):
        read_labels(path)
    path.write_text(f"file,identity,expression,{points}\na.png,a,happy{',3' * 6}")
    with pytest.raises(EfganError, match="the table has no action units to train on"):
        read_labels(path, None)


def test_a_training_takes_the_template_beside_its_table(tmp_path: Path) -> None:
    assert alignment_beside(tmp_path / "labels.csv") is None
    (tmp_path / "template.json").write_text("{}")
    with pytest.raises(EfganError, match=r"template\.json: not an alignment template"):
        alignment_beside(tmp_path / "labels.csv")


def test_the_frame_is_where_the_detector_sees_the_rendered_faces(
    yunet_file: Path, synth_dir: Path
) -> None:
    detector = YuNet(yunet_file, sha256_of(yunet_file))
    seen = []
    for number in range(0, 200, 5):
        picture = cv2.imread(str(synth_dir / "images" / f"id{number:03d}_neutral.jpg"))
        assert picture is not None
        (face,) = detector.find(np.ascontiguousarray(picture[..., ::-1], dtype=np.uint8))
        assert face.points is not None
        seen.append(face.points)
    difference = np.abs(np.mean(seen, axis=0) - STANDARD_POINTS)
    print(json.dumps(difference.round(2).tolist()))
    assert difference.max() < 2.5  # forty pictures, which differ by 6 (one deviation)


def test_every_unit_of_openface_is_among_the_defaults() -> None:
    from train.recipe import DataRecipe

    assert DataRecipe().au_names == AU_NAMES
    assert DataRecipe(action_units="table").au_names is None
    assert DataRecipe(action_units="AU06 12").au_names == ("AU06", "AU12")
    with pytest.raises(EfganError, match="'smile' is not an action unit"):
        _ = DataRecipe(action_units="smile").au_names
