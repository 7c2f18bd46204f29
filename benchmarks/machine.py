"""What a measurement was taken on: processor, memory, operating system and library versions.

Every published number carries these. Nothing heavy is imported to find them out.
"""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

LIBRARIES = ("numpy", "opencv-python-headless", "onnxruntime", "openvino", "torch", "onnx")


def machine_facts() -> dict[str, Any]:
    """Plain values for a result file.

    Returns:
        `cpu` (model name), `cores` (that this process may use), `memory_gib`, `bf16` (which bf16
        instructions the processor has), `os`, `python`, and `versions` of the libraries that are
        installed.
    """
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    cpu, flags = _cpu()
    return {
        "cpu": cpu,
        "cores": _usable_cores(),
        "memory_gib": _memory_gib(),
        "bf16": [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags],
        "os": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _cpu() -> tuple[str, set[str]]:
    """The processor's name and its feature flags, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine(), set()
    facts: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    return facts.get("model name", platform.machine()), set(facts.get("flags", "").split())


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gib() -> float | None:
    try:
        pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None
    return round(pages * page_bytes / 2**30, 1)
