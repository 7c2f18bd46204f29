"""`--report`: a row a picture, valid however the run ends, and never in another file's place."""

import json
import os
from pathlib import Path

import pytest

from efgan_rt.errors import EfganError
from efgan_rt.pipeline.outcome import Failure, PictureResult, Status
from efgan_rt.reporting.run_report import RunReport, check_report


def test_a_report_has_a_row_for_each_picture_and_the_summary(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "run.json"
    odd = Path(os.fsdecode(b"in/\xff\n.png"))
    report = RunReport(path, {"input": "in"})
    report.add(PictureResult(Path("in/a.png"), Status.DONE, (Path("out/a.png"),)))
    report.add(PictureResult(odd, Status.FAILED, (), (Failure(odd, "empty"),)))
    assert not path.exists()
    report.finish({"failed": 1})
    assert json.loads(path.read_text()) == {
        "format": "efgan-rt run 1",
        "about": {"input": "in"},
        "pictures": [
            {"picture": "in/a.png", "status": "done", "outputs": ["out/a.png"], "reasons": []},
            {"picture": str(odd), "status": "failed", "outputs": [], "reasons": ["empty"]},
        ],
        "left_alone": [],
        "summary": {"failed": 1},
    }
    assert [each.name for each in path.parent.iterdir()] == ["run.json"]


def test_a_report_without_pictures_is_valid(tmp_path: Path) -> None:
    RunReport(tmp_path / "run.json", {}).finish({"stopped": "no"})
    assert json.loads((tmp_path / "run.json").read_text())["pictures"] == []


def test_a_report_may_replace_a_report_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    check_report(path, overwrite=False)
    RunReport(path, {}).finish({})
    check_report(path, overwrite=False)
    path.write_text('{"precious": 1}')
    with pytest.raises(EfganError) as caught:
        check_report(path, overwrite=False)
    assert str(caught.value) == (
        f"{path}: is there already and is no report of a run; replace it with --overwrite"
    )
    check_report(path, overwrite=True)


def test_a_report_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EfganError) as caught:
        RunReport(tmp_path / "file" / "run.json", {})
    assert str(caught.value) == (
        f"{tmp_path}/file/run.json: the report cannot be written: File exists"
    )
