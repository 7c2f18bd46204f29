"""Reads a page of a run as its script would, without a browser."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from efgan_rt.pictures.original import Picture
from efgan_rt.pipeline.outcome import PictureResult, Status
from efgan_rt.pipeline.resume import Need
from efgan_rt.pipeline.views import EditView, FaceView, PictureView, small_jpeg
from efgan_rt.reporting.page_report import PageAbout

UNITS = ("AU15", "AU12")


def data_of(page: Path, name: str) -> Any:
    """One of the page's data elements: `facts`, `rows` or `bytes`."""
    text = page.read_text("utf-8")
    found = re.findall(rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.S)
    assert len(found) == 1
    return json.loads(found[0])


def about_page(source: Path, targets: Sequence[str] = ("happy",)) -> PageAbout:
    """What a page of a run on `source` has to know."""
    run: list[tuple[str, dict[str, Any]]] = [
        ("Asked for", {"command": "efgan-rt batch <in> out"}),
        ("Machine", {"cores": 2}),
    ]
    return PageAbout(source, targets, UNITS, 16, run)


def plain(level: int) -> Picture:
    """A picture of 16 x 16 in one grey."""
    return np.full((16, 16, 3), level, np.uint8)


def edited(
    source: Path,
    outputs: Sequence[Path],
    *,
    level: int = 40,
    needs: Sequence[Need] | None = None,
    measured: float = 4.0,
    faces: int = 1,
) -> PictureResult:
    """A picture that went well: from grey `level` to 200, AU12 from 0.25 to 4.5 asked."""
    units = np.array([[1, 0.25], [0, 4.5], [0.5, measured]], np.float32)
    edit = EditView(small_jpeg(plain(200), 16), small_jpeg(plain(255), 16), units)
    view = PictureView(
        tuple(outputs),
        tuple(needs or (Need.MAKE,) * len(outputs)),
        (FaceView(small_jpeg(plain(level), 16), (edit,) * len(outputs)),) * faces,
    )
    return PictureResult(source, Status.DONE, tuple(outputs), view=view)
