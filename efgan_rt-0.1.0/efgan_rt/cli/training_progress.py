"""How a training shows itself on stderr: bars on a terminal, a line now and then in a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

LINE_EVERY_S: Final = 30.0  # where stderr is no terminal: a training of hours leaves a short log


@contextmanager
def training_progress() -> Iterator[Callable[[Any], None]]:
    """Gives the function that shows a `train.loop.Progress`, one call a step."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]} left"),
        TextColumn("{task.fields[losses]}", style="dim"),
        console=console,
    )
    with bars:
        phases = {}  # phase number -> its bar

        def show(progress: Any) -> None:
            number = progress.phase_number
            if number not in phases:
                title = f"{number}/{progress.phase_count} {progress.phase}"
                phases[number] = bars.add_task(title, total=progress.steps, left="", losses="")
            bars.update(
                phases[number],
                completed=progress.step,
                left=as_duration(progress.left_s),
                losses=_losses(progress),
            )

        yield show


def as_duration(seconds: float) -> str:
    """`2 h 05 min`, `7 min` or `40 s`."""
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def _lines() -> Callable[[Any], None]:
    from efgan_rt.cli.console import remark

    shown_at = -LINE_EVERY_S

    def show(progress: Any) -> None:
        nonlocal shown_at
        now = monotonic()
        if now - shown_at < LINE_EVERY_S and progress.step < progress.steps:
            return
        shown_at = now
        remark(
            f"{progress.phase_number}/{progress.phase_count} {progress.phase} "
            f"{progress.step}/{progress.steps}, {progress.step_ms:.0f} ms a step, "
            f"{as_duration(progress.left_s)} left  {_losses(progress)}"
        )

    return show


def _losses(progress: Any) -> str:
    return "  ".join(f"{name} {value:.3g}" for name, value in progress.losses.items())
