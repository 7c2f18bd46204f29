"""What `auto` goes by: a probe of this machine, kept, or what a run was begun with.

The probe is made at the first use of a set on a machine and kept in the user's data folder, under
everything that it depends on. Without such a folder nothing is measured. A run that is resumed goes
on as it began, whatever a probe says now, for what another precision has made would be made again.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from efgan_rt.engine_sets import compiled_folder
from efgan_rt.errors import EfganError
from efgan_rt.families.registry import read_properties, wiring_of
from efgan_rt.pipeline.fingerprint import engines_fingerprint
from efgan_rt.pipeline.journal import FOLDER
from efgan_rt.remote.path import RemotePath
from efgan_rt.remote.places import has_journal
from efgan_rt.tuning import default_batch
from efgan_rt.user_folders import data_folder
from efgan_rt.written import write_file
from engines.choice import BackendChoice, Rates, choose_backend, lack_of_bf16
from engines.directory import EngineDirectory
from engines.manifest import MANIFEST_NAME
from engines.probe import measure
from engines.processor import this_processor
from engines.whole_file import write_whole

BEGUN_WITH: Final = "engines"


def measured_rates(
    directory: EngineDirectory, network: str, *, batch: int, threads: int | None
) -> Callable[[], Rates | None]:
    """Gives, when asked, what was measured on this machine, and measures it the first time.

    Args:
        directory: the engine set.
        network: which of its networks stands for them all.
        batch: the run's own.
        threads: as the run has.
    """

    def rates() -> Rates | None:
        try:
            folder = data_folder() / "probes"
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, EfganError):
            return None
        subject = json.dumps(_subject(directory, network, batch, threads), sort_keys=True)
        path = folder / f"{hashlib.sha256(subject.encode()).hexdigest()[:16]}.json"
        kept = _kept(path)
        if kept is None:
            kept = measure(
                directory, network, batch=batch, threads=threads, cache_dir=compiled_folder()
            )
            if kept is not None:
                _keep(path, {"seconds": dict(kept), "of": json.loads(subject)})
        return kept

    return rates


def choose_for_run(
    requested: str,
    directory: EngineDirectory,
    precision: str | None,
    *,
    batch: int | None = None,
    threads: int | None = None,
    output: Path | None = None,
    rates: Callable[[], Rates | None] | None = None,
) -> BackendChoice:
    """Backend and precision of a run: as asked for, as begun, or as measured.

    Args:
        requested: `auto` or a backend.
        directory: the engine set.
        precision: as asked for, or None.
        batch: the run's own; None leaves it to the default.
        threads: as the run has.
        output: the run's output folder, where it may have been begun before.
        rates: gives what was measured; None is `measured_rates` of the family's probe.

    Raises:
        EngineError: see `engines.choice.choose_backend`.
    """

    def measured() -> Rates | None:
        network = wiring_of(directory, read_properties(directory)).probe
        used = batch or default_batch("", directory.manifest)
        return measured_rates(directory, network, batch=used, threads=threads)()

    rates = rates or measured
    if requested == "auto" and precision is None and output is not None:
        begun = _begun_with(output, directory)
        choice = choose_backend(requested, directory, measured=lambda: None if begun else rates())
        if begun is None or choice.backend != "openvino" or lack_of_bf16(this_processor()):
            return choice
        reason = f"OpenVINO in {begun}, with which the run in {output} was begun"
        return BackendChoice("openvino", begun, reason)
    return choose_backend(requested, directory, precision, measured=rates)


def note_beginning(output: Path, directory: EngineDirectory, choice: BackendChoice) -> None:
    """Writes down what a run goes on with, for the run that takes it up again.

    Raises:
        EfganError: the output folder cannot be written.
    """
    path = output / FOLDER / BEGUN_WITH
    begun = _fingerprint(directory, choice.backend, choice.precision)
    if isinstance(path, RemotePath):
        path.write_text(begun)
    else:
        write_file(path, begun)


def _begun_with(output: Path, directory: EngineDirectory) -> str | None:
    """The precision that OpenVINO has made a folder's pictures with; None where that is open."""
    if not has_journal(output):
        return None
    try:
        found = (output / FOLDER / BEGUN_WITH).read_text()
    except FileNotFoundError:
        return "bf16"  # what earlier versions took wherever it ran
    except OSError:
        return None
    for precision in ("fp32", "bf16"):
        if found == _fingerprint(directory, "openvino", precision):
            return precision
    return None


def _fingerprint(directory: EngineDirectory, backend: str, precision: str) -> str:
    return engines_fingerprint(directory.path, backend=backend, precision=precision)


def _subject(
    directory: EngineDirectory, network: str, batch: int, threads: int | None
) -> dict[str, Any]:
    processor = this_processor()
    manifest = (directory.path / MANIFEST_NAME).read_bytes()
    try:
        runtime = version("openvino")
    except PackageNotFoundError:
        runtime = None
    return {
        "engines_sha256": hashlib.sha256(manifest).hexdigest(),
        "network": network,
        "batch": batch,
        "threads": threads,
        "processor": processor.name,
        "cores": processor.cores,
        "openvino": runtime,
    }


def _kept(path: Path) -> Rates | None:
    try:
        seconds = json.loads(path.read_bytes())["seconds"]
        rates = {name: float(seconds[name]) for name in ("fp32", "bf16")}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return rates if min(rates.values()) > 0 else None


def _keep(path: Path, document: dict[str, Any]) -> None:
    with suppress(OSError):  # it is measured again
        write_whole(path, json.dumps(document, indent=1) + "\n")
