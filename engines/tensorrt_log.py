"""What TensorRT's runtime says, kept for the sentence in which a failure is told.

Its functions answer a failure with None or False, and the reason is a line in its log. So whatever
is made of TensorRT here gets a logger of ours, which prints nothing and keeps the last errors.
"""

from collections import deque
from typing import Any, Final

KEPT_LINES: Final = 4
MAX_CHARACTERS: Final = 300  # of one line in a sentence
# Follows any other fault where there is no driver.
NOISE: Final = "cudaError 35"


class TensorrtLog:
    """The last errors that TensorRT logged.

    Attributes:
        logger: to be given to TensorRT; has to outlive whatever is made with it.
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
