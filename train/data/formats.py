"""Which reader a label file is for: said by the user, or seen by its columns."""

from pathlib import Path

from efgan_rt.choices import LabelFormat
from efgan_rt.errors import EfganError
from efgan_rt.labels import openface
from efgan_rt.labels.csv_table import csv_files, read_csv
from efgan_rt.labels.own_table import read_own_table
from efgan_rt.labels.rows import Labels
from train.data import pyfeat
from train.data.affectnet import is_affectnet, read_affectnet
from train.data.ganimation import PICKLE_NAME, read_ganimation
from train.data.libreface import is_libreface, read_libreface


def read_any_labels(
    path: Path,
    label_format: LabelFormat = LabelFormat.AUTO,
    *,
    min_confidence: float | None = None,
    scale_probabilities: bool = False,
) -> Labels:
    """Reads labels of any format.

    Args:
        path: a file or a folder.
        label_format: AUTO looks at the first file's columns.
        min_confidence: rows below it are dropped, where the format has one; None is the format's
            own floor.
        scale_probabilities: five times a probability shall stand for an intensity.

    Raises:
        EfganError: there is no such file, its format is not known, or its reader refuses it.
    """
    if not path.exists():
        raise EfganError(f"{path}: no such file or folder; expected labels")
    if label_format is LabelFormat.AUTO:
        label_format = _recognised(path)
    match label_format:
        case LabelFormat.OPENFACE:
            floor = openface.MIN_CONFIDENCE if min_confidence is None else min_confidence
            return openface.read_openface(path, min_confidence=floor)
        case LabelFormat.PYFEAT:
            floor = pyfeat.MIN_SCORE if min_confidence is None else min_confidence
            return pyfeat.read_pyfeat(
                path, scale_probabilities=scale_probabilities, min_confidence=floor
            )
        case LabelFormat.LIBREFACE:
            return read_libreface(path)
        case LabelFormat.GANIMATION:
            return read_ganimation(path)
        case LabelFormat.AFFECTNET:
            return read_affectnet(path)
        case _:
            return read_own_table(path)


def _recognised(path: Path) -> LabelFormat:
    if path.suffix == ".pkl" or (path.is_dir() and (path / PICKLE_NAME).is_file()):
        return LabelFormat.GANIMATION
    if is_affectnet(path):
        return LabelFormat.AFFECTNET
    table = read_csv(csv_files(path)[0])
    if openface.is_openface(table):
        return LabelFormat.OPENFACE
    if pyfeat.is_pyfeat(table):
        return LabelFormat.PYFEAT
    if is_libreface(table):
        return LabelFormat.LIBREFACE
    if "file" in table.columns:
        return LabelFormat.TABLE
    known = " ".join(name for name in LabelFormat if name != LabelFormat.AUTO)
    raise EfganError(
        f"{table.path}: no known label format has these columns "
        f"({' '.join(table.columns)[:80]}); say which it is with --format {known}"
    )
