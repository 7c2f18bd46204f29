"""py-feat's CSV files: 20 action units as probabilities from 0 to 1, not intensities.

A probability says how sure a classifier is that a unit is there, not how strong it is. Five times
the probability is a stand-in that somebody must ask for, and the table then says so. Of the 20,
AU11, AU24, AU28 and AU43 are not among OpenFace's 17 and are left out; AU45 (blink) is missing, and
AU43 (eyes closed) is not taken for it.

Source: py-feat's `feat/pretrained.py` and `MODEL_CARD.md`.
"""

from pathlib import Path
from typing import Final

from efgan_rt.action_units import MAX_INTENSITY
from efgan_rt.errors import EfganError
from efgan_rt.labels.csv_table import CsvTable, csv_files, read_csv
from efgan_rt.labels.rows import LabelRow, Labels, in_openface_order, lacking_units

MIN_SCORE: Final = 0.8  # of the face


def is_pyfeat(table: CsvTable) -> bool:
    """Whether a table has py-feat's face score and bare action-unit names."""
    return "FaceScore" in table.columns and bool(table.columns_like(r"(AU\d\d)"))


def read_pyfeat(
    path: Path, *, scale_probabilities: bool, min_confidence: float = MIN_SCORE
) -> Labels:
    """Reads one CSV file, or every one of a folder.

    Args:
        path: the file or the folder.
        scale_probabilities: five times the probability shall stand for the intensity.
        min_confidence: faces whose score is below it are dropped.

    Raises:
        EfganError: scaling was not asked for, or a file cannot be read or holds no probability.
    """
    if not scale_probabilities:
        raise EfganError(
            f"{path}: py-feat's action units are probabilities from 0 to 1, not intensities from 0 "
            "to 5; say --scale-probabilities to take five times the probability for the intensity"
        )
    rows, low = [], 0
    shared: set[str] | None = None
    left_out: set[str] = set()
    for file in csv_files(path):
        table = read_csv(file)
        table.require("FaceScore")
        columns = table.columns_like(r"(AU\d\d)")
        known = in_openface_order(columns)
        left_out |= columns.keys() - set(known)
        shared = set(known) if shared is None else shared & set(known)
        has_landmarks = table.has_landmarks()
        is_sequence = "frame" in table.columns and "input" not in table.columns
        for place, row in table.places():
            # py-feat writes a row of empty values for a picture without a face.
            if not row.text("FaceScore") or row.text("FaceScore").lower() == "nan":
                low += 1
                continue
            if row.number("FaceScore") < min_confidence:
                low += 1
                continue
            au = {}
            for name in known:
                probability = row.number(name)
                if not 0 <= probability <= 1:
                    raise EfganError(
                        f"{place}: {name} is {probability:g}, expected a probability from 0 to 1"
                    )
                au[name] = MAX_INTENSITY * probability
            rows.append(
                LabelRow(
                    place,
                    row.text("input") or file.stem,
                    row.whole("frame") if is_sequence else None,
                    au,
                    landmarks=row.landmarks() if has_landmarks else None,
                    confidence=row.number("FaceScore"),
                )
            )
    names = in_openface_order(shared or ())
    remarks = ["py-feat's probabilities were multiplied by 5 to stand for intensities"]
    if left_out:
        remarks.append(f"{' '.join(sorted(left_out))} are not among the 17 and are left out")
    dropped = {"no face, or a score below the floor": low} if low else {}
    return Labels(
        "py-feat", tuple(rows), names, dropped, (*remarks, *lacking_units("py-feat", names))
    )
