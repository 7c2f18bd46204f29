"""The dimensions of a model, saved inside every checkpoint.

The paper's own numbers are the defaults, but for its Figure 9 (layer table), which is a picture in
the publication and is not in its text: widths and depths follow GANimation's generator and critic,
which fit every sentence of the text. That is an assumption.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from efgan_rt.typed import typed
from train.data.regions import REGION_SIZES, RegionBox

# Far beyond any use; a checkpoint that asks for more is damaged, or made to exhaust the memory.
LARGEST: Final[dict[str, int]] = {
    "width": 1024,
    "residual_blocks": 64,
    "stages": 16,
    "critic_width": 1024,
    "interpolator_width": 4096,
    "face_bottlenecks": 8,
    "patch_bottlenecks": 8,
    "crop_px": 1024,
}
MOST_MOUTHS: Final = 256
MOTION_FIELDS: Final = ("motion", "motion_widths", "motion_slope", "mouths", "eyes")


@dataclass(frozen=True)
class ModelConfig:
    """What the networks look like; enough to build them empty."""

    width: int = 64  # channels after the first convolution of a branch and of the Refiner
    residual_blocks: int = 6  # per branch
    stages: int = 3  # EF-GANs in the cascade: paper, section 3.2
    regions: dict[str, RegionBox] = field(default_factory=dict)  # empty: the global baseline
    residual_refiner: bool = False  # ours: the Refiner adds its output to what it is given
    critic_width: int = 64
    face_bottlenecks: int = 5  # stride-2 convolutions after a critic's first: paper, section 7
    patch_bottlenecks: int = 3
    interpolator_width: int = 64
    spectral_norm: bool = True  # on every convolution but the output layers: paper, section 8
    crop_px: int = 128
    au_names: tuple[str, ...] = AU_NAMES
    motion: bool = False  # ours: stages move the face (`motion`) instead of repainting it
    motion_widths: tuple[int, int, int, int] = (32, 48, 64, 96)  # of a branch, by resolution
    motion_slope: float = 0.0  # of the rectifiers before a local branch's fields, below 0
    mouths: int = 0  # in the atlas of a model with motion
    eyes: bool = False  # whether there are eyes below each of them

    def __post_init__(self) -> None:
        """Holds the fields against each other."""
        unknown = set(self.regions) - set(REGION_SIZES)
        if unknown:
            raise EfganError(
                f"regions: {sorted(unknown)} unknown, expected some of eyes nose mouth"
            )
        for name, largest in LARGEST.items():
            if not 1 <= getattr(self, name) <= largest:
                raise EfganError(f"{name}: found {getattr(self, name)}, expected 1 to {largest}")
        if self.crop_px % 4 or self.crop_px >> (self.face_bottlenecks + 1) < 1:
            raise EfganError(
                f"crop_px {self.crop_px} does not suit face_bottlenecks {self.face_bottlenecks}: "
                "it must be divisible by 4 and leave a pixel after every halving"
            )
        if self.motion and not 1 <= self.mouths <= MOST_MOUTHS:
            raise EfganError(f"mouths: found {self.mouths}, expected 1 to {MOST_MOUTHS}")
        if not all(1 <= width <= LARGEST["width"] for width in self.motion_widths):
            raise EfganError(
                f"motion_widths: found {self.motion_widths}, expected 1 to {LARGEST['width']} each"
            )
        if not 0 <= self.motion_slope < 1:
            raise EfganError(f"motion_slope: found {self.motion_slope}, expected 0 to below 1")
        for name, box in self.regions.items():
            if self.motion and (box.height % 16 or box.width % 16 or box.top % 2 or box.left % 2):
                raise EfganError(
                    f"regions.{name}: {box}, expected sides divisible by 16 and an even place "
                    "with motion"
                )
            if box.top < 0 or box.left < 0 or box.height % 4 or box.width % 4:
                raise EfganError(f"regions.{name}: {box} must lie inside and be divisible by 4")
            if max(box.top + box.height, box.left + box.width) > self.crop_px:
                raise EfganError(f"regions.{name}: {box} sticks out of crop_px {self.crop_px}")

    @property
    def au_count(self) -> int:
        """K, the number of action units."""
        return len(self.au_names)

    @property
    def reader_px(self) -> int:
        """Side of the pictures that the action-unit reader takes."""
        return self.crop_px // 2 if self.motion else self.crop_px

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        values = asdict(self) | {"au_names": list(self.au_names)}
        values["motion_widths"] = list(self.motion_widths)
        if not self.motion:  # as earlier versions read and wrote it
            for name in MOTION_FIELDS:
                del values[name]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """The config that `to_dict` wrote.

        Raises:
            EfganError: a field is unknown or of the wrong kind.
        """
        return typed(values, cls, "the model config")
