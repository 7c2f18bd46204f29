"""How evenly an expression unfolds, by action units and by what is seen; and a picture of it.

    python -m benchmarks unfolding

Every example face is taken to happy, angry and surprised in twelve frames, in both paces. Of the
changes from frame to frame (mean absolute difference of the crops, in levels) the largest is put
beside the mean one: 1 is perfectly even. The picture shows two people in nine frames each.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kit import FACES, REPOSITORY, finish, parser, with_machine
from efgan_rt.choices import Pace
from efgan_rt.editing import OpenedSet
from efgan_rt.engine_sets import find_set
from efgan_rt.expressions import target_for, target_places
from efgan_rt.lane import even_progress
from efgan_rt.pictures.crop import to_crop
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import write_picture
from efgan_rt.unfolding import PROBES, Unfolding, frame_shares

EXPRESSIONS = ("happy", "angry", "surprised")
FRAMES = 12
SHOWN = (("id203_neutral", "happy"), ("id202_neutral", "surprised"))
SHOWN_FRAMES = 9
GAP_PX = 6


def unfolded(
    engines: OpenedSet, crops: Picture, expression: str, pace: Pace, frames: int
) -> list[Picture]:
    """The frames of all faces, uint8 (n, crop, crop, 3) each."""
    target = target_for(engines.expressions, engines.au_names, expression=expression, au=None)
    source_au = engines.estimate(crops)
    even = even_progress(engines.stages, len(crops))

    def edited(progress: Any) -> Picture:
        way = np.asarray(even * progress, dtype=np.float32)
        result = engines.edit(
            crops,
            target_places(target.scale, target.offset),
            known={"source_au": source_au},
            progress=way,
        )
        return result.pixels

    unfolding = Unfolding(crops, lambda shares: map(edited, shares)) if pace is Pace.SEEN else None
    made = [crops]
    for share in frame_shares(frames)[1:]:
        progress = share if unfolding is None else unfolding.progress_at(share)[:, np.newaxis]
        made.append(edited(progress))
    return made


def unevenness(frames: list[Picture]) -> list[float]:
    """For each face the largest step by the mean one."""
    steps = [
        np.abs(np.subtract(after, before, dtype=np.int16)).mean(axis=(1, 2, 3))
        for before, after in pairwise(frames)
    ]
    return [float(each) for each in np.max(steps, axis=0) / np.mean(steps, axis=0)]


def strip(engines: OpenedSet, faces: dict[str, Picture]) -> Picture:
    """Both paces of two people, one below the other."""
    rows = []
    for name, expression in SHOWN:
        for pace in (Pace.UNITS, Pace.SEEN):
            frames = unfolded(engines, faces[name][np.newaxis], expression, pace, SHOWN_FRAMES)
            rows.append(np.hstack([frame[0, 8:, 8:-8] for frame in frames]))
        rows.append(np.full((GAP_PX, rows[-1].shape[1], 3), 255, np.uint8))
    return np.vstack(rows[:-1])


def main() -> None:
    """Measures, and writes results and picture."""
    given = parser(__doc__, "unfolding")
    given.add_argument("--engines", type=Path, metavar="DIR")
    picture = REPOSITORY / "docs" / "unfolding.jpg"
    given.add_argument("--picture", type=Path, default=picture, metavar="FILE")
    arguments = given.parse_args()
    directory = find_set(arguments.engines).directory
    engines = OpenedSet.open(directory, backend="onnxruntime", threads=1)
    paths = sorted(FACES.glob("*.jpg"))
    faces = {path.stem: to_crop(read_picture(path), engines.crop_px) for path in paths}
    crops = np.stack(list(faces.values()))
    found: dict[str, list[float]] = {pace: [] for pace in Pace}
    for expression in EXPRESSIONS:
        for pace in Pace:
            found[pace] += unevenness(unfolded(engines, crops, expression, pace, FRAMES))
    paces = {
        pace: {"median": round(float(np.median(each)), 3), "largest": round(max(each), 3)}
        for pace, each in found.items()
    }
    document = with_machine(
        what="largest step between frames by the mean one; median and largest over faces",
        frames=FRAMES,
        faces=len(faces),
        expressions=EXPRESSIONS,
        probes=PROBES,
        paces=paces,
        backend=engines.choice.backend,
        precision=engines.choice.precision,
    )
    write_picture(arguments.picture, strip(engines, faces), quality=90)
    finish(arguments.json, document, "unfolding")
