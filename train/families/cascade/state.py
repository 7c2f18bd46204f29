"""Everything a training changes as it goes, and how it is saved and taken up again."""

import copy
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from efgan_rt.errors import EfganError
from engines.arrays import FloatArray
from train.checkpoint import Checkpoint, plain_weights
from train.data.faces import FaceSet
from train.data.regions import RegionBox
from train.families.cascade.networks.cascade import CascadeEFGAN
from train.families.cascade.networks.config import ModelConfig
from train.families.cascade.networks.discriminators import Discriminators, ImageDiscriminator
from train.families.cascade.networks.inference import empty_networks
from train.families.cascade.networks.paired_critics import PairedCritics
from train.recipe import Recipe


@dataclass
class TrainingState:
    """The networks, the optimisers of the running phase, and where the training stands."""

    recipe: Recipe
    config: ModelConfig
    device: torch.device
    cascade: CascadeEFGAN
    critics: Discriminators
    average: "InferenceAverage | None"  # None where the recipe averages nothing
    rng: torch.Generator  # on the CPU, so that draws do not depend on the device
    pictures: str  # fingerprint of the set
    paired_critics: PairedCritics | None = None  # ours, for paired data; None where none is asked
    phase: int = 0
    step: int = 0  # finished steps of the phase
    optimizers: dict[str, torch.optim.Optimizer] = field(default_factory=dict)
    total_steps: int = 0  # of all phases
    predecessor: dict[str, Any] = field(default_factory=dict)  # record of the weights' origin
    pictures_seen: int = 0
    seconds: float = 0.0
    alignment: dict[str, Any] | None = None  # of the training crops, for whoever crops for them

    @classmethod
    def start(
        cls,
        recipe: Recipe,
        faces: FaceSet,
        device: torch.device,
        regions: dict[str, RegionBox] | None = None,
    ) -> "TrainingState":
        """Fresh networks, initialised from the recipe's seed.

        Args:
            recipe: the model's dimensions and the seed.
            faces: its action units, and the places of the patches.
            device: of the networks.
            regions: the places that the weights to come have learnt; taken where the recipe has the
                same regions.
        """
        torch.manual_seed(recipe.seed)
        model = recipe.model
        boxes = faces.region_boxes(model.regions)
        if regions is not None and regions.keys() == boxes.keys():
            boxes = regions
        config = ModelConfig(
            width=model.width,
            residual_blocks=model.residual_blocks,
            stages=model.stages,
            regions=boxes,
            residual_refiner=model.residual_refiner,
            critic_width=model.critic_width,
            interpolator_width=model.interpolator_width,
            spectral_norm=model.spectral_norm,
            crop_px=faces.crop_px,
            au_names=faces.table.au_names,
        )
        cascade, critics = CascadeEFGAN(config).to(device), Discriminators(config).to(device)
        if recipe.channels_last:
            for network in (cascade, critics):
                network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        average = InferenceAverage(cascade, critics.final) if recipe.ema_decay else None
        rng = torch.Generator().manual_seed(recipe.seed)
        # Last, so that the other networks start alike with and without them.
        paired = None
        if model.paired_critic_width:
            paired = PairedCritics(config.regions, model.paired_critic_width).to(device)
        pictures = faces.fingerprint()
        return cls(recipe, config, device, cascade, critics, average, rng, pictures, paired)

    def networks(self) -> list[nn.Module]:
        """Everything with weights: trained networks and their average."""
        optional = [self.paired_critics, self.average]
        return [self.cascade, self.critics, *(each for each in optional if each is not None)]

    def set_stages(self, count: int) -> None:
        """Makes a cascade of a single EF-GAN: each stage gets its weights (paper, section 3.3).

        Raises:
            EfganError: the model has another number of stages, and more than one.
        """
        found = len(self.cascade.stages)
        if count == found:
            return
        if found != 1:
            raise EfganError(
                f"the model has {found} stages, the phase asks for {count}; "
                f"expected {found}, or a checkpoint of a single EF-GAN"
            )
        self.config = replace(self.config, stages=count)
        for cascade in (self.cascade, *((self.average.cascade,) if self.average else ())):
            cascade.config = replace(cascade.config, stages=count)
            cascade.stages.extend(copy.deepcopy(cascade.stage(1)) for _ in range(count - 1))

    def average_cascade(self) -> None:
        """Moves the averaged generators towards the trained ones, where there are any."""
        if self.average:
            self.average.follow(
                self.average.cascade, self.cascade, self.recipe.ema_decay, self.step
            )

    def average_reader(self) -> None:
        """The same for the action-unit head."""
        if self.average:
            self.average.follow(
                self.average.au_reader, self.critics.final, self.recipe.ema_decay, self.step
            )

    def to_layout(self, image: Tensor) -> Tensor:
        """A picture in the memory layout that the recipe asks for."""
        if self.recipe.channels_last:
            return image.to(memory_format=torch.channels_last)
        return image

    def autocast(self) -> torch.autocast:
        """The context in which networks run forward."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.bf16)

    def to_checkpoint(
        self, expressions: dict[str, FloatArray], record: dict[str, Any], *, resumable: bool
    ) -> Checkpoint:
        """The averaged weights (else the last ones) for inference, and all else for resuming."""
        cascade = self.average.cascade if self.average else self.cascade
        au_reader = self.average.au_reader if self.average else self.critics.final
        weights = {f"cascade.{k}": v.cpu() for k, v in plain_weights(cascade).items()}
        weights |= {f"au_reader.{k}": v.cpu() for k, v in plain_weights(au_reader).items()}
        state = None
        if resumable:
            state = {
                "recipe": self.recipe.to_dict(),
                "pictures": self.pictures,
                "cascade": self.cascade.state_dict(),
                "critics": self.critics.state_dict(),
                "paired_critics": (
                    self.paired_critics.state_dict() if self.paired_critics else None
                ),
                "average": self.average.state_dict() if self.average else None,
                "rng": self.rng.get_state(),
                "phase": self.phase,
                "step": self.step,
                "optimizers": {k: o.state_dict() for k, o in self.optimizers.items()},
                "total_steps": self.total_steps,
                "predecessor": self.predecessor,
                "pictures_seen": self.pictures_seen,
                "seconds": self.seconds,
            }
        return Checkpoint(
            self.config, weights, expressions, record, self.alignment, state, empty=empty_networks
        )

    def restore(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """Takes up where a checkpoint stopped; the optimisers' states are returned.

        The caller hands those to the optimisers once the phase has made them.

        Raises:
            EfganError: the checkpoint is of another recipe or model, or holds no training state.
        """
        if checkpoint.config.stages > self.config.stages == 1:
            self.set_stages(checkpoint.config.stages)  # it was saved after the cascade had begun
        state = checkpoint.state_of(self.config, self.recipe.to_dict(), self.pictures)
        self.cascade.load_state_dict(state["cascade"])
        self.critics.load_state_dict(state["critics"])
        if self.paired_critics:
            self.paired_critics.load_state_dict(state["paired_critics"])
        if self.average:
            self.average.load_state_dict(state["average"])
        self.rng.set_state(state["rng"])
        self.phase, self.step = state["phase"], state["step"]
        self.total_steps, self.predecessor = state["total_steps"], state["predecessor"]
        self.pictures_seen, self.seconds = state["pictures_seen"], state["seconds"]
        return dict(state["optimizers"])


class InferenceAverage(nn.Module):
    """Exponential moving average of the networks that are used after the training."""

    def __init__(self, cascade: CascadeEFGAN, au_reader: ImageDiscriminator) -> None:
        super().__init__()
        self.cascade: CascadeEFGAN = copy.deepcopy(cascade).eval().requires_grad_(False)
        self.au_reader: ImageDiscriminator = copy.deepcopy(au_reader).eval().requires_grad_(False)

    def take(self, cascade: CascadeEFGAN, au_reader: ImageDiscriminator) -> None:
        """Begins the average anew, at what the trained networks are."""
        self.cascade.load_state_dict(cascade.state_dict())
        self.au_reader.load_state_dict(au_reader.state_dict())

    @torch.no_grad()
    def follow(self, average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
        """Moves one averaged network towards the trained one.

        The decay is shortened in the first steps, so that the start is forgotten at once.
        """
        decay = min(decay, (1 + step) / (10 + step))
        targets: list[Tensor] = list(average.parameters())
        sources: list[Tensor] = [p.detach() for p in network.parameters()]
        torch._foreach_lerp_(targets, sources, 1 - decay)
        for target, source in zip(average.buffers(), network.buffers(), strict=True):
            target.copy_(source)
