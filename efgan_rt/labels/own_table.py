"""Tables of this project, whole or in part: `file`, and whatever else is there.

What `train` reads is such a table with every column; before `prepare` it may lack any but `file`.
Five points, as a detector has them, give the three region centres where those are not there.
"""

from pathlib import Path
from typing import Final

import numpy as np

from efgan_rt.action_units import AU_NAMES
from efgan_rt.labels.csv_table import CsvRow, CsvTable, read_csv
from efgan_rt.labels.rows import (
    LabelRow,
    Labels,
    canonical_expression,
    checked_intensity,
    lacking_units,
)
from engines.arrays import FloatArray

REGION_COLUMNS: Final = tuple(
    f"{name}_{axis}" for name in ("eyes", "nose", "mouth") for axis in "xy"
)
# Each region's centre is the mean of these points.
FIVE_POINTS: Final = (("right_eye", "left_eye"), ("nose",), ("mouth_right", "mouth_left"))
FIVE_COLUMNS: Final = tuple(f"{p}_{axis}" for group in FIVE_POINTS for p in group for axis in "xy")


def read_own_table(path: Path) -> Labels:
    """Reads a table of this project.

    Raises:
        EfganError: it cannot be read, has no `file`, or holds a value that is no number.
    """
    table = read_csv(path)
    table.require("file")
    columns = {
        name: column
        for name in AU_NAMES
        for column in (name, f"{name}_r")  # the later one wins where both are there
        if column in table.columns
    }
    rows = []
    for place, row in table.places():
        au = {
            name: checked_intensity(row.number(column), column, place)
            for name, column in columns.items()
        }
        rows.append(
            LabelRow(
                place,
                row.text("file"),
                None,
                au,
                row.text("identity"),
                canonical_expression(row.text("expression")),
                regions=_regions(table, row),
            )
        )
    names = tuple(columns)
    return Labels("table", tuple(rows), names, remarks=lacking_units("the table", names))


def _regions(table: CsvTable, row: CsvRow) -> FloatArray | None:
    if all(name in table.columns for name in REGION_COLUMNS):
        values = [row.number(name) for name in REGION_COLUMNS]
        return np.array(values, dtype=np.float32).reshape(3, 2)
    if all(name in table.columns for name in FIVE_COLUMNS):
        centres = [
            [float(np.mean([row.number(f"{point}_{axis}") for point in group])) for axis in "xy"]
            for group in FIVE_POINTS
        ]
        return np.array(centres, dtype=np.float32)
    return None
