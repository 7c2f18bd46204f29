"""What an EET model is: the numbers that its networks are made from, saved with the weights."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from efgan_rt.errors import EfganError
from efgan_rt.families.eet import FEATURE_PX, feature_channels
from efgan_rt.typed import typed

DEEPEST_PX: Final = FEATURE_PX
LEVELS: Final = 5  # l: the largest intensity, so that there are l + 1 classes a unit


@dataclass(frozen=True)
class EETConfig:
    """An EET model.

    Attributes:
        crop_px: side of the crops: 256 in the paper, a power of 2 from 32 on.
        au_names: the m action units, a branch each.
        width: channels of E's first convolution, 32 in the paper; all others are multiples.
        single: one branch for all units, the paper's EET-Single.
        identities: n, the people of the training set.
        poses: v, the classes of pose.
    """

    crop_px: int
    au_names: tuple[str, ...]
    width: int = 32
    single: bool = False
    identities: int = 1
    poses: int = 1

    def __post_init__(self) -> None:
        """Holds the numbers to what networks can be made of."""
        if self.crop_px < 32 or self.crop_px & (self.crop_px - 1):
            raise EfganError(f"crop_px {self.crop_px}, expected a power of 2 from 32 on")
        if min(self.width, self.identities, self.poses) < 1 or not self.au_names:
            raise EfganError(
                f"width {self.width}, {self.identities} identities, {self.poses} poses and "
                f"{len(self.au_names)} action units, expected at least one of each"
            )

    @property
    def feature_channels(self) -> int:
        """Of the AU-related and of the AU-free feature: 1024 in the paper."""
        return feature_channels(self.crop_px, self.width)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "EETConfig":
        """From `to_dict`, as a checkpoint holds it."""
        return typed(values, cls, "the model config")

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "au_names": list(self.au_names)}
