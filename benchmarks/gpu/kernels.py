"""Where a batch's time goes on a GPU, kernel by kernel, as PyTorch's profiler counts them.

The profiler watches the process's whole device, so it sees the kernels of ONNX Runtime and of
TensorRT too. A kernel is sorted by its name; what is none of the known kinds is listed.
"""

from collections.abc import Callable
from typing import Any, Final

from torch.profiler import ProfilerActivity, profile

RUNS: Final = 3
LISTED: Final = 25
KINDS: Final = {
    "normalisation": ("norm",),
    "cast": ("cast", "convert", "_to_copy"),
    "layout": ("transpose", "permute", "nchw", "nhwc", "reformat", "contiguous"),
    "convolution": ("conv", "gemm", "xmma", "cutlass", "winograd", "implicit"),
    "copy": ("memcpy", "memset", "copy_"),
}


def kind_of(kernel: str) -> str:
    """Of a kernel, by its name."""
    name = kernel.lower()
    return next((k for k, words in KINDS.items() if any(w in name for w in words)), "other")


def shares(run: Callable[[], object], device: str) -> dict[str, Any]:
    """Time by kind and by kernel over a few runs; the first of them is not counted.

    Args:
        run: one batch.
        device: `cuda`, or `cpu`, where operators stand for kernels.
    """
    run()
    watched = ProfilerActivity.CUDA if device == "cuda" else ProfilerActivity.CPU
    with profile(activities=[watched]) as profiled:
        for _ in range(RUNS):
            run()
    found = [
        (each.key, each.count, us / 1e3)
        for each in profiled.key_averages()
        if each.device_type.name == device.upper()
        and (us := each.self_device_time_total if device == "cuda" else each.self_cpu_time_total)
    ]
    found.sort(key=lambda each: -each[2])
    whole = sum(ms for _, _, ms in found)
    kinds = {kind: 0.0 for kind in (*KINDS, "other")}
    for name, _, ms in found:
        kinds[kind_of(name)] += ms
    return {
        "runs": RUNS,
        "ms_a_run": round(whole / RUNS, 3),
        "launches_a_run": sum(count for _, count, _ in found) / RUNS,
        "share": {kind: round(ms / whole, 4) for kind, ms in kinds.items()} if whole else {},
        "largest": [
            {"kernel": name[:120], "count": count, "ms": round(ms, 3)}
            for name, count, ms in found[:LISTED]
        ],
    }
