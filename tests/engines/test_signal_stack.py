"""Ctrl-C must not end in a segmentation fault once OpenVINO has been at work."""

import ctypes
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from efgan_rt.editing import OpenedSet
from efgan_rt.expressions import target_places
from engines.openvino_engine import has_bf16
from engines.signal_stack import SignalStack, kept_signal_stack, signal_stack
from tests.toy_engines import write_toy_engines

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="alternate signal stacks are looked at on Linux"
)


def registered() -> tuple[int | None, int, int]:
    stack = signal_stack()
    assert stack is not None
    return stack.ss_sp, stack.ss_flags, stack.ss_size


def test_opening_and_running_openvino_leaves_the_signal_stack_as_it_was(tmp_path: Path) -> None:
    before = registered()
    has_bf16.cache_clear()
    has_bf16()
    assert registered() == before
    write_toy_engines(tmp_path)
    cascade = OpenedSet.open(tmp_path, backend="openvino", batch=2)
    pixels = np.zeros((2, cascade.crop_px, cascade.crop_px, 3), np.uint8)
    units = np.zeros(len(cascade.au_names), np.float32)
    cascade.edit(pixels, target_places(units, units))
    assert registered() == before
    del cascade
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, heard)


def test_what_a_library_registers_is_taken_back() -> None:
    before = registered()
    memory = ctypes.create_string_buffer(1 << 16)
    other = SignalStack(ctypes.addressof(memory), 0, len(memory))
    with kept_signal_stack():
        assert ctypes.CDLL(None).sigaltstack(ctypes.byref(other), None) == 0
        assert registered() != before
    assert registered() == before
