"""The TensorRT plans of an engine directory: made beside the ONNX files, all or none.

Plans need the ONNX files and nothing else, so those of an existing directory are made again, for
another GPU or TensorRT version or batch range, without its checkpoint and without PyTorch.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from efgan_rt.errors import EfganError
from efgan_rt.families.registry import family_of
from engines.directory import EngineDirectory
from engines.manifest import (
    HARDWARE_COMPATIBILITIES,
    Manifest,
    NetworkEntry,
    PlanFacts,
    StoredFile,
)
from engines.nvidia_driver import Gpu, present_gpu
from export.directory import check_replaceable, remade

if TYPE_CHECKING:
    from export.arithmetic_proof import Arithmetic

Progress = Callable[[str], None]
Watch = Callable[[str, float, str], None]
"""Called with the network, how much of it is done (0 to 1) and the phase; must not raise."""


@dataclass(frozen=True)
class PlanOptions:
    """What plans are made for, beside the batch range."""

    hardware_compatibility: str = "none"
    """`none`: this GPU model only. `ampere_plus`: Ampere and later. `same_compute_capability`."""
    version_compatible: bool = False
    """True: later versions of TensorRT may open them too."""
    auxiliary_streams: int | None = 0
    """The most that TensorRT may use beside a lane's stream; None leaves it to TensorRT."""

    def __post_init__(self) -> None:
        if self.auxiliary_streams is not None and self.auxiliary_streams < 0:
            raise EfganError(
                f"auxiliary streams: found {self.auxiliary_streams}, expected 0 or more, or None "
                "for TensorRT's own choice"
            )
        if self.hardware_compatibility not in HARDWARE_COMPATIBILITIES:
            raise EfganError(
                f"hardware compatibility: found '{self.hardware_compatibility}', expected "
                f"{', '.join(HARDWARE_COMPATIBILITIES)}"
            )


def check_plans_possible() -> None:
    """Makes sure, before any long work, that TensorRT is here and works.

    Raises:
        EngineError: it is not installed or does not load.
        EfganError: it gives no builder, as without a GPU.
    """
    from export.to_tensorrt import check_tensorrt_works

    check_tensorrt_works(present_gpu())


def add_plans(
    folder: Path,
    manifest: Manifest,
    options: PlanOptions,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> Manifest:
    """Compiles every network of an engine directory and writes the plans into it.

    Args:
        folder: holds the ONNX files; nobody reads it yet.
        manifest: of those files; it is not written here.
        options: what the plans are for.
        progress: called with a line when it begins and after each network.
        watch: told how far a network is, from any thread.

    Returns:
        The manifest with the plans in it.

    Raises:
        EfganError: TensorRT cannot compile a network, or it would not compute as it should.
        EngineError: an ONNX file is not as the manifest says, or TensorRT is not installed.
        KeyboardInterrupt: Ctrl-C.
    """
    from export.arithmetic_proof import arithmetic_of
    from export.tensorrt_module import LIBRARY
    from export.to_tensorrt import VERSION

    report = progress or (lambda _: None)
    gpu = present_gpu()
    place = f"on {gpu.name}" if gpu else "ahead of time, without a GPU"
    report(f"TensorRT {VERSION}: compiling {place}; this may take minutes")
    entries: dict[str, NetworkEntry] = {}
    measured: dict[str, Any] = {}
    settings: Mapping[str, Any] = {}
    directory = EngineDirectory(folder, manifest)
    exact = family_of(directory).exact
    for name, entry in manifest.networks.items():
        entries[name], measured[name], settings = _with_plan(
            folder,
            entry,
            directory.model(name),
            arithmetic_of(manifest.precision, is_exact=name in exact),
            options,
            gpu,
            watch,
        )
        facts = measured[name]
        report(
            f"{name}: plan of {_megabytes(entries[name]):.2f} MB in {facts['seconds']:.1f} s, "
            f"{facts['layers']} layers"
        )
        if note := facts.get("note"):
            report(f"{name}: note: {note}")
    plans = PlanFacts(
        library=LIBRARY,
        version=VERSION,
        gpu=gpu.name if gpu else None,
        compute_capability=gpu.compute_capability if gpu else None,
        driver=gpu.driver if gpu else None,
        hardware_compatibility=options.hardware_compatibility,
        version_compatible=options.version_compatible,
        settings={**settings, "networks": measured},
    )
    return replace(manifest, networks=entries, plans=plans)


def _with_plan(
    folder: Path,
    entry: NetworkEntry,
    model: bytes,
    arithmetic: "Arithmetic",
    options: PlanOptions,
    gpu: Gpu | None,
    watch: Watch | None,
) -> tuple[NetworkEntry, dict[str, Any], Mapping[str, Any]]:
    """Compiles one network: its entry with the plan, what was measured, the builder's settings."""
    from export.tensorrt_module import LIBRARY
    from export.timing_cache import timing_cache_path
    from export.to_tensorrt import VERSION, PlanRequest, builder_settings, to_tensorrt

    request = PlanRequest(
        network=entry.name,
        batch=entry.batch,
        arithmetic=arithmetic,
        hardware_compatibility=options.hardware_compatibility,
        version_compatible=options.version_compatible,
        auxiliary_streams=options.auxiliary_streams,
    )
    started = time.perf_counter()
    plan = to_tensorrt(
        model,
        request,
        gpu,
        timing_cache_path(LIBRARY, VERSION, gpu),
        lambda done, phase: watch(entry.name, done, phase) if watch else None,
    )
    seconds = time.perf_counter() - started
    path = folder / f"{entry.name}.plan"
    path.write_bytes(plan.content)
    file = StoredFile(path.name, hashlib.sha256(plan.content).hexdigest(), len(plan.content))
    measured = {
        "arithmetic": request.arithmetic.value,
        "seconds": round(seconds, 2),
        "timing_cache_found": plan.cache_found,
        **plan.facts,
    }
    return replace(entry, plan=file), measured, builder_settings(request)


def remake_plans(
    directory: Path,
    out: Path,
    options: PlanOptions,
    *,
    batch: tuple[int, int, int] | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> Manifest:
    """Makes the plans of an engine directory again, from its ONNX files alone.

    Args:
        directory: any engine directory, with plans or without.
        out: where the result goes; may be `directory`.
        options: what the plans are for.
        batch: smallest, best and largest batch; None means as the directory says.
        progress: called with a line when it begins and after each network.
        watch: told how far a network is, from any thread.

    Raises:
        EngineError: the directory is none, a file is not as its manifest says, or TensorRT is not
            installed.
        EfganError: as `add_plans`, or `out` holds something else. Then nothing there has changed.
        KeyboardInterrupt: Ctrl-C; nothing has changed.
    """
    source = EngineDirectory(directory)
    check_replaceable(out)
    check_plans_possible()
    entries = {
        name: replace(entry, batch=batch or entry.batch, plan=None)
        for name, entry in source.manifest.networks.items()
    }
    made = replace(source.manifest, networks=entries, plans=None)
    add = partial(add_plans, options=options, progress=progress, watch=watch)
    return remade(source, out, made, add)


def _megabytes(entry: NetworkEntry) -> float:
    assert entry.plan is not None
    return entry.plan.bytes / 1e6
