"""Small label files in the formats' real shape, written by hand."""

import pickle
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from efgan_rt.action_units import AU_NAMES

PYFEAT_UNITS = (
    *("AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU11", "AU12"),
    *("AU14", "AU15", "AU17", "AU20", "AU23", "AU24", "AU25", "AU26", "AU28", "AU43"),
)
LIBREFACE_UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
LANDMARK_COLUMNS = [f"{axis}_{i}" for axis in "xy" for i in range(68)]


def landmarks() -> np.ndarray:
    """68 points of a face, float32 (68, 2): the groups' centres are easy to check."""
    points = np.full((68, 2), 10.0, np.float32)
    points[36:42] = (40, 50)
    points[42:48] = (80, 50)
    points[27:36] = (60, 70)
    points[48:68] = (60, 90)
    points[48], points[54] = (45, 90), (75, 90)
    return points


def openface_csv(
    path: Path, rows: Sequence[Mapping[str, object]], *, sequence: bool, marks: bool = True
) -> Path:
    """What OpenFace 2 writes: `FeatureExtraction` for a sequence, else `FaceLandmarkImg`.

    Columns are in OpenFace's order with a space after each comma, x of all points before y, and
    AU28_c, which has no intensity, among the presences.
    """
    presences = sorted([*(f"{name}_c" for name in AU_NAMES), "AU28_c"])
    start = ["frame", "face_id", "timestamp", "confidence", "success"] if sequence else []
    columns = [
        *(start or ["face", "confidence"]),
        *(["gaze_0_x", "pose_Tx"] if sequence else []),
        *(LANDMARK_COLUMNS if marks else []),
        *(f"{name}_r" for name in AU_NAMES),
        *presences,
    ]
    xy = landmarks()
    usual: dict[str, object] = {"confidence": 0.98, "success": 1, "AU12_r": 3.2}
    usual |= {f"{axis}_{i}": xy[i, a] for a, axis in enumerate("xy") for i in range(68)}
    lines = [", ".join(columns)]
    for number, row in enumerate(rows):
        values = usual | {"frame": number + 1} | dict(row)
        lines.append(", ".join(str(values.get(name, 0)) for name in columns))
    path.write_text("\n".join(lines) + "\n")
    return path


def pyfeat_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """What py-feat's `Fex.to_csv` writes, less the columns nobody here reads."""
    columns = [
        *("frame", "FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"),
        *LANDMARK_COLUMNS,
        *PYFEAT_UNITS,
        "input",
    ]
    lines = [",".join(columns)]
    for row in rows:
        values = {"FaceScore": 0.97, "AU12": 0.8} | dict(row)
        lines.append(",".join(str(values.get(name, 0)) for name in columns))
    path.write_text("\n".join(lines) + "\n")
    return path


def libreface_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """What LibreFace writes for pictures: pandas' nameless index comes first."""
    columns = [
        *("", "input_image_path", "aligned_image_path", "facial_expression"),
        *(f"au_{number}" for number in (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)),
        *(f"au_{number}_intensity" for number in LIBREFACE_UNITS),
    ]
    lines = [",".join(columns)]
    for number, row in enumerate(rows):
        values: dict[str, object] = {"": number, "facial_expression": "Happiness"}
        values |= {"au_12_intensity": 2.125} | dict(row)
        lines.append(",".join(str(values.get(name, 0)) for name in columns))
    path.write_text("\n".join(lines) + "\n")
    return path


def ganimation_pickle(path: Path, names: Sequence[str], protocol: int = 2) -> Path:
    """GANimation's dictionary of arrays; its own file is of protocol 0 or 2."""
    values = np.arange(17, dtype=np.float64) / 4
    path.write_bytes(pickle.dumps(dict.fromkeys(names, values), protocol=protocol))
    return path


def python_2_pickle(path: Path) -> Path:
    """The same for one name as Python 2 and the NumPy of 2018 wrote it: bytes as text."""
    raw = struct.pack("<17d", *(i / 4 for i in range(17)))
    text = b"".join(b"\\x%02x" % byte for byte in raw)
    path.write_bytes(
        b"(dp0\nS'N_0000000356_00190'\np1\n"
        b"cnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\n"
        b"tp6\nRp7\n(I1\n(I17\ntp8\n"
        b"cnumpy\ndtype\np9\n(S'f8'\np10\nI0\nI1\ntp11\nRp12\n"
        b"(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nb"
        b"I00\nS'" + text + b"'\np15\ntp16\nbs."
    )
    return path


def affectnet_csv(path: Path, rows: Sequence[tuple[str, int]]) -> Path:
    """AffectNet's first layout."""
    marks = ";".join(f"{value:g}" for value in landmarks().ravel())
    lines = [
        "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,"
        "valence,arousal"
    ]
    lines += [f"{name},10,10,90,90,{marks},{number},0.1,0.2" for name, number in rows]
    path.write_text("\n".join(lines) + "\n")
    return path
