"""A picture whose faces have been found and read once, to be edited again and again.

`efgan_rt.Editor.prepare` makes it. What a face shows and where it is do not depend on the edit, so
trying one edit after the other costs the stages and the paste alone. A view is the picture at
another size, as it is shown somewhere; its edit is pasted at that size, not made smaller.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from efgan_rt.editor_arguments import face_of
from efgan_rt.faces.align import Similarity
from efgan_rt.faces.detect import Face
from efgan_rt.faces.exposure import to_network
from efgan_rt.faces.framing import Framed
from efgan_rt.faces.motion import Motion
from efgan_rt.faces.motion_paste import MotionPaste, Move
from efgan_rt.faces.paste import paste, paste_box
from efgan_rt.families.family import Goal
from efgan_rt.pictures.original import Picture, Pixels, rgb8
from efgan_rt.unfolding import PROBES, Unfolding, frame_shares
from engines.arrays import FloatArray

# A face's edits that are kept: going back and forth between a few runs no network. 0.3 MB each.
KEPT_EDITS: Final = 8
KEPT_VIEWS: Final = 2

Made = Picture | Motion
EditFaces = Callable[
    [Sequence[Framed], FloatArray, Sequence[Goal], FloatArray | None], Sequence[Made]
]
EditCrops = Callable[[Sequence[Framed], FloatArray, Sequence[Goal], float], Picture]


@dataclass(frozen=True, eq=False)
class Region:
    """A part of an edited view.

    Attributes:
        left: of its first column in the view.
        top: of its first row.
        pixels: uint8 RGB (h, w, 3).
    """

    left: int
    top: int
    pixels: Picture


class PreparedPicture:
    """A picture with its faces; for one thread at a time.

    Attributes:
        pixels: uint8 or uint16, (H, W, 3) RGB or (H, W) grey; not to be changed.
        faces: the largest first.
        action_units: float32 (F, K), what they show.
    """

    def __init__(
        self,
        pixels: Pixels,
        framed: Sequence[Framed],
        action_units: FloatArray,
        edit_faces: EditFaces,
        edit_crops: EditCrops,
        move: Move = MotionPaste.into_region,
    ) -> None:
        self.pixels = pixels
        self.faces: tuple[Face, ...] = tuple(map(face_of, framed))
        self.action_units = action_units
        self._framed = tuple(framed)
        self._edit_faces = edit_faces
        self._edit_crops = edit_crops
        self._move = move
        self._kept: tuple[OrderedDict[bytes, Made], ...] = tuple(OrderedDict() for _ in framed)
        self._views: OrderedDict[float, Picture] = OrderedDict()

    def edited(self, targets: Sequence[Goal | None]) -> Pixels:
        """The picture with its faces edited, a new array like `pixels`.

        Args:
            targets: one a face; None leaves a face as it is.
        """
        result = self.pixels.copy()
        for framed, made in self._made(targets):
            paste(result, framed, made, self._move)
        return result

    def view(self, scale: float) -> Picture:
        """The unedited picture at another size, uint8 RGB; not to be changed.

        Args:
            scale: of its sides, more than 0 and up to 1.
        """
        if scale not in self._views:
            while len(self._views) >= KEPT_VIEWS:
                self._views.popitem(last=False)
            pixels = rgb8(self.pixels)
            height, width = pixels.shape[:2]
            size = max(1, round(width * scale)), max(1, round(height * scale))
            if size != (width, height):
                resized = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
                pixels = np.asarray(resized, np.uint8)
            self._views[scale] = pixels
        return self._views[scale]

    def edited_view(self, targets: Sequence[Goal | None], scale: float) -> Picture:
        """The edited picture at another size, uint8 RGB, a new array."""
        result = self.view(scale).copy()
        for framed, made in self._made(targets):
            paste(result, _at(framed, scale), made, self._move)
        return result

    def regions(
        self, targets: Sequence[Goal | None], changed: Iterable[int], scale: float
    ) -> list[Region]:
        """The parts of `edited_view` in which some faces lie.

        Args:
            targets: one a face.
            changed: the faces, by their places in `faces`.
            scale: as for `view`.
        """
        result = self.edited_view(targets, scale)
        found = []
        for face in changed:
            framed = self._framed[face]
            rows, columns = slice(0, result.shape[0]), slice(0, result.shape[1])
            if framed.face is not None:
                rows, columns = paste_box(_at(framed, scale), result.shape[:2])
            found.append(Region(columns.start, rows.start, result[rows, columns]))
        return found

    def unfolding(
        self,
        targets: Sequence[Goal | None],
        frames: int,
        *,
        probes: int = PROBES,
        scale: float | None = None,
    ) -> Iterator[Pixels]:
        """The expression unfolding: the picture as given, and so on to `edited`.

        The steps are even to the eye; see `efgan_rt.unfolding`.

        Args:
            targets: one a face.
            frames: how many pictures, at least 2.
            probes: how many steps are measured first.
            scale: of the view that unfolds; None for the picture itself.
        """
        ground = self.pixels if scale is None else self.view(scale)
        faces = [face for face, target in enumerate(targets) if target is not None]
        framed = [self._framed[face] for face in faces]
        units = self.action_units[faces]
        wanted = [target for target in targets if target is not None]
        yield ground.copy()
        if not faces:
            return
        pace = Unfolding(
            np.stack([to_network(each.crop) for each in framed]),
            lambda shares: (self._edit_crops(framed, units, wanted, share) for share in shares),
            probes=probes,
        )
        for share in frame_shares(frames)[1:]:
            result = ground.copy()
            made = self._edit_faces(framed, units, wanted, pace.progress_at(share))
            for face, each in zip(framed, made, strict=True):
                shown = face if scale is None else _at(face, scale)
                paste(result, shown, each, self._move)
            yield result

    def _made(self, targets: Sequence[Goal | None]) -> Iterator[tuple[Framed, Made]]:
        """What the networks make of the faces that are to be edited."""
        keys = [None if each is None else _key(each) for each in targets]
        missing = [
            face for face, key in enumerate(keys) if key is not None and key not in self._kept[face]
        ]
        if missing:
            framed = [self._framed[face] for face in missing]
            wanted = [target for face in missing if (target := targets[face]) is not None]
            found = self._edit_faces(framed, self.action_units[missing], wanted, None)
            for face, made in zip(missing, found, strict=True):
                key = keys[face]
                assert key is not None
                while len(self._kept[face]) >= KEPT_EDITS:
                    self._kept[face].popitem(last=False)
                self._kept[face][key] = made
        for face, key in enumerate(keys):
            if key is not None:
                yield self._framed[face], self._kept[face][key]


def _key(target: Goal) -> bytes:
    return b"".join(each.tobytes() for each in target.places.values())


def _at(framed: Framed, scale: float) -> Framed:
    """A face in a view of its picture."""
    half = 0.5 + 0.5j
    to_picture = Similarity(1 / scale, half / scale - half)
    return Framed(to_picture.then(framed.to_crop), framed.crop, framed.face)
