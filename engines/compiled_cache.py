"""Networks that OpenVINO has compiled before, kept for the next start.

The plugin has a cache of its own, which checks nothing: with 4,000 bytes of a blob turned over it
opened without a word and gave other pictures (2026.4.1). So blobs are kept here, each behind its
sha256, under a name made of everything that it depends on. What is damaged, foreign or refused is
compiled again and replaced. A file appears whole or not at all; the oldest go when there are too
many bytes of them. Nothing that goes wrong here is an error: the network is compiled, that is all.
"""

import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from engines.processor import this_processor
from engines.whole_file import write_whole

MOST_BYTES: Final = 1 << 30  # a few sets of paper width; the shipped set takes 23 MB
SUFFIX: Final = ".compiled"
_DIGEST_BYTES: Final = 32


class CompiledCache:
    """A folder of compiled networks."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes

    def path(self, model: bytes, version: str, settings: Mapping[str, Any]) -> Path:
        """Where a network's blob lies, or would.

        Args:
            model: the complete ONNX file, or the two files of a network in int8.
            version: of OpenVINO, its build included.
            settings: plain values: shapes, and what the plugin was asked for.
        """
        processor = this_processor()
        subject = {
            "model": hashlib.sha256(model).hexdigest(),
            "openvino": version,
            # The kernels are chosen for the processor, and shared out for its cores.
            "processor": [platform.machine(), processor.name, processor.bf16, processor.cores],
            "settings": dict(settings),
        }
        text = json.dumps(subject, sort_keys=True, default=str)
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}{SUFFIX}"

    def load(self, path: Path, imported: Callable[[bytes], Any]) -> Any:
        """What `imported` makes of a blob; None if there is none, or not as it was kept."""
        try:
            content = path.read_bytes()
        except OSError:
            return None
        blob = content[_DIGEST_BYTES:]
        if not blob or hashlib.sha256(blob).digest() != content[:_DIGEST_BYTES]:
            return None
        try:
            found = imported(blob)
        except RuntimeError:
            return None
        with suppress(OSError):
            os.utime(path)  # the oldest go first: this one has been of use
        return found

    def keep(self, path: Path, blob: bytes) -> None:
        """Writes a blob, and lets the oldest go."""
        if len(blob) > self._most_bytes:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, hashlib.sha256(blob).digest() + blob)
        except OSError:  # a full or read-only disk is no reason not to run
            return
        with suppress(OSError):  # another process may be doing the same
            self._let_go(path)

    def _let_go(self, kept: Path) -> None:
        files = [(each, each.stat()) for each in self._folder.glob(f"*{SUFFIX}") if each != kept]
        left = self._most_bytes - kept.stat().st_size
        for file, facts in sorted(files, key=lambda pair: pair[1].st_mtime, reverse=True):
            left -= facts.st_size
            if left < 0:
                file.unlink(missing_ok=True)
