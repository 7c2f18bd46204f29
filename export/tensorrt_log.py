"""What TensorRT says, kept for the sentence in which a failure is told.

Its functions answer a failure with None or False and give the reason to a logger only. There is one
logger and it lives as long as the process: TensorRT keeps the first that it is given for messages
outside any build, and calls it also after the builder is gone (a second logger and a freed first
one ended the process with a segmentation fault, TensorRT for RTX 1.7.1).
"""

from collections import deque
from typing import Final

from export.tensorrt_module import trt

KEPT_LINES: Final = 200
SHOWN_LINES: Final = 3
MAX_CHARACTERS: Final = 300  # of one line in a sentence
# Printed without a GPU whenever the compiler looks for one, and beside any other fault.
NOISE: Final = ("cudaError 35", "Thread context has not been set")


class TensorrtLog(trt.ILogger):  # type: ignore[misc]  # untyped where TensorRT has no stubs
    """Keeps the last errors and warnings; prints nothing. Written to from any thread."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)  # the bindings ask for it by name
        self._errors: deque[str] = deque(maxlen=KEPT_LINES)
        self._warnings: deque[str] = deque(maxlen=KEPT_LINES)

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """Called by TensorRT; must not raise, for its C++ code cannot pass an exception on."""
        if severity <= trt.ILogger.Severity.ERROR:
            self._errors.append(msg)
        elif severity == trt.ILogger.Severity.WARNING:
            self._warnings.append(msg)

    def clear(self) -> None:
        """Forgets what was said of an earlier build."""
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


LOG: Final = TensorrtLog()


def shortened(message: str) -> str:
    """A message of any form as one line that a sentence can hold; its noise lines left out."""
    lines = [line for line in message.splitlines() if not any(each in line for each in NOISE)]
    text = " ".join(" ".join(lines or message.splitlines()).split())
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}..."
