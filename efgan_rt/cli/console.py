"""What is printed where: progress and remarks on stderr, results on stdout.

File names come from strangers: what could move a terminal's cursor or cannot be encoded is shown
as an escape.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.table import Table

# Exit statuses.
SOME_FAILED: Final = 3
INTERRUPTED: Final = 130


def printable(text: str) -> str:
    """The text with control characters and undecodable bytes as escapes, such as `\\x1b`."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def remark(text: str) -> None:
    """Prints one line on stderr."""
    print(printable(text), file=sys.stderr, flush=True)


def print_text(text: str) -> None:
    """Prints one line of the result on stdout."""
    print(printable(text))


def print_json(document: Any) -> None:
    """Prints a result for machines on stdout; only ASCII, so that no file name can spoil it."""
    print(json.dumps(document, indent=1))


def write_json(path: Path, document: Any) -> None:
    """Writes a result for machines.

    Raises:
        EfganError: the file cannot be written.
    """
    from efgan_rt.errors import EfganError

    try:
        path.write_text(json.dumps(document, indent=1) + "\n")
    except OSError as error:
        raise EfganError(f"{path}: cannot be written: {error.strerror}") from error


def print_table(table: "Table", width: int = 100) -> None:
    """Prints a table on stdout, `width` characters wide where there is no terminal to measure."""
    from rich.console import Console

    console = Console()
    (console if console.is_terminal else Console(width=width)).print(table)


def end_at_once(status: int) -> NoReturn:
    """Ends the process without waiting for its threads."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def picture_progress() -> "Progress":
    """A bar on stderr with count, rate and time left; only its end where stderr is a file."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Pictures a second over the last moments."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


@dataclass(frozen=True)
class Told:
    """Where a run tells how far it is.

    Attributes:
        progress: to be called with the pictures dealt with, and with those that failed.
        say: to be called with a sentence.
    """

    progress: Callable[[int, int], None]
    say: Callable[[str], None]


@contextmanager
def bar_progress(planned: int) -> Iterator[Told]:
    """A bar on stderr, and sentences above it."""
    with picture_progress() as progress:
        bar = progress.add_task("editing", total=planned)

        def say(text: str) -> None:
            progress.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

        yield Told(lambda done, _: progress.update(bar, completed=done), say)


@contextmanager
def json_progress(planned: int) -> Iterator[Told]:
    """A line of JSON on stderr for each change; sentences are lines that begin with no brace."""
    last: list[dict[str, int]] = []

    def tell(done: int, failed: int) -> None:
        now = {"done": done, "failed": failed, "planned": planned}
        if last != [now]:
            last[:] = [now]
            remark(json.dumps(now))

    tell(0, 0)
    yield Told(tell, remark)


@contextmanager
def frame_progress(
    frames: int,
) -> "Iterator[tuple[Callable[[int], None], Callable[[int], None]]]":
    """Two bars on stderr, of the two passes over a video.

    Args:
        frames: about how many there are; 0 where that is not known.

    Yields:
        What to call with the frames searched, and with those edited.
    """
    with picture_progress() as progress:
        search, edit = (
            progress.add_task(name, total=frames or None) for name in ("finding faces", "editing")
        )

        def searched(done: int) -> None:
            progress.update(search, completed=done, total=max(done, frames) if frames else None)

        def edited(done: int) -> None:
            # By now it is known how many there are.
            total = progress.tasks[search].completed
            progress.update(search, total=total)
            progress.update(edit, completed=done, total=total)

        yield searched, edited


@contextmanager
def compile_progress() -> "Iterator[Callable[[str, float, str], None]]":
    """A bar on stderr for each network that is compiled; nothing where stderr is a file.

    Yields:
        What to call with the network, how much of it is done (0 to 1) and the phase.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    bars: dict[str, TaskID] = {}
    progress = Progress(
        TextColumn("compiling {task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[phase]}", style="dim"),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )

    def show(network: str, done: float, phase: str) -> None:
        if network not in bars:
            for earlier in bars.values():
                progress.update(earlier, visible=False)
            bars[network] = progress.add_task(network, total=1.0, phase="")
        progress.update(bars[network], completed=done, phase=phase)

    with progress:
        yield show
