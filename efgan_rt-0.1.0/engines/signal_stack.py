"""Keeps a thread's alternate signal stack as it was while a library that replaces it runs.

OpenVINO (seen in 2026.4.1, Linux) gives the thread that asks for a device's properties, or compiles
for it, an alternate signal stack of its own, and takes the memory back later without taking back
the registration. Python handles signals on that stack, so the next Ctrl-C ends the process with a
segmentation fault.
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class SignalStack(ctypes.Structure):
    """`stack_t` of Linux's `sigaltstack`."""

    _fields_ = (
        ("ss_sp", ctypes.c_void_p),
        ("ss_flags", ctypes.c_int),
        ("ss_size", ctypes.c_size_t),
    )


def signal_stack() -> SignalStack | None:
    """This thread's alternate signal stack, or None where the system is not Linux."""
    if not sys.platform.startswith("linux"):
        return None
    found = SignalStack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(found))
    return found


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Whatever the body registers as this thread's alternate signal stack is taken back."""
    before = signal_stack()
    try:
        yield
    finally:
        if before is not None:
            ctypes.CDLL(None).sigaltstack(ctypes.byref(before), None)
