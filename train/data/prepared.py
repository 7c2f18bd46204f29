"""What a preparation leaves: crops, `labels.csv`, `template.json` and `prepared.json`.

`labels.csv` is what a training reads, with two columns more that it passes over: `au_source` and
`points_source` say of every row where its numbers are from, and go along when tables are joined.
`prepared.json` tells how the set was made. Each file appears whole or not at all, the table last.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.faces.detector_facts import DetectorFacts
from efgan_rt.faces.template import NAME as TEMPLATE_NAME
from efgan_rt.faces.template import Template
from efgan_rt.pictures.crop import CROP_PX
from efgan_rt.written import write_file
from engines.arrays import FloatArray
from train.data.prepare import PreparedPicture

CROPS: Final = "images"
TABLE: Final = "labels.csv"
RECORD: Final = "prepared.json"
REGIONS: Final = ("eyes", "nose", "mouth")


def refuse_finished(out: Path, *, overwrite: bool) -> None:
    """Refuses a folder that holds a finished set; with `overwrite` its table goes first.

    Raises:
        EfganError: there is one, or its files cannot be removed.
    """
    there = [out / name for name in (TABLE, TEMPLATE_NAME, RECORD) if (out / name).exists()]
    if there and not overwrite:
        raise EfganError(
            f"{there[0]} is there already; choose another --out, or replace it with --overwrite"
        )
    try:
        for path in there:
            path.unlink()
    except OSError as error:
        raise EfganError(f"{error.filename}: cannot be removed: {error.strerror}") from error


def template_of(pictures: Sequence[PreparedPicture], detector: DetectorFacts) -> Template | None:
    """The mean of the detector's points over the crops; None where it has points on none."""
    points = [picture.points for picture in pictures if picture.points is not None]
    if not points:
        return None
    mean = np.stack(points).mean(axis=0, dtype=np.float64).astype(np.float32)
    return Template(mean, CROP_PX, detector, len(points))


def write_set(
    out: Path,
    pictures: Sequence[PreparedPicture],
    *,
    au_names: Sequence[str],
    au_source: str,
    points_source: str,
    estimated: FloatArray | None,
    template: Template | None,
    record: Mapping[str, Any],
) -> None:
    """Writes the template, the record and, last, the table.

    Args:
        out: the set's folder.
        pictures: a row each.
        au_names: the table's action units; none are written where it is empty.
        au_source: where they are from.
        points_source: where the region centres are from.
        estimated: float32 (N, K), instead of the labels' own.
        template: None where there is none.
        record: how the set was made.

    Raises:
        EfganError: a file cannot be written.
    """
    if template is not None:
        write_file(out / TEMPLATE_NAME, json.dumps(template.to_dict(), indent=1) + "\n")
    write_file(out / RECORD, json.dumps(record, indent=1) + "\n")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [
            *("file", "identity", "expression"),
            *(f"{name}_r" for name in au_names),
            *(f"{name}_{axis}" for name in REGIONS for axis in "xy"),
            *("au_source", "points_source"),
        ]
    )
    for number, picture in enumerate(pictures):
        own = [picture.row.au.get(name, 0.0) for name in au_names]
        values = own if estimated is None else estimated[number].tolist()
        writer.writerow(
            [
                *(picture.task.file, picture.task.identity, picture.task.expression),
                *(f"{value:.3f}" for value in values),
                *(f"{value:.2f}" for value in picture.regions.ravel().tolist()),
                *(au_source, points_source),
            ]
        )
    write_file(out / TABLE, text.getvalue())
