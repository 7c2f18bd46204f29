"""ECGAN's training: CycleGAN's step with the vector, and a phase that teaches the context network.

X is the neutral pictures, Y the others, each with its one-hot vector. G_YX gets the vector in which
the two expressions have changed places, that of neutral. Equation 3 prints X and G_YX(y), which are
of two people; features are compared of a picture and of its own way there and back (ours).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from efgan_rt.errors import EfganError
from efgan_rt.families.ecgan import NEUTRAL
from train.data.faces import FaceSet
from train.distributed import own_rows
from train.families.ecgan import losses
from train.families.ecgan.masks import masks_by_mediapipe
from train.families.ecgan.pool import PicturePool
from train.families.ecgan.recipe import ECGANPhase
from train.families.family import Phase
from train.families.network_training import NetworkTraining
from train.phase import adam, update
from train.pixels import to_unit_range

GENERATORS: Final = ("G_XY", "G_YX")
CRITICS: Final = ("D_X", "D_Y")


@dataclass(frozen=True)
class Drawn:
    """Pictures (B, 3, H, W) in [-1, 1], their vectors (B, e), rows (B,) and masks (B, 1, H, W)."""

    image: Tensor
    vector: Tensor
    rows: Tensor
    mask: Tensor | None = None


class Domains:
    """The neutral pictures and the others, drawn from at random."""

    def __init__(
        self, state: NetworkTraining, faces: FaceSet, masks: Tensor | None, *, flip: bool
    ) -> None:
        names = state.config.expressions
        shown = faces.table.expressions
        self._rng, self._device, self._faces = state.rng, state.device, faces
        self._classes = torch.tensor([names.index(e) if e in names else -1 for e in shown])
        neutral = names.index(NEUTRAL)
        self.neutral = (self._classes == neutral).nonzero().flatten()
        self.others = ((self._classes >= 0) & (self._classes != neutral)).nonzero().flatten()
        self._count, self._masks, self._flip = len(names), masks, flip

    def draw(self, rows: Tensor, count: int) -> Drawn:
        """Pictures of some rows, with replacement, half of them mirrored if that is asked for."""
        picked = rows[torch.randint(len(rows), (count,), generator=self._rng)]
        mirrored = torch.rand(count, generator=self._rng) < (0.5 if self._flip else 0.0)
        self._faces.drawn += picked.tolist()
        mine = own_rows(count)
        picked, mirrored = picked[mine], mirrored[mine].to(self._device)[:, None, None, None]
        image = to_unit_range(self._faces.pixels[picked.to(self._faces.pixels.device)])
        image = torch.where(mirrored, image.flip(3), image)
        mask = None
        if self._masks is not None:
            mask = self._masks[picked].to(self._device).float()
            mask = torch.where(mirrored, mask.flip(3), mask)
        vector = F.one_hot(self._classes[picked], self._count).float().to(self._device)
        return Drawn(image, vector, picked, mask)


class ContextPhase:
    """Teaches our own context network the set's expressions and people."""

    def __init__(self, state: NetworkTraining, phase: ECGANPhase, faces: FaceSet) -> None:
        if state.recipe.model.context_weights:
            raise EfganError(
                "phase context teaches a context network of our own, and model.context_weights "
                "names one; leave out one of the two"
            )
        self.state, self.phase = state, phase
        self.domains = Domains(state, faces, None, flip=phase.flip)
        self._all = torch.cat([self.domains.neutral, self.domains.others])
        people = {who: number for number, who in enumerate(sorted(set(faces.table.identities)))}
        self._people = torch.tensor([people[who] for who in faces.table.identities])
        network = state.trained["context"].train().requires_grad_(True)
        state.optimizers = {"context": adam(network.parameters(), phase)}

    def step(self, learning_rate: float, done: float) -> dict[str, float]:
        """See `Phase.step`."""
        drawn = self.domains.draw(self._all, self.phase.batch)
        network = self.state.trained["context"]
        with self.state.autocast():
            expression, identity = network.classes(drawn.image)  # type: ignore[operator]
        shown = F.cross_entropy(expression.float(), drawn.vector)
        who = F.cross_entropy(identity.float(), self._people[drawn.rows].to(self.state.device))
        update(self.state.optimizers["context"], shown + who, learning_rate)
        return {"expression": shown.item(), "identity": who.item()}


class TranslatePhase:
    """G_XY and G_YX against D_X and D_Y, an update each a step."""

    def __init__(self, state: NetworkTraining, phase: ECGANPhase, faces: FaceSet) -> None:
        masks = None
        if phase.loss.mask:
            model = state.recipe.model.landmarker
            if not model:
                raise EfganError(
                    "the face mask loss needs landmarks: name MediaPipe's face_landmarker.task in "
                    "model.landmarker, or leave the loss out with loss.mask = 0"
                )
            masks = masks_by_mediapipe(faces, Path(model))
        self.state, self.phase, self.loss, self.nets = state, phase, phase.loss, state.trained
        self.domains = Domains(state, faces, masks, flip=phase.flip)
        for name, network in self.nets.items():
            network.train(name != "context").requires_grad_(name != "context")
        state.optimizers = {
            "generators": adam([p for n in GENERATORS for p in self.nets[n].parameters()], phase),
            "critics": adam([p for n in CRITICS for p in self.nets[n].parameters()], phase),
        }

    def step(self, learning_rate: float, done: float) -> dict[str, float]:
        """See `Phase.step`."""
        nets, optimizers, count = self.nets, self.state.optimizers, self.phase.batch
        x = self.domains.draw(self.domains.neutral, count)
        y = self.domains.draw(self.domains.others, count)
        for name in CRITICS:
            nets[name].requires_grad_(False)
        with self.state.autocast():
            made_y = nets["G_XY"](x.image, y.vector)
            made_x = nets["G_YX"](y.image, x.vector)
            parts = self._generators_losses(x, y, made_x, made_y)
        total = torch.stack([weight * value for weight, value in parts.values()]).sum()
        update(optimizers["generators"], total, learning_rate)
        said = {name: float(value.item()) for name, (_, value) in parts.items()}
        for name in CRITICS:
            nets[name].requires_grad_(True)
        verdicts = {}
        with self.state.autocast():
            for name, real, made, asked in (
                ("D_X", x, made_x, x.vector),
                ("D_Y", y, made_y, y.vector),
            ):
                pool = self.state.memories[f"pool_{name}"]
                assert isinstance(pool, PicturePool)
                fake, vector = pool.exchanged(made.detach().float(), asked, self.state.rng)
                verdicts[f"critic_{name}"] = losses.critic_loss(
                    nets[name](real.image, real.vector), nets[name](fake, vector)
                )
        update(optimizers["critics"], torch.stack(list(verdicts.values())).sum(), learning_rate)
        return said | {name: float(value.item()) for name, value in verdicts.items()}

    def _generators_losses(
        self, x: Drawn, y: Drawn, made_x: Tensor, made_y: Tensor
    ) -> dict[str, tuple[float, Tensor]]:
        """Each loss with its weight, both directions together (equation 6)."""
        nets, loss = self.nets, self.loss
        there, back = nets["G_XY"], nets["G_YX"]
        round_x, round_y = back(made_y, x.vector), there(made_x, y.vector)
        parts = {
            "adversarial": (
                1.0,
                losses.deception_loss(nets["D_Y"](made_y, y.vector))
                + losses.deception_loss(nets["D_X"](made_x, x.vector)),
            ),
            "cycle": (
                loss.cycle,
                losses.absolute_loss(round_x, x.image) + losses.absolute_loss(round_y, y.image),
            ),
        }
        if loss.context:
            seen = nets["context"]
            parts["context"] = (
                loss.context,
                losses.context_loss(seen(round_x), seen(x.image))
                + losses.context_loss(seen(round_y), seen(y.image)),
            )
        if loss.identity:
            parts["identity"] = (
                loss.identity,
                losses.absolute_loss(back(x.image, x.vector), x.image)
                + losses.absolute_loss(there(y.image, y.vector), y.image),
            )
        if loss.mask:
            assert x.mask is not None and y.mask is not None, "made where the loss is asked for"
            if loss.mask_before:
                inside_x, inside_y = x.image * x.mask, y.image * y.mask
                masked = losses.absolute_loss(
                    back(there(inside_x, y.vector), x.vector), inside_x
                ) + losses.absolute_loss(there(back(inside_y, x.vector), y.vector), inside_y)
            else:
                masked = losses.mask_loss(round_x, x.image, x.mask) + losses.mask_loss(
                    round_y, y.image, y.mask
                )
            parts["mask"] = (loss.mask, masked)
        return parts


PHASES: Final[dict[str, Callable[[NetworkTraining, ECGANPhase, FaceSet], Phase]]] = {
    "context": ContextPhase,
    "translate": TranslatePhase,
}
