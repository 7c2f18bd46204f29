"""Where a cluster's run gives out: journal, publishing, coordinator, listing, file system.

    python -m benchmarks limits
    python -m benchmarks limits --before FILE     what the same script found before a change

Measured, each without any network: records a second through the journal; outputs that get their
names, real part files on a local disk, as they are and with 1 ms added to each file call; pictures
through the whole coordinator, whose workers are played by a queue that has every shard's records
ready; and the walk over made-up folders, and over one of a bucket without the requests, whose
memory is read from a process of its own. Then a
simulation of 1, 8, 64, 512 GPUs at 2,500 pictures a second each under one coordinator, by its
measured cost a picture; what it assumes of the file system stands in the result. The figures that
count are by this process's processor time; wall clock stands beside them, because on a machine that
others use it says more about them. Prints a table and one JSON object last; the same goes to
benchmarks/results/limits.json.
"""

import argparse
import hashlib
import heapq
import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter, process_time, sleep
from typing import Any, Final
from unittest.mock import patch

from benchmarks.kit import finish, parser, with_machine, write
from efgan_rt.pipeline.files import LocalTree, PictureJob, Plan, asked_of_all
from efgan_rt.pipeline.journal import DATABASE, FOLDER, Journal
from efgan_rt.pipeline.outcome import PictureResult, Status
from efgan_rt.pipeline.parts import Staged
from efgan_rt.pipeline.publish import Publisher, StagedPicture
from efgan_rt.pipeline.record import Record
from efgan_rt.pipeline.resume import Inspector
from efgan_rt.pipeline.run_state import BatchOptions
from efgan_rt.remote.bucket import BucketTree
from efgan_rt.remote.path import RemotePath
from efgan_rt.reporting.machine import resident_mb
from efgan_rt.shards.coordinator import LARGEST_SHARD, Coordinator
from efgan_rt.shards.shard import Ended, Made, MadePicture, Message, Ready, Shard
from efgan_rt.shots import stills

GROUP: Final = 512  # records that a busy coordinator has in one commit: a few workers' messages
ADDED_S: Final = 1e-3
# What a network's file system makes slow: everything that asks its server.
FILE_CALLS: Final = ("link", "unlink", "replace", "rename", "stat", "lstat", "mkdir", "open")
GPUS: Final = (1, 8, 64, 512)
A_GPU_PER_S: Final = 2500


@dataclass(frozen=True)
class Rate:
    """So many, and how long they took."""

    n: int
    seconds: float
    processor_s: float

    @property
    def plain(self) -> dict[str, float]:
        """With both rates."""
        return asdict(self) | {
            "per_s": round(self.n / self.seconds),
            "per_processor_s": round(self.n / self.processor_s),
        }


@contextmanager
def timed(n: int, found: list[Rate]) -> Iterator[None]:
    """Adds how long something took for n of its kind."""
    began, used = perf_counter(), process_time()
    yield
    found.append(Rate(n, perf_counter() - began, process_time() - used))


@contextmanager
def slow_files(added_s: float) -> Iterator[None]:
    """Each file call waits, as on a server that answers after so long; none where it is 0."""
    if not added_s:
        yield
        return

    def late(call: Callable[..., Any], *args: Any, **more: Any) -> Any:
        sleep(added_s)
        return call(*args, **more)

    with ExitStack() as changed:
        for name in FILE_CALLS:
            slow = partial(late, getattr(os, name))
            changed.enter_context(patch.object(os, name, slow))
        yield


def record_of(number: int) -> Record:
    """A picture's record, as long as real ones are."""
    stamp = f"48213 {10**18 + number} {10**18 + number} {number}"
    own, read = (hashlib.sha256(f"{kind}{number}".encode()).digest() for kind in "oi")
    name = os.fsencode(name_of(number))
    return Record(name, own, 48213, 10**18 + number, read, stamp, bytes(32))


def name_of(number: int) -> str:
    """A picture's path: a thousand to a folder."""
    return f"shoot-{number // 1000:06}/picture-{number:09}.jpg"


def journal_rate(records: int, folder: Path) -> Rate:
    """Records through `Journal.intend`, which also settles the group before."""
    with Journal(folder) as journal:
        parts = journal.parts / "worker-0"
        rows = [(record_of(number), parts / str(number)) for number in range(records)]
        found: list[Rate] = []
        with timed(records, found):
            for at in range(0, records, GROUP):
                journal.intend(rows[at : at + GROUP])
        journal._database.execute("DELETE FROM intents")  # nothing lies under those names
    return found[0]


def staged_files(journal: Journal, numbers: range) -> list[Staged]:
    """Real part files, as a worker leaves them, with what the journal is to know of them."""
    parts = journal.parts / "worker-0"
    parts.mkdir(exist_ok=True)
    made = []
    for number in numbers:
        record, part = record_of(number), parts / str(number)
        part.write_bytes(record.sha256)
        found = part.stat()
        record = replace(record, size=found.st_size, mtime_ns=found.st_mtime_ns)
        made.append(Staged(journal.output / name_of(number), part, record, None))
    return made


def publishing_rate(pictures: int, folder: Path, added_s: float) -> Rate:
    """Outputs that are recorded and get their names."""
    with Journal(folder) as journal:
        publisher = Publisher(journal, overwrite=False)
        handed = [
            StagedPicture(each.path, (each,), lambda failures: None)
            for each in staged_files(journal, range(pictures))
        ]
        found: list[Rate] = []
        with slow_files(added_s), timed(pictures, found):
            for at in range(0, pictures, GROUP):
                publisher.publish(*handed[at : at + GROUP])
    assert sum(1 for _ in folder.rglob("*.jpg")) == pictures
    return found[0]


class ReadyMade:
    """In place of workers: every shard's records come back at once, by the same bytes as by pipe.

    Args:
        workers: how many.
        staged: by input, what a worker would have written.
    """

    def __init__(self, workers: int, staged: dict[Path, Staged]) -> None:
        self.size = workers
        self._staged = staged
        self._said: deque[tuple[int, bytes]] = deque()
        self._started = 0
        self.seconds = self.processor_s = 0.0
        """What would have been the workers' to do."""

    def start(self) -> int:
        """A worker that is ready."""
        self._started += 1
        self._say(self._started, Ready())
        return self._started

    def send(self, worker: int, shard: Shard) -> None:
        """Has it done, in the groups in which workers hand in."""
        sent = pickle.dumps(shard)
        began, used = perf_counter(), process_time()
        shard = pickle.loads(sent)
        made = []
        for each in shard.jobs:
            result = PictureResult(each.job.source, Status.DONE, each.job.outputs)
            staged = replace(self._staged[each.job.source], path=each.job.outputs[0])
            made.append(MadePicture(shard.number, result, (staged,)))
        for at in range(0, len(made), 64):
            self._say(worker, Made(tuple(made[at : at + 64])))
        self.seconds += perf_counter() - began
        self.processor_s += process_time() - used

    def _say(self, worker: int, message: Message) -> None:
        self._said.append((worker, pickle.dumps(message)))

    def finish(self, worker: int) -> None:
        """Ends it."""
        self._say(worker, Ended())

    stop = finish

    def kill(self, worker: int) -> None:
        """Nothing to end."""

    def receive(self, timeout_s: float) -> tuple[int, Message] | None:
        """The next message."""
        if not self._said:
            return None
        worker, data = self._said.popleft()
        return worker, pickle.loads(data)

    def close(self) -> None:
        """Nothing to close."""


def coordinator_rate(pictures: int, folder: Path, added_s: float) -> Rate:
    """Pictures through the coordinator: looked up, handed out, taken back, recorded, named."""
    source, output = folder / "in", folder / "out"
    for number in range(pictures):
        path = source / name_of(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with Journal(output) as journal:
        numbers = {source / name_of(number): number for number in range(pictures)}
        made = staged_files(journal, range(pictures))
        executor = ReadyMade(16, {path: made[number] for path, number in numbers.items()})
        coordinator = Coordinator(
            executor,
            Inspector(journal),
            Publisher(journal, overwrite=False),
            BatchOptions(),
            size=LARGEST_SHARD,
        )
        jobs: list[PictureJob] = list(
            asked_of_all(Plan(source, output, stills("")).jobs(), [], [bytes(32)])
        )
        found: list[Rate] = []
        with slow_files(added_s), timed(pictures, found):
            outcome = coordinator.run(iter(jobs))
    assert (outcome.done, outcome.failed) == (pictures, 0), outcome
    (rate,) = found
    return Rate(pictures, rate.seconds - executor.seconds, rate.processor_s - executor.processor_s)


class MadeUpEntry:
    """What `os.scandir` gives for a picture."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def is_dir(self) -> bool:
        """Never."""
        return False


def walk_made_up(files: int, folders: int, *, check: bool) -> dict[str, Any]:
    """Walks made-up folders in this process; its memory at the highest, above that at the start.

    Args:
        files: in all.
        folders: that they lie in, evenly.
        check: whether a run's two walks come behind it, with all that they refuse and plan.
    """
    each = files // folders
    real = os.scandir

    @contextmanager
    def scandir(path: Path) -> Iterator[Iterator[Any]]:
        if Path(path) == root:
            with real(path) as entries:
                yield entries
            return
        # In the scattered order in which file systems give them.
        yield (MadeUpEntry(f"picture-{n * 7_654_321 % each:09}.jpg") for n in range(each))

    walked: list[Rate] = []
    planned: list[Rate] = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "in"
        for number in range(folders):
            (root / f"{number:06}").mkdir(parents=True)
        out = root.with_name("out")
        before = resident_mb() or 0.0
        with patch.object(os, "scandir", scandir):
            with timed(files, walked):
                found = sum(len(each.pictures) for each in LocalTree(root).listings(out))
            assert found == files, found
            at_walk = resident_mb("VmHWM") or 0.0
            if check:
                plan = Plan(root, out, stills(""))
                with timed(files, planned):
                    assert plan.check(overwrite=False).pictures == files
                    assert sum(1 for _ in plan.jobs()) == files
    document: dict[str, Any] = {
        "files": files,
        "folders": folders,
        "walk": walked[0].plain | {"peak_mb": round(at_walk - before, 1)},
    }
    if check:
        peak = (resident_mb("VmHWM") or 0.0) - before
        document["check and plan"] = planned[0].plain | {"peak_mb": round(peak, 1)}
    return document


@dataclass(frozen=True)
class MadeUpObject:
    """What listing tells of an object."""

    stamp: str


class MadeUpBucket:
    """A bucket with one folder; in the order in which buckets list.

    Args:
        files: in it.
    """

    def __init__(self, files: int) -> None:
        self._files = files

    def folder(self, path: RemotePath) -> Iterator[tuple[str, MadeUpObject]]:
        """Names, each with what a server tells of it."""
        for number in range(self._files):
            etag = f'"{number:032x}"'
            yield f"picture-{number:09}.jpg", MadeUpObject(f"48213 {etag}")


def walk_bucket(files: int) -> dict[str, Any]:
    """Walks a made-up bucket's folder in this process, as `walk_made_up` does a local one."""
    walked: list[Rate] = []
    tree = BucketTree(RemotePath("s3:", "bucket", "in"))
    before = resident_mb() or 0.0
    with (
        patch("efgan_rt.remote.bucket.reading", lambda _: MadeUpBucket(files)),
        timed(files, walked),
    ):
        found = sum(len(each.stamps) for each in tree.listings(Path("out")))
    assert found >= files, found
    peak = (resident_mb("VmHWM") or 0.0) - before
    return {
        "files": files,
        "folders": 1,
        "walk of a bucket": walked[0].plain | {"peak_mb": round(peak, 1)},
    }


def listing(files: int, folders: int, *, check: bool) -> dict[str, Any]:
    """`walk_made_up` in a process of its own, whose memory is its own."""
    return by_itself("--walk", files, folders, int(check))


def by_itself(*options: object) -> dict[str, Any]:
    """What this script says with such options, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "limits", *map(str, options)],
        capture_output=True,
        text=True,
        check=True,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@dataclass(frozen=True)
class Costs:
    """What the simulation goes by.

    Attributes:
        coordinator_s: of its one thread, a picture, measured on a local disk.
        file_calls: of the workers and the coordinator, a picture, that reach a metadata server.
        metadata_per_s: calls that such a server answers; assumed.
        picture_bytes: read and written; assumed.
        storage_bytes_per_s: that the storage moves; assumed.
        record_bytes: that the journal grows by, a picture, measured.
    """

    coordinator_s: float
    file_calls: int = 12  # input: stat twice, open, close; part: create, fsync, stat; folder's
    # fsync shared; output: lstat twice, link, unlink
    metadata_per_s: float = 100_000
    picture_bytes: int = 100_000
    storage_bytes_per_s: float = 40e9
    record_bytes: float = 300.0


def simulate(gpus: int, costs: Costs, seconds: float = 20.0) -> dict[str, Any]:
    """Workers with two shards in flight each, one coordinator, one file system.

    A GPU makes a shard in its own time, then the file system serves it, then the coordinator takes
    it back and hands out the next; each serves one shard at a time, first come, first served, and
    a worker that has no shard waits. Nobody fails, all pictures are alike, a cluster's network
    costs nothing, and a GPU's host keeps up with it.
    """
    shard_s = LARGEST_SHARD / A_GPU_PER_S
    files_s = LARGEST_SHARD * max(
        costs.file_calls / costs.metadata_per_s, costs.picture_bytes / costs.storage_bytes_per_s
    )
    coordinator_s = LARGEST_SHARD * costs.coordinator_s
    events: list[tuple[float, int, str, int]] = []
    order = iter(range(1 << 62))
    gpu_free = [0.0] * gpus
    free = {"files": 0.0, "coordinator": 0.0}
    busy = dict.fromkeys((*free, "gpus"), 0.0)
    done = 0

    def serve(station: str, now: float, takes_s: float) -> float:
        begins = max(now, free[station])
        busy[station] += max(0.0, min(begins + takes_s, seconds) - min(begins, seconds))
        free[station] = begins + takes_s
        return free[station]

    for gpu in range(2 * gpus):
        heapq.heappush(events, (0.0, next(order), "hand out", gpu % gpus))
    while events:
        now, _, kind, gpu = heapq.heappop(events)
        if now > seconds:
            break
        if kind == "hand out":
            at, then = now, "edit"
        elif kind == "edit":
            begins = max(now, gpu_free[gpu])
            at = gpu_free[gpu] = begins + shard_s
            busy["gpus"] += max(0.0, min(at, seconds) - min(begins, seconds))
            then = "files"
        elif kind == "files":
            at, then = serve("files", now, files_s), "coordinator"
        else:
            at, then = serve("coordinator", now, coordinator_s), "hand out"
            done += LARGEST_SHARD * (at <= seconds)
        heapq.heappush(events, (at, next(order), then, gpu))
    shares = {name: round(spent / seconds, 3) for name, spent in busy.items()}
    shares["gpus"] = round(shares["gpus"] / gpus, 3)
    return {
        "gpus": gpus,
        "wanted_per_s": gpus * A_GPU_PER_S,
        "pictures_per_s": round(done / seconds),
        "busy": shares,
        "journal_gb_a_day": round(done / seconds * 86400 * costs.record_bytes / 1e9, 1),
    }


@dataclass(frozen=True)
class Sizes:
    """How much is measured: enough for steady figures, or a taste for a test."""

    records: int = 200_000
    pictures: int = 10_000
    slow_pictures: int = 4_000
    files: int = 10_000_000
    checked_files: int = 200_000
    objects: int = 2_000_000


def measure(sizes: Sizes, folder: Path) -> dict[str, Any]:
    """All that is measured, each in a folder of its own below one on the disk to be tried."""
    pictures, slow = sizes.pictures, sizes.slow_pictures
    measured: dict[str, Any] = {
        "journal": journal_rate(sizes.records, folder / "journal"),
        "publishing": publishing_rate(pictures, folder / "publishing", 0.0),
        "publishing, 1 ms a file call": publishing_rate(slow, folder / "slow", ADDED_S),
        "coordinator": coordinator_rate(pictures, folder / "coordinator", 0.0),
        "coordinator, 1 ms a file call": coordinator_rate(slow, folder / "late", ADDED_S),
    }
    document: dict[str, Any] = {name: rate.plain for name, rate in measured.items()}
    grown = (folder / "journal" / FOLDER / DATABASE).stat().st_size
    document["record_bytes"] = round(grown / sizes.records)
    return document


def listings(sizes: Sizes) -> list[dict[str, Any]]:
    """Walks of one flat folder and of folders of a thousand."""
    few, many = sizes.checked_files, sizes.files
    return [
        listing(few, 1, check=True),
        listing(few, few // 1000, check=True),
        listing(many, 1, check=False),
        by_itself("--walk-bucket", sizes.objects),
    ]


def gives_out(
    measured: dict[str, Any], walks: list[dict[str, Any]], costs: Costs
) -> dict[str, Any]:
    """Where each part gives out by itself, pictures a second, and 100 million files listed."""
    planned = walks[1]["check and plan"]["per_processor_s"]
    return {
        "coordinator": round(1 / costs.coordinator_s),
        "journal": measured["journal"]["per_processor_s"],
        "names, 1 ms a file call": measured["publishing, 1 ms a file call"]["per_s"],
        "metadata server": round(costs.metadata_per_s / costs.file_calls),
        "storage": round(costs.storage_bytes_per_s / costs.picture_bytes),
        "hours to check and plan 100 million files": round(1e8 / planned / 3600, 2),
    }


def main() -> int:
    """Measures, simulates, prints, writes."""
    options = parser(__doc__, "limits")
    add = options.add_argument
    add("--before", type=Path, metavar="FILE", help="of this script, from before a change")
    add("--folder", type=Path, metavar="DIR", help="on the disk to be tried")
    add("--scale", type=float, default=1.0, metavar="X", help="of all that is measured")
    add("--walk-bucket", type=int, help=argparse.SUPPRESS)  # in a process of its own
    add("--walk", nargs=3, type=int, help=argparse.SUPPRESS)  # in a process of its own
    arguments = options.parse_args()
    if arguments.walk:
        files, folders, check = arguments.walk
        print(json.dumps(walk_made_up(files, folders, check=bool(check))))
        return 0
    if arguments.walk_bucket:
        print(json.dumps(walk_bucket(arguments.walk_bucket)))
        return 0
    sizes = Sizes(
        **{name: max(2000, int(n * arguments.scale)) for name, n in asdict(Sizes()).items()}
    )
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        measured = measure(sizes, Path(name))
    walks = listings(sizes)
    costs = Costs(
        coordinator_s=1 / measured["coordinator"]["per_processor_s"],
        record_bytes=measured["record_bytes"],
    )
    document = with_machine(
        measured=measured,
        listing=walks,
        assumed=asdict(costs),
        gives_out=gives_out(measured, walks, costs),
        simulated=[simulate(gpus, costs) for gpus in GPUS],
    )
    if arguments.before:
        before = json.loads(arguments.before.read_text())
        document["before"] = {name: before[name] for name in ("measured", "listing")}
    if "before" in document:
        finish(arguments.json, document, "limits")
    else:
        write(arguments.json, document)
        print(json.dumps(document))
    return 0
