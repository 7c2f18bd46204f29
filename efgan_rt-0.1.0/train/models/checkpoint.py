"""The checkpoint: weights, what they mean, and how they were made.

Two files carry the same content. A training writes `.pt` (everything, with optimisers under
`training_state` so that it resumes exactly), always read with `weights_only=True`, so a checkpoint
cannot run code. `.safetensors` holds the inference networks in half precision, with the rest as
JSON in its header: small enough to ship.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.utils import parametrize

from efgan_rt.action_units import FloatArray
from efgan_rt.errors import EfganError
from train.models.cascade import CascadeEFGAN
from train.models.config import ModelConfig
from train.models.discriminators import ImageDiscriminator
from train.motion.cascade import MotionCascade

FORMAT: Final = "efgan-rt checkpoint 1"
CHECKPOINTS: Final = "the .pt or .safetensors of an efgan-rt train"


@dataclass
class InferenceNetworks:
    """What an edit needs: the cascade (with its Interpolator) and the action-unit reader."""

    cascade: CascadeEFGAN | MotionCascade
    au_reader: ImageDiscriminator


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's content, all but the networks' wiring.

    `weights` has `cascade.*` and `au_reader.*` entries without spectral-norm parametrisations;
    `training` records data, licences, recipe, steps and losses; `training_state` is what a resumed
    training needs (None in what ships).
    """

    config: ModelConfig
    weights: dict[str, Tensor]
    expressions: dict[str, FloatArray]
    training: dict[str, Any] = field(default_factory=dict)
    alignment: dict[str, Any] | None = None  # five-point template and its detector, if known
    training_state: dict[str, Any] | None = None

    def build(self) -> InferenceNetworks:
        """The networks with their weights, in evaluation mode.

        Raises:
            EfganError: the weights do not fit the config.
        """
        try:
            # Shapes first, without their memory: a config may ask for any amount of it.
            with torch.device("meta"):
                self._fill(empty_networks(self.config), assign=True)
            networks = empty_networks(self.config)
            self._fill(networks, assign=False)
        except RuntimeError as error:
            # torch lists every weight, each on a line of its own: the first ones tell enough.
            first = " ".join(str(error).split())[:300]
            raise EfganError(f"the checkpoint's weights do not fit its config: {first}") from error
        return networks

    def _fill(self, networks: InferenceNetworks, *, assign: bool) -> None:
        for name, module in (("cascade", networks.cascade), ("au_reader", networks.au_reader)):
            prefix = f"{name}."
            # Whatever their type: filling converts.
            state = {
                k.removeprefix(prefix): v for k, v in self.weights.items() if k.startswith(prefix)
            }
            module.load_state_dict(state, assign=assign)


def empty_networks(config: ModelConfig) -> InferenceNetworks:
    """Networks of a config without spectral norm, ready for `load_state_dict`."""
    au_reader = ImageDiscriminator(
        config.critic_width,
        config.face_bottlenecks,
        au_count=config.au_count,
        crop_px=config.reader_px,
        spectral_norm=False,
    )
    if config.motion:
        return InferenceNetworks(MotionCascade(config).eval(), au_reader.eval())
    plain = ModelConfig.from_dict(config.to_dict() | {"spectral_norm": False})
    return InferenceNetworks(CascadeEFGAN(plain).eval(), au_reader.eval())


@torch.no_grad()
def plain_weights(module: nn.Module) -> dict[str, Tensor]:
    """A module's weights with every spectral norm folded; the module itself is left alone."""
    training = module.training
    module.eval()  # in training mode, reading a normalised weight would advance its power iteration
    weights = {}
    for path, layer in module.named_modules():
        if parametrize.is_parametrized(layer):
            for name in layer.parametrizations:
                weights[f"{path}.{name}"] = getattr(layer, name).detach().clone()
    for name, value in module.state_dict().items():
        if ".parametrizations." not in name:
            weights[name] = value.detach().clone()
    module.train(training)
    return weights


def save_pt(checkpoint: Checkpoint, path: Path) -> None:
    """Writes a `.pt`, first beside its place and then renamed, so that none is ever half there.

    Raises:
        EfganError: it cannot be written, as on a full disk.
    """
    content = {
        "format": FORMAT,
        "config": checkpoint.config.to_dict(),
        "weights": checkpoint.weights,
        "expressions": {k: v.tolist() for k, v in checkpoint.expressions.items()},
        "training": checkpoint.training,
        "alignment": checkpoint.alignment,
        "training_state": checkpoint.training_state,
    }
    _write(path, lambda handle: torch.save(content, handle))


def save_safetensors(checkpoint: Checkpoint, path: Path) -> None:
    """Writes the inference networks in half precision, everything else in the header.

    Raises:
        EfganError: it cannot be written, as on a full disk.
    """
    header = {
        "config": checkpoint.config.to_dict(),
        "expressions": {k: v.tolist() for k, v in checkpoint.expressions.items()},
        "training": checkpoint.training,
        "alignment": checkpoint.alignment,
    }
    weights = {k: v.to(torch.float16).contiguous() for k, v in checkpoint.weights.items()}
    data = save(weights, metadata={"format": FORMAT, "checkpoint": json.dumps(header)})
    _write(path, lambda handle: handle.write(data))


def _write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("wb") as handle:
            write(handle)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        # PyTorch makes an error of its own of a full disk; what Python said of it is behind it.
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        temporary.unlink(missing_ok=True)
        raise EfganError(
            f"{path}: cannot be written: {cause.strerror}; the file that was there before is kept"
        ) from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a `.pt` or a `.safetensors`.

    Raises:
        EfganError: the file is missing, is not a checkpoint of this project, is truncated, or lacks
            something; the message says what.
    """
    if not path.is_file():
        raise EfganError(f"{path}: no such checkpoint; expected {CHECKPOINTS}")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pt(path)
    try:
        config = ModelConfig.from_dict(content["config"])
        expressions = {
            name: np.asarray(values, dtype=np.float32)
            for name, values in content["expressions"].items()
        }
        weights = content["weights"]
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise EfganError(f"{path}: the checkpoint lacks or garbles {error}") from error
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()
    ):
        raise EfganError(f"{path}: the checkpoint's weights are garbled, expected named tensors")
    for name, values in expressions.items():
        if not np.isfinite(values).all():
            raise EfganError(f"{path}: expression '{name}' holds a value that is no finite number")
        if values.shape != (config.au_count,):
            raise EfganError(
                f"{path}: expression '{name}' has {values.size} action units, "
                f"the model has {config.au_count}"
            )
    return Checkpoint(
        config,
        weights,
        expressions,
        content.get("training") or {},
        content.get("alignment"),
        content.get("training_state"),
    )


def _read_pt(path: Path) -> Mapping[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises many kinds, all of which mean that the file is no plain checkpoint; its own
        # text is left out because it goes on to recommend loading such a file unsafely.
        raise EfganError(
            f"{path}: not a checkpoint of efgan-rt, or truncated ({type(error).__name__}); "
            f"expected {CHECKPOINTS}"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise EfganError(f"{path}: found format '{found}', expected '{FORMAT}'")
    return content


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = handle.metadata() or {}
            weights = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise EfganError(
            f"{path}: not a safetensors file, or truncated ({error}); expected {CHECKPOINTS}"
        ) from error
    if metadata.get("format") != FORMAT:
        raise EfganError(f"{path}: found format '{metadata.get('format')}', expected '{FORMAT}'")
    try:
        header = json.loads(metadata["checkpoint"])
    except (KeyError, ValueError, RecursionError) as error:
        raise EfganError(f"{path}: the header cannot be read: {error}") from error
    if not isinstance(header, dict):
        raise EfganError(f"{path}: the header cannot be read: found no JSON object")
    return {**header, "weights": weights}
