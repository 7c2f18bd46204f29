"""What a run writes down as it goes: losses as JSON lines and, if asked for, for TensorBoard."""

import json
from collections import deque
from pathlib import Path
from statistics import median
from typing import Any, Final

from efgan_rt.errors import EfganError

RECENT_STEPS: Final = 50  # the time left is judged by so many steps: machines slow down and recover


class RunRecord:
    """Appends to `losses.jsonl`; with TensorBoard, to event files under `tensorboard/` as well."""

    def __init__(self, out: Path, *, tensorboard: bool) -> None:
        """Opens the record.

        Raises:
            EfganError: TensorBoard is asked for and not installed.
        """
        self.path = out / "losses.jsonl"
        self._writer: Any = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise EfganError(
                    "TensorBoard is not installed; install it with: "
                    'pip install "efgan-rt[tensorboard]"'
                ) from error
            self._writer = SummaryWriter(str(out / "tensorboard"))

    def write(self, phase: str, step: int, total_step: int, figures: dict[str, float]) -> None:
        """One line: a phase's step and its figures, five digits each."""
        rounded = {name: float(f"{value:.5g}") for name, value in figures.items()}
        with self.path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps({"phase": phase, "step": step, **rounded}) + "\n")
        if self._writer:
            for name, value in figures.items():
                self._writer.add_scalar(f"{phase}/{name}", value, total_step)

    def __enter__(self) -> "RunRecord":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer:
            self._writer.close()


class TimeLeft:
    """The time left of a phase, by the median of its last steps."""

    def __init__(self) -> None:
        self._recent_s: deque[float] = deque(maxlen=RECENT_STEPS)

    def after(self, step_s: float, steps_left: int) -> float:
        """Seconds left, once a step took `step_s`."""
        self._recent_s.append(step_s)
        return median(self._recent_s) * steps_left
