"""`--report page.html`: a page to look at, with every picture, written in bounded memory.

While the run goes on, rows and small pictures go to two hidden files beside the page. At the end
they become the page. Up to 25 MB of pictures lie inside it; more lie in a folder beside it (see
`page_pictures.py`), which the page reads as it needs them. It appears whole or not at all.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote

import numpy as np

from efgan_rt.action_units import AU_DESCRIPTIONS
from efgan_rt.errors import EfganError
from efgan_rt.pipeline.outcome import Failure, PictureResult, Status
from efgan_rt.pipeline.resume import Need
from efgan_rt.pipeline.views import FaceView, PictureView
from efgan_rt.reporting import page_sections
from efgan_rt.reporting.latency import LatencyRecorder
from efgan_rt.reporting.own_file import refuse_foreign
from efgan_rt.reporting.page_pictures import FOLDER_MARK, PagePictures, folder_of
from efgan_rt.reporting.page_template import (
    MARK,
    MARK_WITHIN,
    as_json,
    as_text,
    href,
    page_pieces,
    shown,
)

INSIDE_BYTES: Final = 25_000_000  # of pictures, as base64
COPIES: Final = (Status.COPIED, Status.LEFT)
STATUS_OF: Final = {
    Need.MAKE: Status.DONE,
    Need.AGAIN: Status.AGAIN,
    Need.REPLACE: Status.AGAIN,
    Need.DONE: Status.ALREADY,
}


@dataclass(frozen=True)
class PageAbout:
    """What a page has to know of its run beforehand.

    Attributes:
        source: the folder of pictures, or the picture.
        targets: names of the edits.
        au_names: the action units of the views.
        crop_px: side of their pictures.
        run: titled lists of what is run and on what.
    """

    source: Path
    targets: Sequence[str]
    au_names: Sequence[str]
    crop_px: int
    run: Sequence[tuple[str, Mapping[str, Any]]]


def check_page(path: Path, *, overwrite: bool) -> None:
    """Refuses, before any work, a page or a folder that would replace what is none of ours.

    Raises:
        EfganError: another file has the page's name, or another folder that of its pictures.
    """
    mark = MARK
    refuse_foreign(path, "page of a run", mark, within=MARK_WITHIN, overwrite=overwrite)
    folder = folder_of(path)
    if os.path.lexists(folder) and not (folder / FOLDER_MARK).is_file():
        raise EfganError(
            f"{folder}: is there already and holds no pictures of a page; "
            "choose another name for the page"
        )


class PageReport:
    """Writes a page; `add` for one thread at a time.

    Args:
        path: of the page, replaced if it is there; its folder is made.
        about: the run.
        recorder: has the run's latency at its end.
        inside_bytes: how much of the page its pictures may be.

    Raises:
        EfganError: it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        about: PageAbout,
        recorder: LatencyRecorder,
        *,
        inside_bytes: int = INSIDE_BYTES,
    ) -> None:
        self._path = path
        self._about = about
        self._recorder = recorder
        self._inside_bytes = inside_bytes
        self._root = about.source if about.source.is_dir() else about.source.parent
        self._begun = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        self._rows = self._failed = 0
        self._row_part = path.with_name(f".{path.name}.rows.part")
        self._page_part = path.with_name(f".{path.name}.page.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._row_file: IO[str] = self._row_part.open("w", encoding="ascii")
            self._pictures = PagePictures(path)
        except OSError as error:
            raise self._fault(error) from error

    def add(self, result: PictureResult) -> None:
        """Writes a picture's rows, one a face and edit; a single one if nothing could be made.

        Raises:
            EfganError: they cannot be written.
        """
        try:
            for row in self._rows_of(result):
                self._row_file.write((",\n" if self._rows else "") + as_json(row))
                self._rows += 1
                self._failed += row["s"] == Status.FAILED
        except OSError as error:
            raise self._fault(error) from error

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Puts the page together and gives it its name.

        Raises:
            EfganError: it cannot be written.
        """
        try:
            self._row_file.close()
            is_inside = self._pictures.base64_bytes <= self._inside_bytes
            token = None if is_inside else self._pictures.fill_folder()
            with self._page_part.open("w", encoding="utf-8") as page:
                page.writelines(page_pieces(self._parts(summary, token)))
            os.replace(self._page_part, self._path)
            self._row_part.unlink()
            self._pictures.clean(token)
        except OSError as error:
            raise self._fault(error) from error

    def _rows_of(self, result: PictureResult) -> Iterator[dict[str, Any]]:
        """See pictures.js for what the letters mean."""
        page_folder = self._path.parent
        common: dict[str, Any] = {
            "n": shown(result.source.relative_to(self._root)),
            "u": href(result.source, page_folder),
        }
        whole = [_brief(each) for each in result.failures if each.output is None]
        if result.view is None:
            reason = {"r": "\n".join(map(shown, whole))} if whole else {}
            if result.status is Status.ALREADY:
                for number, output in enumerate(result.outputs):
                    there = {"t": number, "s": result.status, "o": href(output, page_folder)}
                    yield common | there
            else:
                yield common | {"t": -1, "s": result.status} | reason
            return
        for face, view in enumerate(result.view.faces):
            common["b"] = self._pictures.keep(view.before)
            if len(result.view.faces) > 1:
                common["f"] = [face + 1, len(result.view.faces)]
            for number in range(len(self._about.targets)):
                yield common | self._edit(result, result.view, view, number)

    def _edit(
        self, result: PictureResult, view: PictureView, face: FaceView, number: int
    ) -> dict[str, Any]:
        output, edit = view.outputs[number], face.edits[number]
        reasons = [_brief(each) for each in result.failures if each.output in (None, output)]
        if reasons:
            return {"t": number, "s": Status.FAILED.value, "r": "\n".join(map(shown, reasons))}
        is_copy = result.status in COPIES and view.needs[number] is not Need.DONE
        status = result.status if is_copy else STATUS_OF[view.needs[number]]
        row: dict[str, Any] = {"t": number, "s": status}
        row["o"] = href(output, self._path.parent)
        if edit is not None:
            row["p"] = self._pictures.keep(edit.picture)
            if edit.attention is not None:
                row["m"] = self._pictures.keep(edit.attention)
            if edit.units is not None:
                row["a"] = np.rint(edit.units * 100).astype(int).tolist()
        return row

    def _parts(
        self, summary: Mapping[str, Any], token: str | None
    ) -> Mapping[str, str | Iterable[str]]:
        about = self._about
        folder = folder_of(self._path).name
        facts = {
            "targets": [shown(each) for each in about.targets],
            "units": [
                {"name": name, "about": AU_DESCRIPTIONS.get(name, "")} for name in about.au_names
            ],
            "crop_px": about.crop_px,
            "folder": None if token is None else f"{quote(os.fsencode(folder))}/{token}",
            "lost": (
                "This file cannot be shown here."
                if token is None
                else f"The picture is missing: keep {shown(folder)} beside this page."
            ),
        }
        edits = ", ".join(about.targets)
        lead = f"Pictures of {about.source}, {self._begun}"
        failures = page_sections.failures(summary, self._failed)
        batch = summary.get("engines", {}).get("batch")
        stages = summary.get("latency", ())
        timeline = self._recorder.timeline()
        groups = [(title, pairs.items()) for title, pairs in about.run]
        return {
            "title": as_text(f"Expression edits: {edits}"),
            "lead": as_text(lead),
            "tiles": page_sections.tiles(summary),
            "failures_link": '<a href="#failures">Failures</a>\n' if failures else "",
            "failures": failures,
            "latency": page_sections.latency(stages, timeline, batch),
            "run": page_sections.run(groups),
            "facts": as_json(facts),
            "rows": self._row_pieces(),
            "bytes": "[]" if token is not None else self._pictures.pieces(),
        }

    def _row_pieces(self) -> Iterator[str]:
        yield "["
        with self._row_part.open(encoding="ascii") as file:
            yield from file
        yield "]"

    def _fault(self, error: OSError) -> EfganError:
        return EfganError(f"{self._path}: the page cannot be written: {error.strerror}")


def _brief(failure: Failure) -> str:
    """The reason without the picture's name, which stands beside it."""
    return failure.reason.removeprefix(f"{failure.source}: ")
