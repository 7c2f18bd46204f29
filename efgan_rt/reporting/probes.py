"""What a processor can do at best: one large matrix product and one large convolution.

Each is a network of a single layer, run by OpenVINO. The faster of the two stands for the machine:
a network of many small layers cannot exceed it, and how much of it the networks reach is a figure
that travels between machines.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from time import perf_counter
from typing import Any, Final

import numpy as np

from engines.choice import BackendChoice, lack_of_bf16
from engines.openvino_engine import PRECISIONS
from engines.processor import this_processor
from engines.runtimes import import_openvino

SIDE: Final = 1024  # of the product's square matrices
CHANNELS: Final = 64
PICTURE_PX: Final = 64
KERNEL: Final = 3
PICTURES: Final = 8
FEWEST_RUNS: Final = 3


@dataclass(frozen=True)
class Probe:
    """A network of one layer, from a float32 tensor to another of the same shape.

    Attributes:
        shape: of the tensor.
        weights: their shape; they are random.
        multiplications: of a run.
    """

    shape: tuple[int, ...]
    weights: tuple[int, ...]
    multiplications: int

    def model(self) -> Any:
        """For OpenVINO to compile."""
        openvino = import_openvino()
        from openvino import opset13 as operators

        values = np.random.default_rng(0).standard_normal(self.weights, np.float32)
        weights = operators.constant(values * np.float32(prod(self.weights[1:]) ** -0.5))
        given = operators.parameter(self.shape, np.float32)
        if len(self.shape) == 2:
            layer = operators.matmul(given, weights, False, False)
        else:
            rim = [KERNEL // 2] * 2
            layer = operators.convolution(given, weights, [1, 1], rim, rim, [1, 1])
        return openvino.Model([layer], [given])


PROBES: Final = {
    "matrix product": Probe((SIDE, SIDE), (SIDE, SIDE), SIDE**3),
    "convolution": Probe(
        (PICTURES, CHANNELS, PICTURE_PX, PICTURE_PX),
        (CHANNELS, CHANNELS, KERNEL, KERNEL),
        PICTURES * CHANNELS**2 * KERNEL**2 * PICTURE_PX**2,
    ),
}


@dataclass(frozen=True)
class Limit:
    """What this processor does at best, whatever the precision.

    Attributes:
        gflops: thousand million operations a second by probe and precision; a multiplication and
            its addition are two.
    """

    gflops: dict[str, float]

    @property
    def best(self) -> float:
        """The largest."""
        return max(self.gflops.values())


def measure_limit(choice: BackendChoice, *, threads: int | None, seconds: float) -> Limit:
    """Times both probes in every precision that runs here; the median of the runs counts.

    A slower precision's own limit would make full use of the processor out of half of it.

    Args:
        choice: a backend that runs on the processor; ONNX Runtime's computes in fp32 alone.
        threads: as the engines have.
        seconds: for each probe, of all its precisions together.

    Raises:
        EngineError: OpenVINO is missing.
    """
    precisions: Sequence[str] = ("fp32",)
    if choice.backend == "openvino" and not lack_of_bf16(this_processor()):
        precisions = ("fp32", "bf16")
    core = import_openvino().Core()
    gflops = {}
    for name, probe in PROBES.items():
        given = np.random.default_rng(0).standard_normal(probe.shape, np.float32)
        for precision in precisions:
            config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": PRECISIONS[precision]}
            if threads is not None:
                config["INFERENCE_NUM_THREADS"] = threads
            request = core.compile_model(probe.model(), "CPU", config).create_infer_request()
            times = _timed(partial(request.infer, [given]), seconds / len(precisions))
            speed = 2 * probe.multiplications / statistics.median(times) / 1e9
            gflops[f"{name} in {precision}"] = speed
    return Limit(gflops)


def _timed(run: Callable[[], Any], seconds: float) -> list[float]:
    run()  # the first run prepares the weights
    times: list[float] = []
    while len(times) < FEWEST_RUNS or sum(times) < seconds:
        started = perf_counter()
        run()
        times.append(perf_counter() - started)
    return times
