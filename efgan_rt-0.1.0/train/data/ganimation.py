"""GANimation's labels: a pickle of arrays by picture name, and plain lists of names.

`aus_openface.pkl` is a dictionary from a picture's name, without extension, to OpenFace's 17
intensities from 0 to 5 in OpenFace's order; forks of the project write a list of dictionaries with
`file_path` (or `path`) and `aus`. A pickle can run any code. This reader follows pickle's own
grammar, written in Python, but gives it nothing to call: the few names that NumPy's arrays need
are stand-ins that only hold what they are given, and every other name ends the reading.

Source: GANimation's `data/dataset_aus.py` and `prepare_au_annotations.py`, read for the facts.
"""

import io
import math
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from efgan_rt.labels.rows import LabelRow, Labels, checked_intensity

PICKLE_NAME: Final = "aus_openface.pkl"
LARGEST_BYTES: Final = 1 << 30
KINDS: Final = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")


def read_ganimation(path: Path) -> Labels:
    """Reads the pickle, or the one of that name in a folder.

    Raises:
        EfganError: it cannot be read, asks for anything but plain values and arrays of numbers, or
            does not hold 17 intensities from 0 to 5 for each name.
    """
    file = path / PICKLE_NAME if path.is_dir() else path
    rows = []
    for name, values in _named_values(_unpickled(file), file):
        place = f"{file}, '{name}'"
        numbers = _numbers(values, place)
        if numbers.shape != (len(AU_NAMES),):
            raise EfganError(
                f"{place}: {numbers.size} values, expected OpenFace's 17 intensities in its order"
            )
        au = {
            unit: checked_intensity(float(value), unit, place)
            for unit, value in zip(AU_NAMES, numbers, strict=True)
        }
        rows.append(LabelRow(place, name, None, au))
    if not rows:
        raise EfganError(f"{file}: holds no labels")
    return Labels("GANimation", tuple(rows), AU_NAMES)


def read_id_list(path: Path) -> frozenset[str]:
    """The stems of a list of picture names, one a line (`train_ids.csv`).

    Raises:
        EfganError: it cannot be read, or is empty.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EfganError(f"{path}: the list of names cannot be read: {error}") from error
    stems = frozenset(Path(line.strip().strip('"')).stem for line in lines if line.strip())
    if not stems:
        raise EfganError(f"{path}: the list of names is empty; expected a picture's name a line")
    return stems


def _named_values(content: Any, file: Path) -> Iterator[tuple[str, Any]]:
    if isinstance(content, dict):
        entries = list(content.items())
    elif isinstance(content, list) and all(isinstance(each, dict) for each in content):
        entries = [(each.get("file_path", each.get("path")), each.get("aus")) for each in content]
    else:
        raise EfganError(
            f"{file}: holds a {type(content).__name__}, expected a dictionary of names"
        )
    for name, values in entries:
        if isinstance(name, bytes):
            name = name.decode("latin1")
        if not isinstance(name, str):
            raise EfganError(f"{file}: a name is {str(name)[:40]!r}, expected a picture's name")
        yield name, values


def _numbers(values: Any, place: str) -> npt.NDArray[np.float64]:
    try:
        if isinstance(values, _Array):
            return values.to_array()
        if isinstance(values, list | tuple):
            plain = [v.to_array().item() if isinstance(v, _Array) else v for v in values]
            if all(isinstance(v, int | float) for v in plain):
                return np.array([float(v) for v in plain])
    except (ValueError, TypeError, OverflowError) as error:
        raise EfganError(f"{place}: the array cannot be read: {error}") from error
    raise EfganError(f"{place}: found a {type(values).__name__}, expected an array of numbers")


def _unpickled(file: Path) -> Any:
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise EfganError(f"{file}: over {LARGEST_BYTES >> 20} MiB, expected a table of labels")
        data = file.read_bytes()
    except OSError as error:
        raise EfganError(f"{file}: cannot be read: {error.strerror}") from error
    try:
        return _PlainUnpickler(io.BytesIO(data), encoding="latin1").load()
    except EfganError:
        raise
    except Exception as error:
        # A damaged pickle ends in any of a dozen kinds of error; all of them mean the same.
        text = str(error) or type(error).__name__
        raise EfganError(f"{file}: not a pickle of plain labels: {text[:200]}") from error


@dataclass
class _DType:
    """Stands in for `numpy.dtype`; holds the kind of numbers, such as `f8`, and their order."""

    kind: str
    order: str = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in (">", b">"):
            self.order = ">"


class _Array:
    """Stands in for `numpy.ndarray` and its scalars; holds what the pickle gives."""

    state: tuple[Any, Any, bytes | str] | None = None  # shape, type, bytes

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, _, data = state
        self.state = shape, kind, data

    def to_array(self) -> npt.NDArray[np.float64]:
        """The numbers.

        Raises:
            ValueError: they are none, or too few for the shape.
        """
        if self.state is None:
            raise ValueError("it was never filled")
        shape, kind, data = self.state
        if not isinstance(kind, _DType) or kind.kind not in KINDS:
            raise ValueError("it does not hold numbers")
        if not isinstance(data, str | bytes | bytearray):
            raise ValueError("its numbers are no bytes")
        raw = data.encode("latin1") if isinstance(data, str) else bytes(data)
        numbers = np.frombuffer(raw, kind.order + kind.kind)
        if not all(type(side) is int for side in shape) or math.prod(shape) != numbers.size:
            raise ValueError(f"{numbers.size} numbers for the shape {shape}")
        return numbers.reshape(shape).astype(np.float64)


def _make_dtype(kind: Any, *_: Any) -> _DType:
    return _DType(kind.decode("latin1") if isinstance(kind, bytes) else str(kind))


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _scalar(kind: Any, data: Any) -> _Array:
    value = _Array()
    value.state = (), kind, data
    return value


def _frombuffer(data: Any, kind: Any, shape: Any, _order: Any) -> _Array:
    value = _Array()
    value.state = shape, kind, data
    return value


def _encode(text: Any, encoding: Any) -> bytes:
    """How Python 3 writes bytes into an old pickle."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("bytes in an encoding other than latin1")
    return text.encode("latin1")


_STAND_INS: Final[dict[tuple[str, str], Any]] = {
    ("numpy", "dtype"): _make_dtype,
    ("numpy", "ndarray"): _Array,
    ("_codecs", "encode"): _encode,
} | {
    (f"numpy.{core}.{module}", name): stand_in
    for core in ("core", "_core")
    for module, name, stand_in in (
        ("multiarray", "_reconstruct", _reconstruct),
        ("multiarray", "scalar", _scalar),
        ("numeric", "_frombuffer", _frombuffer),
    )
}


# The one written in Python: the one in C would reserve memory for any number that a file names.
class _PlainUnpickler(pickle._Unpickler):
    """Follows a pickle and gives it the stand-ins above, nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[module, name]
        except (KeyError, TypeError):
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}; a table of labels needs plain values and arrays only"
            ) from None
