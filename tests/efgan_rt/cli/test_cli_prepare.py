"""`efgan-rt prepare` as a user types it, on toy crops and, where a detector lies near, on faces."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.pictures.read import read_picture
from tests.label_files import openface_csv, pyfeat_csv
from tests.toy_people import POINTS, write_people
from train.data.labels import read_labels
from train.metrics.people import EXPRESSIONS


def prepare(repository: Path, *arguments: object, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "efgan_rt.cli.app", "prepare", *map(str, arguments)],
        cwd=repository,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin", "XDG_DATA_HOME": str(home), "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """Crops of two toy people, with a whole table."""
    root = tmp_path / "toy"
    root.mkdir()
    return write_people(root, ["ann", "bob"])


def test_a_set_of_crops_becomes_a_table_that_a_training_reads(
    repository: Path, toy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "set"
    sheet = tmp_path / "sheet.png"
    arguments = (toy / "images", toy / "labels.csv", "--out", out, "--crops")
    haar = ("--detector", "haar")
    done = prepare(repository, *arguments, *haar, "--contact-sheet", sheet, home=tmp_path)
    assert done.returncode == 0, done.stderr
    table = read_labels(out / "labels.csv")
    assert len(table) == 2 * len(EXPRESSIONS) and set(table.identities) == {"ann", "bob"}
    assert table.points["mouth"][0].tolist() == list(POINTS["mouth"])
    first = read_picture(out / "images" / table.files[0])
    assert np.array_equal(first, read_picture(toy / "images" / table.files[0]))
    assert read_picture(sheet).shape[1] > 8 * 128
    assert "16 of 16 pictures prepared" in done.stdout
    assert "no alignment template: it needs YuNet" in done.stdout
    assert "OpenCV's Haar cascade (named by --detector)" in done.stderr
    record = json.loads((out / "prepared.json").read_text())
    assert (record["au_source"], record["points_source"]) == ("table", "labels")
    assert not list(out.rglob("*.part"))


def test_pictures_that_fail_are_named_and_counted_and_the_rest_is_done(
    repository: Path, toy: Path, tmp_path: Path
) -> None:
    (toy / "images" / "ann_happy.png").write_bytes(b"no picture")
    cv2.imwrite(str(toy / "images" / "bob_sad.png"), np.zeros((50, 60, 3), np.uint8))
    out = tmp_path / "set"
    done = prepare(
        repository, toy / "images", toy / "labels.csv", "--out", out, "--crops", home=tmp_path
    )
    assert done.returncode == 3
    assert "ann_happy.png: not a picture" in done.stderr
    assert "bob_sad.png: 60 x 50 pixels, expected a square crop" in done.stderr
    assert "14 of 16 pictures prepared" in done.stdout
    assert "failed: 1 x not a picture" in done.stdout
    assert len(read_labels(out / "labels.csv")) == 14


def test_a_finished_set_is_not_replaced_without_asking(
    repository: Path, toy: Path, tmp_path: Path
) -> None:
    arguments = (toy / "images", toy / "labels.csv", "--out", tmp_path / "set", "--crops")
    assert prepare(repository, *arguments, home=tmp_path).returncode == 0
    again = prepare(repository, *arguments, home=tmp_path)
    assert again.returncode == 1 and "--overwrite" in again.stderr
    assert prepare(repository, *arguments, "--overwrite", home=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ("file,expression", (), "have no identity, such as"),
        ("file,identity", (), "have no expression, such as"),
        (
            "file,identity,expression",
            ("--detector", "haar"),
            "eyes, nose and mouth are to be placed by the detector",
        ),
        ("file,identity,expression", ("--points", "labels"), "do not place eyes, nose and mouth"),
        ("file,identity,expression", ("--people", "zed"), "no picture is left to prepare"),
        ("file,identity,expression", ("--au-from", "x"), "no such engine directory"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_written(
    repository: Path,
    toy: Path,
    tmp_path: Path,
    columns: str,
    options: tuple[str, ...],
    message: str,
) -> None:
    with (toy / "labels.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    lines = [columns, *(",".join(row[name] for name in columns.split(",")) for row in rows)]
    (toy / "part.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "set"
    done = prepare(
        repository, toy / "images", toy / "part.csv", "--out", out, *options, home=tmp_path
    )
    assert done.returncode == 1, done.stderr
    assert message in done.stderr
    assert not out.exists()


def test_a_choice_for_what_is_missing_is_taken(repository: Path, toy: Path, tmp_path: Path) -> None:
    points = [f"{name}_{axis}" for name in POINTS for axis in "xy"]
    lines = ["file,AU12," + ",".join(points)]
    lines += [f"{file.name},1{',64' * 6}" for file in sorted((toy / "images").iterdir())]
    (toy / "part.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "set"
    choices = ("--identity", "each", "--expression", "mixed", "--write", "jpg")
    done = prepare(
        repository,
        *(toy / "images", toy / "part.csv", "--out", out, "--crops", *choices),
        home=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    table = read_labels(out / "labels.csv", None)
    assert table.au_names == ("AU12",)
    assert set(table.expressions) == {"mixed"} and "ann_happy" in table.identities
    assert table.files[0].endswith(".jpg")
    assert "missing: AU01 AU02" in done.stdout and 'action_units = "table"' in done.stdout


def test_openface_labels_of_rendered_faces_in_photographs(
    repository: Path, tmp_path: Path, yunet_file: Path, synth_dir: Path
) -> None:
    pictures, labels = tmp_path / "pictures", tmp_path / "labels"
    pictures.mkdir()
    labels.mkdir()
    for expression in ("angry", "happy"):
        crop = cv2.imread(str(synth_dir / "images" / f"id000_{expression}.jpg"))
        assert crop is not None
        photograph = np.full((400, 500, 3), 120, np.uint8)
        photograph[80:336, 120:376] = cv2.resize(crop, (256, 256), interpolation=cv2.INTER_CUBIC)
        stem = f"Rafd090_07_Caucasian_male_{expression}_frontal"
        cv2.imwrite(str(pictures / f"{stem}.jpg"), photograph)
        openface_csv(labels / f"{stem}.csv", [{}], sequence=False, marks=False)
    cv2.imwrite(str(pictures / "Rafd045_07_Caucasian_male_sad_left.jpg"), photograph)
    openface_csv(labels / "Rafd045_07_Caucasian_male_sad_left.csv", [{}], sequence=False)
    out = tmp_path / "set"
    done = prepare(
        repository, pictures, labels, "--out", out, "--detector", yunet_file, home=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "left out: 1 x pictures of another camera angle" in done.stdout
    table = read_labels(out / "labels.csv")
    assert table.identities == ("rafd07", "rafd07") and table.expressions == ("angry", "happy")
    assert table.au[0, 8] == np.float32(3.2)
    crop = read_picture(out / "images" / table.files[0]).astype(int)
    truth = read_picture(synth_dir / "images" / "id000_angry.jpg").astype(int)
    assert crop.shape == truth.shape
    template = json.loads((out / "template.json").read_text())
    assert template["pictures"] == 2 and template["detector"]["name"] == "yunet"
    assert abs(template["points"]["right_eye"][1] - 48.5) < 4


def test_probabilities_need_a_word_of_the_user(repository: Path, toy: Path, tmp_path: Path) -> None:
    names = sorted(file.name for file in (toy / "images").iterdir())
    labels = pyfeat_csv(tmp_path / "fex.csv", [{"input": name} for name in names])
    arguments = (toy / "images", labels, "--out", tmp_path / "set", "--crops")
    choices = ("--identity", "each", "--expression", "mixed")
    refused = prepare(repository, *arguments, *choices, home=tmp_path)
    assert refused.returncode == 1 and "--scale-probabilities" in refused.stderr
    done = prepare(repository, *arguments, *choices, "--scale-probabilities", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "set" / "prepared.json").read_text())["scaled_probabilities"]
    assert read_labels(tmp_path / "set" / "labels.csv", None).au.max() == 4.0


def test_weak_labels_are_read_by_an_engine_set_and_marked(
    repository: Path, toy: Path, tmp_path: Path
) -> None:
    points = [f"{name}_{axis}" for name in POINTS for axis in "xy"]
    with (toy / "labels.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    keep = ["file", "identity", "expression", *points]
    lines = [",".join(keep), *(",".join(row[name] for name in keep) for row in rows)]
    (toy / "part.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "set"
    engines = repository / "efgan_rt" / "shipped"
    arguments = (toy / "images", toy / "part.csv", "--out", out, "--crops", "--au-from", engines)
    done = prepare(repository, *arguments, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert read_labels(out / "labels.csv").au.shape == (16, 17)
    with (out / "labels.csv").open(newline="") as handle:
        sources = {row["au_source"] for row in csv.DictReader(handle)}
    (source,) = sources
    assert source.startswith("weak: au_estimator of ")
    both = prepare(
        repository,
        *(toy / "images", toy / "labels.csv", "--out", tmp_path / "b", "--au-from", engines),
        home=tmp_path,
    )
    assert both.returncode == 1 and "would replace them by weaker ones" in both.stderr


def test_no_place_for_the_set_is_wrong_usage(repository: Path, toy: Path, tmp_path: Path) -> None:
    done = prepare(repository, toy / "images", home=tmp_path)
    assert done.returncode == 2 and "say where the set goes" in done.stderr
