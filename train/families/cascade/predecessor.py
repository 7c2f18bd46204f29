"""The weights that a training starts from: another training's checkpoint, of either kind.

A resumable `.pt` hands on everything but the optimisers. A `.safetensors`, or a `.pt` without a
training state, holds only what an edit needs: its averaged generators go on, the final critic
starts from the action-unit head, and the other critics start anew.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from efgan_rt.errors import EfganError
from train.checkpoint import Checkpoint
from train.families.cascade.networks.config import ModelConfig
from train.families.cascade.state import TrainingState

# After loading, spectral norm looks for each weight's largest singular value from a random vector.
# torch makes 15 iterations for a fresh layer; trained ones have closer singular values.
POWER_ITERATIONS = 50


def take_over(state: TrainingState, checkpoint: Checkpoint) -> str:
    """Puts a checkpoint's weights into a fresh training that was started with its regions.

    Returns:
        What was taken, as one sentence for whoever reads along.

    Raises:
        EfganError: the model is another than the recipe's, or reads other action units.
    """
    _check_same_model(checkpoint.config, state.config)
    state.set_stages(checkpoint.config.stages)
    saved = checkpoint.training_state
    same_critics = (
        saved is not None
        and checkpoint.config.spectral_norm == state.config.spectral_norm
        and saved["critics"].keys() == state.critics.state_dict().keys()
    )
    if saved is not None and same_critics:
        state.cascade.load_state_dict(saved["cascade"])
        state.critics.load_state_dict(saved["critics"])
        paired = saved.get("paired_critics")
        if state.paired_critics and paired is not None:
            state.paired_critics.load_state_dict(paired)
        if state.average and saved["average"] is not None:
            state.average.load_state_dict(saved["average"])
        elif state.average:
            state.average.take(state.cascade, state.critics.final)
        return "generators, critics and Interpolator go on, optimisers start anew"
    load_plain(state.cascade, _part(checkpoint, "cascade"))
    load_plain(state.critics.final, _part(checkpoint, "au_reader"))
    if state.average:
        state.average.take(state.cascade, state.critics.final)
    return (
        "generators and Interpolator go on, the final critic starts from the action-unit head, "
        "other critics and optimisers start anew"
    )


def take_over_au_head(state: TrainingState, checkpoint: Checkpoint) -> str:
    """Starts the final critic from a checkpoint's action-unit head, and takes nothing else of it.

    Returns:
        What was taken, as one sentence.

    Raises:
        EfganError: the head has other dimensions or reads other action units.
    """
    found, wanted = checkpoint.config, state.config
    _check_same_units(found, wanted)
    for name in ("critic_width", "face_bottlenecks", "crop_px"):
        if getattr(found, name) != getattr(wanted, name):
            raise EfganError(
                f"the checkpoint's action-unit head has {name} = {getattr(found, name)}, "
                f"the recipe {getattr(wanted, name)}; expected the same"
            )
    load_plain(state.critics.final, _part(checkpoint, "au_reader"))
    if state.average:
        state.average.au_reader.load_state_dict(state.critics.final.state_dict())
    return "the final critic starts from its action-unit head, all else anew"


@torch.no_grad()
def load_plain(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Fills a module with weights whose spectral norms were folded, as checkpoints hold them."""
    normalised = set()
    for path, layer in module.named_modules():
        if parametrize.is_parametrized(layer):
            for name in layer.parametrizations:
                setattr(layer, name, weights[f"{path}.{name}"].to(torch.float32))
                normalised.add(f"{path}.{name}")
                for _ in range(POWER_ITERATIONS if layer.training else 0):
                    getattr(layer, name)  # each reading is an iteration
    rest = {k: v for k, v in weights.items() if k not in normalised}
    missing, unexpected = module.load_state_dict(rest, strict=False)
    missing = [name for name in missing if ".parametrizations." not in name]
    assert not missing and not unexpected, (missing, unexpected)


def _part(checkpoint: Checkpoint, name: str) -> dict[str, Tensor]:
    prefix = f"{name}."
    return {
        k.removeprefix(prefix): v for k, v in checkpoint.weights.items() if k.startswith(prefix)
    }


def _check_same_model(found: ModelConfig, wanted: ModelConfig) -> None:
    """Everything that shapes the inference networks, but for the stages and the patches' places."""
    _check_same_units(found, wanted)
    if found.regions.keys() != wanted.regions.keys():
        raise EfganError(
            f"the checkpoint has the regions {' '.join(found.regions) or 'none'}, "
            f"the recipe {' '.join(wanted.regions) or 'none'}; expected the same"
        )
    shapes = replace(
        found, stages=wanted.stages, regions=wanted.regions, spectral_norm=wanted.spectral_norm
    ).to_dict()
    for name, value in wanted.to_dict().items():
        if shapes[name] != value:
            raise EfganError(
                f"the checkpoint has {name} = {shapes[name]}, the recipe {value}; "
                f"set it in the recipe's [model], or start from another checkpoint"
            )


def _check_same_units(found: ModelConfig, wanted: ModelConfig) -> None:
    if found.au_names != wanted.au_names:
        raise EfganError(
            f"the checkpoint reads {' '.join(found.au_names)}, the labels have "
            f"{' '.join(wanted.au_names)}; expected the same action units in the same order"
        )
