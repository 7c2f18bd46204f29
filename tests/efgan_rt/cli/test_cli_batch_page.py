"""`efgan-rt batch --report page.html` from its options to the page, with toy engines."""

import base64
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from efgan_rt.editing import OpenedSet
from efgan_rt.expressions import target_places
from efgan_rt.pictures.crop import to_crop
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from efgan_rt.pipeline.publish import Publisher
from tests.page_reading import data_of

Cli = Callable[..., Any]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "pages" / "run.html"


@pytest.fixture
def batch(cli: Cli, faces: Path, tmp_path: Path, toy_engines: Path, page: Path) -> Cli:
    """`batch(*options)` edits `faces` into `tmp_path/out` with toy engines, and writes `page`."""

    def run(*options: object, report: Path = page) -> Any:
        engines = ("--engines", toy_engines, "--backend", "onnxruntime", "--batch-size", 4)
        return cli("batch", faces, tmp_path / "out", *engines, "--report", report, *options)

    return run


def differs(page: Path, number: int, expected: Picture) -> float:
    """How many levels a picture of the page is from a crop, on average; by luma, for in a JPEG of
    16 x 16 pixels little is left of the colours."""
    data = base64.b64decode(data_of(page, "bytes")[number])
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert found is not None
    luma = expected if expected.ndim == 2 else cv2.cvtColor(expected, cv2.COLOR_RGB2GRAY)
    return float(np.abs(found.astype(int) - luma).mean())


def test_every_edit_has_its_row_pictures_and_units(
    batch: Cli, faces: Path, tmp_path: Path, page: Path, toy_engines: Path
) -> None:
    assert batch("-e", "happy", "-e", "blink").status == 0
    rows = data_of(page, "rows")
    assert len(rows) == 22
    assert {row["s"] for row in rows} == {"done"}
    (row,) = (each for each in rows if each["n"] == "a/x.png" and each["t"] == 1)
    before = to_crop(read_picture(faces / "a/x.png"), 16)
    after = to_crop(read_picture(tmp_path / "out/blink/a/x.png"), 16)
    assert differs(page, row["b"], before) < 3
    assert differs(page, row["p"], after) < 3
    cascade = OpenedSet.open(toy_engines, backend="onnxruntime", batch=4)
    source_au = cascade.estimate(before[None])[0]
    assert row["a"][0] == pytest.approx(source_au * 100, abs=0.51)
    assert row["a"][1] == pytest.approx([0, 0, 500])  # what blink is
    edited = cascade.edit(
        before[None],
        target_places(np.zeros(3, np.float32), np.array([0, 0, 5], np.float32)),
    )
    assert row["a"][2] == pytest.approx(cascade.estimate(edited.pixels)[0] * 100, abs=0.51)
    assert differs(page, row["m"], np.asarray(edited.attention)[0]) < 3
    assert (page.parent / row["u"]).resolve() == (faces / "a/x.png").resolve()
    assert (page.parent / row["o"]).resolve() == (tmp_path / "out/blink/a/x.png").resolve()


def test_outputs_are_the_same_with_and_without_a_page(
    batch: Cli, tmp_path: Path, page: Path
) -> None:
    assert batch("-e", "happy", "-e", "blink").status == 0
    with_page = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*.png")}
    assert batch("-e", "happy", "-e", "blink", "--overwrite", "--quality", 90).status == 0
    os.remove(page)
    result = batch("-e", "happy", "-e", "blink", "--overwrite", report=tmp_path / "run.json")
    assert result.status == 0
    assert with_page == {p: p.read_bytes() for p in (tmp_path / "out").rglob("*.png")}


def test_only_a_page_costs_a_second_reading(batch: Cli, tmp_path: Path) -> None:
    with_page = batch("-e", "happy").out
    assert "measure the edits" in with_page
    assert "pictures for the page" in with_page
    without = batch("-e", "happy", "--overwrite", "-e", "blink", report=tmp_path / "run.json").out
    assert "measure the edits" not in without
    assert "pictures for the page" not in without


def test_what_was_done_before_has_its_pictures(batch: Cli, tmp_path: Path, page: Path) -> None:
    assert batch("-e", "happy", "-e", "blink").status == 0
    os.remove(tmp_path / "out" / "blink" / "00.png")
    assert batch("-e", "happy", "-e", "blink").status == 0
    rows = {(row["n"], row["t"]): row for row in data_of(page, "rows")}
    assert len(rows) == 22
    for kept in (rows["01.png", 0], rows["01.png", 1], rows["00.png", 0]):
        assert kept["s"] == "already done"
        assert {"b", "p", "o"} <= set(kept)
        assert not {"a", "m"} & set(kept)
    made = rows["00.png", 1]
    assert made["s"] == "done"
    assert {"b", "p", "o", "a", "m"} <= set(made)
    after = to_crop(read_picture(tmp_path / "out/happy/01.png"), 16)
    assert differs(page, rows["01.png", 0]["p"], after) < 3


def test_failures_are_on_the_page_with_their_reasons(batch: Cli, faces: Path, page: Path) -> None:
    (faces / "empty.png").touch()
    os.close(os.open(os.fsencode(faces) + b"/<script>\xff.png", os.O_CREAT))
    assert batch("-e", "happy").status == 3
    failed = {row["n"]: row for row in data_of(page, "rows") if row["s"] == "failed"}
    assert failed["empty.png"]["r"] == "the file is empty; expected a picture"
    assert failed["<script>\\xff.png"]["u"].endswith("/%3Cscript%3E%FF.png")
    text = page.read_text("utf-8")
    assert '<td>2</td><td class="long">the file is empty</td>' in text


def test_the_page_says_what_was_run_on_what(batch: Cli, page: Path, toy_engines: Path) -> None:
    assert batch("-e", "happy", "--intensity", "0.5").status == 0
    text = page.read_text("utf-8")
    found = dict(re.findall(r"<dt>([^<]+)</dt><dd>(?:<code>)?([^<]*)", text))
    assert found["backend"] == "onnxruntime"
    assert found["precision"] == "fp32"
    assert found["directory"] == str(toy_engines)
    assert found["intensity"] == "0.5"
    assert found["chosen because"] == "ONNX Runtime in fp32, as asked for"
    assert "--report" in found["command"]
    assert {"processor", "cores", "system", "python", "efgan-rt", "numpy"} <= set(found)


def test_a_run_that_stops_leaves_a_page_that_says_so(
    batch: Cli, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from efgan_rt.pipeline.publish import not_written

    def full(publisher: Publisher, path: Path, data: bytes, **_: object) -> None:
        error = OSError(28, "No space left on device")
        raise not_written(path, error) from error

    monkeypatch.setattr(Publisher, "stage", full)
    assert batch("-e", "happy").status == 1
    assert "The run stopped: " in page.read_text()


def test_a_dry_run_writes_no_page(batch: Cli, page: Path) -> None:
    assert batch("-e", "happy", "--dry-run").status == 0
    assert not page.parent.exists()


def test_a_page_is_never_put_among_the_inputs(batch: Cli, faces: Path, tmp_path: Path) -> None:
    result = batch("-e", "happy", report=faces / "run.html")
    assert result.status == 1
    assert result.err.endswith(
        f"error: {faces}/run.html: lies among the inputs; choose another place for the page\n"
    )
    assert not (tmp_path / "out").exists()


def test_a_report_is_a_page_or_json(batch: Cli, tmp_path: Path) -> None:
    result = batch("-e", "happy", report=tmp_path / "run.pdf")
    assert result.status == 1
    assert result.err.endswith(
        f"error: {tmp_path}/run.pdf: the report's name must end in .html or .json\n"
    )


def test_action_units_alone_name_the_edit(batch: Cli, page: Path) -> None:
    assert batch("--au", "AU12=3.5").status == 0
    assert data_of(page, "facts")["targets"] == ["AU12=3.5"]
