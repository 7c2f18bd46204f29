"""How a run finds faces: from what was asked for to what each decoding thread uses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efgan_rt.choices import NoFace
from efgan_rt.environment import installation_fault
from efgan_rt.errors import EfganError
from efgan_rt.faces.detect import Detector
from efgan_rt.faces.detector_file import fetch_detector, open_detector
from efgan_rt.faces.framing import FaceChoice, FaceFramer, framing_notes
from efgan_rt.families.properties import Properties
from efgan_rt.pipeline.faces import FaceFinding, whole_crops


@dataclass(frozen=True)
class FaceOptions:
    """The options of a command that edits faces in pictures, checked one by one.

    Attributes:
        choice: which faces are edited.
        min_score: what the detector scores below it is no face.
        no_face: what becomes of a picture without one.
        detector: YuNet's file, or `haar`; None for the one that comes along.
        fetch: whether YuNet is fetched first.
    """

    choice: FaceChoice
    min_score: float
    no_face: NoFace
    detector: Path | None
    fetch: bool


@dataclass(frozen=True)
class Faces:
    """How a run finds faces.

    Attributes:
        finding: for the pipeline.
        recipe: plain values that decide what is written.
        about: plain values for a report.
        remarks: which detector it is, and what is to be known of it, to be said aloud.
    """

    finding: FaceFinding
    recipe: dict[str, Any]
    about: dict[str, Any]
    remarks: tuple[str, ...] = ()


def face_choice(which: str, min_face_px: int, crops: bool | None) -> FaceChoice:
    """The faces that `--faces`, `--min-face` and `--crops` ask for together.

    Raises:
        EfganError: they do not say which, or contradict each other.
    """
    choice = FaceChoice(int(which) if which.isdecimal() else which, min_face_px, crops)
    if crops and choice != FaceChoice(crops=True):
        raise EfganError(
            "--crops takes every picture as a whole, so there are no faces to choose from; "
            "leave out --faces and --min-face"
        )
    return choice


def open_faces(options: FaceOptions, properties: Properties) -> Faces:
    """Opens the detector once, so that what is wrong with it is said before any work.

    Args:
        options: what was asked for.
        properties: of the engine set.

    Raises:
        EfganError: there is no detector, it cannot be fetched or used, or OpenCV's files are not
            those of one package.
    """
    if (fault := installation_fault()) is not None:
        raise EfganError(fault)
    choice, crop_px = options.choice, properties.crop_px
    if choice.crops:
        return Faces(whole_crops(crop_px), {"crops": True}, {"faces": "every picture is a crop"})
    fetched = [f"note: {fetch_detector()[1]}"] if options.fetch else []

    def opened() -> tuple[Detector, str]:
        return open_detector(
            options.detector, min_score=options.min_score, min_face_px=choice.min_face_px
        )

    detector, why = opened()
    notes = framing_notes(detector.facts, properties.template)

    def new_framer() -> FaceFramer:
        return FaceFramer(opened()[0], properties.template, choice, crop_px=crop_px)

    recipe = {
        "faces": choice.which,
        "min_face": choice.min_face_px,
        "min_score": options.min_score,
        "crops": choice.crops,
        "detector": detector.facts.sha256,
    }
    about = {
        "faces": choice.which,
        "smallest face": f"{choice.min_face_px} pixels",
        "without a face": str(options.no_face),
        "detector": why,
    }
    remarks = (*fetched, f"faces: {why}", *(f"note: {note}" for note in notes))
    return Faces(FaceFinding(choice, new_framer, options.no_face), recipe, about, remarks)
