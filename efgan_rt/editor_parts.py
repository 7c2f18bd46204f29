"""What an `Editor` is put together from, and how what goes wrong in it is told."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from efgan_rt.editing import OpenedSet
from efgan_rt.errors import EfganError
from efgan_rt.faces.detector_file import open_detector
from efgan_rt.faces.framing import FaceChoice, FaceFramer, framing_notes
from engines.base import EngineError


@contextmanager
def engine_errors() -> Iterator[None]:
    """Has what the engines raise come as the one error that a caller needs to know.

    Raises:
        EfganError: in place of an `EngineError`.
    """
    try:
        yield
    except EngineError as error:
        raise EfganError(str(error)) from error


def warn(sentence: str) -> None:
    """Says aloud what there is to know, where the caller has not said how."""
    warnings.warn(sentence, stacklevel=4)


def open_framer(
    cascade: OpenedSet,
    choice: FaceChoice,
    detector: Path | None,
    *,
    min_score: float,
    tell: Callable[[str], None],
) -> FaceFramer:
    """What finds and frames faces for an engine set.

    Args:
        cascade: whose template it is.
        choice: which faces.
        detector: a YuNet file, or `haar` for OpenCV's cascade; None for the one that comes along.
        min_score: what the detector scores below it is no face.
        tell: told of a fall-back and of a detector that is not the template's.

    Raises:
        EfganError: the detector cannot be used.
    """
    if choice.crops:
        return FaceFramer(None, None, choice, crop_px=cascade.crop_px)
    found, why = open_detector(detector, min_score=min_score, min_face_px=choice.min_face_px)
    if found.facts.name == "haar":
        tell(f"faces are found by {why}; they are framed less well than by YuNet")
    else:
        for note in framing_notes(found.facts, cascade.template):
            tell(note)
    return FaceFramer(found, cascade.template, choice, crop_px=cascade.crop_px)
