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

from efgan_rt.errors import EfganError
from engines.arrays import FloatArray
from engines.whole_file import whole_file

FORMAT: Final = "efgan-rt checkpoint 1"
CHECKPOINTS: Final = "the .pt or .safetensors of an efgan-rt train"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's content, all but the networks' wiring.

    `config` is the family's, with `crop_px` and `to_dict`; `weights` has an entry for each weight
    of the networks' `parts`, named `part.weight`, without spectral-norm parametrisations;
    `training` records data, licences, recipe, steps and losses; `training_state` is what a
    resumed training needs (None in what ships).
    """

    config: Any
    weights: dict[str, Tensor]
    expressions: dict[str, FloatArray]
    training: dict[str, Any] = field(default_factory=dict)
    alignment: dict[str, Any] | None = None  # five-point template and its detector, if known
    training_state: dict[str, Any] | None = None
    family: str = "cascade"  # what older versions wrote is the cascade
    empty: Callable[[Any], Any] | None = None  # makes networks of a config

    def state_of(self, config: Any, recipe: dict[str, Any], pictures: str) -> dict[str, Any]:
        """The state of a training of this config, by this recipe, on these pictures.

        Raises:
            EfganError: it is of another, or the checkpoint holds none.
        """
        state = self.training_state
        if state is None:
            raise EfganError(
                "the checkpoint holds weights only; resume from the `latest.pt` of a training"
            )
        same = self.config == config and _plain(state["recipe"]) == _plain(recipe)
        if not same or state.get("pictures") != pictures:
            raise EfganError(
                "the checkpoint was made by another recipe or on other pictures, so continuing "
                "would not be the same training; start anew with another --out"
            )
        return state

    def build(self) -> Any:
        """The networks with their weights, in evaluation mode.

        Raises:
            EfganError: the weights do not fit the config.
        """
        assert self.empty is not None, "of a family"
        try:
            # Shapes first, without their memory: a config may ask for any amount of it.
            with torch.device("meta"):
                self._fill(self.empty(self.config), assign=True)
            networks = self.empty(self.config)
            self._fill(networks, assign=False)
        except RuntimeError as error:
            # torch lists every weight, each on a line of its own: the first ones tell enough.
            first = " ".join(str(error).split())[:300]
            raise EfganError(f"the checkpoint's weights do not fit its config: {first}") from error
        return networks

    def _fill(self, networks: Any, *, assign: bool) -> None:
        for name, module in networks.parts().items():
            prefix = f"{name}."
            # Whatever their type: filling converts.
            state = {
                k.removeprefix(prefix): v for k, v in self.weights.items() if k.startswith(prefix)
            }
            module.load_state_dict(state, assign=assign)


def _plain(value: Any) -> Any:
    """Tuples as lists, so that a recipe compares equal after a round trip through a file."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


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
        "family": checkpoint.family,
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
        "family": checkpoint.family,
        "config": checkpoint.config.to_dict(),
        "expressions": {k: v.tolist() for k, v in checkpoint.expressions.items()},
        "training": checkpoint.training,
        "alignment": checkpoint.alignment,
    }
    weights = {k: v.to(torch.float16).contiguous() for k, v in checkpoint.weights.items()}
    data = save(weights, metadata={"format": FORMAT, "checkpoint": json.dumps(header)})
    _write(path, lambda handle: handle.write(data))


def _write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    try:
        with whole_file(path) as handle:
            write(handle)
    except (OSError, RuntimeError) as error:
        # PyTorch makes an error of its own of a full disk; what Python said of it is behind it.
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        raise EfganError(
            f"{path}: cannot be written: {cause.strerror}; the file that was there before is kept"
        ) from error


def read_content(path: Path) -> Mapping[str, Any]:
    """The plain values and weights of a `.pt` or a `.safetensors`.

    Raises:
        EfganError: the file is missing, is not a checkpoint of this project, or is truncated.
    """
    if not path.is_file():
        raise EfganError(f"{path}: no such checkpoint; expected {CHECKPOINTS}")
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_pt(path)


def checkpoint_of(
    path: Path,
    content: Mapping[str, Any],
    *,
    family: str,
    config: Callable[[dict[str, Any]], Any],
    vector: Callable[[Any], int],
    empty: Callable[[Any], Any],
) -> Checkpoint:
    """A checkpoint of a family, from what `read_content` gave.

    Args:
        path: of the file, for the messages.
        content: of it.
        family: whose it is.
        config: makes the family's config of plain values.
        vector: how long a named expression's vector is.
        empty: makes networks of a config.

    Raises:
        EfganError: it lacks or garbles something; the message says what.
    """
    try:
        made = config(content["config"])
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
        if values.shape != (vector(made),):
            raise EfganError(
                f"{path}: expression '{name}' has {values.size} action units, "
                f"the model has {vector(made)}"
            )
    return Checkpoint(
        made,
        weights,
        expressions,
        content.get("training") or {},
        content.get("alignment"),
        content.get("training_state"),
        family,
        empty,
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
