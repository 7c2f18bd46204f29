"""A network in ONNX Runtime's TensorRT-RTX plugin: TensorRT for RTX cards, from PyPI alone.

The plugin brings TensorRT-RTX with it and compiles a network when its session is made, in seconds;
what it compiled for this GPU is kept in a cache folder, if one is given. It works with either build
of ONNX Runtime. The batch is fixed in the graph, which its makers recommend above profiles; its own
CUDA graphs stay off, for they wait for the device in ways that a lane cannot see.

The provider takes GPUs of compute capability 8.6, 8.9, and 12.0 and newer (version 0.5.0): RTX
cards, not the data centre's A100, H100 or H200.
"""

from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from engines import runtimes
from engines.base import EngineError
from engines.cuda_faults import CPU_REMEDY, no_driver
from engines.cuda_memory import Stream
from engines.nvidia_driver import DRIVER, MANAGEMENT
from engines.onnxruntime_device import (
    ERRORS_AND_WORSE,
    FATAL_ONLY,
    OnnxRuntimeDeviceEngine,
    reason,
)
from engines.tensorrt_rtx_runtime import FOLDER

PROVIDER: Final = "NvTensorRTRTXExecutionProvider"
PACKAGE: Final = "onnxruntime_ep_nv_tensorrt_rtx"
INSTALL_LINE: Final = 'pip install "efgan-rt[rtx]"'


class TensorRTRTXEngine(OnnxRuntimeDeviceEngine):
    """One network in the plugin, which compiles it for every context."""

    backend = "tensorrt-rtx"
    cannot = "TensorRT-RTX cannot compile"

    def __init__(self, *arguments: Any, cache_dir: Path | None = None, **named: Any) -> None:
        """Makes sure that the plugin takes this GPU; the network itself is compiled by `bind`.

        Args:
            arguments: of `OnnxRuntimeDeviceEngine`.
            cache_dir: where compiled networks are kept; None is nowhere.
            named: of `OnnxRuntimeDeviceEngine`.

        Raises:
            EngineError: the plugin is not installed, does not load, or does not take this GPU.
        """
        super().__init__(*arguments, **named)
        self._plugin = plugin_devices(self._device)[0]
        self._cache_dir = cache_dir

    def session(self, ort: Any, options: Any, stream: Stream) -> Any:
        """A session of the provider on a stream; compiles the network."""
        if self._cache_dir is not None:
            with suppress(OSError):  # without a cache it compiles again
                (self._cache_dir / FOLDER).mkdir(parents=True, exist_ok=True)
        options.add_provider_for_devices([self._plugin], provider_options(stream, self._cache_dir))
        return ort.InferenceSession(self._model, options, enable_fallback=False)


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
