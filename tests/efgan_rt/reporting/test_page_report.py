"""`--report page.html`: rows and pictures, inside the page or beside it; whole or not at all."""

import base64
import os
import resource
from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.errors import EfganError
from efgan_rt.pipeline.outcome import Failure, PictureResult, Status
from efgan_rt.pipeline.resume import Need
from efgan_rt.reporting.latency import LatencyRecorder
from efgan_rt.reporting.page_pictures import FOLDER_MARK, folder_of
from efgan_rt.reporting.page_report import PageReport, check_page
from tests.page_reading import about_page, data_of, edited


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


def level(jpeg: bytes) -> int:
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return round(float(decoded.mean()))


def test_a_page_has_a_row_for_each_edit_with_its_pictures_and_units(
    tmp_path: Path, source: Path
) -> None:
    page = tmp_path / "pages" / "run.html"
    outputs = [tmp_path / "out" / name / "a.png" for name in ("happy", "sad")]
    report = PageReport(page, about_page(source, ("happy", "sad")), LatencyRecorder())
    report.add(edited(source / "a.png", outputs, needs=(Need.MAKE, Need.REPLACE)))
    assert not page.exists()
    report.finish({"pictures": 1, "written": 2})
    first, second = data_of(page, "rows")
    assert first == {
        "n": "a.png",
        "u": "../in/a.png",
        "b": 0,
        "t": 0,
        "s": "done",
        "o": "../out/happy/a.png",
        "p": 1,
        "m": 2,
        "a": [[100, 25], [0, 450], [50, 400]],
    }
    assert (second["t"], second["s"], second["b"]) == (1, "made again", 0)
    pictures = [level(base64.b64decode(each)) for each in data_of(page, "bytes")]
    assert pictures == [40, 200, 255, 200, 255]
    assert data_of(page, "facts")["folder"] is None
    assert data_of(page, "facts")["units"][1] == {"name": "AU12", "about": "lip corner puller"}
    assert [each.name for each in page.parent.iterdir()] == ["run.html"]


def test_more_pictures_than_fit_lie_in_a_folder_beside_the_page(
    tmp_path: Path, source: Path
) -> None:
    page = tmp_path / "my run.html"
    report = PageReport(page, about_page(source), LatencyRecorder(), inside_bytes=1000)
    for number in range(400):
        report.add(edited(source / f"{number}.png", [tmp_path / f"{number}.png"]))
    report.finish({})
    folder = data_of(page, "facts")["folder"]
    assert folder.startswith("my%20run.pictures/")
    assert data_of(page, "bytes") == []
    last = data_of(page, "rows")[-1]
    token = folder_of(page) / folder.rsplit("/", 1)[1]
    assert level((token / "001" / f"{last['p']:06}.jpg").read_bytes()) == 200
    assert len(list(token.rglob("*.jpg"))) == 1200


def test_a_new_page_takes_the_place_of_the_old_one_with_its_folder(
    tmp_path: Path, source: Path
) -> None:
    page = tmp_path / "run.html"
    for inside in (0, 0, 10_000_000):
        check_page(page, overwrite=False)
        report = PageReport(page, about_page(source), LatencyRecorder(), inside_bytes=inside)
        report.add(edited(source / "a.png", [tmp_path / "a.png"]))
        report.finish({})
        folders = [each.name for each in folder_of(page).glob("*") if each.is_dir()]
        facts = data_of(page, "facts")["folder"]
        assert folders == ([] if inside else [facts.rsplit("/", 1)[1]])
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in", "run.html"]


def test_a_page_that_cannot_be_published_leaves_the_old_one_whole(
    tmp_path: Path, source: Path
) -> None:
    page = tmp_path / "run.html"
    report = PageReport(page, about_page(source), LatencyRecorder(), inside_bytes=0)
    report.add(edited(source / "a.png", [tmp_path / "a.png"]))
    report.finish({})
    old = page.read_bytes()
    (pictures,) = folder_of(page).rglob("*001.jpg")
    report = PageReport(page, about_page(source), LatencyRecorder(), inside_bytes=0)
    report.add(edited(source / "a.png", [tmp_path / "a.png"]))
    (tmp_path / ".run.html.page.part").mkdir()
    with pytest.raises(EfganError) as caught:
        report.finish({})
    assert str(caught.value) == f"{page}: the page cannot be written: Is a directory"
    assert page.read_bytes() == old
    assert pictures.exists()


def test_a_picture_that_failed_has_one_row_with_its_reason(tmp_path: Path, source: Path) -> None:
    page = tmp_path / "run.html"
    picture = source / "a.png"
    report = PageReport(page, about_page(source, ("happy", "sad")), LatencyRecorder())
    failure = Failure(picture, f"{picture}: the file is empty; expected a picture")
    report.add(PictureResult(picture, Status.FAILED, (), (failure,)))
    report.finish({"failed": 1, "reasons": {"the file is empty": 1}, "failures": []})
    (row,) = data_of(page, "rows")
    assert row == {
        "n": "a.png",
        "u": "in/a.png",
        "t": -1,
        "s": "failed",
        "r": "the file is empty; expected a picture",
    }


def test_one_edit_that_failed_leaves_the_others_of_its_picture_well(
    tmp_path: Path, source: Path
) -> None:
    page = tmp_path / "run.html"
    good, bad = tmp_path / "happy.png", tmp_path / "sad.png"
    whole = edited(source / "a.png", (good, bad))
    failure = Failure(whole.source, f"{bad}: cannot be written: File name too long", bad)
    report = PageReport(page, about_page(source, ("happy", "sad")), LatencyRecorder())
    report.add(PictureResult(whole.source, Status.FAILED, (), (failure,), view=whole.view))
    report.finish({})
    first, second = data_of(page, "rows")
    assert (first["s"], first["p"]) == ("done", 1)
    assert (second["s"], second["r"]) == (
        "failed",
        f"{bad}: cannot be written: File name too long",
    )


def test_a_picture_that_was_done_and_cannot_be_read_still_has_its_rows(
    tmp_path: Path, source: Path
) -> None:
    page = tmp_path / "run.html"
    report = PageReport(page, about_page(source), LatencyRecorder())
    report.add(PictureResult(source / "a.png", Status.ALREADY, (tmp_path / "a.png",)))
    report.finish({})
    (row,) = data_of(page, "rows")
    assert row == {"n": "a.png", "u": "in/a.png", "t": 0, "s": "already done", "o": "a.png"}


def test_hostile_names_stay_text(tmp_path: Path, source: Path) -> None:
    page = tmp_path / "run.html"
    name = os.fsdecode(b"</script><img src=x onerror=alert(1)>\"'\xff.png")
    picture = source / name.replace("/", "|")
    report = PageReport(page, about_page(source), LatencyRecorder())
    failure = Failure(picture, f"{picture}: </script><b>")
    report.add(PictureResult(picture, Status.FAILED, (), (failure,)))
    slashed = source / "<" / "script>.png"
    report.add(edited(slashed, [tmp_path / "x.png"]))
    stopped = {"stopped": "</script><script>alert(1)</script>"}
    report.finish({"reasons": {"<b>": 1}, "failures": [{"reason": str(picture)}]} | stopped)
    text = page.read_text("utf-8")
    assert "<img" not in text
    assert "<b>" not in text
    assert "<script>alert" not in text
    first, second = data_of(page, "rows")
    assert first["n"].endswith("\"'\\xff.png")
    assert second["n"] == "</script>.png"


def test_a_run_that_stopped_says_so(tmp_path: Path, source: Path) -> None:
    page = tmp_path / "run.html"
    PageReport(page, about_page(source), LatencyRecorder()).finish({"stopped": "no space"})
    assert "The run stopped: no space" in page.read_text()
    assert data_of(page, "rows") == []


def test_a_page_may_replace_a_page_and_nothing_else(tmp_path: Path, source: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text("<!doctype html><title>mine</title>")
    with pytest.raises(EfganError) as caught:
        check_page(page, overwrite=False)
    assert str(caught.value) == (
        f"{page}: is there already and is no page of a run; replace it with --overwrite"
    )
    check_page(page, overwrite=True)
    PageReport(page, about_page(source), LatencyRecorder()).finish({})
    check_page(page, overwrite=False)


def test_a_folder_of_somebody_else_is_never_taken(tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    folder_of(page).mkdir()
    with pytest.raises(EfganError) as caught:
        check_page(page, overwrite=True)
    assert str(caught.value) == (
        f"{folder_of(page)}: is there already and holds no pictures of a page; "
        "choose another name for the page"
    )


def test_files_of_others_in_the_pages_folder_stay(tmp_path: Path, source: Path) -> None:
    page = tmp_path / "run.html"
    folder_of(page).mkdir()
    (folder_of(page) / FOLDER_MARK).touch()
    (folder_of(page) / "notes.txt").touch()
    PageReport(page, about_page(source), LatencyRecorder()).finish({})
    assert (folder_of(page) / "notes.txt").exists()


def test_a_page_that_cannot_be_begun_is_named(tmp_path: Path, source: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EfganError) as caught:
        PageReport(tmp_path / "file" / "run.html", about_page(source), LatencyRecorder())
    assert str(caught.value) == (
        f"{tmp_path}/file/run.html: the page cannot be written: File exists"
    )


def test_ten_thousand_pictures_take_no_more_memory_than_a_thousand(
    tmp_path: Path, source: Path
) -> None:
    def grown_kb(count: int) -> int:
        page = tmp_path / f"{count}.html"
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        report = PageReport(page, about_page(source), LatencyRecorder())
        result = edited(source / "a.png", [tmp_path / "a.png"])
        for _ in range(count):
            report.add(result)
        report.finish({})
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    grown_kb(1000)
    assert grown_kb(10_000) < 4000
