"""The contact sheet of `efgan-rt batch`: the first pictures, of photographs each face."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from efgan_rt.cli.console import remark
from efgan_rt.pipeline.files import PictureJob, Plan
from efgan_rt.pipeline.outcome import PictureResult
from efgan_rt.reporting.contact_sheet import MAX_ROWS, Box, SheetRow, write_contact_sheet


class Sheet:
    """Collects what a sheet has to know of a run.

    Args:
        path: of the sheet.
        plan: of the run.
        edits: headings, one a product.
    """

    def __init__(self, path: Path, plan: Plan, edits: Sequence[str]) -> None:
        self._path = path
        self._edits = edits
        self._jobs: list[PictureJob] = list(islice(plan.jobs(), MAX_ROWS))
        self._boxes: dict[Path, list[Box]] = {job.source: [] for job in self._jobs}

    def add(self, result: PictureResult) -> None:
        """Takes note of a picture's faces; those of what was done before are not known."""
        if result.source in self._boxes:
            self._boxes[result.source] = [face.box for face in result.faces if face.box is not None]

    def write(self) -> None:
        """Writes the sheet.

        Raises:
            EfganError: it cannot be written.
        """
        rows = (row for job in self._jobs for row in self._rows(job))
        shown = write_contact_sheet(self._path, ["input", *self._edits], rows)
        remark(f"contact sheet: {self._path} ({shown} rows)")

    def _rows(self, job: PictureJob) -> list[SheetRow]:
        files = (job.source, *job.outputs)
        boxes = self._boxes[job.source]
        if not boxes:
            return [SheetRow(job.source.stem, files)]
        # From left to right, as one reads them in the picture.
        ordered = sorted(boxes)
        names = [f"{job.source.stem} {k}" for k in range(1, len(boxes) + 1)]
        labels = names if len(boxes) > 1 else [job.source.stem]
        return [SheetRow(label, files, box) for label, box in zip(labels, ordered, strict=True)]
