"""What TensorRT says, kept for the sentence in which a failure is told.

Its functions answer a failure with None or False, and the reason is a line in its log. So whatever
is made of TensorRT here gets a logger of ours, which prints nothing and keeps the last lines.

There is one logger a library and it lives as long as the process: TensorRT keeps the first that it
is given for messages outside any build, and goes on calling it when whatever was made with it is
gone (a second logger and a freed first one hung the process or ended it with a segmentation fault,
TensorRT for RTX 1.7.1).
"""

from collections import deque
from typing import Any, Final

KEPT_LINES: Final = 200
SHOWN_LINES: Final = 3
MAX_CHARACTERS: Final = 300  # of one line in a sentence
# Printed without a GPU whenever the library looks for one, and beside any other fault.
NOISE: Final = ("cudaError 35", "Thread context has not been set")


class TensorrtLog:
    """The last errors and warnings that TensorRT logged, from any thread.

    Attributes:
        logger: to be given to TensorRT.
    """

    def __init__(self, trt: Any) -> None:
        """Makes a logger for `trt`, the module `tensorrt` or `tensorrt_rtx`."""
        errors: deque[str] = deque(maxlen=KEPT_LINES)
        warnings: deque[str] = deque(maxlen=KEPT_LINES)
        severities = trt.ILogger.Severity

        def log(_: Any, severity: Any, msg: str) -> None:
            # Must not raise: TensorRT's C++ code cannot pass an exception on.
            if severity <= severities.ERROR:
                errors.append(msg)
            elif severity == severities.WARNING:
                warnings.append(msg)

        # Made here because its base class exists only once TensorRT is imported.
        self.logger: Any = type("Logger", (trt.ILogger,), {"log": log})()
        self._errors, self._warnings = errors, warnings

    def clear(self) -> None:
        """Forgets what was said so far."""
        self._errors.clear()
        self._warnings.clear()

    def reason(self) -> str:
        """The end of a sentence: the last errors, else the last warnings, without the noise."""
        for lines in (self._errors, self._warnings):
            said = [line for line in map(shortened, lines) if line]
            telling = [line for line in said if not any(noise in line for noise in NOISE)]
            if shown := (telling or said)[-SHOWN_LINES:]:
                return f"TensorRT says: {'; '.join(shown)}"
        return "TensorRT says nothing of the reason"

    def take(self) -> str:
        """The reason, forgotten once it is told."""
        reason = self.reason()
        self.clear()
        return reason


_LOGS: Final[dict[str, TensorrtLog]] = {}


def log_of(trt: Any) -> TensorrtLog:
    """The one log of `trt`, the module `tensorrt` or `tensorrt_rtx`."""
    name: str = trt.__name__
    if name not in _LOGS:
        _LOGS[name] = TensorrtLog(trt)
    return _LOGS[name]


def shortened(message: str) -> str:
    """A message of any form as one line that a sentence can hold; its noise lines left out."""
    lines = [line for line in message.splitlines() if not any(each in line for each in NOISE)]
    text = " ".join(" ".join(lines or message.splitlines()).split())
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}..."
