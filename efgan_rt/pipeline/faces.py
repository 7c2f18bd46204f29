"""How a run finds faces, and what becomes of a picture in which there is none.

A copy is recorded in the journal under a recipe of its own. So a later run knows it, and where
copies are no longer wanted, or faces are sought in another way, its picture is looked at again.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from efgan_rt.choices import NoFace
from efgan_rt.faces.framing import FaceChoice, FaceFramer
from efgan_rt.faces.search import LEAST_FACE_PX


@dataclass(frozen=True)
class FaceFinding:
    """How a run finds faces.

    Attributes:
        choice: which faces are edited.
        new_framer: gives each decoding thread what finds and frames them.
        no_face: what becomes of a picture without one.
    """

    choice: FaceChoice
    new_framer: Callable[[], FaceFramer]
    no_face: NoFace = NoFace.FAIL

    @property
    def looks(self) -> bool:
        """Whether faces are looked for, rather than every picture being a crop."""
        return not self.choice.crops


def whole_crops(crop_px: int) -> FaceFinding:
    """Every picture is a face crop, of any size."""
    choice = FaceChoice(crops=True)
    return FaceFinding(choice, partial(FaceFramer, None, None, choice, crop_px=crop_px))


def no_face_reason(source: Path, choice: FaceChoice, smaller_px: float | None = None) -> str:
    """Why nothing could be made of a picture, and what can be done about it.

    Args:
        source: the picture.
        choice: which faces were asked for.
        smaller_px: of the largest face that was found and left alone as too small; None for none.
    """
    others = "--crops takes the picture for a face crop, --no-face copy or skip accepts it"
    if smaller_px is not None:
        return (
            f"{source}: no face of at least {choice.min_face_px} pixels was found; the largest has "
            f"{smaller_px:.0f}, --min-face takes smaller ones, {others}"
        )
    if choice.min_face_px <= LEAST_FACE_PX:
        return f"{source}: no face was found; {others}"
    return (
        f"{source}: no face of at least {choice.min_face_px} pixels was found; --min-face takes "
        f"smaller ones, {others}"
    )


def copy_recipe(recipe: bytes) -> bytes:
    """The recipe of an output that is the picture as it was, for want of a face."""
    return hashlib.sha256(b"copy\0" + recipe).digest()
