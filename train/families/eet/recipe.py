"""What a recipe says of EET: its model, its two stages and their losses.

The defaults are the published values (section IV-A); what the paper leaves open is marked.
"""

from dataclasses import dataclass, field
from typing import Final

from efgan_rt.errors import EfganError
from train.recipe import check_phase

STAGES: Final = ("disentangle", "transfer")  # the paper's stage 1 and stage 2


@dataclass(frozen=True)
class EETModel:
    """The model but for what the data decide."""

    width: int = 32
    single: bool = False  # one branch for all units: EET-Single


@dataclass(frozen=True)
class EETLosses:
    """The weights of equations 11 and 12; 0 leaves a loss out, with what it alone trains."""

    attribute: float = 2.0  # lambda c
    pose: float = 1.0  # lambda p, in the attribute loss; 0 on a set of one pose, whatever is here
    unit_adversarial: float = 40.0  # lambda ad_u
    identity_adversarial: float = 40.0  # lambda ad_d
    swap_consistency: float = 0.15  # lambda sc
    image_adversarial: float = 1.2  # lambda ad_g
    reconstruction: float = 40.0  # lambda r


@dataclass(frozen=True)
class EETPhase:
    """One stage of a training."""

    kind: str = "disentangle"
    steps: int = 0  # either steps or epochs; not given in the paper
    epochs: int = 0
    batch: int = 4  # pairs of pictures; not given in the paper
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.95, 0.999)
    flat_share: float = 0.5
    loss: EETLosses = field(default_factory=EETLosses)

    def __post_init__(self) -> None:
        """Holds the fields against each other."""
        check_phase(self.kind, STAGES, steps=self.steps, epochs=self.epochs)
        if self.batch < 1:
            raise EfganError(f"phase {self.kind}: batch {self.batch}, expected 1 or more")

    def step_count(self, pictures: int) -> int:
        """Steps of the phase; an epoch sees as many pictures as the set has."""
        return self.steps or max(1, self.epochs * pictures // (2 * self.batch))
