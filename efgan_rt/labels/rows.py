"""What a label file says of a picture, whatever its format; every reader gives these.

A reader takes what its format has and nothing else: what is not there stays empty, and what it
left out on purpose (rows of low confidence, action units that OpenFace does not measure) it counts
or says. Rows are not yet tied to picture files: a format names its pictures by path, by name, by
stem or by frame number.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from efgan_rt.action_units import AU_NAMES, MAX_INTENSITY
from efgan_rt.errors import EfganError
from engines.arrays import FloatArray

# The 68 points that OpenFace, py-feat and AffectNet give, by what they surround.
LANDMARKS: Final = 68
EYES: Final = slice(36, 48)
RIGHT_EYE: Final = slice(36, 42)  # the person's
LEFT_EYE: Final = slice(42, 48)
NOSE: Final = slice(27, 36)
MOUTH: Final = slice(48, 68)
RIGHT_MOUTH: Final = 48
LEFT_MOUTH: Final = 54

# What other sets call the eight prototypical expressions.
_SYNONYMS: Final[Mapping[str, str]] = {
    "neutral": "neutral",
    "happy": "happy",
    "happiness": "happy",
    "joy": "happy",
    "sad": "sad",
    "sadness": "sad",
    "angry": "angry",
    "anger": "angry",
    "surprised": "surprised",
    "surprise": "surprised",
    "fearful": "fearful",
    "fear": "fearful",
    "afraid": "fearful",
    "disgusted": "disgusted",
    "disgust": "disgusted",
    "contemptuous": "contemptuous",
    "contempt": "contemptuous",
}


@dataclass(frozen=True, eq=False)
class LabelRow:
    """One face of one picture.

    Attributes:
        place: file and row, for messages.
        picture: path, name or stem, as the format has it.
        frame: number of a video's frame or of a picture in a sequence, where `picture` names that.
        au: intensity 0 to 5 by name.
        identity: "" where unknown.
        expression: "" where unknown.
        landmarks: float32 (68, 2), x and y in the picture's pixels.
        regions: float32 (3, 2), the centres of eyes, nose and mouth.
        confidence: 0 to 1.
    """

    place: str
    picture: str
    frame: int | None = None
    au: Mapping[str, float] = field(default_factory=dict)
    identity: str = ""
    expression: str = ""
    landmarks: FloatArray | None = None
    regions: FloatArray | None = None
    confidence: float | None = None

    @property
    def region_centres(self) -> FloatArray | None:
        """Centres of eyes, nose and mouth, float32 (3, 2): as given, or of the landmarks."""
        if self.regions is not None or self.landmarks is None:
            return self.regions
        import numpy as np

        groups = (EYES, NOSE, MOUTH)
        return np.stack([self.landmarks[group].mean(axis=0) for group in groups])


@dataclass(frozen=True)
class Labels:
    """A label file's content.

    Attributes:
        format: the format's name.
        rows: what is kept, in the file's order.
        au_names: the action units that every row has, in OpenFace's order.
        dropped: how many rows were left out, by reason.
        remarks: what the format lacks or was made of it, in sentences.
    """

    format: str
    rows: tuple[LabelRow, ...]
    au_names: tuple[str, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def in_openface_order(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the names that OpenFace measures, in its order."""
    found = set(names)
    return tuple(name for name in AU_NAMES if name in found)


def lacking_units(format_: str, au_names: Sequence[str]) -> tuple[str, ...]:
    """The sentence on what a format lacks of OpenFace's 17 units; none if it lacks nothing."""
    missing = [name for name in AU_NAMES if name not in au_names]
    if not missing:
        return ()
    return (
        f"{format_} has {len(au_names)} of the 17 action units; "
        f"{' '.join(missing)} are missing and are left out, never filled in",
    )


def checked_intensity(value: float, name: str, place: str) -> float:
    """An intensity in 0 to 5.

    Raises:
        EfganError: it is not.
    """
    if not 0 <= value <= MAX_INTENSITY:
        raise EfganError(f"{place}: {name} is {value:g}, expected an intensity from 0 to 5")
    return value


def canonical_expression(text: str) -> str:
    """The name of an expression as this project has it; one that is not known stays itself.

    `Happiness` gives `happy`, `Happily Surprised` gives `happily_surprised`.
    """
    name = "_".join(text.lower().replace("-", " ").replace("_", " ").split())
    return _SYNONYMS.get(name, name)
