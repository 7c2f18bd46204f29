"""`--reference`: another face's action units as the target.

The face is a picture's, read by the engine set's own estimator after it is framed as every picture
is, or the one row of an OpenFace file. Who it is does not travel along: only its 17 numbers do.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from efgan_rt.errors import EfganError
from efgan_rt.requests.known_units import read_units, units_of
from engines.arrays import FloatArray

if TYPE_CHECKING:
    from efgan_rt.faces.framing import FaceFramer
    from efgan_rt.pictures.original import Picture

# Of 5; a reading below it is no expression that one would see.
SEEN_FROM: Final = 0.5


def is_table(path: Path) -> bool:
    """Whether a reference is a table of action units, and no picture."""
    return path.suffix.lower() == ".csv"


def units_of_table(path: Path, au_names: Sequence[str]) -> FloatArray:
    """The action units of the one face in a table, float32 (K,).

    Raises:
        EfganError: it cannot be read, or has another number of faces.
    """
    labels = read_units(path, au_names)
    if len(labels.rows) != 1:
        dropped = sum(labels.dropped.values())
        left_out = f" ({dropped:,} rows of low confidence left out)" if dropped else ""
        raise EfganError(
            f"{path}: has {len(labels.rows):,} faces{left_out}, expected one as a reference"
        )
    return units_of(labels.rows[0], au_names)


def crop_of_picture(
    path: Path,
    framer: "FaceFramer",
    say: Callable[[str], None],
    *,
    max_pixels: int | None = None,
) -> "Picture":
    """The largest face in a picture, framed as every face is, uint8 (crop, crop, 3).

    Args:
        path: of the picture.
        framer: finds and frames it.
        say: told if there are several faces.
        max_pixels: the largest picture accepted; None is that of every reader.

    Raises:
        EfganError: the picture cannot be read, or shows no face.
    """
    # They import OpenCV, which a family's wiring does without.
    from efgan_rt.faces.exposure import to_network
    from efgan_rt.pictures.read import MAX_PIXELS, read_original

    original = read_original(path, max_pixels=max_pixels or MAX_PIXELS)
    framed = framer.frame(original.pixels)
    if not framed:
        raise EfganError(f"{path}: no face found; expected one as a reference")
    if len(framed) > 1:
        say(f"{path}: {len(framed)} faces; the largest one is the reference")
    return to_network(framed[0].crop)


def say_units(
    path: Path, units: FloatArray, au_names: Sequence[str], say: Callable[[str], None]
) -> None:
    """Says what expression is read in a reference picture."""
    seen = [f"{n} {u:.1f}" for n, u in zip(au_names, units, strict=True) if u >= SEEN_FROM]
    if seen:
        say(f"{path}: the reference shows {', '.join(seen)}")
    else:
        say(
            f"{path}: hardly any expression is read in the reference; if it has one, give its "
            "action units as OpenFace measures them (a CSV file)"
        )
