"""The training loop: phases in order, with a log, sample grids, checkpoints and exact resume.

A run directory holds `recipe.json`, `losses.jsonl` (a line every few steps), `samples/*.png`,
`latest.pt` (resumable) and, at the end, `weights.safetensors` (what ships: half precision).
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch

from efgan_rt import __version__
from efgan_rt.action_units import FloatArray
from efgan_rt.errors import EfganError
from train.data.alignment import alignment_beside
from train.data.faces import FaceSet
from train.data.labels import read_labels
from train.grid import write_grid
from train.models.checkpoint import load_checkpoint, save_pt, save_safetensors
from train.phases.adversarial import AdversarialPhase
from train.phases.au_head import AUHeadPhase
from train.phases.base import Phase, learning_rate_at
from train.phases.warm_up import WarmUpPhase
from train.recipe import DataRecipe, PhaseRecipe, Recipe
from train.state import TrainingState

PHASES: dict[str, Callable[[TrainingState, PhaseRecipe, FaceSet], Phase]] = {
    "au_head": AUHeadPhase,
    "warm_up": WarmUpPhase,
    "adversarial": AdversarialPhase,
}


@dataclass(frozen=True)
class Progress:
    """Where a training stands, for whoever shows it."""

    phase: str
    phase_number: int
    phase_count: int
    step: int
    steps: int
    losses: dict[str, float]
    step_ms: float


@dataclass(frozen=True)
class Intervals:
    """How often a run leaves something behind, in steps."""

    log: int = 10
    samples: int = 200
    checkpoint: int = 200


def load_faces(pictures: Path, labels: Path, data: DataRecipe, device: str) -> FaceSet:
    """The training set of a recipe: the labelled pictures without the held-out people.

    Raises:
        EfganError: the table or a picture cannot be read, or nothing is left.
    """

    def is_trained_on(identity: str) -> bool:
        return not any(fnmatch(identity, pattern) for pattern in data.holdout)

    table = read_labels(labels, data.au_names).where(is_trained_on)
    return FaceSet(pictures, table, device=device, alignment=alignment_beside(labels))


def train(
    recipe: Recipe,
    faces: FaceSet,
    out: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    intervals: Intervals | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    stop_after: int | None = None,
) -> Path:
    """Runs a recipe, from its start or from where `out/latest.pt` stopped.

    Args:
        recipe: what to do.
        faces: on what.
        out: the run directory.
        resume: go on from `latest.pt`; the result is that of an uninterrupted run.
        device: `cpu` or `cuda`.
        intervals: how often to log, draw and save.
        on_progress: called after every step.
        stop_after: leave after so many steps of this call, with a checkpoint (None: at the end).

    Returns:
        The path of `latest.pt`.

    Raises:
        EfganError: `out` holds a training already, or there is none to resume.
    """
    intervals = intervals or Intervals()
    latest = out / "latest.pt"
    if latest.exists() and not resume:
        raise EfganError(f"{latest} exists: add --resume to go on, or choose another --out")
    if resume and not latest.exists():
        raise EfganError(f"{latest}: nothing to resume")
    state = TrainingState.start(recipe, faces, torch.device(device))
    optimizer_states = state.restore(load_checkpoint(latest)) if resume else {}
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.json").write_text(json.dumps(recipe.to_dict(), indent=2) + "\n", "utf-8")
    expressions = faces.table.prototypes(recipe.data.expressions or None)
    state.alignment = faces.alignment
    steps_left = stop_after
    while state.phase < len(recipe.phases):
        phase_recipe = recipe.phases[state.phase]
        steps = phase_recipe.step_count(len(faces.table))
        phase = PHASES[phase_recipe.kind](state, phase_recipe, faces)
        for name, optimizer_state in optimizer_states.items():
            state.optimizers[name].load_state_dict(optimizer_state)
        optimizer_states = {}
        while state.step < steps:
            started = time.perf_counter()
            rate = learning_rate_at(phase_recipe, state.step, steps)
            try:
                losses = phase.step(rate, state.step / steps)
            except FloatingPointError as error:
                raise EfganError(
                    f"phase {phase_recipe.kind}, step {state.step}: {error}; the last checkpoint "
                    f"is {latest}; lower the learning rate or the weight that grew"
                ) from error
            elapsed_s = time.perf_counter() - started
            state.step += 1
            state.seconds += elapsed_s
            state.pictures_seen += phase_recipe.batch
            if on_progress:
                on_progress(
                    Progress(
                        phase_recipe.kind,
                        state.phase + 1,
                        len(recipe.phases),
                        state.step,
                        steps,
                        losses,
                        elapsed_s * 1e3,
                    )
                )
            if state.step % intervals.log == 0 or state.step == steps:
                _log(out, phase_recipe.kind, state, rate, losses, elapsed_s)
            if state.step % intervals.samples == 0 or state.step == steps:
                networks = state.average.cascade if state.average else state.cascade
                name = f"{state.phase + 1}-{phase_recipe.kind}-{state.step:06d}.png"
                write_grid(networks, faces, expressions, out / "samples" / name)
            if steps_left is not None:
                steps_left -= 1
            leave = steps_left == 0
            if state.step % intervals.checkpoint == 0 or leave:
                _save(state, expressions, latest)
            if leave:
                return latest
        state.phase, state.step = state.phase + 1, 0
        state.optimizers = {}
        _save(state, expressions, latest)
    final = state.to_checkpoint(expressions, _record(state), resumable=False)
    save_safetensors(final, out / "weights.safetensors")
    return latest


def _save(state: TrainingState, expressions: dict[str, FloatArray], path: Path) -> None:
    save_pt(state.to_checkpoint(expressions, _record(state), resumable=True), path)


def _record(state: TrainingState) -> dict[str, Any]:
    """What a checkpoint says of how it was made."""
    return {
        "tool_version": __version__,
        "recipe": state.recipe.to_dict(),
        "data": {"source": state.recipe.data.source, "licence": state.recipe.data.licence},
        "phase": state.phase,
        "step": state.step,
        "pictures_seen": state.pictures_seen,
        "seconds": round(state.seconds, 1),
        "torch": str(torch.__version__),  # a subclass of str that a checkpoint may not hold
        "device": str(state.device),
    }


def _log(
    out: Path,
    phase: str,
    state: TrainingState,
    rate: float,
    losses: dict[str, float],
    elapsed_s: float,
) -> None:
    line = {
        "phase": phase,
        "step": state.step,
        "learning_rate": rate,
        "step_ms": round(elapsed_s * 1e3, 1),
        **{name: float(f"{value:.5g}") for name, value in losses.items()},
    }
    with (out / "losses.jsonl").open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(line) + "\n")
