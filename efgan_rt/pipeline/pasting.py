"""The edited faces of a picture put back into it, shot by shot."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from efgan_rt.errors import EfganError
from efgan_rt.faces.exposure import from_network
from efgan_rt.faces.framing import Framed
from efgan_rt.faces.image import Image
from efgan_rt.faces.motion_paste import Move
from efgan_rt.faces.paste import paste
from efgan_rt.pictures.original import Pixels
from efgan_rt.pipeline.items import Item
from efgan_rt.pipeline.outcome import reason_of

if TYPE_CHECKING:
    from efgan_rt.faces.device_canvas import DeviceCanvases


class Paster:
    """Puts the edited faces of one picture back into it; for one thread.

    Args:
        item: the picture.
        move: what puts a moved face into it.
        canvases: where it is edited if it lies on a GPU.

    Attributes:
        item: the picture.
        seconds: spent so far.
    """

    def __init__(self, item: Item, move: Move, canvases: "DeviceCanvases | None" = None) -> None:
        self.item = item
        self._move = move
        self._canvases = canvases
        self.seconds = 0.0

    def edited(self, shot: int) -> Pixels:
        """The whole picture with a shot of each of its faces in place, an array of its own.

        Raises:
            EfganError: a face cannot be put back; the message says which.
        """
        started = perf_counter()
        item = self.item
        pixels = item.original.pixels.copy()
        with self._canvas(shot, pixels) as move_of:
            for number, framed in enumerate(item.framed):
                if (shot, number) not in item.left:
                    self._put(pixels, shot, number, move_of(framed))
        self.seconds += perf_counter() - started
        return pixels

    def _put(self, pixels: Pixels, shot: int, number: int, move: Move) -> None:
        """Puts one face back."""
        item = self.item
        framed, crop = item.framed[number], item.edited[shot][number]
        try:
            moved = item.motion.get((shot, number))
            paste(pixels, framed, moved or from_network(crop, framed.crop), move)
        except Exception as error:
            if framed.face is None:
                raise
            where = f"{item.job.source}: face {number + 1} of {len(item.framed)}"
            known = isinstance(error, EfganError)
            reason = f"{where}: {error}" if known else reason_of(Path(where), error)
            raise EfganError(reason) from error

    def _canvas(
        self, shot: int, pixels: Pixels
    ) -> AbstractContextManager[Callable[[Framed], Move]]:
        """What puts faces in: on the picture's place on a GPU, if every one of them is moved."""
        item = self.item
        moved = all(
            (shot, number) in item.motion or (shot, number) in item.left
            for number in range(len(item.framed))
        )
        return canvas_of(item.image if moved else None, pixels, self._move, self._canvases)


def canvas_of(
    image: Image | None, pixels: Pixels, move: Move, canvases: "DeviceCanvases | None"
) -> AbstractContextManager[Callable[[Framed], Move]]:
    """What puts faces into a picture's copy: there where it lies, or `move` where it is not kept.

    Args:
        image: the picture on a GPU, every edited face of which is moved; None where it is not.
        pixels: a copy of the picture, whole again when this is left.
        move: what puts in faces of a picture that does not lie on a GPU.
        canvases: where pictures on a GPU are edited, if there are any.
    """
    if canvases is None or image is None:
        return nullcontext(lambda _: move)
    return canvases.canvas(image, pixels)
