"""How a batch run is shared out, and what measuring has found to be best on this machine.

`efgan-rt bench --tune` writes what it finds into the user's data folder, under a name made of
everything that it depends on: the engine set, backend, precision, processor, cores, the GPU where
one runs, and the runtimes' versions. Where any of these differs, nothing is found and the defaults
hold. What a command's options ask for goes before what was tuned, and that before the defaults.

The default batch is 8, on a data centre's GPU 64: the convolutions of 256 channels keep half of an
H200's 132 multiprocessors busy at 8, two thirds at 16 and nine tenths from 32 on (counted from
their sizes, not measured).
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from efgan_rt.user_folders import data_folder
from efgan_rt.written import write_file
from engines.choice import DEVICE_BACKENDS, BackendChoice
from engines.directory import EngineDirectory
from engines.manifest import MANIFEST_NAME, Manifest
from engines.nvidia_driver import is_of_a_data_centre, present_gpu
from engines.processor import this_processor

DEFAULT_BATCH: Final = 8
DATA_CENTRE_BATCH: Final = 64
MOST_DEFAULT_WORKERS: Final = 8
# Whose versions a tuning on a GPU depends on: TensorRT comes under several names.
GPU_PACKAGES: Final = (
    *(
        "onnxruntime-gpu",
        "onnxruntime-ep-nv-tensorrt-rtx-cu13",
        "onnxruntime-ep-nv-tensorrt-rtx-cu12",
    ),
    *("tensorrt", "tensorrt-cu13-bindings", "tensorrt-cu12-bindings", "tensorrt-rtx"),
    *("cuda-bindings", "pycuda", "nvidia-cudnn-cu13", "nvidia-cudnn-cu12"),
)


Positive = Annotated[int, msgspec.Meta(ge=1)]


@dataclass(frozen=True)
class RunSettings:
    """How a run is shared out.

    Attributes:
        batch: pictures that go through the networks together.
        lanes: batches in flight; None is the backend's default.
        threads: inside the networks, of all lanes together; None is one for each core.
        workers: decoding threads, and as many that encode.
    """

    batch: Positive
    lanes: Positive | None
    threads: Positive | None
    workers: Positive

    def __str__(self) -> str:
        lanes = "" if self.lanes is None else f", {self.lanes} {_plural('lane', self.lanes)}"
        threads = (
            "" if self.threads is None else f", {self.threads} {_plural('thread', self.threads)}"
        )
        workers = f"{self.workers} {_plural('worker', self.workers)}"
        return f"batch {self.batch}{lanes}{threads}, {workers}"


@dataclass(frozen=True)
class RunWishes:
    """What a command's options ask for, as in `RunSettings`; None leaves it open."""

    batch: int | None = None
    lanes: int | None = None
    threads: int | None = None
    workers: int | None = None


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def default_batch(backend: str, manifest: Manifest | None = None) -> int:
    """Pictures in a run where nothing was tuned and nothing asked for.

    Args:
        backend: that will run; empty is any processor's.
        manifest: of the engine set, whose range it is brought into; None leaves that to others.
    """
    gpu = present_gpu() if backend in DEVICE_BACKENDS else None
    batch = DATA_CENTRE_BATCH if gpu is not None and is_of_a_data_centre(gpu) else DEFAULT_BATCH
    for entry in manifest.networks.values() if manifest else ():
        smallest, _, largest = entry.batch
        batch = max(smallest, min(batch, largest))
    return batch


def default_settings(backend: str = "") -> RunSettings:
    """What holds where nothing was tuned and nothing asked for; `backend` as in `default_batch`."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    return RunSettings(default_batch(backend), None, None, min(cpus, MOST_DEFAULT_WORKERS))


def settings_for(
    directory: EngineDirectory, choice: BackendChoice, wishes: RunWishes, say: Callable[[str], None]
) -> RunSettings:
    """How to run: as asked for, else as tuned, else by default.

    What was tuned belongs together, so a single wish for batch, lanes or threads puts all three
    back to their defaults.

    Args:
        directory: the engine set.
        choice: backend and precision.
        wishes: of the command's options.
        say: told if something tuned is used.
    """
    settings = default_settings(choice.backend)
    if wishes.batch is None:
        settings = replace(settings, batch=default_batch(choice.backend, directory.manifest))
    tuned = None
    if (wishes.batch, wishes.lanes, wishes.threads) == (None, None, None):
        tuned = find_tuning(directory.path, choice)
    if tuned is not None:
        settings = tuned
        say(f"tuned: {tuned} (by efgan-rt bench --tune; {tuning_file(directory.path, choice)})")
    return RunSettings(
        wishes.batch or settings.batch,
        wishes.lanes or settings.lanes,
        wishes.threads or settings.threads,
        wishes.workers or settings.workers,
    )


def find_tuning(directory: Path, choice: BackendChoice) -> RunSettings | None:
    """What was tuned for an engine set on this machine; None where nothing usable is found."""
    try:
        if not _tunings().is_dir():  # finding out what a tuning would be called takes longer
            return None
        kept = json.loads(tuning_file(directory, choice).read_bytes())["settings"]
        return msgspec.convert(kept, RunSettings)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_tuning(
    directory: Path, choice: BackendChoice, settings: RunSettings, about: Mapping[str, Any]
) -> Path:
    """Keeps what was found to be best; gives the file.

    Args:
        directory: the engine set's.
        choice: backend and precision.
        settings: the best.
        about: what was measured, for whoever reads the file.

    Raises:
        EfganError: the file cannot be written.
    """
    path = tuning_file(directory, choice)
    document = {"settings": asdict(settings), "of": _subject(directory, choice), **about}
    write_file(path, json.dumps(document, indent=1) + "\n", make_folder=True)
    return path


def tuning_file(directory: Path, choice: BackendChoice) -> Path:
    """Where the tuning for an engine set on this machine lies, or would."""
    subject = json.dumps(_subject(directory, choice), sort_keys=True)
    name = hashlib.sha256(subject.encode()).hexdigest()[:16]
    return _tunings() / f"{name}.json"


def _tunings() -> Path:
    return data_folder() / "tuning"


def _subject(directory: Path, choice: BackendChoice) -> dict[str, Any]:
    """Everything that a tuning depends on."""
    processor = this_processor()
    subject: dict[str, Any] = {
        "engines_sha256": hashlib.sha256((directory / MANIFEST_NAME).read_bytes()).hexdigest(),
        "backend": choice.backend,
        "precision": choice.precision,
        "processor": processor.name,
        "cores": processor.cores,
        "runtimes": {name: _version(name) for name in ("openvino", "onnxruntime")},
    }
    if choice.backend in DEVICE_BACKENDS:  # else what was tuned on a processor stays as it is
        gpu = present_gpu()
        subject["gpu"] = None if gpu is None else [gpu.name, gpu.driver]
        subject["runtimes"] |= {name: _version(name) for name in GPU_PACKAGES}
    return subject


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
