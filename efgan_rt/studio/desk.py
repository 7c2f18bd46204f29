"""The pictures that the studio has open, and what is tried on their faces.

Works through the public `Editor`. A picture's faces are found and read when it is opened; a preview
is pasted at the size at which it is shown, and only the regions of faces whose edit has changed go
to the page, as bare pixels, so that nothing outside a face's mask ever differs from the picture.
"""

import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import cv2
import msgspec
import numpy as np

from efgan_rt.editor import Editor
from efgan_rt.errors import EfganError
from efgan_rt.families.family import Goal
from efgan_rt.pictures.animation import Playback, encode_animation
from efgan_rt.pictures.mark import marked_original
from efgan_rt.pictures.original import Original, Picture
from efgan_rt.pictures.read import decode_original, read_bytes, read_original
from efgan_rt.pictures.write import encode_picture
from efgan_rt.pipeline.files import Plan
from efgan_rt.prepared import PreparedPicture
from efgan_rt.presets.asked import ask_of_face, target_of_ask
from efgan_rt.presets.library import load_preset
from efgan_rt.presets.preset import Ask, Preset
from efgan_rt.shots import stills
from efgan_rt.studio.roots import Roots

KEPT_PICTURES: Final = 3
THUMBNAIL_PX: Final = 160
FRAMES: Final = 16
# On the way to a face's edit, of which a few suffice to place so few frames.
PROBES: Final = 8
ANIMATED_PX: Final = 1024
SEEN_FROM: Final = 0.5


class FaceEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked of one face.

    Attributes:
        face: its place among the picture's faces, from 0.
        ask: None leaves it as it is.
    """

    face: int
    ask: Ask | None


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture and what is asked of its faces.

    Attributes:
        picture: the number under which it is open.
        edits: of the faces that are edited.
        changed: those whose regions are wanted.
        scale: of the view, more than 0 and up to 1.
        frames: of an animation.
        format: of an animation, such as ".webp".
    """

    picture: int
    edits: tuple[FaceEdit, ...] = ()
    changed: tuple[int, ...] = ()
    scale: float = 1.0
    frames: int = FRAMES
    format: str = ".webp"


@dataclass(frozen=True, eq=False)
class OpenPicture:
    """A picture that the page shows.

    Attributes:
        number: under which it is open.
        name: as people are shown it.
        file: that it was read from.
        path: in the studio's folder; None of an upload.
        original: as read.
        prepared: its faces.
    """

    number: int
    name: str
    file: Path
    path: str | None
    original: Original
    prepared: PreparedPicture


class Desk:
    """Everything that the page does to single pictures; any thread may call it.

    Args:
        editor: open.
        roots: the folder of pictures; None where there is none.
        uploads: a private folder.
        max_pixels: the largest picture accepted.
    """

    def __init__(
        self, editor: Editor, roots: Roots | None, uploads: Path, *, max_pixels: int
    ) -> None:
        self.editor = editor
        self.roots = roots
        self._uploads = uploads
        self._max_pixels = max_pixels
        self._open: OrderedDict[int, OpenPicture] = OrderedDict()
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        # One at a time: a strip of large pictures must not keep a preview waiting.
        self._thumbnails = threading.Lock()

    def open_path(self, path: str) -> dict[str, Any]:
        """Opens a picture of the folder.

        Raises:
            EfganError: it cannot be read.
        """
        if self.roots is None:
            raise EfganError("no folder was named on the command line")
        return self._opened(self.roots.picture(path), PurePosixPath(path).name, path)

    def open_upload(self, data: bytes, name: str) -> dict[str, Any]:
        """Opens a picture that the page sent.

        Args:
            data: the file.
            name: as the page calls it; only its last part is used, and only to be shown.

        Raises:
            EfganError: it cannot be read.
        """
        shown = PurePosixPath(name.replace("\\", "/")).name[:200] or "picture"
        # Before it is written: what is no picture is not kept.
        original = decode_original(data, Path(shown), max_pixels=self._max_pixels)
        file = self._uploads / f"{next(self._numbers)}{Path(shown).suffix[:10]}"
        file.write_bytes(data)
        return self._opened(file, shown, None, original)

    def _opened(
        self, file: Path, name: str, path: str | None, original: Original | None = None
    ) -> dict[str, Any]:
        original = original or read_original(file, max_pixels=self._max_pixels)
        with self._lock:
            prepared = self.editor.prepare(original.pixels)
            picture = OpenPicture(next(self._numbers), name, file, path, original, prepared)
            self._open[picture.number] = picture
            while len(self._open) > KEPT_PICTURES:
                _, left = self._open.popitem(last=False)
                if left.path is None:
                    left.file.unlink(missing_ok=True)
        height, width = original.pixels.shape[:2]
        names = self.editor.au_names
        return {
            "picture": picture.number,
            "name": name,
            "path": path,
            "width": width,
            "height": height,
            "notes": list(original.notes),
            "faces": [
                {
                    "box": [face.left, face.top, face.width, face.height],
                    "units": dict(zip(names, map(float, np.round(units, 2)), strict=True)),
                }
                for face, units in zip(prepared.faces, prepared.action_units, strict=True)
            ],
        }

    def _picture(self, number: int) -> OpenPicture:
        picture = self._open.get(number)
        if picture is None:
            raise EfganError("the picture is no longer open; open it again")
        self._open.move_to_end(number)
        return picture

    def stem(self, number: int) -> str:
        """An open picture's name without its extension."""
        return Path(self._picture(number).name).stem

    def thumbnail(self, path: str) -> bytes:
        """A small JPEG of a picture of the folder.

        Raises:
            EfganError: it cannot be read.
        """
        if self.roots is None:
            raise EfganError("no folder was named on the command line")
        file = self.roots.picture(path)
        with self._thumbnails:
            pixels = decode_original(read_bytes(file), file, max_pixels=self._max_pixels).pixels
        prepared = PreparedPicture(pixels, (), np.zeros((0, 0), np.float32), _never, _never)
        scale = min(1.0, THUMBNAIL_PX / min(pixels.shape[:2]))
        return bytes(encode_picture(".jpg", prepared.view(scale), quality=85))

    def view(self, number: int, scale: float) -> Picture:
        """The unedited picture at a size, RGBA."""
        with self._lock:
            return _rgba(self._picture(number).prepared.view(_checked_scale(scale)))

    def preview(self, wanted: Wanted) -> list[tuple[int, int, Picture]]:
        """The regions of the faces that have changed: left, top and RGBA.

        Raises:
            EfganError: something is asked for that the model lacks, or the picture is closed.
        """
        with self._lock:
            prepared = self._picture(wanted.picture).prepared
            targets = self._targets(prepared, wanted.edits)
            wrong = [face for face in wanted.changed if not 0 <= face < len(targets)]
            if wrong:
                raise EfganError(f"the picture has no face {wrong[0] + 1}")
            regions = prepared.regions(targets, wanted.changed, _checked_scale(wanted.scale))
        return [(each.left, each.top, _rgba(each.pixels)) for each in regions]

    def _targets(self, prepared: PreparedPicture, edits: Sequence[FaceEdit]) -> list[Goal | None]:
        targets: list[Goal | None] = [None] * len(prepared.faces)
        for each in edits:
            if not 0 <= each.face < len(targets):
                raise EfganError(f"the picture has no face {each.face + 1}")
            if each.ask is not None and each.ask.is_asked:
                targets[each.face] = target_of_ask(checked_ask(each.ask), self.editor.model)
        return targets

    def reference(self, data: bytes, name: str) -> dict[str, Any]:
        """The action units of the largest face in a picture that the page sent; it is not kept.

        Raises:
            EfganError: it cannot be read, or shows no face.
        """
        pixels = decode_original(data, Path(name), max_pixels=self._max_pixels).pixels
        units = self.editor.action_units(pixels)
        if not len(units):
            raise EfganError(f"{name}: no face found; expected one as a reference")
        found = dict(zip(self.editor.au_names, map(float, np.round(units[0], 2)), strict=True))
        seen = [f"{unit} {value:.1f}" for unit, value in found.items() if value >= SEEN_FROM]
        return {"units": found, "seen": seen, "faces": len(units)}

    def animation(self, wanted: Wanted, *, full: bool = False) -> bytes:
        """The expression unfolding, at most 1,024 pixels large.

        Args:
            wanted: the picture, its edits, how many frames and the format.
            full: with the file's metadata, to be kept; else for looking at.

        Raises:
            EfganError: the format cannot be made here, or as `preview`.
        """
        if not 2 <= wanted.frames <= 60:
            raise EfganError(f"{wanted.frames} frames; expected 2 to 60")
        with self._lock:
            picture = self._picture(wanted.picture)
            targets = self._targets(picture.prepared, wanted.edits)
            scale = min(1.0, ANIMATED_PX / max(picture.original.pixels.shape[:2]))

            def frames() -> Iterator[Original]:
                for pixels in picture.prepared.unfolding(
                    targets, wanted.frames, probes=PROBES, scale=None if full else scale
                ):
                    frame = picture.original.with_pixels(pixels) if full else Original(pixels)
                    yield marked_original(frame) if full and self.editor.mark else frame

            play = Playback(largest_px=ANIMATED_PX)
            return bytes(encode_animation(wanted.format, frames(), play, quality=90))

    def edited_file(self, wanted: Wanted) -> tuple[str, bytes]:
        """The edit as a file, with all that the picture's file held: its name and its bytes.

        Raises:
            EfganError: as `preview`, or it cannot be written.
        """
        with self._lock:
            picture = self._picture(wanted.picture)
            name = _output_name(picture)
            file = self._uploads / f"download-{next(self._numbers)}{Path(name).suffix}"
            try:
                self._save(picture, wanted, file)
                return name, file.read_bytes()
            finally:
                file.unlink(missing_ok=True)

    def save(self, wanted: Wanted) -> Path:
        """Writes the edit below the folder for edits, under a name that is free; its path.

        Raises:
            EfganError: the picture is an upload, or as `edited_file`.
        """
        with self._lock:
            picture = self._picture(wanted.picture)
            if self.roots is None or picture.path is None:
                raise EfganError("the picture is of no folder; download the edit instead")
            file = self.roots.new_output(picture.path, _output_name(picture))
            self._save(picture, wanted, file)
            return file

    def _save(self, picture: OpenPicture, wanted: Wanted, file: Path) -> None:
        targets = self._targets(picture.prepared, wanted.edits)
        if not any(targets):
            raise EfganError("no face is edited; nothing to save")
        self.editor.save(file, picture.prepared.edited(targets), source=picture.file)

    def preset(self, name: str, number: int | None) -> dict[str, Any]:
        """A saved preset, and what it asks of each face of an open picture.

        Raises:
            EfganError: there is none, it is broken, or the model lacks what it asks for.
        """
        preset = self.whole_preset(name)
        asks: list[Ask | None] = []
        if number is not None:
            with self._lock:
                picture = self._picture(number)
                prepared = picture.prepared
                path = None if picture.path is None else PurePosixPath(picture.path)
                meant = {id(face) for face in preset.choice.of(prepared.faces)}
                asks = [
                    ask_of_face(preset, path, place, units, self.editor.model)
                    if id(face) in meant
                    else None
                    for place, (face, units) in enumerate(
                        zip(prepared.faces, prepared.action_units, strict=True)
                    )
                ]
        return {"preset": preset, "asks": [None if each is None else plain(each) for each in asks]}

    def whole_preset(self, name: str) -> Preset:
        """A saved preset, ready to be run from another place: its references are read.

        Raises:
            EfganError: there is none, or it is broken.
        """
        return self._without_paths(load_preset(name)[1])

    def _without_paths(self, preset: Preset) -> Preset:
        """A preset whose references are read: the page knows no paths."""

        def read(ask: Ask) -> Any:
            if not isinstance(ask.reference, str):
                return ask
            units = self.editor.reference_units(ask.reference)
            named = dict(zip(self.editor.au_names, map(float, units), strict=True))
            return msgspec.structs.replace(ask, reference=named)

        assert not isinstance(preset.rules, str), "a table is read with its preset"
        rules = tuple(map(read, preset.rules))
        changed: Preset = msgspec.structs.replace(read(preset), rules=rules)
        return changed


def plain(ask: Ask) -> Ask:
    """What is asked, without for whom."""
    return Ask(ask.expression, ask.intensity, ask.au, ask.reference, ask.only_if)


def checked_ask(ask: Ask) -> Ask:
    """What the page asks of a face.

    Raises:
        EfganError: it names a file, which a page must not.
    """
    if isinstance(ask.reference, str):
        raise EfganError("a reference is given by its action units; expected no path")
    return ask


def _output_name(picture: OpenPicture) -> str:
    """Of the edit, as a run would call it."""
    plan = Plan(picture.file, picture.file.parent, stills(""))
    suffix = next(plan.jobs()).outputs[0].name.removeprefix(picture.file.stem)
    return f"{Path(picture.name).stem}{suffix}"


def _rgba(pixels: Picture) -> Picture:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA), np.uint8)


def _checked_scale(scale: float) -> float:
    if not 0 < scale <= 1:
        raise EfganError(f"scale {scale:g}; expected more than 0 and up to 1")
    return scale


def _never(*_: Any) -> Any:
    raise AssertionError("a picture without faces is not edited")
