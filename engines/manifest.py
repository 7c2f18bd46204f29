"""The engine directory: one file for each network and a `manifest.json` that vouches for them.

Everything in the manifest is checked when it is read, and every file against its size and sha256
before a runtime sees it, so that a truncated copy, an edited file or a directory of another version
ends in one sentence and never in a wrong picture. The checks are written out by hand: each has to
say what was found and what was expected. `properties` belongs to whoever wrote the directory and is
passed on unread.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from engines.base import EngineError, TensorSpec

MANIFEST_NAME: Final = "manifest.json"
FORMAT: Final = "efgan-rt engines 1"
KINDS: Final = ("onnx",)
PRECISIONS: Final = ("fp32", "fp16")
DTYPES: Final = ("uint8", "float16", "float32")
BATCH_DIMENSION: Final = "B"
MAX_SHOWN: Final = 200  # characters of a value that a message quotes
REMEDY: Final = "make the engines again with: efgan-rt build-engines CKPT.pt"

# No separator, no drive, no leading dot: a name that cannot leave the directory on any system.
# And no longer than file systems allow.
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


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
        document = {
            "format": FORMAT,
            "tool_version": self.tool_version,
            "kind": self.kind,
            "precision": self.precision,
            "weights": self.weights,
            "networks": networks,
            "properties": dict(self.properties),
        }
        path = directory / MANIFEST_NAME
        text = json.dumps(document, indent=1)
        _parse(path, text)  # a fault shows here, not at the reader's
        temporary = path.with_suffix(".json.tmp")
        temporary.write_text(text + "\n", encoding="utf-8")
        os.replace(temporary, path)
        return path


def directory_fault(directory: Path, fault: str) -> EngineError:
    """The error for an engine directory that cannot be used, with the remedy."""
    return EngineError(f"{directory}: {fault}; {REMEDY}")


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
    """The content of a network's file: the very bytes that were checked.

    Raises:
        EngineError: the file is missing, of another size, or of other content.
    """
    path = directory / entry.file
    if not path.is_file():
        raise directory_fault(path, "the file is missing, though the manifest names it")
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            raise directory_fault(path, f"{size} bytes found, {entry.bytes} expected")
        content = path.read_bytes()
    except OSError as error:
        raise directory_fault(path, f"cannot be read ({error})") from error
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        raise directory_fault(
            path, f"sha256 {found[:12]}... found, {entry.sha256[:12]}... expected"
        )
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
    top = _Fields(path, "the manifest", document)
    if top.fields.get("format") != FORMAT:
        found = top.fields.get("format")
        raise directory_fault(path, f"format {found!r} found, {FORMAT!r} expected")
    networks = _Fields(path, "'networks'", top.get("networks", dict, "an object"))
    if not networks.fields:
        raise directory_fault(path, "'networks' is empty")
    return Manifest(
        tool_version=top.text("tool_version"),
        kind=top.one_of("kind", KINDS),
        precision=top.one_of("precision", PRECISIONS),
        weights=top.one_of("weights", PRECISIONS),
        networks={name: _entry(path, name, fields) for name, fields in networks.fields.items()},
        properties=top.get("properties", dict, "an object"),
    )


def _entry(path: Path, name: str, document: object) -> NetworkEntry:
    entry = _Fields(path, f"network '{name}'", document)
    file = entry.text("file")
    if not _FILE_NAME.fullmatch(file) or ".." in file:
        entry.refuse("file", file, "a plain file name without '/' or '..', no longer than 255")
    sha256 = entry.text("sha256")
    if not _SHA256.fullmatch(sha256):
        entry.refuse("sha256", sha256, "64 lower-case hexadecimal digits")
    batch = entry.get("batch", list, "three integers")
    if not (len(batch) == 3 and all(map(_is_count, batch)) and batch == sorted(batch)):
        entry.refuse("batch", batch, "[smallest, best, largest] in rising order")
    parity = entry.get("parity", dict, "an object")
    for key, value in parity.items():
        if not _is_finite_number(value):
            entry.refuse(f"parity {key}", value, "a finite number")
    return NetworkEntry(
        name=name,
        file=file,
        sha256=sha256,
        bytes=entry.checked("bytes", _is_count, "a positive integer"),
        batch=(batch[0], batch[1], batch[2]),
        inputs=_specs(entry, "inputs"),
        outputs=_specs(entry, "outputs"),
        parity={key: float(value) for key, value in parity.items()},
    )


def _specs(entry: "_Fields", key: str) -> tuple[TensorSpec, ...]:
    specs = []
    for document in entry.get(key, list, "a list of tensors"):
        tensor = _Fields(entry.path, f"{entry.what}, {key}", document)
        shape = tensor.get("shape", list, "a list")
        if not all(_is_count(size) or size == BATCH_DIMENSION for size in shape):
            tensor.refuse("shape", shape, f"positive integers and '{BATCH_DIMENSION}'")
        specs.append(TensorSpec(tensor.text("name"), tensor.one_of("dtype", DTYPES), tuple(shape)))
    names = [spec.name for spec in specs]
    if not names or len(set(names)) < len(names):
        entry.refuse(key, names, "at least one tensor, each with a name of its own")
    return tuple(specs)


def _is_finite_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


@dataclass(frozen=True)
class _Fields:
    """The fields of one JSON object, read with a sentence for whatever is not as it should be."""

    path: Path
    what: str
    fields: Any

    def __post_init__(self) -> None:
        if not isinstance(self.fields, dict):
            raise directory_fault(self.path, f"{self.what} is not a JSON object")

    def refuse(self, key: str, found: object, expected: str) -> NoReturn:
        shown = repr(found)
        shown = shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}..."
        raise directory_fault(self.path, f"{self.what}: {key} is {shown}, expected {expected}")

    def checked(self, key: str, right: Callable[[Any], bool], expected: str) -> Any:
        if key not in self.fields:
            raise directory_fault(self.path, f"{self.what} has no '{key}', expected {expected}")
        if not right(self.fields[key]):
            self.refuse(key, self.fields[key], expected)
        return self.fields[key]

    def get(self, key: str, kind: type, expected: str) -> Any:
        return self.checked(key, lambda value: isinstance(value, kind), expected)

    def text(self, key: str) -> str:
        value: str = self.checked(
            key, lambda value: isinstance(value, str) and value != "", "a text"
        )
        return value

    def one_of(self, key: str, known: tuple[str, ...]) -> str:
        value: str = self.checked(key, lambda value: value in known, " or ".join(known))
        return value
