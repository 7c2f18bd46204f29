"""How an evaluation shows itself on stderr: bars, or a line now and then."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

from efgan_rt.cli.training_progress import as_duration

LINE_EVERY_S: Final = 30.0  # where stderr is no terminal
Advance = Callable[[int], None]


@contextmanager
def evaluation_progress() -> Iterator[Callable[[str, int], Advance]]:
    """Gives what begins a piece of work: its name and how many pictures; gives what moves it on."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines
        return
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("left", style="dim"),
        console=console,
    )
    with bars:

        def begin(name: str, total: int) -> Advance:
            task = bars.add_task(name, total=total)
            return lambda count: bars.advance(task, count)

        yield begin


def _lines(name: str, total: int) -> Advance:
    from efgan_rt.cli.console import remark

    started = shown_at = monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal done, shown_at
        done += count
        now = monotonic()
        if now - shown_at < LINE_EVERY_S and done < total:
            return
        shown_at = now
        spent = now - started
        left = f"{as_duration(spent / done * (total - done))} left" if done < total else "done"
        remark(f"{name}: {done:,} of {total:,}, {as_duration(spent)}, {left}")

    return advance
