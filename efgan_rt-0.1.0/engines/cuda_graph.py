"""Captures what is put on a stream into a CUDA graph, with cuda-bindings.

PyCUDA (2026.1) knows no graphs, but a stream is a number to both packages and the context is the
same, so this serves either provider; without cuda-bindings there are no graphs.

The capture is relaxed, not thread-local: the interpreter may collect garbage in the middle of it,
and device memory given back by this thread would end a stricter capture. Another thread must not
make a session of ONNX Runtime meanwhile: it waits for the whole device, which no capture outlives.
So both take `NO_CAPTURE`.
"""

import threading
import weakref
from collections.abc import Callable
from typing import Any, Final

from engines.base import EngineError
from engines.cuda_faults import call_failed
from engines.cuda_memory import Stream

NO_CAPTURE: Final = threading.Lock()
"""Held while a stream captures, and by whoever does what would end a capture."""


class CapturedGraph:
    """An instantiated graph. Owns its executable form, given back when nobody holds it."""

    def __init__(self, runtime: Any, executable: Any) -> None:
        self._runtime = runtime
        self._executable = executable
        # Not at the interpreter's exit: the driver may be gone by then, and takes all with it.
        weakref.finalize(self, runtime.cudaGraphExecDestroy, executable).atexit = False

    def launch(self, stream: Stream) -> None:
        """Enqueues the whole sequence at once."""
        (error,) = self._runtime.cudaGraphLaunch(self._executable, stream.handle)
        if error != self._runtime.cudaError_t.cudaSuccess:
            raise call_failed("cudaGraphLaunch", error.name)


def capture_graph(
    runtime: Any, stream: Stream, enqueue: Callable[[], None]
) -> CapturedGraph | None:
    """What `enqueue` puts on `stream`, recorded and not run; None where it cannot be captured.

    Args:
        runtime: the module `cuda.bindings.runtime`.
        stream: an idle stream of the context that is current.
        enqueue: only launches; an `EngineError` from it means that it cannot be captured.
    """
    with NO_CAPTURE:
        return _captured(runtime, stream, enqueue)


def _captured(runtime: Any, stream: Stream, enqueue: Callable[[], None]) -> CapturedGraph | None:
    fine = runtime.cudaError_t.cudaSuccess
    relaxed = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeRelaxed
    (error,) = runtime.cudaStreamBeginCapture(stream.handle, relaxed)
    if error != fine:
        return None
    graph = None
    refused = False
    try:
        enqueue()
    except EngineError:
        refused = True
    finally:
        # Ends the capture whatever happened; a stream left capturing could never be used again.
        error, graph = runtime.cudaStreamEndCapture(stream.handle)
    try:
        if refused or error != fine:
            return None
        error, executable = runtime.cudaGraphInstantiate(graph, 0)
        return CapturedGraph(runtime, executable) if error == fine else None
    finally:
        if graph is not None and int(graph):
            runtime.cudaGraphDestroy(graph)
        # A failed capture leaves its error behind for whoever asks next; nobody may take it for
        # his own.
        runtime.cudaGetLastError()
