"""What a paste must never do, tried over sizes, kinds of pixels, orientations and many faces."""

import struct
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.photograph_kit import Kit, grown, pasted, with_faces
from efgan_rt.editor import Editor
from efgan_rt.faces.align import Similarity
from efgan_rt.faces.framing import Framed
from efgan_rt.faces.paste import mask, paste_box
from efgan_rt.pictures.exif import ORIENTATION, Tag, exif_block
from efgan_rt.pictures.original import Metadata, Original, Picture, Pixels
from efgan_rt.pictures.write import write_original

FACE_PX: Final = (40, 80, 160, 400, 1024, 2000)
BOX_IN_CROP: Final = 108.7  # of the crop's 128 pixels
KINDS: Final = ("rgb8", "grey8", "rgb16", "grey16")
FIVE: Final = ((1400, 0.1), (900, -0.2), (600, 0.0), (300, 0.3), (150, -0.1))  # pixels, radians


def as_kind(picture: Picture, kind: str) -> Pixels:
    """A picture as `rgb8`, `grey8`, `rgb16` or `grey16`."""
    pixels: Pixels = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if "grey" in kind else picture
    return pixels.astype(np.uint16) * 257 if kind.endswith("16") else pixels.copy()


def outside_mask(framed: Framed, shape: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Where the paste's mask is nothing, (H, W)."""
    rows, columns = paste_box(framed, shape)
    outside = np.ones(shape, dtype=bool)
    r, c = np.mgrid[rows, columns]
    places = framed.to_crop.apply(np.stack([c.ravel(), r.ravel()], axis=1).astype(np.float32))
    weights = mask(len(framed.crop))
    near = np.clip(np.rint(places), 0, len(weights) - 1).astype(int)
    # The interpolation reaches two pixels, those of the crop or, where they are larger, its own.
    reach_px = 2 * int(np.ceil(2 * max(1.0, framed.to_crop.scale))) + 1
    reach = cv2.dilate(weights, np.ones((reach_px, reach_px), np.uint8))
    outside[rows, columns] = (reach[near[:, 1], near[:, 0]] == 0).reshape(r.shape)
    return outside


def measure_sizes(kit: Kit, crop: Picture, *, times: bool) -> list[dict[str, Any]]:
    """A rendered face of each size in a larger picture, as each kind of pixels."""
    found = []
    for face_px in FACE_PX:
        scale = face_px / BOX_IN_CROP
        side = round(190 * scale)
        placed = Similarity(scale * np.exp(0.12j), complex(side, side) * 0.17)
        picture = with_faces(side, round(1.2 * side), [(crop, placed)])
        faces = kit.framer.frame(picture)
        row: dict[str, Any] = {"face_px": face_px, "found": len(faces)}
        if faces:
            row |= _measure_face(kit, picture, faces[0], times=times)
        found.append(row)
    return found


def _measure_face(kit: Kit, picture: Picture, face: Framed, *, times: bool) -> dict[str, Any]:
    edited = kit.edited(face, "happy")
    row: dict[str, Any] = {}
    outside = outside_mask(face, picture.shape[:2])
    same, elsewhere = 0, 0
    for kind in KINDS:
        pixels = as_kind(picture, kind)
        same = max(same, _largest(pasted(pixels, face, face.crop.copy()), pixels))
        started = perf_counter()
        result = pasted(pixels, face, edited)
        if times and kind == "rgb8":
            row["paste_s"] = round(perf_counter() - started, 4)
        elsewhere = max(elsewhere, _largest(result[outside], pixels[outside]))
        if kind == "rgb8":
            row["largest_change"] = _largest(result, pixels)
    return row | {"identity_change": same, "change_outside_the_mask": elsewhere}


def _largest(one: Pixels, other: Pixels) -> int:
    return int(np.abs(one.astype(np.int64) - other).max()) if one.size else 0


def measure_orientations(kit: Kit, picture: Picture, folder: Path) -> dict[str, Any]:
    """Each EXIF orientation's edit against that of the picture stored upright."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = {
        1: picture,
        2: picture[:, ::-1],
        3: picture[::-1, ::-1],
        4: picture[::-1],
        5: picture.transpose(1, 0, 2),
        6: picture.transpose(1, 0, 2)[::-1],
        7: picture.transpose(1, 0, 2)[::-1, ::-1],
        8: picture.transpose(1, 0, 2)[:, ::-1],
    }
    editor = Editor(kit.cascade, kit.framer)
    upright = editor.edit(picture, "happy")
    equal = []
    for orientation, pixels in stored.items():
        file = folder / f"orientation-{orientation}.png"
        exif = exif_block({ORIENTATION: Tag(3, 1, struct.pack("<H", orientation))})
        write_original(file, Original(np.ascontiguousarray(pixels), metadata=Metadata(exif)))
        if np.array_equal(editor.edit(file, "happy"), upright):
            equal.append(orientation)
    editor.close()
    return {"tried": list(stored), "edited_as_upright": equal}


def measure_many(kit: Kit, crops: Sequence[Picture], *, times: bool) -> dict[str, Any]:
    """Five faces in a picture of 24 megapixels."""
    places = ((0.05, 0.06), (0.45, 0.1), (0.75, 0.45), (0.45, 0.6), (0.9, 0.1))
    faces = [
        (crop, Similarity(px / BOX_IN_CROP * np.exp(1j * turn), complex(6000 * x, 4000 * y)))
        for crop, (px, turn), (x, y) in zip(crops, FIVE, places, strict=True)
    ]
    picture = with_faces(4000, 6000, faces)
    started = perf_counter()
    framed = kit.framer.frame(picture)
    seconds = {"find_and_frame": perf_counter() - started}
    result = picture.copy()
    untouched = np.ones(picture.shape[:2], dtype=bool)
    for face in framed:
        edited = kit.edited(face, "happy")
        started = perf_counter()
        rows, columns = paste_box(face, picture.shape[:2])
        result[:] = pasted(result, face, edited)
        seconds["paste"] = seconds.get("paste", 0.0) + perf_counter() - started
        untouched[rows, columns] = False
    return {
        "pixels": picture.shape[0] * picture.shape[1],
        "faces": len(faces),
        "found": len(framed),
        "largest_face_px": round(framed[0].face.width) if framed and framed[0].face else None,
        "change_outside_the_boxes": _largest(result[untouched], picture[untouched]),
        **({"seconds": {k: round(v, 2) for k, v in seconds.items()}} if times else {}),
    }


def measure_crop_rule(
    kit: Kit, crops: Sequence[Picture], portraits: Sequence[Picture]
) -> dict[str, Any]:
    """How many crops, at three times their size, and how many portraits are taken for crops."""

    def taken(pictures: Sequence[Picture]) -> int:
        return sum(any(f.face is None for f in kit.recogniser.frame(p)) for p in pictures)

    return {
        "crops": len(crops),
        "crops_taken_for_crops": taken([grown(crop, 3) for crop in crops]),
        "portraits": len(portraits),
        "portraits_taken_for_crops": taken(portraits),
    }
