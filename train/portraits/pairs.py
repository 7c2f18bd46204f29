"""Pairs from single portraits: a source, the action units of a target, and what becomes of one.

A source is the photograph, or the photograph moved to a quieter state with its mouth closed; a
target is the photograph as it is (then its truth is a true picture, teeth and cheeks included) or
any other state. Every pair has three truths, a third, two thirds and all of the way, on a grid of
half the crop's side; what a stage of a cascade is to make is among them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.action_units import AU_NAMES, MAX_INTENSITY
from engines.arrays import Bytes, FloatArray
from train.portraits.face_model import SKIN, units_vector
from train.portraits.fit import FittedFace
from train.portraits.folds import drawn_places
from train.portraits.movement import (
    BLINK,
    MEETING,
    OPEN_GAP,
    PARTING,
    SHUT_GAP,
    Fields,
    Mover,
    lids_seams,
    lips_seam,
    moved_picture,
    seam_darkened,
)

CROP_PX: Final = 256
FIELD_PX: Final = 128
STEPS: Final = 3
MOUTH_BIT: Final = 16
PLACE_UNIT: Final = 1 / 255  # of the quantised places: share of the lips; depth in `DEPTH_UNIT`
DEPTH_UNIT: Final = 0.6 / 255
BLINKING_SHARE, SHUT_SHARE = 0.25, 0.06  # of sources moved and of targets whose eyes are shut
TURN_DEGREES, SCALE_SHARE, SHIFT_SHARE = 8.0, 0.09, 0.03

# The named expressions as action units: what a person's face shows, not what a rig can do.
PROTOTYPES: Final[Mapping[str, Mapping[str, float]]] = {
    "neutral": {},
    "happy": {"AU06": 2.4, "AU12": 2.5, "AU25": 2.6},
    "sad": {"AU01": 4.8, "AU04": 3.6, "AU15": 4.2, "AU17": 3.2},
    "angry": {"AU04": 3.5, "AU05": 1.5, "AU09": 3.0, "AU10": 2.0, "AU20": 1.3, "AU25": 2.3},
    "surprised": {"AU01": 3.2, "AU02": 3.2, "AU05": 2.2, "AU25": 2.2, "AU26": 3.2},
    "fearful": {
        **{"AU01": 3.6, "AU02": 1.2, "AU04": 4.4, "AU05": 5.0, "AU20": 1.7, "AU25": 1.9},
        **{"AU26": 3.4},
    },
    "disgusted": {"AU04": 2.7, "AU09": 1.3, "AU10": 3.4, "AU15": 1.3},
    "contemptuous": {"AU12": 1.5, "AU14": 4.0},
}


@dataclass(frozen=True, eq=False)
class Pair:
    """One pair; its fields are those of its three steps.

    Attributes:
        source: uint8 RGB (CROP_PX, CROP_PX, 3).
        source_au: float32 (K,).
        target_au: float32 (K,).
        skin: float32 (FIELD_PX, FIELD_PX, 2), where on the face the source's pixels lie, as
            `train.portraits.folds.skin_places` says; NaN where no face is seen.
        steps: the truths.
    """

    source: Bytes
    source_au: FloatArray
    target_au: FloatArray
    skin: FloatArray
    steps: tuple[Fields, ...]


class PairMaker:
    """Draws pairs of a portrait. The same generator and portrait give the same pair."""

    def __init__(self, mover: Mover) -> None:
        self._mover = mover

    def pair(self, portrait: FittedFace, rng: np.random.Generator) -> Pair:
        """A pair of a portrait, of any size."""
        face = framed(portrait, rng)
        mover = self._mover
        own = mover.points(face, face.moved, FIELD_PX)
        picture, points = face.picture, own
        source_au, source_state = face.said, face.moved
        quiet = rng.random() < self._quiet_share(face)
        blinks = quiet and face.lids >= SHUT_GAP and rng.random() < BLINKING_SHARE
        if quiet:
            source_au = source_state = drawn_units(rng, quiet=True)
            if blinks:
                source_au[BLINK] = rng.uniform(3.5, MAX_INTENSITY)
            points = mover.points(face, source_state, FIELD_PX)
            picture = self._moved_to(face, points, source_au, rng)
        if quiet and rng.random() < 0.45:
            target_au, there = face.said, own
        elif rng.random() < 0.04:
            target_au, there = source_au, points
        else:
            target_au = self._target(face, rng)
            there = mover.points(face, target_au, FIELD_PX)
        if not quiet and target_au[BLINK] > MEETING[0] and face.lids >= SHUT_GAP:
            points = mover.points(face, face.moved, FIELD_PX, lids_apart=True)
        before = mover.drawn(points, FIELD_PX)
        steps = []
        for step in range(1, STEPS + 1):
            share = step / STEPS
            after = mover.drawn(points + share * (there - points), FIELD_PX)
            steps.append(mover.fields(before, after))
        small = cv2.resize(picture, (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA)
        skin = drawn_places(mover.model, before)
        return Pair(np.asarray(small), source_au, target_au, skin, tuple(steps))

    def _quiet_share(self, face: FittedFace) -> float:
        """How often a face's source is the photograph moved to a quieter state."""
        if face.lids < SHUT_GAP:
            return 0.15
        return 0.6 if face.gap > OPEN_GAP or face.said[AU_NAMES.index("AU12")] > 1 else 0.3

    def _target(self, face: FittedFace, rng: np.random.Generator) -> FloatArray:
        """Units of a target that is not the photograph: most often with open eyes."""
        if face.lids < SHUT_GAP and rng.random() < 0.4:
            units = face.said.copy()  # its eyes open, and nothing else
        else:
            units = drawn_units(rng)
        chance = rng.random()
        if chance < SHUT_SHARE:
            units[BLINK] = rng.uniform(3.5, MAX_INTENSITY)
        elif face.lids < SHUT_GAP:
            units[BLINK] = 0 if chance < 0.85 else rng.uniform(0, 3)
        return units

    def _moved_to(
        self, face: FittedFace, points: np.ndarray, units: FloatArray, rng: np.random.Generator
    ) -> Bytes:
        """The photograph in a quieter state, shaded as that state is."""
        mover = self._mover
        shuts = units[BLINK] > MEETING[0] and face.lids >= SHUT_GAP
        own = mover.points(face, face.moved, FIELD_PX, lids_apart=bool(shuts))
        fields = mover.fields(
            mover.drawn(own, FIELD_PX), mover.drawn(points, FIELD_PX), units - face.said
        )
        moved = moved_picture(face.picture, fields.displacement).astype(np.float32)
        side = len(moved)
        shade = cv2.resize(fields.shade, (side, side), interpolation=cv2.INTER_LINEAR)
        moved *= np.exp(np.clip(shade, -0.4, 0.4))[..., None]
        grown = points.copy()
        grown[:, :2] = (grown[:, :2] + 0.5) * (side / FIELD_PX) - 0.5
        if face.gap > OPEN_GAP and rng.random() < 0.8:
            strength, soft = rng.uniform(0.3, 0.75), rng.uniform(1, 2) * side / 384
            moved = seam_darkened(moved, lips_seam(grown, mover.model), strength, soft)
        if shuts and rng.random() < 0.8:
            strength, soft = rng.uniform(0.2, 0.8), rng.uniform(0.8, 2) * side / 384
            moved = seam_darkened(moved, lids_seams(grown, mover.model), strength, soft)
        return np.asarray(np.clip(np.rint(moved), 0, 255), np.uint8)


def framed(portrait: FittedFace, rng: np.random.Generator) -> FittedFace:
    """The portrait turned, scaled and shifted a little, at one and a half times the crop's size."""
    side, own = CROP_PX * 3 // 2, len(portrait.picture)
    angle = np.deg2rad(rng.uniform(-TURN_DEGREES, TURN_DEGREES))
    scale = side / own * (1 + rng.uniform(-SCALE_SHARE, SCALE_SHARE))
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = scale * np.array([[cosine, -sine], [sine, cosine]])
    middle = np.full(2, own / 2 - 0.5)
    shift = np.full(2, side / 2 - 0.5) + rng.uniform(-SHIFT_SHARE, SHIFT_SHARE, 2) * side
    shift = shift - matrix @ middle
    picture = portrait.picture
    if scale < 0.75:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / scale)
    moved = cv2.warpAffine(
        picture,
        np.hstack([matrix, shift[:, None]]),
        (side, side),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return portrait.placed(np.asarray(moved), matrix, shift)


def drawn_units(rng: np.random.Generator, *, quiet: bool = False) -> FloatArray:
    """Units of a state; a quiet one has its mouth closed."""
    chance = rng.random()
    if chance < (0.5 if quiet else 0.1):
        return np.zeros(len(AU_NAMES), np.float32)
    if chance < 0.7:
        named = list(PROTOTYPES.values())[1:]
        units = units_vector(named[rng.integers(len(named))]) * rng.uniform(0.3, 1.15)
        units *= rng.uniform(0.6, 1.3, len(units))  # people differ in how they show it
        if rng.random() < 0.3:
            units[rng.integers(len(AU_NAMES))] = rng.uniform(0, MAX_INTENSITY)
    else:
        units = np.zeros(len(AU_NAMES), np.float32)
        some = rng.choice(len(AU_NAMES), rng.integers(1, 5), replace=False)
        units[some] = rng.uniform(0.5, MAX_INTENSITY, len(some))
    if quiet:
        units[[AU_NAMES.index(unit) for unit in PARTING]] = 0
        units *= 0.7
        smile = AU_NAMES.index("AU12")
        units[smile] = min(units[smile], 2.0)
    return np.asarray(np.clip(units, 0, MAX_INTENSITY), np.float32)


ARRAYS: Final[Mapping[str, tuple[tuple[int, ...], type]]] = {
    "source": ((CROP_PX, CROP_PX, 3), np.uint8),
    "source_au": ((len(AU_NAMES),), np.float32),
    "target_au": ((len(AU_NAMES),), np.float32),
    "skin": ((FIELD_PX, FIELD_PX, 2), np.float16),
    "displacement": ((STEPS, FIELD_PX, FIELD_PX, 2), np.float16),
    "place": ((STEPS, FIELD_PX, FIELD_PX, 2), np.uint8),
    "weights": ((STEPS, FIELD_PX, FIELD_PX), np.uint8),
}


def packed(pair: Pair) -> dict[str, npt.NDArray[np.generic]]:
    """A pair as the arrays of a set's files."""
    places = np.stack([fields.place for fields in pair.steps])
    place = (places + np.array([0.5, 0])) / np.array([PLACE_UNIT, DEPTH_UNIT])
    mouth = np.stack([fields.mouth for fields in pair.steps])
    weights = np.stack([fields.weights for fields in pair.steps])
    return {
        "source": pair.source,
        "source_au": pair.source_au,
        "target_au": pair.target_au,
        "skin": pair.skin.astype(np.float16),
        "displacement": np.stack([f.displacement for f in pair.steps]).astype(np.float16),
        "place": np.where(mouth[..., None], np.clip(np.rint(place), 0, 255), 0).astype(np.uint8),
        "weights": weights | (mouth.astype(np.uint8) * MOUTH_BIT),
    }


def open_set(folder: Path, pairs: int) -> dict[str, np.memmap]:
    """New files for a set of so many pairs."""
    folder.mkdir(parents=True, exist_ok=True)
    return {
        name: np.lib.format.open_memmap(
            folder / f"{name}.npy", mode="w+", dtype=kind, shape=(pairs, *shape)
        )
        for name, (shape, kind) in ARRAYS.items()
    }


def write_pairs(
    maker: PairMaker, portraits: Sequence[FittedFace], folder: Path, seed: int | Sequence[int]
) -> None:
    """A set of one pair a portrait in turn, into a folder of its own."""
    seeds = [seed] if isinstance(seed, int) else list(seed)
    arrays = open_set(folder, len(portraits))
    for number, portrait in enumerate(portraits):
        rng = np.random.default_rng([*seeds, number])
        for name, values in packed(maker.pair(portrait, rng)).items():
            arrays[name][number] = values
    for array in arrays.values():
        array.flush()


__all__ = ["PROTOTYPES", "SKIN", "Pair", "PairMaker", "drawn_units", "packed", "write_pairs"]
