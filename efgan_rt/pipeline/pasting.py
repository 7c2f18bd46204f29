"""The edited faces of a picture put back into it, shot by shot."""

from pathlib import Path
from time import perf_counter

from efgan_rt.errors import EfganError
from efgan_rt.faces.exposure import from_network
from efgan_rt.faces.motion_paste import Move
from efgan_rt.faces.paste import paste
from efgan_rt.pictures.original import Pixels
from efgan_rt.pipeline.items import Item
from efgan_rt.pipeline.outcome import reason_of


class Paster:
    """Puts the edited faces of one picture back into it; for one thread.

    Args:
        item: the picture.
        move: what puts a moved face into it.

    Attributes:
        item: the picture.
        seconds: spent so far.
    """

    def __init__(self, item: Item, move: Move) -> None:
        self.item = item
        self._move = move
        self.seconds = 0.0

    def edited(self, shot: int) -> Pixels:
        """The whole picture with a shot of each of its faces in place, an array of its own.

        Raises:
            EfganError: a face cannot be put back; the message says which.
        """
        started = perf_counter()
        item = self.item
        pixels = item.original.pixels.copy()
        for number, (framed, crop) in enumerate(zip(item.framed, item.edited[shot], strict=True)):
            if (shot, number) in item.left:
                continue
            try:
                moved = item.motion.get((shot, number))
                paste(pixels, framed, moved or from_network(crop, framed.crop), self._move)
            except Exception as error:
                if framed.face is None:
                    raise
                where = f"{item.job.source}: face {number + 1} of {len(item.framed)}"
                known = isinstance(error, EfganError)
                reason = f"{where}: {error}" if known else reason_of(Path(where), error)
                raise EfganError(reason) from error
        self.seconds += perf_counter() - started
        return pixels
