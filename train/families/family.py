"""What a family of models is to training and export; nothing else there knows its networks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.abc import Traversable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from efgan_rt.errors import EfganError
from efgan_rt.families.family import Family
from efgan_rt.families.properties import Properties
from engines.arrays import FloatArray
from train.checkpoint import Checkpoint
from train.data.faces import FaceSet

Pixels = npt.NDArray[np.uint8]


class Phase(Protocol):
    """Makes steps; owns the optimisers it puts into the state."""

    def step(self, learning_rate: float, done: float) -> dict[str, float]:
        """One update of what the phase trains.

        Args:
            learning_rate: for this step.
            done: share of the phase that is behind, 0 to 1.

        Returns:
            Losses by name, for the log.

        Raises:
            FloatingPointError: a loss is not finite; nothing was updated.
        """
        ...


class PhasePlan(Protocol):
    """What the loop reads of a recipe's phase; a family's own has more."""

    @property
    def kind(self) -> str:
        """Which of the family's phases."""
        ...

    @property
    def batch(self) -> int:
        """Pictures of a step."""
        ...

    @property
    def learning_rate(self) -> float:
        """At the start."""
        ...

    @property
    def flat_share(self) -> float:
        """For how much of the phase the rate stays; then it falls to 0 linearly."""
        ...

    def step_count(self, pictures: int) -> int:
        """Steps of the phase for a set of so many pictures."""
        ...


class Training(Protocol):
    """A family's networks in training, and how they are saved and taken up again."""

    recipe: Any
    device: torch.device
    phase: int
    step: int
    total_steps: int
    pictures_seen: int
    seconds: float
    predecessor: dict[str, Any]
    optimizers: dict[str, torch.optim.Optimizer]
    alignment: dict[str, Any] | None

    def networks(self) -> list[nn.Module]:
        """Everything with weights, so that several processes start alike."""
        ...

    def restore(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """Takes up where a checkpoint stopped; gives the optimisers' states by name.

        Raises:
            EfganError: the checkpoint is of another recipe, or holds no training state.
        """
        ...

    def to_checkpoint(
        self, expressions: dict[str, FloatArray], record: dict[str, Any], *, resumable: bool
    ) -> Checkpoint:
        """The weights for inference, and with `resumable` all else."""
        ...


class Networks(Protocol):
    """What an edit needs, as trained."""

    @property
    def family(self) -> str:
        """The family's name."""
        ...

    def properties(self) -> Properties:
        """What an engine set says of them, as far as their tensors go."""
        ...

    def parts(self) -> Mapping[str, nn.Module]:
        """The modules, by the first part of their weights' names in a checkpoint."""
        ...


def unfolded(networks: Any) -> Any:
    """Of a family whose networks are exported as they were trained."""
    return networks


def nothing_taken(state: Any, checkpoint: Checkpoint) -> str:
    """Of a family that starts from no other training's weights.

    Raises:
        EfganError: always.
    """
    raise EfganError("models of this family start from no other training's weights")


@dataclass(frozen=True)
class TrainedFamily:
    """A family of models, as `train` and `build-engines` see it.

    Attributes:
        family: as a run sees it.
        recipes: the folder of its recipes.
        model: a recipe's [model], a dataclass.
        phase: a recipe's [[phases]], a dataclass as `PhasePlan`.
        config: a checkpoint's config from its plain values, with `crop_px` and `to_dict`; raises
            `EfganError`.
        empty: networks of a config, without weights worth anything.
        start: a fresh training; the checkpoint is what it will start from or go on with.
        begin: a phase of the recipe, its optimisers put into the state; raises `EfganError`
            where it does not fit the model or the set.
        draw: writes a picture of what the networks do by now.
        exported: by name, modules that take and give what the family's specs say, in that order;
            of pictures between networks in float32 or float16.
        probe: what the edits are given on which parity is measured, by place.
        properties: what an engine set says of a config, plain values; `expressions`, `alignment`
            and the training's record are put beside them.
        vector: how long a named expression's vector is.
        take_over: puts a checkpoint's weights into a fresh training; says what was taken.
        take_over_reader: likewise of the action-unit head alone.
        folded: the networks as they are exported, where they differ from the trained ones.
        data: name and content of a file beside the engines, and what properties say of it.
    """

    family: Family
    recipes: Traversable
    model: type
    phase: type
    config: Callable[[dict[str, Any]], Any]
    empty: Callable[[Any], Any]
    start: Callable[[Any, FaceSet, torch.device, Checkpoint | None], Training]
    begin: Callable[[Any, Any, FaceSet], Phase]
    draw: Callable[[Any, FaceSet, dict[str, FloatArray], Path], None]
    exported: Callable[[Any, torch.dtype], Mapping[str, nn.Module]]
    probe: Callable[[Pixels, Checkpoint], dict[str, npt.NDArray[Any]]]
    properties: Callable[[Any], dict[str, Any]]
    vector: Callable[[Any], int]
    take_over: Callable[[Any, Checkpoint], str] = nothing_taken
    take_over_reader: Callable[[Any, Checkpoint], str] = nothing_taken
    folded: Callable[[Any], Any] = unfolded
    data: Callable[[Checkpoint], tuple[str, bytes, dict[str, Any]] | None] = lambda _: None
