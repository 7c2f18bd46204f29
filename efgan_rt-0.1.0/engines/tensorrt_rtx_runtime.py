"""What TensorRT for RTX needs at run time beside TensorRT: when it compiles, where it keeps that.

Its plans hold no finished kernels; those are compiled for the GPU that is here. By default kernels
that suit any shape run first and better ones take their place later, so a CUDA graph captured after
the first run would keep the worse ones. Here they are compiled when a context gets its shapes,
before anything runs, and kept in a file for the next start.

The names are those of TensorRT for RTX 1.2 and later; where one is missing, nothing is captured.
Source: TensorRT for RTX's documentation, "Working with RTX CUDA Graphs" and `IRuntimeConfig`.
"""

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

FOLDER: Final = "tensorrt-rtx"
SUFFIX: Final = ".runtime"


class RtxRuntime:
    """One engine's runtime configuration, shared by its contexts."""

    def __init__(
        self, trt: Any, engine: Any, *, plan: bytes, gpu: str, cache_dir: Path | None
    ) -> None:
        """Configures; nothing is compiled yet.

        Args:
            trt: the module.
            engine: opened by it.
            plan: that it was opened from.
            gpu: name of the GPU, for which kernels are compiled.
            cache_dir: where compiled kernels are kept; None is nowhere.
        """
        self.config: Any = engine.create_runtime_config()
        self.config.set_execution_context_allocation_strategy(
            trt.ExecutionContextAllocationStrategy.USER_MANAGED
        )
        strategies = getattr(trt, "DynamicShapesKernelSpecializationStrategy", None)
        self._is_eager = strategies is not None
        if strategies is not None:
            self.config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
        self._cache: Any = None
        self._kept = b""
        if cache_dir is not None and hasattr(self.config, "create_runtime_cache"):
            digest = hashlib.sha256(plan).hexdigest()[:32]
            place = re.sub(r"[^A-Za-z0-9.]+", "-", f"{trt.__version__}-{gpu}")
            self._path = cache_dir / FOLDER / f"{digest}-{place}{SUFFIX}"
            self._cache = self.config.create_runtime_cache()
            with suppress(OSError):
                self._kept = self._path.read_bytes()
            # What is damaged or of another GPU is refused there, compiled again and replaced.
            if self._kept and not self._cache.deserialize(self._kept):
                self._kept = b""
            self.config.set_runtime_cache(self._cache)

    def may_capture(self, context: Any, stream: int) -> bool:
        """Whether what a context enqueues may become a CUDA graph; asked once it has its shapes."""
        asked = getattr(context, "is_stream_capturable", None)
        return self._is_eager and asked is not None and bool(asked(stream))

    def keep(self) -> None:
        """Writes what was compiled, complete or not at all; a full disk costs only the file."""
        serialized = self._cache.serialize() if self._cache is not None else None
        content = b"" if serialized is None else bytes(memoryview(serialized))
        if not content or content == self._kept:
            return
        part = self._path.with_name(f".{self._path.name}-{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
            part.replace(self._path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        else:
            self._kept = content
