"""Edited photographs, made by the public `Editor` and kept, so that a rerun edits nothing again.

They lie under a name made of the engine set's content, of our code's and of what ran the networks:
whatever could change a pixel changes the name.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2

from benchmarks.photograph_judges.judges import Say
from benchmarks.photograph_judges.photographs import Photograph
from efgan_rt import Editor
from efgan_rt.editor import engine_errors
from efgan_rt.errors import EfganError
from efgan_rt.faces.detect import Detector
from efgan_rt.faces.framing import FaceChoice, FaceFramer
from efgan_rt.faces.paste import paste_box
from efgan_rt.families.registry import read_properties
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from efgan_rt.written import write_file
from engines.directory import EngineDirectory

REPOSITORY: Final = Path(__file__).resolve().parents[2]
SOURCES: Final = ("efgan_rt", "engines")
FACTS: Final = "facts.json"
OUTSIDE: Final = "changed_outside"
FAST_PNG: Final = (cv2.IMWRITE_PNG_COMPRESSION, 1)
SHOW_EVERY: Final = 10


@dataclass(frozen=True)
class Wish:
    """An expression at an intensity."""

    expression: str
    intensity: float = 1.0

    @property
    def file_name(self) -> str:
        """Of the edited picture."""
        share = "" if self.intensity == 1 else f"-{self.intensity:g}"
        return f"{self.expression}{share}.png"


@dataclass
class EditedSet:
    """An engine set's edits.

    Attributes:
        name: as the command line gives it.
        sha256: of the engine directory's content.
        backend: what ran the networks.
        folder: of the edits.
        expressions: those that the set knows.
        changed_outside: by file below the folder: how many pixels outside of what the paste may
            touch differ from the input's.
        faceless: photographs in which the editor found nobody, by group and name.
    """

    name: str
    sha256: str
    backend: str
    folder: Path
    expressions: tuple[str, ...]
    changed_outside: dict[str, int] = field(default_factory=dict)
    faceless: list[str] = field(default_factory=list)

    def file(self, photograph: Photograph, wish: Wish) -> Path:
        """Where an edit lies, or would."""
        return self.folder / photograph.group / photograph.name / wish.file_name


def content_hash(files: Iterable[tuple[str, Path]]) -> str:
    """Of names and contents, in the names' order."""
    digest = hashlib.sha256()
    for name, file in sorted(files):
        digest.update(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def set_hash(directory: Path) -> str:
    """Of an engine directory.

    Raises:
        EfganError: it is none.
    """
    if not (directory / "manifest.json").is_file():
        raise EfganError(f"{directory}: no engine directory, manifest.json is missing in it")
    files = (file for file in directory.rglob("*") if file.is_file())
    return content_hash((str(file.relative_to(directory)), file) for file in files)


def code_hash() -> str:
    """Of the Python files that an edit runs through."""
    files = (file for name in SOURCES for file in (REPOSITORY / name).rglob("*.py"))
    return content_hash((str(file.relative_to(REPOSITORY)), file) for file in files)


def edit_all(
    name: str,
    directory: Path,
    wishes: Sequence[tuple[Photograph, Wish]],
    *,
    detector: Path,
    finder: Detector,
    backend: str,
    precision: str | None,
    folder: Path,
    say: Say,
) -> EditedSet:
    """Edits what is not there yet.

    Args:
        name: of the set.
        directory: its engines.
        wishes: which photographs, and to what; expressions that the set lacks are left out.
        detector: YuNet's file.
        finder: the same, open.
        backend: as `Editor.open` takes it.
        precision: likewise.
        folder: of all sets' edits.
        say: told how far it is.

    Raises:
        EfganError: the set, the detector or a picture cannot be used.
    """
    content = set_hash(directory)
    with Editor.open(
        directory,
        backend,
        precision=precision,
        threads=1,
        faces="largest",
        crops=False,
        detector=detector,
        say=say,
    ) as editor:
        arithmetic = editor.backend.replace(" ", "-")
        place = folder / f"{content[:12]}-{code_hash()[:8]}-{arithmetic}"
        known = tuple(editor.expressions)
        edited = EditedSet(name, content, editor.backend, place, known)
        facts = place / FACTS
        if facts.is_file():
            stored = json.loads(facts.read_text())
            edited.changed_outside.update(stored[OUTSIDE])
            edited.faceless += stored["faceless"]
        missing: dict[Photograph, list[Wish]] = {}
        for photograph, wish in wishes:
            lost = f"{photograph.group}/{photograph.name}" in edited.faceless
            if (
                wish.expression in known
                and not lost
                and not edited.file(photograph, wish).is_file()
            ):
                missing.setdefault(photograph, []).append(wish)
        say(f"{name}: {sum(map(len, missing.values()))} of {len(wishes)} edits are to be made")
        framer = framer_of(directory, finder) if missing else None
        for count, (photograph, asked) in enumerate(missing.items(), 1):
            assert framer is not None
            _edit_one(editor, framer, edited, photograph, asked)
            _store_facts(edited, facts)
            if count % SHOW_EVERY == 0 or count == len(missing):
                say(f"{name}: {count} of {len(missing)} photographs")
    return edited


def framer_of(directory: Path, finder: Detector) -> FaceFramer:
    """Frames faces as the editor does for an engine set.

    Raises:
        EfganError: the set cannot be used.
    """
    with engine_errors():
        properties = read_properties(EngineDirectory(directory))
    choice = FaceChoice("largest", crops=False)
    return FaceFramer(finder, properties.template, choice, crop_px=properties.crop_px)


def _edit_one(
    editor: Editor,
    framer: FaceFramer,
    edited: EditedSet,
    photograph: Photograph,
    wishes: Sequence[Wish],
) -> None:
    picture = read_picture(photograph.file)
    framed = framer.frame(picture)
    if not framed:
        edited.faceless.append(f"{photograph.group}/{photograph.name}")
        return
    box = paste_box(framed[0], picture.shape[:2])
    for wish in wishes:
        made = editor.edit(picture, wish.expression, wish.intensity)
        file = edited.file(photograph, wish)
        key = str(file.relative_to(edited.folder))
        edited.changed_outside[key] = changed_outside(picture, made, box)
        _write_picture(file, made)


def changed_outside(before: Picture, after: Picture, box: tuple[slice, slice]) -> int:
    """How many pixels outside a box are not the same, uint8 RGB (H, W, 3) both."""
    differs = (before != after).any(axis=2)
    differs[box] = False
    return int(differs.sum())


def _write_picture(file: Path, picture: Picture) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    is_coded, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), FAST_PNG)
    assert is_coded, "PNG takes any picture"
    write_file(file, data.tobytes())


def _store_facts(edited: EditedSet, file: Path) -> None:
    values = {OUTSIDE: edited.changed_outside, "faceless": sorted(set(edited.faceless))}
    write_file(file, json.dumps(values, indent=1) + "\n", make_folder=True)
