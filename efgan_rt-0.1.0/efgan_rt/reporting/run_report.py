"""`--report run.json`: one row a picture, written as the run goes on, in bounded memory.

The document is one JSON object, with each picture on a line of its own:

    {"format": "efgan-rt run 1", "about": {...}, "pictures": [
    {"picture": ..., "status": ..., "outputs": [...], "reasons": [...], "faces": [...]},
    ...
    ], "left_alone": [{"file": ..., "why": ...}, ...], "summary": {...}}

`faces` are those that were edited in this run, the largest first; each has its box in the upright
picture (left, top, width, height; null where the whole picture is the face), the detector's score,
and the action units that it showed. The document appears whole under its name when the run ends,
however it ends. Only ASCII, so that no file name can spoil it; a byte that is no text is a lone
surrogate, as Python has it.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from efgan_rt.errors import EfganError
from efgan_rt.pipeline.items import EditedFace
from efgan_rt.pipeline.outcome import PictureResult
from efgan_rt.reporting.own_file import refuse_foreign

FORMAT: Final = "efgan-rt run 1"
START: Final = f'{{"format": "{FORMAT}"'


def check_report(path: Path, *, overwrite: bool) -> None:
    """Refuses, before any work, a report that would replace what is no report.

    Raises:
        EfganError: another file has its name.
    """
    mark = START.encode()
    refuse_foreign(path, "report of a run", mark, within=len(mark), overwrite=overwrite)


class RunReport:
    """Writes a report; `add` for one thread at a time.

    Args:
        path: of the report, replaced if it is there; its folder is made.
        about: plain values on the run as a whole.
        au_names: the action units of the faces.
        edit_of: what a picture was edited to, where each has its own; else "".
        left_alone: gives the files that were not edited, and why.

    Raises:
        EfganError: it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        about: Mapping[str, Any],
        au_names: Sequence[str] = (),
        edit_of: Callable[[Path], str] = lambda _: "",
        left_alone: Callable[[], Iterable[tuple[Path, str]]] = tuple,
    ) -> None:
        self._left_alone = left_alone
        self._path = path
        self._edit_of = edit_of
        self._au_names = au_names
        self._part = path.with_name(f".{path.name}.part")
        self._separator = "\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = self._part.open("w", encoding="ascii")
        except OSError as error:
            raise self._fault(error) from error
        self._write(f'{START}, "about": {json.dumps(about)}, "pictures": [')

    def add(self, result: PictureResult) -> None:
        """Writes a picture's row.

        Raises:
            EfganError: it cannot be written.
        """
        row: dict[str, Any] = {
            "picture": str(result.source),
            "status": str(result.status),
            "outputs": [str(path) for path in result.outputs],
            "reasons": [failure.reason for failure in result.failures],
        }
        if result.notes:
            row["notes"] = list(result.notes)
        if edit := self._edit_of(result.source):
            row["edit"] = edit
        if result.faces:
            row["faces"] = [self._face(face) for face in result.faces]
        self._write(self._separator + json.dumps(row))
        self._separator = ",\n"

    def _face(self, face: EditedFace) -> dict[str, Any]:
        units = () if face.source_au is None else face.source_au.tolist()
        return {
            "box": None if face.box is None else [round(each, 1) for each in face.box],
            "score": None if face.score is None else round(face.score, 3),
            "action_units": {
                name: round(value, 2) for name, value in zip(self._au_names, units, strict=False)
            },
        }

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Writes the summary and gives the report its name.

        Raises:
            EfganError: it cannot be written.
        """
        self._write('\n], "left_alone": [')
        separator = "\n"
        for path, why in self._left_alone():
            self._write(separator + json.dumps({"file": str(path), "why": why}))
            separator = ",\n"
        self._write(f'\n], "summary": {json.dumps(summary)}}}\n')
        try:
            self._file.close()
            os.replace(self._part, self._path)
        except OSError as error:
            raise self._fault(error) from error

    def _write(self, text: str) -> None:
        try:
            self._file.write(text)
        except OSError as error:
            raise self._fault(error) from error

    def _fault(self, error: OSError) -> EfganError:
        return EfganError(f"{self._path}: the report cannot be written: {error.strerror}")
