"""What launching costs: a batch call by call, a graph a network, or one graph, in the same lane.

The networks copy a few bytes, so what is timed is the host. Each way is timed alone and beside
threads that are busy in Python, as decoding and encoding are: every call gives the interpreter's
lock away, and waits to have it back.
"""

import statistics
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import numpy as np

from engines.base import TensorSpec
from engines.cuda_memory import Cuda, DeviceMemory, Stream
from engines.device_lane import DeviceLane
from engines.program import Program, Step

NETWORKS: Final = 5
BUSY_THREADS: Final = 4
SHAPE: Final = (64, 64)
WAYS: Final = {
    "call by call": {"graphs": False},
    "a graph a network": {"whole_batches": False},
    "a graph a batch": {},
}


@dataclass(frozen=True)
class CopyNetwork:
    """Gives what it takes; see `engines.device.DeviceEngine`."""

    cuda: Cuda
    network: str
    backend: str = "copy"
    precision: str = "fp32"
    inputs: tuple[TensorSpec, ...] = (TensorSpec("in", "float32", SHAPE),)
    outputs: tuple[TensorSpec, ...] = (TensorSpec("out", "float32", SHAPE),)
    scratch_bytes: int = 0
    capturable: bool = True

    def bind(
        self, buffers: Mapping[str, DeviceMemory], scratch: DeviceMemory | None, stream: Stream
    ) -> "CopyContext":
        """See `DeviceEngine.bind`."""
        return CopyContext(self.cuda, buffers["in"], buffers["out"], stream)


@dataclass(frozen=True)
class CopyContext:
    """One execution slot."""

    cuda: Cuda
    source: DeviceMemory
    destination: DeviceMemory
    stream: Stream

    def enqueue(self) -> None:
        """Puts the copy on the stream."""
        self.cuda.copy(self.destination, self.source, self.stream)


def compared(cuda: Cuda, seconds: float) -> dict[str, Any]:
    """Milliseconds a batch by every way, each for so many seconds alone and beside busy threads."""
    names = [f"network {number}" for number in range(NETWORKS)]
    places = [f"place {number}" for number in range(NETWORKS + 1)]
    steps = (Step(name, {"in": places[n]}, {"out": places[n + 1]}) for n, name in enumerate(names))
    program, engines = Program(tuple(steps)), {name: CopyNetwork(cuda, name) for name in names}
    given = np.random.default_rng(0).random(SHAPE, np.float32)
    wanted = [(name, "out") for name in names]
    found: dict[str, Any] = {}
    for way, options in WAYS.items():
        said: list[str] = []
        with closing(DeviceLane(cuda, engines, program, say=said.append, **options)) as lane:
            for _ in range(3):
                ran = lane.run({places[0]: given}, wanted)
            found[way] = {
                "is_right": bool(np.array_equal(ran.outputs[wanted[-1]], given)),
                "batch_graphs": lane.batch_graphs,
                "said": said,
                "alone": _timed(lane, given, wanted, seconds),
            }
            with _busy_threads():
                found[way]["beside_busy_threads"] = _timed(lane, given, wanted, seconds)
    return found


def _timed(lane: DeviceLane, given: Any, wanted: Any, seconds: float) -> dict[str, float]:
    taken: list[float] = []
    until = perf_counter() + seconds
    while (started := perf_counter()) < until or len(taken) < 2:
        lane.run({"place 0": given}, wanted)
        taken.append((perf_counter() - started) * 1e3)
    cuts = statistics.quantiles(taken, n=100)
    figures = {"p50_ms": cuts[49], "p99_ms": cuts[98], "mean_ms": statistics.mean(taken)}
    return {"n": len(taken)} | {name: round(ms, 4) for name, ms in figures.items()}


@contextmanager
def _busy_threads() -> Iterator[None]:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(BUSY_THREADS)]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        stop.set()
        for each in threads:
            each.join()
