"""Opens networks with a backend that has been chosen, each for a fixed batch, its file verified.

Choosing is `engines.choice`'s affair. Importing this module imports no runtime.
"""

from pathlib import Path

from engines.base import Engine, EngineError
from engines.choice import DEVICE_BACKENDS, INT8, BackendChoice
from engines.cuda_memory import Cuda
from engines.device import DeviceEngine
from engines.directory import EngineDirectory
from engines.manifest import REMEDY, NetworkEntry
from engines.processor import this_processor


def open_engine(
    directory: EngineDirectory,
    network: str,
    choice: BackendChoice,
    *,
    batch: int,
    threads: int | None = None,
    streams: int = 1,
    cache_dir: Path | None = None,
) -> Engine:
    """Opens one network on the processor.

    Args:
        directory: the engine set.
        network: name of one of its networks.
        choice: of a processor's backend. In an int8 set, a network without int8 files computes in
            what is chosen for the rest.
        batch: pictures in every run; within the range the network was made for.
        threads: processor threads of all runs together; None is one for each core.
        streams: runs that are to proceed at the same time and share the threads out.
        cache_dir: where OpenVINO keeps compiled networks; None is nowhere.

    Raises:
        EngineError: anything does not fit; the message says what was found and expected.
    """
    entry = _entry(directory, network, batch)
    if threads is not None and threads < 1:
        raise EngineError(f"{threads} threads were asked for, expected 1 or more")
    if choice.backend in DEVICE_BACKENDS:
        raise EngineError(f"{choice.backend} runs on a GPU, and needs its memory to open a network")
    if choice.backend == "openvino":
        from engines.openvino_engine import OpenvinoEngine

        weights = None
        if choice.precision == INT8 and entry.int8 is not None:
            model, weights = directory.int8(network)
        else:
            model = directory.model(network)
        return OpenvinoEngine(
            model,
            entry,
            precision=choice.precision if choice.rest is None else choice.rest,
            batch=batch,
            threads=threads,
            streams=streams,
            cache_dir=cache_dir,
            int8_weights=weights,
        )
    from engines.onnxruntime_engine import OnnxRuntimeEngine

    # A session's threads are those of one run, and its runs share them.
    each = max(1, (threads or this_processor().cores) // streams)
    return OnnxRuntimeEngine(directory.model(network), entry, batch=batch, threads=each)


def open_device_engine(
    directory: EngineDirectory,
    network: str,
    choice: BackendChoice,
    *,
    batch: int,
    cuda: Cuda,
    cache_dir: Path | None = None,
) -> DeviceEngine:
    """Opens one network on the GPU.

    Args:
        directory: the engine set.
        network: name of one of its networks.
        choice: of a GPU's backend, whose plans suit the GPU.
        batch: pictures in every run; within the range the network was made for.
        cuda: the device, its primary context current in this thread.
        cache_dir: where TensorRT for RTX keeps compiled networks, as a plan's runtime and as the
            plugin; None is nowhere.

    Raises:
        EngineError: anything does not fit; the message says what was found and expected.
    """
    entry = _entry(directory, network, batch)
    manifest = directory.manifest
    if choice.backend == "tensorrt":
        from engines.tensorrt_engine import TensorrtEngine

        plan = directory.plan(network)
        assert manifest.plans is not None, "no entry has a plan without the facts about it"
        return TensorrtEngine(
            plan,
            entry,
            directory=directory.path,
            plans=manifest.plans,
            precision=manifest.precision,
            batch=batch,
            gpu=cuda.facts.name,
            cache_dir=cache_dir,
        )
    model = directory.model(network)
    if choice.backend == "tensorrt-rtx":
        from engines.tensorrt_rtx_engine import TensorRTRTXEngine

        return TensorRTRTXEngine(
            model,
            entry,
            batch=batch,
            cuda=cuda,
            precision=manifest.precision,
            cache_dir=cache_dir,
        )
    from engines.onnxruntime_cuda_engine import OnnxRuntimeCudaEngine

    return OnnxRuntimeCudaEngine(model, entry, batch=batch, cuda=cuda, precision=manifest.precision)


def _entry(directory: EngineDirectory, network: str, batch: int) -> NetworkEntry:
    """The network's entry, once the batch is within its range."""
    entry = directory.manifest.network(network)
    smallest, _, largest = entry.batch
    if not smallest <= batch <= largest:
        raise EngineError(
            f"{network}: batch {batch} is outside {smallest} to {largest}, which the engines were "
            f"made for; choose one inside, or {REMEDY} --batch MIN:OPT:MAX"
        )
    return entry
