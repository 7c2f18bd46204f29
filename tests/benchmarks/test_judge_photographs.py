"""The arithmetic of the judged photographs: where judges look, shares, ratios, kept readings."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.judge_photographs import judges_of, named_sets, parse_arguments, wishes_of
from benchmarks.photograph_judges.edits import Wish, changed_outside, set_hash
from benchmarks.photograph_judges.figures import (
    descriptor_distance,
    difference,
    intervals,
    is_read_as,
    less_input,
    ratio_of_means,
)
from benchmarks.photograph_judges.geometry import (
    cut_square,
    evenness,
    mouth_patch,
    registration,
)
from benchmarks.photograph_judges.judges import (
    Job,
    Judge,
    JudgeMissingError,
    encoded,
    readings_of,
)
from benchmarks.photograph_judges.photographs import (
    Photograph,
    london_photographs,
    portrait_photographs,
    spread,
)
from benchmarks.photograph_judges.tables import cell
from efgan_rt.errors import EfganError
from efgan_rt.faces.detect import Face

POINTS = np.array([[40, 50], [80, 50], [60, 75], [45, 95], [75, 95]], np.float32)
STILL = np.array([[40.0, 90.0], [80.0, 90.0]])
FULL = np.array([[35.0, 84.0], [85.0, 84.0]])
ECHO = """
import json, sys
print(json.dumps({"versions": {"echo": sys.argv[1]}}), flush=True)
for line in sys.stdin:
    job = json.loads(line)
    if job["say"] == "stop":
        sys.exit("it was told to")
    print(json.dumps({"key": job["key"], "reading": {"said": job["say"], "by": sys.argv[1]}}),
          flush=True)
"""


def echo(version: str = "1") -> Judge:
    return Judge("echo", (sys.executable, "-c", ECHO, version), "pip install echo")


def say_nothing(sentence: str) -> None:
    del sentence


def test_registration_takes_back_a_turn_a_growth_and_a_shift() -> None:
    turn = 1.1 * np.exp(0.05j)
    moved = (POINTS[:, 0] + 1j * POINTS[:, 1]) * turn + (7 - 3j)
    moving = np.stack([moved.real, moved.imag], axis=1).astype(np.float32)
    np.testing.assert_allclose(registration(moving, POINTS).apply(moving), POINTS, atol=1e-3)


def test_registration_does_not_look_at_the_mouth() -> None:
    smiling = POINTS.copy()
    smiling[3:] += [[-9, -6], [9, -6]]
    np.testing.assert_allclose(registration(smiling, POINTS).apply(POINTS), POINTS, atol=1e-3)


@pytest.mark.parametrize("share", [0, 0.25, 1, 1.3])
def test_evenness_is_the_share_of_the_full_movement(share: float) -> None:
    part = STILL + share * (FULL - STILL)
    assert evenness(part, STILL, FULL) == pytest.approx(share)


def test_movement_across_the_full_edits_way_does_not_count_as_evenness() -> None:
    across = np.array([[6.0, -5.0], [6.0, 5.0]])  # each corner's, turned by a quarter
    assert evenness(STILL + across, STILL, FULL) == pytest.approx(0)


def test_evenness_is_no_number_where_the_full_edit_moves_nothing() -> None:
    assert np.isnan(evenness(FULL, STILL, STILL + 0.1))


def test_a_square_around_a_face_has_its_middle_and_its_margin() -> None:
    picture = np.zeros((100, 120, 3), np.uint8)
    picture[30:70, 40:60] = 200  # a face of 20 x 40: the square has 40 x 40, from column 30 on
    square = cut_square(picture, Face(40, 30, 20, 40), 0.0, 80)
    assert square.shape == (80, 80, 3)
    columns = np.flatnonzero(square[40, :, 0] > 100)
    assert (columns[0], columns[-1]) == (20, 59)
    with_margin = cut_square(picture, Face(40, 30, 20, 40), 0.25, 60)
    rows = np.flatnonzero(with_margin[:, 30, 0] > 100)
    assert (rows[0], rows[-1]) == (10, 49)


def test_a_mouths_patch_holds_its_corners_and_stays_in_the_picture() -> None:
    rows, columns = mouth_patch(POINTS, (100, 70))
    assert rows.start < 95 < rows.stop == 100
    assert columns.start < 45
    assert columns.stop == 70


def test_the_highest_share_names_a_picture() -> None:
    reading = {"happy": 0.2, "sad": 0.5, "neutral": 0.3}
    assert is_read_as(reading, "sad") == 1
    assert is_read_as(reading, "happy") == 0
    assert np.isnan(is_read_as(None, "happy"))


def test_a_share_leaves_out_pictures_that_nobody_could_read() -> None:
    values = {"neutral": {"fer": {"happy": {"a": 1.0, "b": 0.0, "c": float("nan"), "d": 1.0}}}}
    people = {"neutral": {name: name for name in "abcd"}}
    found = intervals(values, people)["neutral"]["fer"]["happy"]
    assert found["value"] == pytest.approx(2 / 3)
    assert (found["count"], found["people"]) == (3, 3)
    assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1


def test_ratios_of_sharpness_are_told_by_their_median() -> None:
    values = {"smile": {"mouth_sharpness": {"sad": {"a": 1.0, "b": 1.2, "c": 9.0}}}}
    people = {"smile": {name: name for name in "abc"}}
    assert intervals(values, people)["smile"]["mouth_sharpness"]["sad"]["value"] == 1.2


def test_the_distance_of_two_descriptions_is_euclidean() -> None:
    assert descriptor_distance({"descriptor": [0, 3]}, {"descriptor": [4, 0]}) == 5
    assert np.isnan(descriptor_distance(None, {"descriptor": [4, 0]}))


def test_sets_are_compared_on_the_photographs_that_both_have() -> None:
    one = {"neutral": {"identity": {"happy": {"a": 0.5, "b": 0.2}, "sad": {"a": 1.0}}}}
    other = {"neutral": {"identity": {"happy": {"b": 0.1, "c": 0.9}}}}
    assert difference(one, other) == {"neutral": {"identity": {"happy": {"b": 0.1}}}}


def test_an_edits_likeness_is_held_against_its_own_inputs() -> None:
    made = {"neutral": {"gmsd": {"happy": {"a": 0.2}}, "identity": {"happy": {"a": 9.0}}}}
    inputs = {"neutral": {"gmsd": {"input": {"a": 0.3}}}}
    found = less_input(made, inputs, ("gmsd", "ms_ssim"))
    assert found["neutral"]["gmsd"]["happy"]["a"] == pytest.approx(-0.1)
    assert set(found["neutral"]) == {"gmsd"}


def test_a_ratio_of_means_is_not_ruled_by_who_hardly_smiles() -> None:
    values = {"a": 0.9, "b": 0.7, "c": float("nan")}
    by = {"a": 0.79, "b": 0.01, "c": 0.5}
    found = ratio_of_means(values, by, {name: name for name in "abc"})
    assert found.value == pytest.approx(2.0)
    assert found.count == 2
    assert found.low < 2 < found.high


def test_pixels_inside_the_paste_may_change_and_others_are_counted() -> None:
    before = np.zeros((10, 10, 3), np.uint8)
    after = before.copy()
    after[2:5, 2:5] = 9
    after[9, 9, 1] = 1
    assert changed_outside(before, after, (slice(2, 5), slice(2, 5))) == 1
    assert changed_outside(before, after, (slice(0, 1), slice(0, 1))) == 10


def test_readings_that_are_kept_are_not_asked_for_again(tmp_path: Path) -> None:
    jobs = [Job.of({"say": word}) for word in ("one", "two", "one")]
    found, versions = readings_of(echo(), jobs, tmp_path, say_nothing)
    assert [found[job.key] for job in jobs] == [
        {"said": word, "by": "1"} for word in ("one", "two", "one")
    ]
    assert versions == {"echo": "1"}
    nobody = Judge("echo", ("no-such-program",), "")
    assert readings_of(nobody, jobs, tmp_path, say_nothing) == (found, versions)


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    first, last = Job.of({"say": "first"}), Job.of({"say": "last"})
    stop = Job.of({"say": "stop"})
    with pytest.raises(EfganError, match="echo stopped after 1 of 2 pictures: it was told to"):
        readings_of(echo(), [first, stop], tmp_path, say_nothing)
    with (tmp_path / "echo-1.jsonl").open("a") as store:
        store.write('{"key": "half a li')
    said: list[str] = []
    found, _ = readings_of(echo(), [first, last], tmp_path, said.append)
    assert said[0] == "echo: 1 of 2 readings are kept"
    assert found[last.key] == {"said": "last", "by": "1"}
    again, _ = readings_of(Judge("echo", ("none",), ""), [first, last], tmp_path, said.append)
    assert again == found


def test_another_version_of_a_judge_reads_everything_anew(tmp_path: Path) -> None:
    one, two = Job.of({"say": "one"}), Job.of({"say": "two"})
    readings_of(echo("1"), [one], tmp_path, say_nothing)
    found, versions = readings_of(echo("2"), [one, two], tmp_path, say_nothing)
    assert {each["by"] for each in found.values() if each} == {"2"}
    assert versions == {"echo": "2"}


def test_a_missing_judge_is_named_with_its_line(tmp_path: Path) -> None:
    job = [Job.of({"say": "one"})]
    nobody = Judge("dlib", ("no-such-program",), "pip install dlib-bin")
    with pytest.raises(JudgeMissingError, match=r"the judge dlib needs: pip install dlib-bin"):
        readings_of(nobody, job, tmp_path, say_nothing)
    fails = Judge("fer", (sys.executable, "-c", "import no_such_module"), "pip install fer")
    with pytest.raises(JudgeMissingError, match=r"fer does not start \(.*no_such_module.*fer$"):
        readings_of(fails, job, tmp_path, say_nothing)


def test_a_jobs_key_is_of_its_content() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert Job.of({"pixels": encoded(pixels)}).key == Job.of({"pixels": encoded(pixels)}).key
    assert Job.of({"pixels": encoded(pixels)}).key != Job.of({"pixels": encoded(pixels + 1)}).key
    assert Job.of({"picture": "a.png"}, {"sha": 1}).key == Job.of({"picture": "b"}, {"sha": 1}).key


def test_london_gives_test_people_alone_unless_everybody_is_wanted(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in ("003_neutral", "003_happy", "113_neutral", "113_happy", "114_neutral"):
        (images / f"{name}.jpg").touch()
    found = london_photographs(tmp_path, everybody=False)
    assert [(p.name, p.group, p.truth_expression) for p in found] == [
        ("113_neutral", "neutral", "happy"),
        ("113_happy", "smile", "neutral"),
    ]
    assert found[0].truth == found[1].file
    assert len(london_photographs(tmp_path, everybody=True)) == 4
    with pytest.raises(EfganError, match=r"nobody with images/N_neutral\.jpg.*--london"):
        london_photographs(images, everybody=True)


def portrait_photographs_are_portrait_photographs_and_enlarged_ones_are_not_sharp(
    tmp_path: Path,
) -> None:
    lines = ["file,person,split,native_px", "0.jpg,p0,train,300"]
    lines += ["1.jpg,p1,test,100.5", "2.jpg,p2,test,256", "3.jpg,p3,test,400"]
    (tmp_path / "portraits.csv").write_text("\n".join(lines) + "\n")
    found = portrait_photographs(tmp_path, 9)
    assert [(p.name, p.is_sharp) for p in found] == [("1", False), ("2", True), ("3", True)]
    assert [p.name for p in portrait_photographs(tmp_path, 2)] == ["1", "2"]
    with pytest.raises(EfganError, match="expected the portraits' folder, named by --portraits"):
        portrait_photographs(tmp_path / "none", 1)


def test_a_spread_reaches_over_the_whole_list() -> None:
    assert spread(10, 3) == [0, 3, 6]
    assert spread(2, 5) == [0, 1]
    assert spread(5, 0) == []


def test_a_sets_hash_is_of_its_content_wherever_it_lies(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")
        (tmp_path / name / "stage_1.onnx").write_bytes(b"network")
    assert set_hash(tmp_path / "one") == set_hash(tmp_path / "two")
    (tmp_path / "two" / "stage_1.onnx").write_bytes(b"another")
    assert set_hash(tmp_path / "one") != set_hash(tmp_path / "two")
    with pytest.raises(EfganError, match=r"no engine directory, manifest\.json is missing"):
        set_hash(tmp_path)


def test_sets_are_named_on_the_command_line_and_no_name_twice(tmp_path: Path) -> None:
    assert named_sets(["old=a/b", str(tmp_path)]) == {
        "old": Path("a/b"),
        tmp_path.name: tmp_path,
    }
    with pytest.raises(EfganError, match="two sets are named 'old'"):
        named_sets(["old=a", "old=b"])


def test_parts_of_the_intensity_are_asked_of_neutral_faces_alone() -> None:
    neutral = Photograph("a", "p", "neutral", Path("a.jpg"))
    smile = Photograph("b", "p", "smile", Path("b.jpg"))
    parts = [
        (p.name, wish.file_name) for p, wish in wishes_of([neutral, smile]) if "-" in wish.file_name
    ]
    assert parts == [("a", f"happy-{share}.png") for share in ("0.25", "0.5", "0.75")]
    assert Wish("sad").file_name == "sad.png"


def test_each_judge_may_have_an_interpreter_of_its_own() -> None:
    given = ["--json", "x", "--judges-python", "all/python", "--mediapipe-python", "own/python"]
    judges = judges_of(parse_arguments(given))
    assert judges["dlib"].command[0] == "all/python"
    assert judges["mediapipe"].command[0] == "own/python"
    assert "--mediapipe-python" in judges["mediapipe"].install


def test_a_cell_shows_the_mean_and_the_interval() -> None:
    assert cell({"value": 0.944, "low": 0.9, "high": 0.987}) == "0.94 0.90:0.99"
    assert cell({"value": None, "low": None, "high": None}) == "-"
    assert cell(None) == "-"
