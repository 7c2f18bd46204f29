"""What a recipe says of ECGAN: its model, its phases and their losses.

The defaults are CycleGAN's where the text refers to it; what neither gives is ours, and marked.
"""

from dataclasses import dataclass, field
from typing import Final

from efgan_rt.errors import EfganError
from train.recipe import check_phase

KINDS: Final = ("context", "translate")


@dataclass(frozen=True)
class ECGANModel:
    """The model but for what the data decide."""

    width: int = 64
    residual_blocks: int = 6
    conditional_critics: bool = True
    context_width: int = 16  # ours, of the context network; 64 with published weights
    context_weights: str = ""  # path of VGG-19's; none: our own, from a phase `context`
    landmarker: str = ""  # path of MediaPipe's face_landmarker.task, for the masks


@dataclass(frozen=True)
class ECGANLosses:
    """The weights of equation 6, which the text does not give."""

    cycle: float = 10.0  # lambda 1; CycleGAN's
    context: float = 1.0  # lambda 2; ours
    identity: float = 5.0  # lambda 3; CycleGAN's
    mask: float = 10.0  # lambda 4; ours
    # Equation 5 as printed sends the masked picture round; False masks the cycle's own distance,
    # for half the work.
    mask_before: bool = True


@dataclass(frozen=True)
class ECGANPhase:
    """One phase of a training."""

    kind: str = "translate"
    steps: int = 0  # either steps or epochs
    epochs: int = 0
    batch: int = 1
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    flat_share: float = 0.5  # 100 of 200 epochs, then to 0
    flip: bool = True  # CycleGAN's
    loss: ECGANLosses = field(default_factory=ECGANLosses)

    def __post_init__(self) -> None:
        """Holds the fields against each other."""
        check_phase(self.kind, KINDS, steps=self.steps, epochs=self.epochs)
        if self.batch < 1:
            raise EfganError(f"phase {self.kind}: batch {self.batch}, expected 1 or more")

    def step_count(self, pictures: int) -> int:
        """Steps of the phase; an epoch has as many pictures as the set (ours)."""
        return self.steps or max(1, self.epochs * pictures // self.batch)
