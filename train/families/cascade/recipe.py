"""What a recipe says of a cascade: its model, its phases and their losses.

The defaults are the published values (supplement, section 8); what departs from them is a field of
its own, off by default, and a recipe that turns one on says why beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from efgan_rt.errors import EfganError
from train.data.faces import Augmentation
from train.families.cascade.losses import NormOrMean, Reduction
from train.recipe import check_phase

PhaseKind = Literal["au_head", "warm_up", "adversarial", "paired_adversarial", "cascade"]
PHASE_KINDS: Final = get_args(PhaseKind)


@dataclass(frozen=True)
class ModelRecipe:
    """The model but for what the data decide; names as in `networks.config.ModelConfig`."""

    width: int = 64
    residual_blocks: int = 6
    stages: int = 1  # at the start; a phase may ask for more
    regions: tuple[str, ...] = ("eyes", "nose", "mouth")
    residual_refiner: bool = False
    critic_width: int = 64
    interpolator_width: int = 64
    paired_critic_width: int = 0  # ours: above 0 there are critics that see source and truth
    spectral_norm: bool = True


@dataclass(frozen=True)
class LossRecipe:
    """Weights of equation 8 and how its terms are reduced."""

    adversarial: float = 1.0
    condition: float = 3000.0  # lambda 1
    condition_reduction: Reduction = "mean"
    condition_start: float = 1.0  # share of `condition` at the phase's start; below 1 it is raised
    content: float = 10.0  # lambda 2
    attention: float = 0.1  # lambda 3
    attention_reduction: NormOrMean = "norm"
    interpolation: float = 1.0  # lambda 4
    interpolation_adversarial: float = 0.1  # lambda int
    gradient_penalty: float = 10.0
    stage_condition: float = 0.0  # ours: equation 4 on a warm-up's stages that have no truth
    paired: float = 0.0  # ours: distance to the same person's real picture
    paired_eyes_mouth: float = 0.0  # ours: the same again over the eye and mouth patches
    paired_detail: float = 0.0  # ours: the same over differences between neighbouring pixels
    paired_adversarial: float = 0.0  # ours: the paired critics' verdict on each of their views
    # Ours: that weight's factor by region, 1 where none is named; `eyes = 0.4`.
    paired_adversarial_by_region: Mapping[str, float] = field(default_factory=dict)
    feature_matching: float = 0.0  # ours: distance to the truth in the paired critics' features
    zero_centred_penalty: float = 0.0  # ours: on the paired critics' slope at true pictures


@dataclass(frozen=True)
class PhaseRecipe:
    """One phase of a training."""

    kind: PhaseKind = "adversarial"
    stages: int = 0  # EF-GANs in a row, copied from the single one before; 0: as many as there are
    steps: int = 0  # either steps or epochs
    epochs: int = 0
    batch: int = 2
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)
    flat_share: float = 0.5  # the rate stays for this share of the phase, then falls to 0 linearly
    critic_updates: int = 5  # for one of the generator; not given in the paper, GANimation's
    critic_learning_rate: float = 0.0  # ours: of the paired critics; 0 is `learning_rate`
    critic_betas: tuple[float, float] = (0.0, 0.99)  # ours: of the paired critics
    penalty_every: int = 1  # critic updates between gradient penalties, their weight scaled up
    share_edits: bool = False  # ours: the last critic update's edits are the generator's too
    content_every: int = 1  # generator updates between cycle passes, their weight scaled up
    progress_min: float = 1 / 3  # the Interpolator's progress is drawn from here to 1
    unchanged_share: float = 0.0  # pairs that ask for no change
    early_share: float = 0.0  # ours: pairs that a stage before the last brings to their target
    part_share: float = 0.0  # ours: steps that ask for part of the way, with a morph as their truth
    morphed_truth: bool = False  # ours: morphs are the truth of the stages before the last
    augmentation: Augmentation = field(default_factory=Augmentation)
    loss: LossRecipe = field(default_factory=LossRecipe)

    def __post_init__(self) -> None:
        """Holds the fields against each other."""
        check_phase(self.kind, PHASE_KINDS, steps=self.steps, epochs=self.epochs)
        if min(self.batch, self.critic_updates, self.penalty_every, self.content_every) < 1:
            raise EfganError(
                f"phase {self.kind}: batch, critic_updates, penalty_every and content_every "
                "start at 1"
            )
        if self.stages < 0 or (self.kind == "cascade" and self.stages == 1):
            raise EfganError(
                f"phase {self.kind}: stages {self.stages}, expected "
                + ("2 or more" if self.kind == "cascade" else "0 or more")
            )
        paired_critics = self.loss.paired_adversarial or self.loss.feature_matching
        if paired_critics and self.kind not in ("paired_adversarial", "cascade"):
            raise EfganError(
                f"phase {self.kind}: paired_adversarial and feature_matching are for phases whose "
                "every edit has a truth: paired_adversarial and cascade"
            )
        if self.kind == "cascade" and paired_critics and not self.loss.paired:
            raise EfganError(
                "phase cascade: paired critics need the truth, so loss.paired must be above 0"
            )
        if not 0 < self.progress_min <= 1:
            raise EfganError(f"phase {self.kind}: progress_min {self.progress_min} not in (0, 1]")

    def step_count(self, pictures: int) -> int:
        """Generator (or AU-head) updates of the phase for a set of so many pictures."""
        return self.steps or max(1, self.epochs * pictures // self.batch)
