"""What an ECGAN model is: the numbers that its networks are made from, saved with the weights."""

from dataclasses import asdict, dataclass
from typing import Any

from efgan_rt.errors import EfganError
from efgan_rt.families.ecgan import NEUTRAL
from efgan_rt.typed import typed


@dataclass(frozen=True)
class ECGANConfig:
    """An ECGAN model.

    Attributes:
        crop_px: side of the crops, divisible by 4.
        expressions: the names, neutral among them; a vector has a place for each.
        width: channels of a generator's first convolution and of a discriminator's, 64 in CycleGAN.
        residual_blocks: of a generator: 6 at 128 pixels, 9 at 256, in CycleGAN.
        conditional_critics: whether the discriminators see the vector (the text) or not (its
            equation 1).
    """

    crop_px: int
    expressions: tuple[str, ...]
    width: int = 64
    residual_blocks: int = 6
    conditional_critics: bool = True

    def __post_init__(self) -> None:
        """Holds the numbers to what networks can be made of."""
        if self.crop_px < 32 or self.crop_px % 4:
            raise EfganError(f"crop_px {self.crop_px}, expected a multiple of 4 from 32 on")
        if NEUTRAL not in self.expressions or len(self.expressions) < 2:
            raise EfganError(
                f"expressions {' '.join(self.expressions) or 'none'}, expected neutral and another"
            )
        if self.width < 1 or self.residual_blocks < 2:
            raise EfganError(
                f"width {self.width} and {self.residual_blocks} residual blocks, expected at least "
                "1 and 2"
            )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ECGANConfig":
        """From `to_dict`, as a checkpoint holds it."""
        return typed(values, cls, "the model config")

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "expressions": list(self.expressions)}
