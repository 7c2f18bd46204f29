"""One network's run on a stream: kernel by kernel at first, then as a CUDA graph.

The first run loads kernels and allocates what a graph must not, so a graph is captured after it,
of this network alone: what a lane does where a whole batch cannot be one graph, because a network
is not to be captured or because PyCUDA's events cannot be placed inside a graph. A graph a network
keeps every mark outside.
"""

from engines.cuda_memory import Cuda, Graph, Stream
from engines.device import DeviceContext


class Launch:
    """How a lane runs one network. Owns its context and, once captured, its graph."""

    def __init__(self, context: DeviceContext, stream: Stream, *, capturable: bool) -> None:
        """Nothing is run yet.

        Args:
            context: bound to its buffers and to `stream`.
            stream: where every run goes.
            capturable: whether a graph is to be tried.
        """
        self._context = context
        self._stream = stream
        self._graph: Graph | None = None
        self._to_capture = capturable
        self._has_run = False

    def enqueue(self) -> None:
        """Puts one run on the stream; never waits for the device."""
        if self._graph is not None:
            self._graph.launch(self._stream)
        else:
            self._context.enqueue()
            self._has_run = True

    def capture(self, cuda: Cuda) -> bool:
        """Captures the graph if it is time; the stream must be idle.

        Returns:
            False if a capture has just failed: every run stays as the first one was. One more has
            then been made, whose results nobody reads, to see that kernels still launch.

        Raises:
            EngineError: they do not, so that the failed capture has taken more than a graph.
        """
        if not (self._to_capture and self._has_run):
            return True
        self._to_capture = False
        self._graph = cuda.capture(self._stream, self._context.enqueue)
        if self._graph is None:
            self._context.enqueue()
            self._stream.synchronize()
        return self._graph is not None
