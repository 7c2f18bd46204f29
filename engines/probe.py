"""Times one network in each precision that OpenVINO has on this processor: what `auto` goes by."""

import statistics
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np

from engines.arrays import Array
from engines.base import Request, TensorSpec
from engines.choice import BackendChoice, Rates
from engines.directory import EngineDirectory
from engines.open import open_engine

MOST_S: Final = 2.0
# Compiling may take so much of it; what is left has to do for some runs of each.
MOST_COMPILING: Final = 0.6
# Of each precision: enough for a median of networks so small that 2 s hold thousands.
MOST_RUNS: Final = 100


def measure(
    directory: EngineDirectory,
    network: str,
    *,
    batch: int,
    threads: int | None = None,
    cache_dir: Path | None = None,
    most_s: float = MOST_S,
) -> Rates | None:
    """Seconds of a batch in fp32 and in bf16, run in turns, the median of each.

    Args:
        directory: the engine set.
        network: which of its networks stands for them all.
        batch: the run's own.
        threads: as the run has.
        cache_dir: as the run has, so that what is compiled here is not compiled again.
        most_s: for compiling and running; a run that has begun is waited for, and after
            `MOST_RUNS` of each it ends sooner.

    Returns:
        By precision, or None where compiling left no time to run both.

    Raises:
        EngineError: the network cannot be opened.
    """
    started = perf_counter()
    requests: dict[str, Request] = {}
    for precision in ("fp32", "bf16"):
        choice = BackendChoice("openvino", precision, "")
        engine = open_engine(
            directory, network, choice, batch=batch, threads=threads, cache_dir=cache_dir
        )
        if perf_counter() - started > MOST_COMPILING * most_s:
            return None
        requests[precision] = engine.request()
        inputs = {spec.name: _any_array(spec) for spec in engine.inputs}
    times: dict[str, list[float]] = {precision: [] for precision in requests}
    while not times["bf16"] or (
        len(times["bf16"]) < MOST_RUNS and perf_counter() - started < most_s
    ):
        for precision, request in requests.items():
            before = perf_counter()
            request.run(inputs)
            times[precision].append(perf_counter() - before)
    # The first run of each prepares its weights.
    return {name: statistics.median(each[1:] or each) for name, each in times.items()}


def _any_array(spec: TensorSpec) -> Array:
    random = np.random.default_rng(0)
    if spec.dtype == "int32":  # an index, of which only 0 is sure to exist
        return np.zeros(spec.resolve(), spec.numpy_dtype)
    most = 256 if spec.dtype == "uint8" else 1
    return (random.random(spec.resolve()) * most).astype(spec.numpy_dtype)
