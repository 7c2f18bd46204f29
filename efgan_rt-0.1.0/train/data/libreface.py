"""LibreFace's CSV files: 12 intensities, `au_1_intensity` to `au_26_intensity`, from 0 to 5.

Five of the 17 are missing (AU07 10 14 23 45). The presences (`au_1`) and `facial_expression`, a
network's guess and no label, are not read. A table of pictures has `input_image_path`; one of a
video has the path of each frame, or its number.

Source: LibreFace's `AU_Recognition/inference.py` and `__init__.py`.
"""

from pathlib import Path
from typing import Final

from efgan_rt.action_units import canonical_name
from efgan_rt.errors import EfganError
from efgan_rt.labels.csv_table import CsvTable, csv_files, read_csv
from efgan_rt.labels.rows import (
    LabelRow,
    Labels,
    checked_intensity,
    in_openface_order,
    lacking_units,
)

INTENSITY: Final = r"au_(\d{1,2})_intensity"
PATH_COLUMNS: Final = ("input_image_path", "path_to_frame", "frame_path", "file")
FRAME_COLUMNS: Final = ("frame_idx", "frame")


def is_libreface(table: CsvTable) -> bool:
    """Whether a table has LibreFace's intensity columns."""
    return bool(table.columns_like(INTENSITY))


def read_libreface(path: Path) -> Labels:
    """Reads one CSV file, or every one of a folder.

    Raises:
        EfganError: no file, or one that cannot be read or has no intensity.
    """
    rows = []
    shared: set[str] | None = None
    for file in csv_files(path):
        table = read_csv(file)
        columns = {canonical_name(n): c for n, c in table.columns_like(INTENSITY).items()}
        if not columns:
            raise EfganError(f"{file}: no column such as au_12_intensity; expected LibreFace's")
        shared = set(columns) if shared is None else shared & set(columns)
        named = next((name for name in PATH_COLUMNS if name in table.columns), None)
        frame = next((name for name in FRAME_COLUMNS if name in table.columns), None)
        for place, row in table.places():
            au = {
                name: checked_intensity(row.number(column), column, place)
                for name, column in columns.items()
            }
            number = row.whole(frame) if frame and not named else None
            rows.append(LabelRow(place, row.text(named) if named else file.stem, number, au))
    names = in_openface_order(shared or ())
    remarks = ("LibreFace's facial_expression is a guess, not a label, and is not read",)
    return Labels(
        "LibreFace", tuple(rows), names, remarks=(*remarks, *lacking_units("LibreFace", names))
    )
