"""The engine directory: one file for each network and a `manifest.json` that vouches for them.

Everything in the manifest is checked when it is read, and every file against its size and sha256
before a runtime sees it, so that a truncated copy, an edited file or a directory of another version
ends in one sentence and never in a wrong picture. `properties` belongs to whoever wrote the
directory and is passed on unread.

The ONNX files are what every backend can read. Where TensorRT compiled them, a plan lies beside
each, so one directory serves every backend, and plans that do not suit a GPU are made again from
the ONNX files alone.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from engines.base import EngineError, TensorSpec
from engines.external_data import has_external_data, with_data
from engines.manifest_fields import REMEDY as REMEDY
from engines.manifest_fields import Fields, is_count, is_finite_number
from engines.manifest_fields import StoredFile as StoredFile
from engines.manifest_fields import directory_fault as directory_fault
from engines.plan_entries import PlanFacts as PlanFacts
from engines.plan_entries import plan_facts
from engines.plan_entries import plan_fault as plan_fault

MANIFEST_NAME: Final = "manifest.json"
FORMAT: Final = "efgan-rt engines 1"
KINDS: Final = ("onnx",)
PRECISIONS: Final = ("fp32", "fp16")
DTYPES: Final = ("uint8", "float16", "float32")
BATCH_DIMENSION: Final = "B"


@dataclass(frozen=True)
class NetworkEntry:
    """One network of an engine directory."""

    name: str
    file: str
    sha256: str
    bytes: int
    batch: tuple[int, int, int]
    """Smallest, best and largest batch that it was made for."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    parity: Mapping[str, float]
    """What was measured against PyTorch when it was made; finite numbers."""
    plan: StoredFile | None = None
    """TensorRT's, if the directory has plans."""


@dataclass(frozen=True)
class Manifest:
    """What an engine directory holds."""

    tool_version: str
    kind: str
    precision: str
    """Arithmetic of the graphs: `fp32` or `fp16`."""
    weights: str
    """Element type of the stored weights: `fp32` or `fp16`."""
    networks: Mapping[str, NetworkEntry]
    properties: Mapping[str, Any]
    """Opaque to this floor."""
    plans: PlanFacts | None = None
    """None if and only if no network has a plan."""
    weights_file: StoredFile | None = None
    """A checkpoint that holds weights which the networks' files only point to; see `read_model`."""

    def network(self, name: str) -> NetworkEntry:
        """The entry of one network.

        Raises:
            EngineError: there is none; the message lists those there are.
        """
        try:
            return self.networks[name]
        except KeyError:
            raise EngineError(
                f"the engine set has no network '{name}', it has {', '.join(self.networks)}; "
                f"{REMEDY}"
            ) from None

    def write(self, directory: Path) -> Path:
        """Writes `manifest.json`, after everything it vouches for; complete or not at all.

        Raises:
            EngineError: `read_manifest` would refuse it.
            OSError: the directory cannot be written.
        """
        networks = {name: asdict(entry) for name, entry in self.networks.items()}
        for fields in networks.values():
            del fields["name"]
            if fields["plan"] is None:
                del fields["plan"]
        document: dict[str, Any] = {
            "format": FORMAT,
            "tool_version": self.tool_version,
            "kind": self.kind,
            "precision": self.precision,
            "weights": self.weights,
            "networks": networks,
            "properties": dict(self.properties),
        }
        if self.plans is not None:
            document["plans"] = asdict(self.plans)
        if self.weights_file is not None:
            document["weights_file"] = asdict(self.weights_file)
        path = directory / MANIFEST_NAME
        text = json.dumps(document, indent=1)
        _parse(path, text)  # a fault shows here, not at the reader's
        temporary = path.with_suffix(".json.tmp")
        temporary.write_text(text + "\n", encoding="utf-8")
        os.replace(temporary, path)
        return path


def read_manifest(directory: Path) -> Manifest:
    """Reads and checks `manifest.json`; the files it names are checked when they are opened.

    Raises:
        EngineError: the directory or its manifest is missing, unreadable or not as it should be.
    """
    path = directory / MANIFEST_NAME
    if not directory.is_dir():
        raise directory_fault(directory, "there is no such engine directory")
    if not path.is_file():
        raise directory_fault(directory, f"no {MANIFEST_NAME}, so this is no engine directory")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise directory_fault(path, f"cannot be read ({error})") from error
    return _parse(path, text)


def verify_file(directory: Path, entry: NetworkEntry) -> Path:
    """The path of a network's file, once its size and sha256 are as the manifest says.

    Raises:
        EngineError: the file is missing, of another size, or of other content.
    """
    read_verified(directory, entry)
    return directory / entry.file


def read_verified(directory: Path, entry: NetworkEntry) -> bytes:
    """The content of a network's file as it lies there: the very bytes that were checked.

    Raises:
        EngineError: the file is missing, of another size, or of other content.
    """
    return _checked_bytes(directory / entry.file, entry, directory_fault)


def read_model(directory: Path, manifest: Manifest, network: str) -> bytes:
    """A network's ONNX model with all its weights: the very bytes that were checked.

    Raises:
        EngineError: the network is unknown, a file is missing, of another size or of other content,
            or a weight lies where the manifest does not say.
    """
    entry = manifest.network(network)
    path = directory / entry.file
    model = read_verified(directory, entry)
    stored = manifest.weights_file
    try:
        if stored is not None:
            weights = _checked_bytes(directory / stored.file, stored, directory_fault)
            model = with_data(model, {stored.file: weights})
        external = has_external_data(model)
    except ValueError as error:
        raise directory_fault(path, f"not an ONNX model that can be read ({error})") from error
    if external:
        raise directory_fault(path, "keeps weights where the manifest does not say")
    return model


def read_plan(directory: Path, entry: NetworkEntry) -> bytes:
    """The content of a network's plan: the very bytes that were checked.

    Raises:
        EngineError: there is no plan, or its file is missing, of another size, or of other content.
    """
    if entry.plan is None:
        raise plan_fault(directory, directory, f"network '{entry.name}' has no TensorRT plan")
    return _checked_bytes(
        directory / entry.plan.file,
        entry.plan,
        lambda path, fault: plan_fault(directory, path, fault),
    )


def _checked_bytes(
    path: Path, entry: NetworkEntry | StoredFile, error_for: Callable[[Path, str], EngineError]
) -> bytes:
    if not path.is_file():
        raise error_for(path, "the file is missing, though the manifest names it")
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            raise error_for(path, f"{size} bytes found, {entry.bytes} expected")
        content = path.read_bytes()
    except OSError as error:
        raise error_for(path, f"cannot be read ({error})") from error
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        raise error_for(path, f"sha256 {found[:12]}... found, {entry.sha256[:12]}... expected")
    return content


def _parse(path: Path, text: str) -> Manifest:
    """The manifest that `text` describes; `path` is for the messages."""

    def not_finite(constant: str) -> NoReturn:
        raise directory_fault(path, f"holds {constant}, expected finite numbers only")

    try:
        document = json.loads(text, parse_constant=not_finite)
    except json.JSONDecodeError as error:
        raise directory_fault(
            path, f"not valid JSON, cut short or edited (line {error.lineno}: {error.msg})"
        ) from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, a thousand brackets
        raise directory_fault(path, "JSON beyond what can be read") from error
    top = Fields(path, "the manifest", document)
    if top.fields.get("format") != FORMAT:
        found = top.fields.get("format")
        raise directory_fault(path, f"format {found!r} found, {FORMAT!r} expected")
    networks = Fields(path, "'networks'", top.get("networks", dict, "an object"))
    if not networks.fields:
        raise directory_fault(path, "'networks' is empty")
    entries = {name: _entry(path, name, fields) for name, fields in networks.fields.items()}
    plans = plan_facts(path, top.fields["plans"]) if "plans" in top.fields else None
    for name, entry in entries.items():
        if (entry.plan is None) != (plans is None):
            found, expected = ("no 'plan'", "one") if plans else ("a 'plan'", "none")
            given = "has" if plans else "has no"
            raise directory_fault(
                path,
                f"network '{name}' has {found}, expected {expected}, because the manifest {given} "
                "'plans'",
            )
    return Manifest(
        tool_version=top.text("tool_version"),
        kind=top.one_of("kind", KINDS),
        precision=top.one_of("precision", PRECISIONS),
        weights=top.one_of("weights", PRECISIONS),
        networks=entries,
        properties=top.get("properties", dict, "an object"),
        plans=plans,
        weights_file=_stored_file(top, "weights_file"),
    )


def _entry(path: Path, name: str, document: object) -> NetworkEntry:
    entry = Fields(path, f"network '{name}'", document)
    stored = entry.stored_file()
    batch = entry.get("batch", list, "three integers")
    if not (len(batch) == 3 and all(map(is_count, batch)) and batch == sorted(batch)):
        entry.refuse("batch", batch, "[smallest, best, largest] in rising order")
    parity = entry.get("parity", dict, "an object")
    for key, value in parity.items():
        if not is_finite_number(value):
            entry.refuse(f"parity {key}", value, "a finite number")
    return NetworkEntry(
        name=name,
        **asdict(stored),
        batch=(batch[0], batch[1], batch[2]),
        inputs=_specs(entry, "inputs"),
        outputs=_specs(entry, "outputs"),
        parity={key: float(value) for key, value in parity.items()},
        plan=_stored_file(entry, "plan"),
    )


def _stored_file(within: Fields, key: str) -> StoredFile | None:
    """An optional file, or None where the field is not there."""
    if key not in within.fields:
        return None
    return Fields(within.path, f"{within.what}, {key}", within.fields[key]).stored_file()


def _specs(entry: Fields, key: str) -> tuple[TensorSpec, ...]:
    specs = []
    for document in entry.get(key, list, "a list of tensors"):
        tensor = Fields(entry.path, f"{entry.what}, {key}", document)
        shape = tensor.get("shape", list, "a list")
        if not all(is_count(size) or size == BATCH_DIMENSION for size in shape):
            tensor.refuse("shape", shape, f"positive integers and '{BATCH_DIMENSION}'")
        specs.append(TensorSpec(tensor.text("name"), tensor.one_of("dtype", DTYPES), tuple(shape)))
    names = [spec.name for spec in specs]
    if not names or len(set(names)) < len(names):
        entry.refuse(key, names, "at least one tensor, each with a name of its own")
    return tuple(specs)
