"""OpenFace 2's CSV files: `FeatureExtraction` (frames) and `FaceLandmarkImg` (pictures).

The two differ: `FeatureExtraction` has `frame` and `success` and one file a video or sequence;
`FaceLandmarkImg` has one file a picture with the picture's stem, one row a face, and neither of
those columns. Intensities end in `_r`; the presences (`_c`) were trained apart from them, may
disagree with them, and are not read. A row that OpenFace calls no success, or of low confidence,
is a face that it lost: its numbers mean nothing, and it is dropped and counted.

Source: OpenFace's wiki, Output-Format.
"""

from collections import Counter
from pathlib import Path
from typing import Final

from efgan_rt.action_units import AU_NAMES
from efgan_rt.labels.csv_table import CsvTable, csv_files, read_csv
from efgan_rt.labels.rows import (
    LabelRow,
    Labels,
    checked_intensity,
    in_openface_order,
    lacking_units,
)

MIN_CONFIDENCE: Final = 0.8  # OpenFace itself calls a frame a success from 0.7 on


def is_openface(table: CsvTable) -> bool:
    """Whether a table has OpenFace's confidence and an intensity column."""
    return "confidence" in table.columns and any(f"{au}_r" in table.columns for au in AU_NAMES)


def read_openface(path: Path, *, min_confidence: float = MIN_CONFIDENCE) -> Labels:
    """Reads one CSV file, or every one of a folder.

    Args:
        path: the file or the folder.
        min_confidence: rows below it are dropped.

    Raises:
        EfganError: no file, or one that cannot be read or lacks `confidence` or every intensity.
    """
    rows: list[LabelRow] = []
    dropped: Counter[str] = Counter()
    shared = set(AU_NAMES)
    for file in csv_files(path):
        table = read_csv(file)
        table.require("confidence")
        columns = {name: f"{name}_r" for name in AU_NAMES if f"{name}_r" in table.columns}
        if not columns:
            table.require("AU01_r")
        shared &= columns.keys()
        has_landmarks = table.has_landmarks()
        is_sequence = "frame" in table.columns
        for place, row in table.places():
            if "success" in table.columns and row.number("success") != 1:
                dropped["OpenFace had no success"] += 1
                continue
            confidence = row.number("confidence")
            if confidence < min_confidence:
                dropped[f"confidence below {min_confidence:g}"] += 1
                continue
            au = {
                name: checked_intensity(row.number(column), column, place)
                for name, column in columns.items()
            }
            rows.append(
                LabelRow(
                    place,
                    file.stem,
                    row.whole("frame") if is_sequence else None,
                    au,
                    landmarks=row.landmarks() if has_landmarks else None,
                    confidence=confidence,
                )
            )
    names = in_openface_order(shared)
    return Labels("OpenFace", tuple(rows), names, dropped, lacking_units("OpenFace", names))
