"""Many pictures out of a few: links to them, edited from folder to folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final

import numpy as np

from efgan_rt.expressions import Target
from efgan_rt.lane import BatchEditor
from efgan_rt.pipeline.batch import run_batch
from efgan_rt.pipeline.files import Plan, asked_of_all
from efgan_rt.pipeline.journal import Journal
from efgan_rt.pipeline.run_state import BatchOptions
from efgan_rt.shots import stills

UNITS: Final = 17
WORKERS: Final = 8
TARGET: Final = Target(np.zeros(UNITS, np.float32), np.full(UNITS, 2.0, np.float32))


@dataclass(frozen=True)
class LinksEdited:
    """A run over links: when it began and ended, in seconds of a clock that processes share."""

    begin: float
    end: float
    written: int
    failed: int

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.begin


def edit_links(
    editors: Sequence[BatchEditor],
    sources: Sequence[Path],
    count: int,
    batch: int,
    on_progress: Callable[[int, int], None] = lambda written, failed: None,
) -> LinksEdited:
    """Edits `count` links to pictures."""
    with TemporaryDirectory(prefix="efgan-links-") as folder:
        plan = Plan(Path(folder, "in"), Path(folder, "out"), stills(""))
        for number in range(count):
            source = sources[number % len(sources)].absolute()
            link = plan.source / f"{number // 1000:04}" / f"{number:07}{source.suffix}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source)
        begin = monotonic()
        with Journal(plan.output) as journal:
            outcome = run_batch(
                asked_of_all(plan.jobs(), [TARGET], [b""]),
                editors,
                batch=batch,
                journal=journal,
                options=BatchOptions(WORKERS),
                on_progress=on_progress,
            )
        return LinksEdited(begin, monotonic(), outcome.written, outcome.failed)
