"""Workers as actors of a Ray cluster: on each node one for the processor, or one for each GPU.

Ray carries shards of paths and records, never pixels: nodes read IN and write OUT themselves, and
prove by a token in both that they see them. Ray restarts nothing; the coordinator does, as it does
with processes, and an actor ends with the coordinator's process.
"""

import os
import pickle
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final

from efgan_rt import __version__
from efgan_rt.errors import EfganError
from efgan_rt.extras import needs_extra
from efgan_rt.shards.ray_worker import NodeWorker, Terms, fingerprint_of
from efgan_rt.shards.shard import Ended, LeftOut, Lost, Message, Refused, Shard, parts_of
from efgan_rt.shards.worker import WorkerSetup
from engines.choice import DEVICE_BACKENDS

TOKEN: Final = ".efgan-rt-token"
LOOKED_AT_EVERY_S: Final = 2.0
GONE_FOR_S: Final = 60.0  # how long a node that died is not believed to be alive


@dataclass(frozen=True)
class _Place:
    """Where one worker fits: a node, and which of its places it is."""

    node: str
    number: int
    name: str = field(compare=False)


@dataclass
class _Actor:
    handle: Any
    place: _Place
    asked: Any  # the answer to come
    waiting: list[Message] = field(default_factory=list)
    has_ended: bool = False


@contextmanager
def joined(address: str) -> Iterator[None]:
    """Joins a cluster, unless this process has; leaves it at the end.

    Args:
        address: `auto` for the one of this machine, `local` for one of its own, or a head's
            `HOST:PORT`.

    Raises:
        EfganError: Ray is not installed, or there is no such cluster.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with needs_extra("ray"):
        import ray
    if ray.is_initialized():
        yield
        return
    try:
        ray.init(
            address=None if address == "local" else address,
            log_to_driver=False,
            configure_logging=False,
            include_dashboard=False if address == "local" else None,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())
        raise EfganError(
            f"--ray {address}: no Ray cluster was joined: {said}; start one with "
            "ray start --head, or give its head's HOST:PORT"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def tokens(folders: tuple[Path, ...]) -> Iterator[tuple[tuple[Path, bytes], ...]]:
    """Writes a token into each folder that can be written into, and removes it at the end."""
    content = secrets.token_bytes(16)
    written = []
    try:
        for folder in folders:
            if not folder.is_dir():
                continue
            with suppress(OSError):  # pictures that nobody may add to
                (folder / TOKEN).write_bytes(content)
                written.append((folder / TOKEN, content))
        yield tuple(written)
    finally:
        for path, _ in written:
            path.unlink(missing_ok=True)


class RayExecutor:
    """Starts workers on the nodes of the cluster that this process has joined.

    Args:
        setup: of all of them; its paths are absolute.
        run_folder: for their folders of parts.
        tokens: that every node must see.
    """

    def __init__(
        self, setup: WorkerSetup, run_folder: Path, tokens: tuple[tuple[Path, bytes], ...] = ()
    ) -> None:
        import ray

        self._ray: Any = ray
        self._on_gpus = setup.choice.backend in DEVICE_BACKENDS
        self._terms = pickle.dumps(Terms(setup, fingerprint_of(setup), tokens))
        self._run_folder = run_folder
        self._actors: dict[int, _Actor] = {}
        self._numbers = 0
        self._left_out: set[str] = set()
        self._gone: dict[str, float] = {}
        self._places: list[_Place] = []
        self._looked_at = 0.0
        groups = {"orders": 1, "talk": 1}
        self._class = self._ray.remote(concurrency_groups=groups, max_restarts=0)(NodeWorker)

    def __str__(self) -> str:
        names = sorted({place.name for place in self._fitting()})
        shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
        return f"{self.size} workers, on {shown or 'no node yet'}"

    @property
    def size(self) -> int:
        """How many workers there are to be at a time: nodes may come and go."""
        return len(self._fitting())

    def start(self) -> int:
        """Starts a worker where none is yet; gives its number."""
        number, self._numbers = self._numbers, self._numbers + 1
        taken = {actor.place for actor in self._actors.values() if not actor.has_ended}
        fitting = self._fitting()
        place = next((each for each in fitting if each not in taken), fitting[0])
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        handle = self._class.options(
            num_cpus=1,
            num_gpus=1 if self._on_gpus else 0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(place.node, soft=False),
        ).remote()
        parts = str(parts_of(self._run_folder, number))
        handle.begin.options(concurrency_group="orders").remote(
            __version__, self._terms, parts, place.name
        )
        self._actors[number] = _Actor(handle, place, self._ask(handle))
        return number

    def send(self, worker: int, shard: Shard) -> None:
        """Hands a shard to a worker."""
        self._order(worker, shard)

    def finish(self, worker: int) -> None:
        """Tells a worker that no more shards come."""
        self._order(worker, "finish")

    def stop(self, worker: int) -> None:
        """Tells a worker to begin no more pictures of those that it has."""
        self._order(worker, "stop")

    def kill(self, worker: int) -> None:
        """Ends a worker at once."""
        self._ray.kill(self._actors[worker].handle)

    def receive(self, timeout_s: float) -> tuple[int, Message] | None:
        """The next message of any worker; None if none comes in time."""
        for number, actor in self._actors.items():
            if actor.waiting:
                return number, actor.waiting.pop(0)
        asked = {
            actor.asked: number for number, actor in self._actors.items() if not actor.has_ended
        }
        if not asked:
            return None
        answered, _ = self._ray.wait(list(asked), num_returns=1, timeout=timeout_s)
        for answer in answered:
            number = asked[answer]
            actor = self._actors[number]
            actor.waiting += self._answer(actor)
            actor.has_ended = any(
                isinstance(each, Ended | Refused | LeftOut | Lost) for each in actor.waiting
            )
            if not actor.has_ended:
                actor.asked = self._ask(actor.handle)
            if actor.waiting:
                return number, actor.waiting.pop(0)
        return None

    def close(self) -> None:
        """Ends all workers."""
        for actor in self._actors.values():
            with suppress(Exception):  # of a node that is gone
                self._ray.kill(actor.handle)

    def _ask(self, handle: Any) -> Any:
        return handle.told.options(concurrency_group="talk").remote()

    def _order(self, worker: int, order: Shard | str) -> None:
        self._actors[worker].handle.order.options(concurrency_group="orders").remote(order)

    def _answer(self, actor: _Actor) -> list[Message]:
        errors = self._ray.exceptions
        try:
            messages: list[Message] = self._ray.get(actor.asked)
        except errors.RayActorError as error:
            said = " ".join(str(error).split())
            if "creation task" in said:
                messages = [
                    LeftOut(f"{actor.place.name}: efgan-rt cannot start there: {said[-200:]}")
                ]
            else:
                # Its node may have died with it, and Ray needs some time to notice.
                if "node" in said:
                    self._gone[actor.place.node] = monotonic()
                    self._looked_at = 0.0
                messages = [Lost(f"on {actor.place.name} is gone")]
        if any(isinstance(each, LeftOut) for each in messages):
            self._left_out.add(actor.place.node)
        return messages

    def _fitting(self) -> list[_Place]:
        """Places on nodes that are alive and were not left out."""
        now = monotonic()
        if now - self._looked_at > LOOKED_AT_EVERY_S:
            self._looked_at = now
            self._places = [
                _Place(node["NodeID"], number, node["NodeManagerHostname"])
                for node in self._ray.nodes()
                if node["Alive"]
                for number in range(self._count(node["Resources"]))
            ]
        return [
            place
            for place in self._places
            if place.node not in self._left_out
            and now - self._gone.get(place.node, -GONE_FOR_S) >= GONE_FOR_S
        ]

    def _count(self, resources: dict[str, float]) -> int:
        """How many workers a node has room for."""
        return int(resources.get("GPU", 0)) if self._on_gpus else int("CPU" in resources)
