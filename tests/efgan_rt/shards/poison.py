"""Workers that die of pictures: of a name's always, or the first few times of any."""

import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from efgan_rt.pipeline import decoders
from efgan_rt.pipeline.journal import FOLDER
from efgan_rt.shards.processes import work
from efgan_rt.shards.worker import WorkerSetup

NAME = "poison"
KILLS = 4


def poisoned_work(pipe: Connection, setup: WorkerSetup, parts: Path) -> None:
    """`work`, but reading a poisoned picture kills the process."""
    _work(pipe, setup, parts, lambda path: NAME in path.name)


def killed_work(pipe: Connection, setup: WorkerSetup, parts: Path) -> None:
    """`work`, but the first `KILLS` workers are killed when they read, as if from outside."""

    beside = next(each for each in parts.parents if each.name == FOLDER)

    def is_killed(_: Path) -> bool:
        kills = len(list(beside.glob("kill-*")))
        if kills < KILLS:
            (beside / f"kill-{kills}").touch()
        return kills < KILLS

    _work(pipe, setup, parts, is_killed)


def _work(
    pipe: Connection, setup: WorkerSetup, parts: Path, is_killed: Callable[[Path], bool]
) -> None:
    module: Any = decoders
    read = module.read_bytes

    def read_or_die(path: Path, *rest: Any) -> bytes:
        if is_killed(path):
            os.kill(os.getpid(), signal.SIGKILL)
        data: bytes = read(path, *rest)
        return data

    module.read_bytes = read_or_die
    work(pipe, setup, parts)
