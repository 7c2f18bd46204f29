"""The two stages of EET's training (section III).

Stage 1, `disentangle`: E, C, E_f, E_r, D_u and D_d together (equation 11), each picture encoded
once. Stage 2, `transfer`: E, C, D_u and D_d stay as they are, and pictures go twice through
disentangling, swapping and generating (equation 12); D_sc and D_g learn beside E_f, E_r and G, an
update each a step.

Ours, where the paper says nothing: what stays as it is keeps its running statistics and its
spectral norms' vectors too; the discriminators are updated first, on pictures that are then the
generator's; a loss of both pictures of a pair is its mean over the two.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from train.data.faces import Augmentation, FaceSet
from train.families.eet import losses
from train.families.eet.labels import identity_classes, mirrored_poses, pose_classes
from train.families.eet.recipe import EETPhase
from train.families.family import Phase
from train.families.network_training import NetworkTraining
from train.phase import adam, update

FIRST: Final = ("E", "C", "E_f", "E_r", "D_u", "D_d")
SECOND: Final = ("E_f", "E_r", "G")
CRITICS: Final = ("D_sc", "D_g")


@dataclass(frozen=True)
class Pairs:
    """B pairs, the first pictures and behind them the second ones: image (2B, 3, H, W), au (2B, m),
    identity (2B,), pose (2B,).
    """

    image: Tensor
    au: Tensor
    identity: Tensor
    pose: Tensor


def swapped(each: Tensor) -> Tensor:
    """The other picture of each pair: (2B, ...), the halves changed over."""
    return each.roll(len(each) // 2, dims=0)


class _PairPhase:
    """What both stages share: pairs with their labels, weights, and which losses are asked for."""

    def __init__(self, state: NetworkTraining, phase: EETPhase, faces: FaceSet) -> None:
        self.state, self.phase, self.faces, self.loss = state, phase, faces, phase.loss
        self.nets = state.trained
        self.weights = losses.occurrence_weights(faces.au).to(state.device)
        self._identities = identity_classes(faces.table)
        self._poses = pose_classes(faces.table)
        is_turned = len(set(self._poses.tolist())) > 1
        self.pose_weight = phase.loss.pose if is_turned else 0.0

    def draw(self) -> Pairs:
        """Random pairs, each picture mirrored or not."""
        state, count = self.state, self.phase.batch
        both = [self.faces.draw(count, state.rng, Augmentation(flip=True)) for _ in range(2)]
        device = state.device
        return Pairs(
            torch.cat([each.image for each in both]),
            torch.cat([each.au for each in both]),
            torch.cat([self._identities[each.rows] for each in both]).to(device),
            torch.cat([mirrored_poses(self._poses, each) for each in both]).to(device),
        )

    def attribute_loss(self, feature: Tensor, pairs: Pairs) -> Tensor:
        """Equation 7 on facial features."""
        identity, pose = self.nets["C"](feature)
        return losses.attribute_loss(identity, pose, pairs.identity, pairs.pose, self.pose_weight)

    def train_only(self, names: Iterable[str]) -> None:
        """Lets the named networks learn; the others stay exactly as they are."""
        wanted = set(names)
        for name, network in self.nets.items():
            network.train(name in wanted).requires_grad_(name in wanted)

    def parameters(self, names: Iterable[str]) -> list[nn.Parameter]:
        """Of some networks."""
        return [each for name in names for each in self.nets[name].parameters()]


class DisentanglePhase(_PairPhase):
    """Stage 1."""

    def __init__(self, state: NetworkTraining, phase: EETPhase, faces: FaceSet) -> None:
        super().__init__(state, phase, faces)
        trained = [
            name
            for name in FIRST
            if not (name == "D_u" and not phase.loss.unit_adversarial)
            and not (name == "D_d" and not phase.loss.identity_adversarial)
        ]
        self.train_only(trained)
        state.optimizers = {"all": adam(self.parameters(trained), phase)}

    def step(self, learning_rate: float, done: float) -> dict[str, float]:
        """See `Phase.step`."""
        nets, loss, pairs = self.nets, self.loss, self.draw()
        with self.state.autocast():
            feature = nets["E"](pairs.image)
            related, read = nets["E_r"](feature)
            parts = {
                "units": (1.0, losses.unit_loss(read, pairs.au, self.weights)),
                "attributes": (loss.attribute, self.attribute_loss(feature, pairs)),
            }
            if loss.unit_adversarial:
                found = nets["D_u"](nets["E_f"](feature))
                parts["unit_discrimination"] = (
                    loss.unit_adversarial,
                    losses.unit_discrimination_loss(found, pairs.au),
                )
            if loss.identity_adversarial:
                found = nets["D_d"](related)
                parts["identity_discrimination"] = (
                    loss.identity_adversarial,
                    losses.identity_discrimination_loss(found, pairs.identity),
                )
        update(self.state.optimizers["all"], weighed(parts), learning_rate)
        return {name: float(value.item()) for name, (_, value) in parts.items()}


class TransferPhase(_PairPhase):
    """Stage 2."""

    def __init__(self, state: NetworkTraining, phase: EETPhase, faces: FaceSet) -> None:
        super().__init__(state, phase, faces)
        weights = {"D_sc": phase.loss.swap_consistency, "D_g": phase.loss.image_adversarial}
        self._critics = [name for name in CRITICS if weights[name]]
        self.train_only((*SECOND, *self._critics))
        state.optimizers = {"generator": adam(self.parameters(SECOND), phase)}
        if self._critics:
            state.optimizers["critics"] = adam(self.parameters(self._critics), phase)

    def step(self, learning_rate: float, done: float) -> dict[str, float]:
        """See `Phase.step`."""
        nets, loss, pairs, optimizers = self.nets, self.loss, self.draw(), self.state.optimizers
        with self.state.autocast():
            feature = nets["E"](pairs.image)
            (related, read), free = nets["E_r"](feature), nets["E_f"](feature)
            itself = nets["G"](related, free)
            edited = nets["G"](swapped(related), free)
        said = {}
        if self._critics:
            with self.state.autocast():
                verdicts = self._verdicts(pairs.image, itself.detach(), edited.detach())
            update(optimizers["critics"], torch.stack(list(verdicts.values())).sum(), learning_rate)
            said = {name: float(value.item()) for name, value in verdicts.items()}
        with self.state.autocast():
            again = nets["E"](edited)
            (lent, read_again), free_again = nets["E_r"](again), nets["E_f"](again)
            crossed = nets["G"](swapped(lent), free_again)
            # Each edit shows what the other picture of its pair showed.
            units = losses.unit_loss(read, pairs.au, self.weights) + losses.unit_loss(
                read_again, swapped(pairs.au), self.weights
            )
            parts = {
                "units": (1.0, units),
                "attributes": (loss.attribute, self.attribute_loss(again, pairs)),
                "reconstruction": (
                    loss.reconstruction,
                    losses.reconstruction_loss(itself, crossed, pairs.image),
                ),
            }
            if loss.unit_adversarial:
                confused = losses.unit_confusion_loss(nets["D_u"](free))
                parts["unit_confusion"] = (loss.unit_adversarial, confused)
            if loss.identity_adversarial:
                confused = losses.identity_confusion_loss(nets["D_d"](related))
                parts["identity_confusion"] = (loss.identity_adversarial, confused)
            if loss.swap_consistency:
                deceived = losses.deception_loss(nets["D_sc"](edited))
                parts["swap_consistency"] = (loss.swap_consistency, deceived)
            if loss.image_adversarial:
                deceived = losses.deception_loss(nets["D_g"](edited))
                parts["image_adversarial"] = (loss.image_adversarial, deceived)
        update(optimizers["generator"], weighed(parts), learning_rate)
        return said | {name: float(value.item()) for name, (_, value) in parts.items()}

    def _verdicts(self, image: Tensor, itself: Tensor, edited: Tensor) -> dict[str, Tensor]:
        """The discriminators' own losses."""
        real = {"D_sc": itself, "D_g": image}
        return {
            f"critic_{name}": losses.verdict_loss(
                self.nets[name](real[name]), self.nets[name](edited)
            )
            for name in self._critics
        }


def weighed(parts: dict[str, tuple[float, Tensor]]) -> Tensor:
    """The weighted sum of several losses."""
    return torch.stack([weight * value for weight, value in parts.values()]).sum()


PHASES: Final[dict[str, Callable[[NetworkTraining, EETPhase, FaceSet], Phase]]] = {
    "disentangle": DisentanglePhase,
    "transfer": TransferPhase,
}
