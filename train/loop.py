"""The training loop: phases in order, with a log, sample grids, checkpoints and exact resume.

A run directory holds `recipe.json`, `losses.jsonl` (a line every few steps), `samples/*.png`,
`latest.pt` (resumable) and, at the end, `weights.safetensors` (what ships: half precision). Where
several processes train together, the first one writes all of it.
"""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import torch

from efgan_rt import __version__
from efgan_rt.errors import EfganError
from engines.arrays import FloatArray
from train import distributed
from train.checkpoint import save_pt, save_safetensors
from train.data.alignment import alignment_beside
from train.data.faces import FaceSet
from train.data.labels import LabelTable, read_labels
from train.families.family import Phase, Training
from train.families.registry import load_checkpoint, trained_family
from train.phase import learning_rate_at
from train.recipe import DataRecipe, Recipe
from train.run_record import RunRecord, TimeLeft

FILES_NAMED: Final = 32  # of a batch that went wrong; a batch of the paper's recipe has four


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
    left_s: float  # of the phase


@dataclass(frozen=True)
class Intervals:
    """How often a run leaves something behind, in steps."""

    log: int = 10
    samples: int = 200
    checkpoint: int = 200


def load_faces(
    pictures: Sequence[Path], labels: Sequence[Path], data: DataRecipe, device: str
) -> FaceSet:
    """The training set of a recipe: the labelled pictures without the held-out people.

    Args:
        pictures: a folder for each label table.
        labels: the tables; the first one's template, if it has one, is the set's.
        data: who is left out, which action units are read.
        device: that holds the pictures.

    Raises:
        EfganError: the tables are not as many as the folders, a table or a picture cannot be read,
            or nothing is left.
    """
    if len(pictures) != len(labels):
        raise EfganError(
            f"found {len(pictures)} folders of pictures and {len(labels)} label tables, "
            "expected one table for each folder"
        )

    tables = [
        read_labels(path, data.au_names).where(lambda who: not matches(who, data.holdout))
        for path in labels
    ]
    roots = [
        folder for folder, table in zip(pictures, tables, strict=True) for _ in range(len(table))
    ]
    return FaceSet(
        roots,
        LabelTable.joined(tables),
        crop_px=data.image_px,
        device=device,
        alignment=alignment_beside(labels[0]),
    )


def matches(identity: str, patterns: Sequence[str]) -> bool:
    """Whether a person is meant by one of the glob patterns."""
    return any(fnmatch(identity, pattern) for pattern in patterns)


def train(
    recipe: Recipe,
    faces: FaceSet,
    out: Path,
    *,
    resume: bool = False,
    start_from: Path | None = None,
    au_head_from: Path | None = None,
    device: str | torch.device = "cpu",
    intervals: Intervals | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_remark: Callable[[str], None] | None = None,
    stop_after: int | None = None,
    tensorboard: bool = False,
) -> Path:
    """Runs a recipe, from its start or from where `out/latest.pt` stopped.

    Args:
        recipe: what to do.
        faces: on what.
        out: the run directory.
        resume: go on from `latest.pt`; the result is that of an uninterrupted run.
        start_from: a checkpoint whose weights are the start; a resumed run has them already.
        au_head_from: a checkpoint whose action-unit head the final critic starts from; likewise.
        device: `cpu` or `cuda`.
        intervals: how often to log, draw and save.
        on_progress: called after every step, in the first process.
        on_remark: called with sentences worth reading.
        stop_after: leave after so many steps of this call, with a checkpoint (None: at the end).
        tensorboard: write the losses for TensorBoard as well.

    Returns:
        The path of `latest.pt`.

    Raises:
        EfganError: `out` holds a training already, or there is none to resume; the checkpoint to
            start from does not fit; a loss is not finite (the message names the step's pictures).
    """
    intervals = intervals or Intervals()
    latest = out / "latest.pt"
    if latest.exists() and not resume:
        raise EfganError(f"{latest} exists: add --resume to go on, or choose another --out")
    if resume and not latest.exists():
        raise EfganError(f"{latest}: nothing to resume")
    weights_from = latest if resume else start_from
    checkpoint = load_checkpoint(weights_from) if weights_from else None
    family = trained_family(recipe.family)
    if checkpoint is not None and checkpoint.family != recipe.family:
        raise EfganError(
            f"{weights_from}: a checkpoint of the family {checkpoint.family}, expected one of "
            f"{recipe.family}, as the recipe's"
        )
    state = family.start(recipe, faces, torch.device(device), checkpoint)
    optimizer_states = {}
    if resume and checkpoint:
        optimizer_states = state.restore(checkpoint)
    elif checkpoint:
        taken = family.take_over(state, checkpoint)
        state.predecessor = checkpoint.training
        if on_remark:
            on_remark(f"{start_from}: {taken}")
    if au_head_from and not resume:
        taken = family.take_over_reader(state, load_checkpoint(au_head_from))
        if on_remark:
            on_remark(f"{au_head_from}: {taken}")
    distributed.alike(state.networks())
    first = distributed.is_first()
    if first:
        out.mkdir(parents=True, exist_ok=True)
        (out / "recipe.json").write_text(json.dumps(recipe.to_dict(), indent=2) + "\n", "utf-8")
    sure = faces.table.where(lambda who: not matches(who, recipe.data.prototypes_without))
    expressions = sure.prototypes(recipe.data.expressions or None)
    state.alignment = faces.alignment or (checkpoint.alignment if checkpoint else None)
    steps_left = stop_after
    with RunRecord(out, tensorboard=tensorboard) if first else nullcontext() as record:
        while state.phase < len(recipe.phases):
            phase_recipe = recipe.phases[state.phase]
            steps = phase_recipe.step_count(len(faces.table))
            phase = family.begin(state, phase_recipe, faces)
            for name, optimizer_state in optimizer_states.items():
                state.optimizers[name].load_state_dict(optimizer_state)
            optimizer_states = {}
            time_left = TimeLeft()
            while state.step < steps:
                started = time.perf_counter()
                rate = learning_rate_at(phase_recipe, state.step, steps)
                losses = _step(phase, state, faces, rate, state.step / steps, latest)
                elapsed_s = time.perf_counter() - started
                state.step += 1
                state.total_steps += 1
                state.seconds += elapsed_s
                state.pictures_seen += phase_recipe.batch
                left_s = time_left.after(elapsed_s, steps - state.step)
                if on_progress and first:
                    on_progress(
                        Progress(
                            phase_recipe.kind,
                            state.phase + 1,
                            len(recipe.phases),
                            state.step,
                            steps,
                            losses,
                            elapsed_s * 1e3,
                            left_s,
                        )
                    )
                ends = state.step == steps
                if record and (state.step % intervals.log == 0 or ends):
                    figures = {"learning_rate": rate, "step_ms": elapsed_s * 1e3, "left_s": left_s}
                    record.write(
                        phase_recipe.kind, state.step, state.total_steps, {**figures, **losses}
                    )
                if first and (state.step % intervals.samples == 0 or ends):
                    name = f"{state.phase + 1}-{phase_recipe.kind}-{state.step:06d}.png"
                    family.draw(state, faces, expressions, out / "samples" / name)
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
    if first:
        final = state.to_checkpoint(expressions, _record(state), resumable=False)
        save_safetensors(final, out / "weights.safetensors")
    distributed.wait_for_all()
    return latest


def _step(
    phase: Phase, state: Training, faces: FaceSet, rate: float, done: float, latest: Path
) -> dict[str, float]:
    """One step; its losses, averaged over the processes."""
    faces.forget_drawn()
    try:
        losses = phase.step(rate, done)
    except FloatingPointError as error:
        files = list(dict.fromkeys(faces.table.files[row] for row in faces.drawn))
        named = " ".join(files[:FILES_NAMED])
        named += f" and {len(files) - FILES_NAMED} more" if len(files) > FILES_NAMED else ""
        kept = f"the last checkpoint is {latest}" if latest.exists() else "no checkpoint was saved"
        raise EfganError(
            f"phase {state.recipe.phases[state.phase].kind}, step {state.step}: {error}; {kept}; "
            f"look at the step's pictures and labels, or lower the learning rate or the weight "
            f"that grew: {named}"
        ) from error
    return distributed.averaged(losses, state.device)


def _save(state: Training, expressions: dict[str, FloatArray], path: Path) -> None:
    if distributed.is_first():
        save_pt(state.to_checkpoint(expressions, _record(state), resumable=True), path)
    distributed.wait_for_all()


def _record(state: Training) -> dict[str, Any]:
    """What a checkpoint says of how it was made."""
    record = {
        "tool_version": __version__,
        "recipe": state.recipe.to_dict(),
        "data": {"source": state.recipe.data.source, "licence": state.recipe.data.licence},
        "phase": state.phase,
        "step": state.step,
        "pictures_seen": state.pictures_seen,
        "seconds": round(state.seconds, 1),
        "torch": str(torch.__version__),  # a subclass of str that a checkpoint may not hold
        "device": str(state.device),
        "processes": distributed.process_count(),
    }
    return record | ({"started_from": state.predecessor} if state.predecessor else {})
