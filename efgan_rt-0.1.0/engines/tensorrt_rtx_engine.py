"""A network in ONNX Runtime's TensorRT-RTX plugin: TensorRT for RTX cards, from PyPI alone.

The plugin brings TensorRT-RTX with it and compiles a network when its session is made, in seconds;
what it compiled for this GPU is kept in a cache folder, if one is given. It works with either build
of ONNX Runtime. The batch is fixed in the graph, which its makers recommend above profiles; its own
CUDA graphs stay off, for they wait for the device in ways that a lane cannot see.

The provider takes GPUs of compute capability 8.6, 8.9, and 12.0 and newer (version 0.5.0): RTX
cards, not the data centre's A100, H100 or H200.
"""

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from engines import binding, runtimes
from engines.base import EngineError
from engines.cuda_graph import NO_CAPTURE
from engines.cuda_memory import CPU_REMEDY, Cuda, DeviceMemory, Stream, no_driver
from engines.device import check_buffers
from engines.manifest import NetworkEntry
from engines.nvidia_driver import DRIVER, MANAGEMENT
from engines.onnxruntime_device import (
    ERRORS_AND_WORSE,
    FATAL_ONLY,
    OnnxRuntimeContext,
    reason,
    runtime_error,
    session_options,
    unsynchronised,
)
from engines.tensorrt_rtx_runtime import FOLDER

PROVIDER: Final = "NvTensorRTRTXExecutionProvider"
PACKAGE: Final = "onnxruntime_ep_nv_tensorrt_rtx"
INSTALL_LINE: Final = 'pip install "efgan-rt[rtx]"'


class TensorRTRTXEngine:
    """One network on one GPU; holds the file, which every context compiles."""

    backend: str = "tensorrt-rtx"
    scratch_bytes: int = 0
    # It takes memory from CUDA's pool in every run, and no document says that this may be captured.
    capturable: bool = False

    def __init__(
        self,
        model: bytes,
        entry: NetworkEntry,
        *,
        batch: int,
        cuda: Cuda,
        precision: str = "fp32",
        device: int = 0,
        cache_dir: Path | None = None,
    ) -> None:
        """Makes sure that the plugin takes this GPU; the network itself is compiled by `bind`.

        Args:
            model: a complete ONNX file.
            entry: its entry in the manifest, which the graph must agree with.
            batch: pictures in a run.
            cuda: the device.
            precision: of the manifest: what the graph's convolutions compute in.
            device: number of the GPU, as CUDA counts.
            cache_dir: where compiled networks are kept; None is nowhere.

        Raises:
            EngineError: the plugin is not installed, does not load, or does not take this GPU.
        """
        self._plugin = plugin_devices(device)[0]
        self.network = entry.name
        self.precision = precision
        self.inputs = binding.at_batch(entry.inputs, batch)
        self.outputs = binding.at_batch(entry.outputs, batch)
        self._model = model
        self._entry = entry
        self._batch = batch
        self._cuda = cuda
        self._device = device
        self._cache_dir = cache_dir

    def bind(
        self, buffers: Mapping[str, DeviceMemory], scratch: DeviceMemory | None, stream: Stream
    ) -> OnnxRuntimeContext:
        """See `engines.device.DeviceEngine.bind`; compiles the network and waits once."""
        check_buffers(self.network, (*self.inputs, *self.outputs), buffers)
        ort = runtimes.import_onnxruntime()
        options = session_options(ort, self._batch)
        if self._cache_dir is not None:
            with suppress(OSError):  # without a cache it compiles again
                (self._cache_dir / FOLDER).mkdir(parents=True, exist_ok=True)
        try:
            options.add_provider_for_devices(
                [self._plugin], provider_options(stream, self._cache_dir)
            )
            with NO_CAPTURE:
                session = ort.InferenceSession(self._model, options, enable_fallback=False)
        except Exception as error:  # the runtime has an exception class for each status code
            what = f"TensorRT-RTX cannot compile {self._entry.file}"
            raise runtime_error(what, error, self._cuda) from error
        session._model_bytes = None  # kept for a change of provider that never comes
        return OnnxRuntimeContext(
            session,
            self._entry,
            self.inputs,
            self.outputs,
            buffers,
            stream,
            self._cuda,
            unsynchronised(ort),
            ("cuda", self._device),
        )


def provider_options(stream: Stream, cache_dir: Path | None) -> dict[str, str]:
    """The provider's options, by the names in the header that the plugin brings along."""
    options = {
        "has_user_compute_stream": "1",
        "user_compute_stream": str(stream.handle),
        "enable_cuda_graph": "0",
        # Activations keep their memory, so that no run but the first takes any.
        "nv_persistent_context_memory": "1",
    }
    if cache_dir is not None:
        options["nv_runtime_cache_path"] = str(cache_dir / FOLDER)
    return options


def plugin_devices(device: int = 0) -> list[Any]:
    """The plugin's description of the GPU: loads the plugin and asks which GPUs it takes.

    Raises:
        EngineError: the plugin or the driver is missing, or it takes none of the GPUs here.
    """
    found = _all_plugin_devices()
    mine = [each for each in found if each.ep_options.get("device_id", str(device)) == str(device)]
    if not mine:
        raise EngineError(
            f"TensorRT-RTX does not take GPU {device} of this machine; it takes compute capability "
            "8.6, 8.9, and 12.0 and newer: use --backend tensorrt or onnxruntime-cuda, "
            f"{CPU_REMEDY}"
        )
    return mine


@cache
def _all_plugin_devices() -> tuple[Any, ...]:
    """What the plugin says of every GPU it takes; registers it, which a process may do once.

    Raises:
        EngineError: the plugin or the driver is missing.
    """
    ort = runtimes.import_onnxruntime()
    if find_spec(PACKAGE) is None:
        raise EngineError(
            "the tensorrt-rtx backend needs ONNX Runtime's TensorRT-RTX plugin, which is not "
            f"installed; install it with: {INSTALL_LINE}"
        )
    plugin = import_module(PACKAGE)
    # A plugin that does not load is raised, and logged a second time.
    ort.set_default_logger_severity(FATAL_ONLY)
    try:
        ort.register_execution_provider_library(PROVIDER, plugin.get_library_path())
    except Exception as error:  # the runtime has an exception class for each status code
        said = reason(error)
        if DRIVER in said:
            raise no_driver(f"{DRIVER} is missing") from error
        if MANAGEMENT in said:
            raise EngineError(
                f"ONNX Runtime's TensorRT-RTX plugin needs {MANAGEMENT}, which is missing; it "
                "comes with NVIDIA's driver, and into a container with "
                "-e NVIDIA_DRIVER_CAPABILITIES=compute,utility"
            ) from error
        raise EngineError(
            f"ONNX Runtime cannot load its TensorRT-RTX plugin ({said}); "
            f"reinstall it with: {INSTALL_LINE}"
        ) from error
    finally:
        ort.set_default_logger_severity(ERRORS_AND_WORSE)
    return tuple(each for each in ort.get_ep_devices() if each.ep_name == PROVIDER)
