"""How sharp an edited photograph is, how near to the truth, and whether the edit still happens."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.mediapipe_scores import smiles_of
from benchmarks.photograph_kit import (
    EXPRESSIONS,
    Kit,
    added_alone,
    grown,
    pasted,
    sharpness,
    with_grain,
)
from efgan_rt.faces.align import Similarity, warp
from efgan_rt.faces.detect import Face
from efgan_rt.faces.framing import Framed
from efgan_rt.faces.paste import mask
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import write_picture
from train.metrics.bootstrap import bootstrap

WANTED_FACE_PX: Final = 1024
CHANGED_LEVELS: Final = 4  # smoothed difference from which a place counts as changed by the edit

Values = npt.NDArray[np.float64]


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


def measure_smiles(
    kit: Kit, pairs: Mapping[str, tuple[Path, Path]], folder: Path, python: Path, landmarker: Path
) -> dict[str, Any]:
    """What MediaPipe reads off whole photographs: neutral, made happy, and the true smile.

    Args:
        kit: edits.
        pairs: person -> neutral and happy photograph.
        folder: where the pictures for MediaPipe go.
        python: an interpreter with MediaPipe.
        landmarker: MediaPipe's `face_landmarker.task`.

    Raises:
        EfganError: MediaPipe is missing or fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[Path]] = {}
    found = []
    for person, (neutral_file, happy_file) in pairs.items():
        neutral = read_picture(neutral_file)
        framed = kit.framer.frame(neutral)
        if not framed:
            continue
        found.append(person)
        edited = kit.edited(framed[0], "happy")
        pictures = {
            "neutral": neutral,
            "pasted": pasted(neutral, framed[0], edited),
            "difference_alone": added_alone(neutral, framed[0], edited),
            "true_smile": read_picture(happy_file),
        }
        for kind, picture in pictures.items():
            path = folder / f"{kind}-{person}.png"
            write_picture(path, picture)
            files.setdefault(kind, []).append(path)
    smiles: dict[str, Values] = {}
    scores = smiles_of([path for kind in files for path in files[kind]], python, landmarker)
    for kind, of_kind in zip(files, scores.reshape(len(files), -1), strict=True):
        smiles[kind] = of_kind
    return {
        "people": len(pairs),
        "faces_found": len(found),
        "smile": {kind: bootstrap(values, found).to_plain() for kind, values in smiles.items()},
        "rise": bootstrap(smiles["pasted"] - smiles["neutral"], found).to_plain(),
    }
