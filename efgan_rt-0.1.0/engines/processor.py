"""What this processor offers to a network: fast bf16 arithmetic, and how many cores.

Facts, not guesses: on Linux the kernel's list of flags. Elsewhere there is no such list, and the
one who chooses a backend asks OpenVINO what it can do (`openvino_engine.has_bf16`).
"""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CPUINFO: Final = Path("/proc/cpuinfo")
# The kernel's flag -> the name people know it by; the faster one first.
BF16_FLAGS: Final = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}


@dataclass(frozen=True)
class Processor:
    """The processor that this process runs on."""

    name: str
    """As the kernel gives it; the architecture where it gives none."""
    bf16: str | None
    """`AMX`, `AVX512-BF16`, or None where neither is there or nobody can tell."""
    listed: bool
    """True where the kernel lists the flags, so that `bf16=None` is a fact."""
    cores: int
    """Physical cores that this process may use; logical ones where the kernel does not tell."""


def this_processor(cpuinfo: Path = CPUINFO) -> Processor:
    """The processor of this machine, as described in `cpuinfo` if that file exists."""
    usable = _usable_cpus()
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Processor(platform.machine() or "unknown", None, False, len(usable))
    cpus = [_fields(block) for block in text.split("\n\n") if block.strip()]
    first = cpus[0] if cpus else {}
    flags = set(first.get("flags", "").split())
    return Processor(
        name=first.get("model name") or platform.machine() or "unknown",
        bf16=next((name for flag, name in BF16_FLAGS.items() if flag in flags), None),
        listed=True,
        cores=_physical_cores(cpus, usable),
    )


def _fields(block: str) -> dict[str, str]:
    """The `key : value` lines of one logical processor."""
    pairs = (line.partition(":") for line in block.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _usable_cpus() -> set[int]:
    """Numbers of the logical processors that the scheduler may give this process."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _physical_cores(cpus: list[dict[str, str]], usable: set[int]) -> int:
    """Cores among the usable processors, counting the two threads of a core once."""
    cores = {
        (cpu["physical id"], cpu["core id"])
        for cpu in cpus
        if cpu.get("processor", "").isdigit()
        and int(cpu["processor"]) in usable
        and {"physical id", "core id"} <= cpu.keys()
    }
    return len(cores) or len(usable)
