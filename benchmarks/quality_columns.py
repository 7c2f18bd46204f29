"""What the quality benchmark measures: one column for each way of editing, and two to compare with.

"input" hands back its pictures and "truth" the right ones: what doing nothing and doing everything
right are worth by the same figures.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.pictures.crop import to_crop
from efgan_rt.pictures.header import READABLE_EXTENSIONS
from efgan_rt.pictures.read import read_picture
from train.data.faces import FaceSet
from train.evaluation.editors import Bytes, Editor
from train.evaluation.towards import edit_planned, edit_towards
from train.metrics.judges import Judges
from train.metrics.paired import EditPlan, EditQuality, measure_edits, plan_edits
from train.metrics.psnr import mean_psnr_db

INPUT, TRUTH = "input", "truth"
EXAMPLE_COUNT: Final = 12
EXAMPLE_EXPRESSIONS: Final = ("happy", "angry", "surprised")


@dataclass(frozen=True)
class Example:
    """A face of the contact sheet: a name to print and a crop, uint8 RGB (H, W, 3)."""

    name: str
    crop: Bytes


@dataclass(frozen=True)
class Column:
    """One way of editing and what it is worth.

    `unchanged_db` is the PSNR between input and edit where the input's own expression is asked for;
    `examples_right` how many of the contact sheet's edits the judge names as wanted. Both are None
    in the columns to compare with. The pictures are kept for the sheets.
    """

    name: str
    backend: str | None
    precision: str | None
    origin: dict[str, Any]
    quality: EditQuality
    edits: Bytes  # in the order of `plan_edits`
    unchanged_db: float | None = None
    examples_right: int | None = None
    examples: dict[str, Bytes] | None = None  # expression -> one edit an example

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON, without the pictures."""
        shown = EXAMPLE_COUNT * len(EXAMPLE_EXPRESSIONS)
        if self.examples is not None:
            shown = sum(len(edits) for edits in self.examples.values())
        return {
            "name": self.name,
            "backend": self.backend,
            "precision": self.precision,
            "origin": self.origin,
            "unchanged_psnr_db": self.unchanged_db,
            "examples_named_right": self.examples_right,
            "examples_shown": shown if self.examples is not None else None,
            **asdict(self.quality),
        }


def example_faces(folder: Path, faces: FaceSet) -> list[Example]:
    """The contact sheet's inputs.

    Args:
        folder: a folder of pictures.
        faces: where twelve neutral faces are taken from if there is no such folder.

    Raises:
        EfganError: the folder has no pictures, or one that cannot be read.
    """
    if folder.is_dir():
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in READABLE_EXTENSIONS)
        if not paths:
            raise EfganError(f"{folder}: no pictures for the contact sheet")
        return [Example(p.stem, to_crop(read_picture(p), faces.crop_px)) for p in paths]
    rows = [i for i, name in enumerate(faces.table.expressions) if name == "neutral"]
    spread = rows[:: max(1, len(rows) // EXAMPLE_COUNT)][:EXAMPLE_COUNT]
    return [Example(faces.table.identities[i], faces.pixels[i].numpy()) for i in spread]


def measure_all(
    editors: Sequence[Editor],
    faces: FaceSet,
    examples: Sequence[Example],
    judges: Judges,
    say: Callable[[str], None],
) -> list[Column]:
    """A column for each editor, between the two to compare with.

    Args:
        editors: at least one; the first one's estimator reads the columns to compare with.
        faces: the test people.
        examples: the contact sheet's inputs.
        judges: what names expressions and reads action units.
        say: told what is being done.
    """
    plan = plan_edits(faces.table)
    pixels = faces.pixels.numpy()

    def reference(name: str, rows: Sequence[int]) -> Column:
        edits = pixels[list(rows)]
        quality = measure_edits(faces, plan, edits, judges, editors[0].au)
        return Column(name, None, None, {}, quality, edits)

    columns = [reference(INPUT, plan.sources)]
    for editor in editors:
        say(f"editing {len(plan)} pictures: {editor.backend} {editor.precision}")
        columns.append(_measure(editor, plan, faces, examples, judges))
    return [*columns, reference(TRUTH, plan.targets)]


def _measure(
    editor: Editor, plan: EditPlan, faces: FaceSet, examples: Sequence[Example], judges: Judges
) -> Column:
    unchanged = plan_edits(faces.table, unchanged=True)
    sources = faces.pixels.numpy()
    crops = np.stack([example.crop for example in examples])
    shown = {
        wanted: edit_towards(editor, crops, [wanted] * len(crops)) for wanted in EXAMPLE_EXPRESSIONS
    }
    edits = edit_planned(editor, plan, faces)
    return Column(
        name=f"{editor.backend} {editor.precision}",
        backend=editor.backend,
        precision=editor.precision,
        origin=dict(editor.origin),
        quality=measure_edits(faces, plan, edits, judges, editor.au),
        edits=edits,
        unchanged_db=mean_psnr_db(
            edit_planned(editor, unchanged, faces), sources[list(unchanged.sources)]
        ),
        examples_right=sum(
            name == wanted for wanted, made in shown.items() for name in judges.name(made)
        ),
        examples=shown,
    )
