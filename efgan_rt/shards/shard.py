"""What goes between a coordinator and its workers: shards of paths there, records back.

A shard is some pictures' paths with what is to be made of them, never pixels. What comes back of a
picture is its result and its outputs, whole on disk under temporary names. The coordinator alone
owns plan, journal, lock and names.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.outcome import PictureResult
from efgan_rt.pipeline.parts import Staged
from efgan_rt.pipeline.resume import Work


@dataclass(frozen=True)
class ShardJob:
    """A picture of a shard.

    Attributes:
        job: what is asked for.
        work: which of its outputs are to be made, as the coordinator's journal has it.
    """

    job: PictureJob
    work: Work


@dataclass(frozen=True)
class Shard:
    """Pictures that one worker edits.

    Attributes:
        number: no other shard of the run has it.
        jobs: its pictures.
        lost: how many workers in a row were lost with it, or with the shard that it was part of.
    """

    number: int
    jobs: tuple[ShardJob, ...]
    lost: int = 0

    @property
    def is_alone(self) -> bool:
        """Whether its worker gets no other shard: a worker that is lost again is lost by this."""
        return self.lost > 0


@dataclass(frozen=True)
class MadePicture:
    """A picture that a worker has dealt with.

    Attributes:
        shard: its number.
        result: as if its outputs had their names already.
        staged: its outputs, safe on disk.
    """

    shard: int
    result: PictureResult
    staged: tuple[Staged, ...]


# What a worker says. Every message is about one worker, which the executor knows.


@dataclass(frozen=True)
class Ready:
    """It has opened its engines.

    Attributes:
        facts: plain values on what it runs on, for the report.
    """

    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """It has dealt with pictures.

    Attributes:
        pictures: in no order.
        times: stages and seconds of batches that are done.
    """

    pictures: tuple[MadePicture, ...]
    times: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Refused:
    """It cannot go on, for a reason that another worker would have too; the run ends.

    Attributes:
        sentence: why.
        is_engine: whether the engines are to blame.
        trace: of an error that is nobody's fault but ours; "" for one that can be mended.
    """

    sentence: str
    is_engine: bool = False
    trace: str = ""


@dataclass(frozen=True)
class LeftOut:
    """It cannot work where it is, for a reason of that place alone; the others go on.

    Attributes:
        sentence: why, and where.
    """

    sentence: str


@dataclass(frozen=True)
class Lost:
    """It is gone, without a word.

    Attributes:
        how: it ended, as a clause: "was killed by signal 9".
    """

    how: str


@dataclass(frozen=True)
class Ended:
    """It has done all that it was given, and ended as it was told to."""


Message = Ready | Made | Refused | LeftOut | Lost | Ended


class Executor(Protocol):
    """Starts workers somewhere, and carries messages to and from them; for one thread."""

    @property
    def size(self) -> int:
        """How many workers there are to be at a time, without those that were left out."""
        ...

    def start(self) -> int:
        """Starts a worker; gives its number."""
        ...

    def send(self, worker: int, shard: Shard) -> None:
        """Hands a shard to a worker; one that is gone says so by a `Lost` of its own."""
        ...

    def finish(self, worker: int) -> None:
        """Tells a worker that no more shards come."""
        ...

    def stop(self, worker: int) -> None:
        """Tells a worker to begin no more pictures of those that it has."""
        ...

    def kill(self, worker: int) -> None:
        """Ends a worker at once."""
        ...

    def receive(self, timeout_s: float) -> tuple[int, Message] | None:
        """The next message of any worker; None if none comes in time."""
        ...

    def close(self) -> None:
        """Ends all workers, and waits until they are gone."""
        ...


def parts_of(run_folder: Path, worker: int) -> Path:
    """A worker's folder of parts."""
    return run_folder / f"worker-{worker}"
