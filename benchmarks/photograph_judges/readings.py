"""What every judge reads in every picture."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.photograph_judges.geometry import cut_square
from benchmarks.photograph_judges.judges import (
    Job,
    Judge,
    JudgeMissingError,
    Reading,
    Say,
    encoded,
    readings_of,
)
from efgan_rt.faces.detect import Detector, Face
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from efgan_rt.written import write_file

MARGIN: Final = 0.05  # around the detector's box, for both networks of expressions
FACE_API_PX, FER_PX = 112, 64
BORDER_SHARE: Final = 0.4  # MediaPipe wants room around a face
ROOMY: Final = 2.2  # a picture whose shorter side has so many times the face's needs none
SHOW_EVERY: Final = 200


@dataclass
class Seen:
    """A picture and its face."""

    file: Path
    sha256: str
    face: Face | None


@dataclass
class Readings:
    """What is known of the pictures, by their files.

    Attributes:
        seen: each picture's face.
        by_judge: judge -> file -> reading.
        versions: judge -> what it ran with.
        missing: judge -> why it is not there.
    """

    seen: dict[Path, Seen] = field(default_factory=dict)
    by_judge: dict[str, dict[Path, Reading]] = field(default_factory=dict)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def of(self, judge: str, file: Path) -> Reading:
        """A judge's reading; None where it is not there, or found no face."""
        return self.by_judge.get(judge, {}).get(file)

    def face(self, file: Path) -> Face | None:
        """A picture's face."""
        seen = self.seen.get(file)
        return None if seen is None else seen.face


def see(
    files: Iterable[Path], finder: Detector, folder: Path, found: Readings, say: Say
) -> dict[str, list[tuple[Path, Job]]]:
    """Finds every picture's face, and makes the jobs of the judges that look at one picture.

    Args:
        files: of the pictures.
        finder: YuNet.
        folder: where faces are kept.
        found: gets the faces.
        say: told how far it is.

    Returns:
        Jobs by judge: `face-api`, `fer`, `dlib`, `mediapipe`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / f"faces-{finder.facts.sha256[:12]}.json"
    kept: dict[str, Any] = json.loads(store.read_text()) if store.is_file() else {}
    jobs: dict[str, list[tuple[Path, Job]]] = {
        name: [] for name in ("face-api", "fer", "dlib", "mediapipe")
    }
    for count, file in enumerate(dict.fromkeys(files), 1):
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        picture = read_picture(file)
        if sha256 not in kept:
            faces = finder.find(picture)
            kept[sha256] = plain_face(faces[0]) if faces else None
        face = face_of(kept[sha256])
        found.seen[file] = Seen(file, sha256, face)
        if face is not None:
            for name, job in jobs_of(file, sha256, picture, face).items():
                jobs[name].append((file, job))
        if count % SHOW_EVERY == 0:
            say(f"faces: {count} pictures")
            write_file(store, json.dumps(kept))
    write_file(store, json.dumps(kept))
    return jobs


def jobs_of(file: Path, sha256: str, picture: Picture, face: Face) -> dict[str, Job]:
    """What each judge is asked about a picture."""
    grey = cv2.cvtColor(cut_square(picture, face, MARGIN, FER_PX), cv2.COLOR_RGB2GRAY)
    side = min(picture.shape[:2])
    is_tight = side < ROOMY * max(face.width, face.height)
    border = round(BORDER_SHARE * side) if is_tight else 0
    box = [face.left, face.top, face.left + face.width, face.top + face.height]
    place = {"picture": str(file)}
    crop = cut_square(picture, face, MARGIN, FACE_API_PX)
    return {
        "face-api": Job.of({"pixels": encoded(crop)}),
        "fer": Job.of({"pixels": encoded(np.asarray(grey, np.uint8))}),
        "dlib": Job.of({**place, "box": box}, {"sha256": sha256, "box": box}),
        "mediapipe": Job.of(
            {**place, "border_px": border}, {"sha256": sha256, "border_px": border}
        ),
    }


def ask_all(
    judges: Mapping[str, Judge],
    jobs: Mapping[str, list[tuple[Path, Job]]],
    folder: Path,
    found: Readings,
    say: Say,
) -> None:
    """Asks every judge in turn; one that is missing is said aloud and left out.

    Raises:
        EfganError: a judge stops before it has answered.
    """
    for name, asked in jobs.items():
        try:
            readings, versions = readings_of(judges[name], [job for _, job in asked], folder, say)
        except JudgeMissingError as error:
            found.missing[name] = str(error)
            say(f"left out: {error}")
            continue
        found.by_judge[name] = {file: readings[job.key] for file, job in asked}
        found.versions[name] = versions


def plain_face(face: Face) -> dict[str, Any]:
    """A face for JSON."""
    points = None if face.points is None else face.points.tolist()
    return {"box": [face.left, face.top, face.width, face.height], "points": points}


def face_of(values: dict[str, Any] | None) -> Face | None:
    """What `plain_face` wrote."""
    if values is None:
        return None
    points = values["points"]
    left, top, width, height = values["box"]
    given = None if points is None else np.array(points, np.float32)
    return Face(left, top, width, height, None, given)
