"""A training of named networks: what changes as it goes, and how it is saved and taken up again.

For families whose networks stay the same from the first phase to the last. A phase makes its own
optimisers; what else it keeps from step to step, such as a pool of pictures, it puts into
`memories`, so that a resumed training is the one that was never stopped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import nn

from efgan_rt.errors import EfganError
from engines.arrays import FloatArray
from train.checkpoint import Checkpoint, plain_weights
from train.data.faces import FaceSet
from train.recipe import Recipe


class Memory(Protocol):
    """What a phase keeps from step to step."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values."""
        ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> object:
        """Takes up what `state_dict` gave."""
        ...


@dataclass
class NetworkTraining:
    """A `train.families.family.Training`.

    Attributes:
        family: its name.
        recipe: what is done.
        config: the family's, for the checkpoint.
        device: of the networks.
        trained: every network, by name.
        inference: the names of those that an edit needs.
        faces: the set.
        named: the vector of each named expression, for the checkpoint.
        rng: on the CPU, so that draws do not depend on the device.
        memories: what phases keep besides networks and optimisers, by name.
    """

    family: str
    recipe: Recipe
    config: Any
    device: torch.device
    trained: nn.ModuleDict
    inference: tuple[str, ...]
    faces: FaceSet
    named: Mapping[str, FloatArray]
    rng: torch.Generator
    memories: dict[str, Memory] = field(default_factory=dict)
    phase: int = 0
    step: int = 0
    total_steps: int = 0
    pictures_seen: int = 0
    seconds: float = 0.0
    predecessor: dict[str, Any] = field(default_factory=dict)
    optimizers: dict[str, torch.optim.Optimizer] = field(default_factory=dict)
    alignment: dict[str, Any] | None = None

    def networks(self) -> list[nn.Module]:
        """See `Training.networks`."""
        return list(self.trained.values())

    def autocast(self) -> torch.autocast:
        """The context in which networks run forward."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.bf16)

    def to_checkpoint(
        self, expressions: dict[str, FloatArray], record: dict[str, Any], *, resumable: bool
    ) -> Checkpoint:
        """See `Training.to_checkpoint`; the set's expressions are not used, `named` is."""
        weights = {
            f"{part}.{name}": value.cpu()
            for part in self.inference
            for name, value in plain_weights(self.trained[part]).items()
        }
        state = None
        if resumable:
            state = {
                "recipe": self.recipe.to_dict(),
                "pictures": self.faces.fingerprint(),
                "networks": self.trained.state_dict(),
                "memories": {name: each.state_dict() for name, each in self.memories.items()},
                "rng": self.rng.get_state(),
                "optimizers": {name: each.state_dict() for name, each in self.optimizers.items()},
                **{name: getattr(self, name) for name in COUNTERS},
            }
        return Checkpoint(
            self.config, weights, dict(self.named), record, self.alignment, state, self.family
        )

    def restore(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """See `Training.restore`."""
        state = checkpoint.state_of(self.config, self.recipe.to_dict(), self.faces.fingerprint())
        self.trained.load_state_dict(state["networks"])
        for name, each in self.memories.items():
            each.load_state_dict(state["memories"][name])
        self.rng.set_state(state["rng"])
        for name in COUNTERS:
            setattr(self, name, state[name])
        return dict(state["optimizers"])


COUNTERS = ("phase", "step", "total_steps", "predecessor", "pictures_seen", "seconds")


def refuse_averages(recipe: Recipe) -> None:
    """Refuses what trainings of this kind do not do.

    Raises:
        EfganError: the recipe asks for averaged weights or for another memory layout.
    """
    if recipe.ema_decay or recipe.channels_last:
        raise EfganError(
            f"recipe {recipe.name}: ema_decay and channels_last are for cascades; leave them out"
        )
