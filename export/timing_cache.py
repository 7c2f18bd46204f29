"""TensorRT's timing cache: what it measured of kernels on this GPU, so that it need not again.

A compilation's time is mostly such measuring (10 times less was reported with a full cache). The
measurements hold for one GPU and one version of the library, so both are in the file's name. A
cache that is damaged or of another device is replaced, never an error.
"""

import re
from contextlib import suppress
from pathlib import Path

from efgan_rt.errors import EfganError
from efgan_rt.user_folders import cache_folder
from engines.nvidia_driver import Gpu
from engines.whole_file import write_whole
from export.tensorrt_module import trt


def timing_cache_path(library: str, version: str, gpu: Gpu | None) -> Path | None:
    """The file in the user's cache folder; it may not exist yet. None without a home directory."""
    try:
        folder = cache_folder()
    except EfganError:
        return None

    device = f"{gpu.name}-cc{gpu.compute_capability}" if gpu else "no-gpu"
    name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{library}-{version}-{device}")
    return folder / "tensorrt" / f"{name}.timing"


def attach_timing_cache(config: trt.IBuilderConfig, path: Path | None) -> bool:
    """Gives a build the cache in `path`, or an empty one, as where there is no path.

    Returns:
        True if it began with what an earlier build had measured.
    """
    try:
        content = b"" if path is None else path.read_bytes()
    except OSError:
        content = b""
    for serialized in (content, b"") if content else (b"",):
        try:
            cache = config.create_timing_cache(serialized)
        except (TypeError, ValueError, RuntimeError):
            continue
        if cache is not None and config.set_timing_cache(cache, ignore_mismatch=False):
            return bool(serialized)
    return False


def keep_timing_cache(config: trt.IBuilderConfig, path: Path | None) -> None:
    """Writes what a build measured; complete or not at all. A full disk costs only the cache."""
    cache = config.get_timing_cache()
    serialized = cache.serialize() if cache is not None else None
    if serialized is None or path is None:
        return
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, memoryview(serialized))
