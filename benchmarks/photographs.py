"""What an edit does to whole photographs: exactness, sizes, sharpness, nearness to the truth.

    python -m benchmarks photographs                                  the current engines
    python -m benchmarks photographs --engines DIR --london LONDON

Rendered faces come from `examples/faces` and the rendered set; `--london` names the London set,
whose pictures are measured and never shown or committed. Measured are: an edit of nothing, and what
lies outside the mask, over faces of 40 to 2,000 pixels and four kinds of pixels; each EXIF
orientation; five faces in 24 megapixels; which pictures are taken for crops; sharpness at 1,024
pixels of face; how near the paste comes to the truth of rendered pairs. Whether the edit happens,
and how it looks, is `judge_photographs`' subject.
"""

import struct
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.kit import (
    FACES,
    PORTRAIT,
    find_picture_set,
    finish,
    london_pairs,
    parser,
    with_machine,
)
from benchmarks.photograph_faces import (
    EXPRESSIONS,
    Kit,
    added_alone,
    grown,
    pasted,
    sharpness,
    with_faces,
    with_grain,
)
from efgan_rt.editor import Editor
from efgan_rt.engine_sets import find_set
from efgan_rt.faces.align import Similarity, warp
from efgan_rt.faces.detect import Face
from efgan_rt.faces.framing import Framed
from efgan_rt.faces.paste import mask, paste_box
from efgan_rt.pictures.exif import ORIENTATION, Tag, exif_block
from efgan_rt.pictures.original import Metadata, Original, Picture, Pixels
from efgan_rt.pictures.read import read_picture
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


def measure_sizes(kit: Kit, crop: Picture) -> list[dict[str, Any]]:
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
            row |= _measure_face(kit, picture, faces[0])
        found.append(row)
    return found


def _measure_face(kit: Kit, picture: Picture, face: Framed) -> dict[str, Any]:
    edited = kit.edited(face, "happy")
    row: dict[str, Any] = {}
    outside = outside_mask(face, picture.shape[:2])
    same, elsewhere = 0, 0
    for kind in KINDS:
        pixels = as_kind(picture, kind)
        same = max(same, _largest(pasted(pixels, face, face.crop.copy()), pixels))
        result = pasted(pixels, face, edited)
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


def measure_many(kit: Kit, crops: Sequence[Picture]) -> dict[str, Any]:
    """Five faces in a picture of 24 megapixels."""
    places = ((0.05, 0.06), (0.45, 0.1), (0.75, 0.45), (0.45, 0.6), (0.9, 0.1))
    faces = [
        (crop, Similarity(px / BOX_IN_CROP * np.exp(1j * turn), complex(6000 * x, 4000 * y)))
        for crop, (px, turn), (x, y) in zip(crops, FIVE, places, strict=True)
    ]
    picture = with_faces(4000, 6000, faces)
    framed = kit.framer.frame(picture)
    result = picture.copy()
    untouched = np.ones(picture.shape[:2], dtype=bool)
    for face in framed:
        edited = kit.edited(face, "happy")
        rows, columns = paste_box(face, picture.shape[:2])
        result[:] = pasted(result, face, edited)
        untouched[rows, columns] = False
    return {
        "pixels": picture.shape[0] * picture.shape[1],
        "faces": len(faces),
        "found": len(framed),
        "largest_face_px": round(framed[0].face.width) if framed and framed[0].face else None,
        "change_outside_the_boxes": _largest(result[untouched], picture[untouched]),
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


WANTED_FACE_PX: Final = 1024
CHANGED_LEVELS: Final = 4  # smoothed difference from which a place counts as changed by the edit


def measure_sharpness(kit: Kit, pictures: Mapping[str, Picture]) -> dict[str, Any]:
    """The variance of the Laplacian in the face after an edit, of that before.

    Each picture is taken as it is, grown until its face has 1,024 pixels, and grown so with a
    photograph's grain, which growing takes away. `difference_alone` leaves the picture's detail
    where it is.
    """
    ratios: dict[str, dict[str, list[float]]] = {}
    for picture in pictures.values():
        (face, *_) = kit.framer.frame(picture)
        assert face.face is not None, "the kit's framer takes nothing for a crop"
        large = grown(picture, WANTED_FACE_PX / face.face.height)
        forms = {
            "as_it_is": picture,
            "at_1024_px": large,
            "at_1024_px_with_grain": with_grain(large),
        }
        for form, shown in forms.items():
            _add_ratios(kit, shown, ratios.setdefault(form, {}))
    return {
        form: {name: _spread(values) for name, values in of_form.items()}
        for form, of_form in ratios.items()
    }


def _add_ratios(kit: Kit, picture: Picture, ratios: dict[str, list[float]]) -> None:
    (framed, *_) = kit.framer.frame(picture)
    assert framed.face is not None
    before = sharpness(picture, framed.face)
    for expression in EXPRESSIONS:
        edited = kit.edited(framed, expression)
        for name, made in (
            ("pasted", pasted(picture, framed, edited)),
            ("difference_alone", added_alone(picture, framed, edited)),
        ):
            ratios.setdefault(name, []).append(sharpness(made, framed.face) / before)


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "n": len(values),
        **{
            name: round(float(found), 3)
            for name, found in zip(
                ("least", "median", "most"), np.percentile(values, (0, 50, 100)), strict=True
            )
        },
    }


def measure_truth(folder: Path, people: Sequence[str]) -> list[dict[str, Any]]:
    """Rendered pairs as photographs of a crop that is a half or a quarter of their size.

    The edited crop is the true picture's, so nothing but the paste is measured: PSNR to the truth
    where the picture changes, for the difference alone and for the paste.
    """
    rows = []
    for factor in (2, 4):
        found: dict[str, list[float]] = {"difference_alone": [], "pasted": [], "edited_crop": []}
        for person in people:
            before = read_picture(folder / "images" / f"{person}_neutral.jpg")
            for expression in EXPRESSIONS:
                truth = read_picture(folder / "images" / f"{person}_{expression}.jpg")
                _add_truth(before, truth, factor, found)
        rows.append(
            {"picture_px_of_a_crop_px": factor, "pairs": len(found["pasted"])}
            | {f"psnr_db_{name}": round(float(np.mean(v)), 2) for name, v in found.items()}
        )
    return rows


def _add_truth(before: Picture, truth: Picture, factor: int, found: dict[str, list[float]]) -> None:
    side = len(before) // factor
    crop, edited = (
        np.asarray(cv2.resize(p, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        for p in (before, truth)
    )
    to_crop = Similarity(1 / factor, (0.5 + 0.5j) / factor - 0.5 - 0.5j)
    framed = Framed(to_crop, crop, Face(0, 0, 1, 1))
    difference = np.subtract(truth, before, dtype=np.float32)
    changed = np.abs(cv2.GaussianBlur(difference, (0, 0), 3)).max(axis=-1) > CHANGED_LEVELS
    changed &= cv2.resize(mask(side), before.shape[:2], interpolation=cv2.INTER_AREA) > 0.99
    if not changed.any():
        return
    made = {
        "difference_alone": added_alone(before, framed, edited),
        "pasted": pasted(before, framed, edited),
        "edited_crop": warp(edited, to_crop.inverse, *before.shape[1::-1]),
    }
    for name, picture in made.items():
        error = (picture[changed].astype(float) - truth[changed]) ** 2
        found[name].append(10 * np.log10(255**2 / error.mean()))


PEOPLE_FOR_TRUTH: Final = tuple(f"id{number}" for number in range(200, 240, 2))
PEOPLE_FOR_SHARPNESS: Final = 6


def main() -> None:
    """Measures, writes, prints."""
    given = parser(__doc__, "photographs")
    add = given.add_argument
    add("--engines", type=Path, metavar="DIR", help="an engine directory (default: the current)")
    add("--detector", type=Path, metavar="FILE", help="a YuNet file (default: as `batch`)")
    add("--data", type=Path, metavar="DIR", help="the rendered set")
    add("--london", type=Path, metavar="DIR", help="the London set: labels.csv and images/")
    options = given.parse_args()
    kit = Kit.open(find_set(options.engines).directory, options.detector)
    examples = [read_picture(file) for file in sorted(FACES.glob("*.jpg"))]
    pairs = london_pairs(options.london) if options.london else {}
    portraits = {person: read_picture(neutral) for person, (neutral, _) in pairs.items()}
    few = dict(list(portraits.items())[:: max(1, len(portraits) // PEOPLE_FOR_SHARPNESS)])
    rendered = {str(n): grown(crop, 3) for n, crop in enumerate(examples[:4])}
    with tempfile.TemporaryDirectory() as turned:
        document = with_machine(
            what="edits of whole photographs",
            sources={"portraits": "Face Research Lab London Set, DeBruine and Jones, CC BY 4.0"},
            backend=kit.cascade.choice.backend,
            precision=kit.cascade.choice.precision,
            checkpoint_sha256=kit.cascade.manifest.properties.get("checkpoint_sha256"),
            sizes=measure_sizes(kit, examples[0]),
            orientations=measure_orientations(kit, read_picture(PORTRAIT), Path(turned)),
            five_faces=measure_many(kit, examples[:5]),
            crop_rule=measure_crop_rule(kit, examples, list(portraits.values())),
            truth=measure_truth(find_picture_set(options.data), PEOPLE_FOR_TRUTH),
            sharpness={"rendered": measure_sharpness(kit, rendered)}
            | ({"portraits": measure_sharpness(kit, few)} if few else {}),
        )
    finish(options.json, document, "photographs")
