"""A set of pairs from a folder of portraits, chunk by chunk, so that a run can go on later.

A chunk is some pictures in the order of their names. Its pairs stand in a folder for training and
one for testing; its record is written last, and a chunk with a record is done. A picture that
cannot be used is left out with a reason. All of a picture's pairs lie in the same chunk and on the
same side, training or testing.
"""

import fnmatch
import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from efgan_rt.pictures.read import read_picture
from engines.whole_file import whole_file, write_whole
from train.portraits import shading
from train.portraits.eyes import Eyes, below_mouths, straightened_eyes
from train.portraits.face_model import FaceModel, lips_gap_of_units
from train.portraits.fit import FittedFace, fit, fitted_face
from train.portraits.folds import fold_pictures
from train.portraits.framing import framed_face
from train.portraits.landmarks import Landmarker
from train.portraits.mouths import atlas, straightened
from train.portraits.movement import Mover
from train.portraits.pairs import PairMaker, write_pairs

# Pictures in a chunk, as few as leave no more chunks than a training can hold open: each array of
# each folder is a memory map, of which Linux gives a process 65,530.
LEAST_CHUNK, MOST_CHUNKS = 16, 1000
LARGEST_FIT_CM: Final = 0.35
HELD_OUT: Final = 10  # of so many portraits of a chunk one is for testing, unless patterns say
SETTINGS: Final = "pairs.json"
RECORDS: Final = "chunks"
ATLAS: Final = "mouths.npz"
FOLDS: Final = "folds.npy"
GAP_OF_UNITS: Final = "gap_of_units"
DONE: Final = "done"
# Mouths that are worth drawing in other faces: open so far, in lengths from eye to eye, and seen
# from the front; so many of them, evenly from the least to the most open.
LEAST_GAP: Final = 0.08
FRONTAL: Final = 0.96  # cosine of how far the head is turned away
MOUTHS: Final = 16
# An eye that is worth drawing in other faces: wide open, seen from the front.
WELL_OPEN, OPEN_ENOUGH = 0.42, 0.36  # between the lids, as a share of the eye's width
SMILE_SCORES: Final = ("mouthSmileLeft", "mouthSmileRight")


@dataclass(frozen=True)
class PairSettings:
    """What a set of pairs is made of; a run goes on only with the same.

    Attributes:
        pictures: how many there are.
        names: SHA-256 of their names.
        pairs: of each portrait.
        smallest_px: faces with fewer pixels of their own along a crop's side are left out.
        held_out: glob patterns of the pictures that are for testing; none: about one of `HELD_OUT`.
        face_model: SHA-256 of its neutral shape.
        landmarker: SHA-256 of its file.
        chunk: pictures in each chunk.
    """

    pictures: int
    names: str
    pairs: int
    smallest_px: int
    held_out: tuple[str, ...]
    face_model: str
    landmarker: str
    chunk: int

    @property
    def chunks(self) -> int:
        """How many."""
        return -(-self.pictures // self.chunk)


@dataclass
class ChunkRecord:
    """What became of a chunk: names of pictures, relative to their folder.

    Attributes:
        train: of whom pairs for training were made.
        test: likewise.
        left_out: the others, with the reason.
        yaw_deg: how far each head is turned, above 0 towards the picture's right.
    """

    train: list[str] = field(default_factory=list)
    test: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    yaw_deg: dict[str, float] = field(default_factory=dict)


class LeftOutError(EfganError):
    """A picture that no pairs can be made of, with the reason as its message."""


class ChunkMaker:
    """Makes the chunks of a set.

    Args:
        root: the folder of pictures.
        names: of the pictures in it, sorted.
        out: the set's folder.
        settings: of the set.
        model: the face model.
        find: the landmarker.
    """

    def __init__(
        self,
        root: Path,
        names: Sequence[str],
        out: Path,
        settings: PairSettings,
        model: FaceModel,
        find: Landmarker,
        max_pixels: int,
    ) -> None:
        self._root, self._names, self._out = root, names, out
        self._settings, self._model, self._find = settings, model, find
        self._max_pixels = max_pixels
        self._maker = PairMaker(Mover(model, shading.from_shapes(model)))

    def make(self, number: int) -> ChunkRecord:
        """Makes a chunk, from its pictures to its record.

        Raises:
            EfganError: something cannot be written.
        """
        start = number * self._settings.chunk
        record = ChunkRecord()
        train: list[FittedFace] = []
        test: list[FittedFace] = []
        for name in self._names[start : start + self._settings.chunk]:
            try:
                portrait = self.portrait(self._root / name)
            except EfganError as error:
                record.left_out[name] = str(error).removeprefix(f"{self._root / name}: ")
                continue
            is_test = self._is_test(name, len(train) + len(test))
            (test if is_test else train).append(portrait)
            (record.test if is_test else record.train).append(name)
            record.yaw_deg[name] = round(portrait.fit.yaw_deg, 1)
        try:
            for split, (kind, portraits) in enumerate((("train", train), ("test", test))):
                folder = self._out / f"{kind}_{number:05d}"
                self._write(portraits, folder, [split, number])
            _write_mouths(self._out / RECORDS / f"{number:05d}.npz", train)
            _write_json(record_file(self._out, number), asdict(record))
        except OSError as error:
            raise EfganError(f"{error.filename}: cannot be written: {error.strerror}") from error
        return record

    def portrait(self, path: Path) -> FittedFace:
        """A picture's face, framed and fitted.

        Raises:
            LeftOutError: no pairs can be made of it.
            EfganError: it cannot be read.
        """
        picture = read_picture(path, max_pixels=self._max_pixels)
        found = self._find(picture)
        if found is None:
            raise LeftOutError("no face was found")
        landmarks, scores = found
        framed = framed_face(picture, landmarks)
        least = self._settings.smallest_px
        if framed.native_px < least:
            raise LeftOutError(
                f"the face is too small: its crop has {framed.native_px:.0f} pixels of its own, "
                f"expected {least} or more"
            )
        fitted, error_cm = fit(self._model, framed.landmarks, scores)
        if not error_cm <= LARGEST_FIT_CM:
            raise LeftOutError(
                f"the face model does not fit: {error_cm:.2f} cm off, expected "
                f"{LARGEST_FIT_CM} or less"
            )
        smile = float(np.mean([scores.get(name, 0.0) for name in SMILE_SCORES]))
        return fitted_face(self._model, framed.picture, fitted, framed.landmarks, smile)

    def _is_test(self, name: str, kept: int) -> bool:
        if self._settings.held_out:
            return any(fnmatch.fnmatchcase(name, glob) for glob in self._settings.held_out)
        # The second, so that a chunk of few has one on each side.
        return kept % HELD_OUT == 1

    def _write(self, portraits: Sequence[FittedFace], folder: Path, seed: list[int]) -> None:
        part = folder.with_name(f".{folder.name}.part")
        for left in (part, folder):  # by a run that was stopped before its record
            shutil.rmtree(left, ignore_errors=True)
        if not portraits:
            return
        repeated = [each for each in portraits for _ in range(self._settings.pairs)]
        write_pairs(self._maker, repeated, part, seed)
        part.rename(folder)
        (folder / DONE).touch()


def settings_of(
    names: Sequence[str],
    model: FaceModel,
    landmarker: Path,
    *,
    pairs: int,
    smallest_px: int,
    held_out: Sequence[str],
) -> PairSettings:
    """The settings of a set."""
    listed = "\n".join(names).encode("utf-8", "surrogateescape")
    return PairSettings(
        len(names),
        hashlib.sha256(listed).hexdigest(),
        pairs,
        smallest_px,
        tuple(held_out),
        hashlib.sha256(model.neutral.astype(np.float32).tobytes()).hexdigest(),
        hashlib.sha256(landmarker.read_bytes()).hexdigest(),
        max(LEAST_CHUNK, -(-len(names) // MOST_CHUNKS)),
    )


def begin(out: Path, settings: PairSettings, *, overwrite: bool) -> list[int]:
    """Makes a set's folder ready; the numbers of the chunks that are still to be made.

    Raises:
        EfganError: the folder holds something else, or a set of other settings.
    """
    wanted = json.loads(json.dumps(asdict(settings)))
    file = out / SETTINGS
    try:
        if file.exists() and overwrite:
            _remove_set(out)
        if file.exists():
            _compare(out, json.loads(file.read_text()), wanted)
        else:
            if out.is_dir() and any(out.iterdir()):
                raise EfganError(f"{out}: holds files, and no set of pairs; choose another --out")
            (out / RECORDS).mkdir(parents=True, exist_ok=True)
            _write_json(file, wanted)
    except OSError as error:
        raise EfganError(f"{error.filename}: cannot be written: {error.strerror}") from error
    except ValueError as error:
        raise EfganError(f"{file}: not the settings of a set of pairs: {error}") from error
    return [n for n in range(settings.chunks) if not record_file(out, n).exists()]


def _compare(out: Path, found: Any, wanted: dict[str, Any]) -> None:
    if not isinstance(found, dict):
        raise ValueError("expected an object")
    for name, value in wanted.items():
        if found.get(name) == value:
            continue
        if name in ("names", "pictures"):
            what = "other pictures"
        elif name in ("face_model", "landmarker"):
            what = f"another {name.replace('_', ' ')}"
        else:
            what = f"{name} {found.get(name)}, now it is {value}"
        raise EfganError(
            f"{out}: this set was begun with {what}; choose another --out, or make it anew with "
            "--overwrite"
        )


def _remove_set(out: Path) -> None:
    for pattern in ("train_?????", "test_?????", ".*.part", RECORDS):
        for folder in out.glob(pattern):
            shutil.rmtree(folder)
    for name in (SETTINGS, ATLAS, FOLDS):
        (out / name).unlink(missing_ok=True)


def record_file(out: Path, number: int) -> Path:
    """Where the record of a chunk is."""
    return out / RECORDS / f"{number:05d}.json"


def records(out: Path, settings: PairSettings) -> list[ChunkRecord]:
    """The records of all chunks that are done.

    Raises:
        EfganError: one cannot be read.
    """
    found = []
    for number in range(settings.chunks):
        path = record_file(out, number)
        if path.exists():
            try:
                found.append(ChunkRecord(**json.loads(path.read_text())))
            except (OSError, ValueError, TypeError) as error:
                raise EfganError(f"{path}: not the record of a chunk: {error}") from error
    return found


def _write_json(path: Path, values: Any) -> None:
    write_whole(path, json.dumps(values, indent=1) + "\n")


def _write_mouths(path: Path, portraits: Iterable[FittedFace]) -> None:
    """The open mouths of a chunk and its best eyes, for the atlas of them all."""
    smile = AU_NAMES.index("AU12")
    frontal = [each for each in portraits if each.fit.rotation[2, 2] >= FRONTAL]
    mouths = [(straightened(each.picture, each.landmarks), each.said[smile]) for each in frontal]
    found = [(mouth, said) for mouth, said in mouths if mouth.gap >= LEAST_GAP]
    arrays: dict[str, Any] = {}
    if found:
        pixels, skin, gap = atlas([mouth for mouth, _ in found])
        said = np.array([said for _, said in found], np.float32)
        arrays |= {"pixels": pixels, "skin": skin, "gap": gap, "smile": said}
    if seeing := [each for each in frontal if each.lids >= OPEN_ENOUGH]:
        best = min(seeing, key=lambda each: abs(each.lids - WELL_OPEN))
        eyes = straightened_eyes(best.picture, best.landmarks)
        arrays |= {"eyes": eyes.pixels[None], "eyes_skin": eyes.skin[None], "lids": [best.lids]}
    if arrays:
        with whole_file(path) as file:
            np.savez(file, **arrays)


def write_folds(out: Path, model: FaceModel) -> None:
    """Draws what a face model's units do to the light of skin, for whoever trains on the set.

    Raises:
        EfganError: it cannot be written.
    """
    try:
        with whole_file(out / FOLDS) as file:
            np.save(file, fold_pictures(model, shading.from_shapes(model)))
    except OSError as error:
        raise EfganError(f"{error.filename}: cannot be written: {error.strerror}") from error


def write_atlas(out: Path, model: FaceModel) -> int:
    """Chooses a set's mouths and eyes from those of its chunks; how many mouths there are.

    Raises:
        EfganError: it cannot be written.
    """
    parts: dict[str, list[np.ndarray]] = {}
    try:
        for path in sorted((out / RECORDS).glob("?????.npz")):
            with np.load(path) as arrays:
                for name in arrays.files:
                    parts.setdefault(name, []).append(arrays[name])
        whole = {name: np.concatenate(each) for name, each in parts.items()}
        if "gap" not in whole:
            return 0
        order = np.argsort(whole["gap"], kind="stable")
        count = min(MOUTHS, len(order))
        chosen = order[np.linspace(0, len(order) - 1, count).round().astype(int)]
        made = {name: whole[name][chosen] for name in ("pixels", "skin", "gap", "smile")}
        made[GAP_OF_UNITS] = lips_gap_of_units(model)
        if "lids" in whole:
            best = int(np.abs(whole["lids"] - WELL_OPEN).argmin())
            eyes = Eyes(whole["eyes"][best], whole["eyes_skin"][best])
            made["pixels"] = below_mouths(made["pixels"], made["skin"], eyes)
        with whole_file(out / ATLAS) as file:
            np.savez(file, **made)
    except OSError as error:
        raise EfganError(f"{error.filename}: cannot be written: {error.strerror}") from error
    return count
