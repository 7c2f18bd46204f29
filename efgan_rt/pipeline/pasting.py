"""The edited faces of a picture put back into it, shot by shot."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from efgan_rt.errors import EfganError
from efgan_rt.faces.exposure import from_network
from efgan_rt.faces.framing import Framed
from efgan_rt.faces.image import Image
from efgan_rt.faces.motion_paste import Move
from efgan_rt.faces.paste import paste
from efgan_rt.pictures.original import OnDevice, Pixels
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
        pixels = self.item.original.pixels.copy()
        image = self.item.image if self._is_moved(shot) else None
        with canvas_of(image, pixels, self._move, self._canvases) as move_of:
            self._put_all(pixels, shot, move_of)
        self.seconds += perf_counter() - started
        return pixels

    @contextmanager
    def edited_there(self, shot: int) -> Iterator[Pixels | OnDevice]:
        """As `edited`, but on the GPU where the picture lies there, for as long as this is open.

        Raises:
            EfganError: a face cannot be put back; the message says which.
        """
        image = self.item.image if self._is_moved(shot) else None
        if self._canvases is None or image is None:
            yield self.edited(shot)
            return
        started = perf_counter()
        with self._canvases.kept(image) as canvas:
            if canvas is not None:
                self._put_all(canvas.outline, shot, canvas.move_of)
                self.seconds += perf_counter() - started
            yield self.edited(shot) if canvas is None else canvas

    def _put_all(self, pixels: Pixels, shot: int, move_of: Callable[[Framed], Move]) -> None:
        for number, framed in enumerate(self.item.framed):
            if (shot, number) not in self.item.left:
                self._put(pixels, shot, number, move_of(framed))

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

    def _is_moved(self, shot: int) -> bool:
        """Whether every face that is edited is moved, so that a GPU can put all of them in."""
        item = self.item
        return all(
            (shot, number) in item.motion or (shot, number) in item.left
            for number in range(len(item.framed))
        )


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
