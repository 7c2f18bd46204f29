"""What TensorRT's runtime says, kept for the sentence in which a failure is told.

Its functions answer a failure with None or False, and the reason is a line in its log. So whatever
is made of TensorRT here gets a logger of ours, which prints nothing and keeps the last errors.

There is one logger a library and it lives as long as the process: TensorRT keeps the first that it
is given for messages of its own, and goes on calling it when whatever was made with it is gone (a
second runtime after a freed logger hangs now and then; TensorRT for RTX 1.7.1).
"""

from collections import deque
from typing import Any, Final

KEPT_LINES: Final = 4
MAX_CHARACTERS: Final = 300  # of one line in a sentence
# Follows any other fault where there is no driver.
NOISE: Final = "cudaError 35"


class TensorrtLog:
    """The last errors that TensorRT logged, from any thread.

    Attributes:
        logger: to be given to TensorRT.
    """

    def __init__(self, trt: Any) -> None:
        """Makes a logger for `trt`, the module `tensorrt` or `tensorrt_rtx`."""
        lines: deque[str] = deque(maxlen=KEPT_LINES)
        error = trt.ILogger.Severity.ERROR

        def log(_: Any, severity: Any, msg: str) -> None:
            if severity <= error:
                text = " ".join(msg.split())
                lines.append(text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}...")

        # Made here because its base class exists only once TensorRT is imported.
        self.logger: Any = type("Logger", (trt.ILogger,), {"log": log})()
        self._lines = lines

    def take(self) -> str:
        """The end of a sentence: what has been said since the last call, which is forgotten."""
        said = list(self._lines)
        self._lines.clear()
        telling = [line for line in said if NOISE not in line]
        if shown := telling or said[:1]:
            return f"TensorRT says: {'; '.join(shown)}"
        return "TensorRT says nothing of the reason"


_LOGS: Final[dict[str, TensorrtLog]] = {}


def log_of(trt: Any) -> TensorrtLog:
    """The one log of `trt`, the module `tensorrt` or `tensorrt_rtx`."""
    name: str = trt.__name__
    if name not in _LOGS:
        _LOGS[name] = TensorrtLog(trt)
    return _LOGS[name]
