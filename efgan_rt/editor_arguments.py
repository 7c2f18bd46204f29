"""What a caller gives an `Editor`, checked: pictures of any kind, and what to make of them."""

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efgan_rt.action_units import MAX_INTENSITY
from efgan_rt.errors import EfganError
from efgan_rt.faces.detect import Face
from efgan_rt.faces.framing import Framed
from efgan_rt.families.family import Wish
from efgan_rt.families.properties import Properties
from efgan_rt.pictures.original import Original, Pixels
from efgan_rt.pictures.read import read_original
from engines.arrays import FloatArray


def is_several(image: Any) -> bool:
    """Whether pictures come as a list."""
    return isinstance(image, list | tuple)


def pictures_of(image: Any) -> list[Pixels]:
    """The single pictures of what was given: an array, a path, or a list of such.

    Raises:
        EfganError: an array is of another kind, or a file cannot be read.
    """
    return [pixels_of(each, where) for each, where in _each(image)]


def _each(image: Any) -> Iterator[tuple[Any, str]]:
    """The single pictures, each with what a message calls it."""
    if isinstance(image, list | tuple):
        yield from ((each, f"picture {number}: ") for number, each in enumerate(image))
    else:
        yield image, ""


def pixels_of(image: Any, where: str = "") -> Pixels:
    """The pixels of an array or of a file.

    Args:
        image: uint8 or uint16, (H, W, 3) or (H, W), or a path.
        where: what a message begins with.

    Raises:
        EfganError: the array is of another kind, or the file cannot be read.
    """
    if isinstance(image, str | PathLike):
        return read_original(Path(image)).pixels
    if not isinstance(image, np.ndarray):
        raise EfganError(
            f"{where}found {type(image).__name__}, expected an array or the path of a picture"
        )
    is_picture = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype not in (np.uint8, np.uint16) or not is_picture or not image.size:
        raise EfganError(
            f"{where}found an array of {shown(image)}, expected uint8 or uint16, height x width "
            "x 3 (RGB) or height x width (grey)"
        )
    return np.ascontiguousarray(image)


def shown(array: npt.NDArray[Any]) -> str:
    """An array's shape and type, for a message."""
    return f"{' x '.join(map(str, array.shape))} {array.dtype}"


def wish_of(
    properties: Properties,
    *,
    expression: str | None,
    intensity: float,
    au: str | Mapping[str, float] | None,
    towards: FloatArray | Sequence[float] | None,
    reference: str | PathLike[str] | None,
) -> Wish:
    """What a caller asks for: an expression or a face, an intensity and single units together.

    Args:
        properties: of the engine set.
        expression: one of its expressions.
        intensity: 0 to 2.
        au: as `--au` has it, or values by name.
        towards: action units of a whole face, (K,), in place of an expression.
        reference: another face's picture, or its action units as a CSV file, likewise.

    Raises:
        EfganError: nothing is asked for, or it is contradictory.
    """
    if expression is None and towards is None and reference is None and not au:
        raise EfganError(
            f"nothing is asked for; expected an expression ({', '.join(properties.expressions)}), "
            "action units (au) or a face's (towards, reference)"
        )
    if sum(each is not None for each in (expression, towards, reference)) > 1:
        raise EfganError(
            "more than one of expression, towards and reference is given; expected one of them"
        )
    text = au if isinstance(au, str) or not au else ",".join(f"{n}={v!r}" for n, v in au.items())
    return Wish(
        expression,
        intensity,
        str(text) if text else None,
        None if reference is None else Path(reference),
        None if towards is None else _units(towards, properties.au_names),
    )


def _units(values: FloatArray | Sequence[float], names: Sequence[str]) -> FloatArray:
    try:
        units = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError):
        units = np.empty(0, np.float32)
    if units.shape != (len(names),) or not ((units >= 0) & (units <= MAX_INTENSITY)).all():
        raise EfganError(
            f"towards: expected {len(names)} action units from 0 to 5, one row of what "
            "action_units gives"
        )
    return units


def original_of(image: Any, source: Path | None) -> Original:
    """A picture as a file is to hold it, with what else its source's file holds.

    Raises:
        EfganError: the array is of another kind, or does not fit the source, which may be
            unreadable.
    """
    pixels = pixels_of(image)
    if source is None:
        return Original(pixels)
    original = read_original(source)
    if original.pixels.shape != pixels.shape:
        raise EfganError(
            f"the picture is {shown(pixels)}, its source {source} {shown(original.pixels)}; "
            "expected the same size and channels"
        )
    return original.with_pixels(pixels)


def refuse_faceless(framed: Sequence[Sequence[object]], image: Any) -> None:
    """Refuses pictures without a face.

    Raises:
        EfganError: the first such picture, by its path or number.
    """
    for (given, where), faces in zip(_each(image), framed, strict=True):
        if not faces:
            named = f"{given}: " if isinstance(given, str | PathLike) else where
            raise EfganError(
                f"{named}no face was found; crops=True takes pictures for face crops, min_face_px "
                "finds smaller faces, no_face='copy' gives such pictures back as they are"
            )


def face_of(framed: Framed) -> Face:
    """A framed face; of a crop its largest centred square."""
    if framed.face is not None:
        return framed.face
    corner = framed.to_crop.inverse.apply(np.array([[-0.5, -0.5]], np.float32))[0] + 0.5
    side = round(len(framed.crop) / framed.to_crop.scale)
    return Face(float(round(corner[0])), float(round(corner[1])), side, side)
