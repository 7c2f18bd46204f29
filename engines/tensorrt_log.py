"""TensorRT's own words, kept for the sentence that an error needs.

TensorRT answers a failure with None or False, and the reason is a line in its log. So whatever is
made of TensorRT here gets a logger of ours, which prints nothing and keeps the last complaints.
"""

from collections import deque
from typing import Any, Final

KEPT_LINES: Final = 4
# Follows any failure where there is no driver, and says no more than that.
_ECHO: Final = "catchCudaError"


class TensorrtLog:
    """The last errors that TensorRT logged.

    Attributes:
        logger: to be given to TensorRT; has to outlive whatever is made with it.
    """

    def __init__(self, trt: Any) -> None:
        """Makes a logger for `trt`, the module `tensorrt` or `tensorrt_rtx`."""
        lines: deque[str] = deque(maxlen=KEPT_LINES)
        worst_kept = trt.ILogger.Severity.ERROR

        def log(_: Any, severity: Any, message: str) -> None:
            if severity <= worst_kept and _ECHO not in message:
                lines.append(" ".join(message.split()))

        # Made here because its base class exists only once TensorRT is imported.
        self.logger: Any = type("Logger", (trt.ILogger,), {"log": log})()
        self._lines = lines

    def take(self) -> str:
        """The lines since the last call, as one; forgets them."""
        taken = "; ".join(self._lines)
        self._lines.clear()
        return taken or "it gave no reason"
