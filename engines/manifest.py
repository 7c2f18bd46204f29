"""What an engine directory says of itself: its networks, their tensors, and every file's sha256.

Everything is checked when it is read, so that an edited file or a directory of another version ends
in one sentence and never in a wrong picture; the files are checked by `engines.directory`.
`properties` belongs to whoever wrote the directory and is passed on unread.

The ONNX files are what every backend can read. Where TensorRT compiled them, a plan lies beside
each, so one directory serves every backend, and plans that do not suit a GPU are made again from
the ONNX files alone. The same goes for files of OpenVINO's in int8, which some networks may have.
"""

import json
import operator
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from engines.base import EngineError, TensorSpec
from engines.whole_file import write_whole

MANIFEST_NAME: Final = "manifest.json"
FORMAT: Final = "efgan-rt engines 1"
BATCH_DIMENSION: Final = "B"
HARDWARE_COMPATIBILITIES: Final = ("none", "ampere_plus", "same_compute_capability")
MAX_SHOWN: Final = 200  # characters of a value that a message quotes
REMEDY: Final = "make the engines again with: efgan-rt build-engines CKPT.pt"

T = TypeVar("T")
Text = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(gt=0)]
Precision = Annotated[str, Meta(pattern="^(fp32|fp16)$")]
# No separator, no drive, no leading dot: a name that cannot leave the directory on any system.
# And no longer than file systems allow.
_FILE_NAME: Final = r"^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}\Z"
_SHA256: Final = r"^[0-9a-f]{64}\Z"
FileName = Annotated[str, Meta(pattern=_FILE_NAME)]
Sha256 = Annotated[str, Meta(pattern=_SHA256)]
_IN_WORDS: Final = {
    repr(_FILE_NAME): "a plain file name without '/' or '..', no longer than 255",
    repr(_SHA256): "64 lower-case hexadecimal digits",
}


def directory_fault(directory: Path, fault: str) -> EngineError:
    """The error for an engine directory that cannot be used, with the remedy."""
    return EngineError(f"{directory}: {fault}; {REMEDY}")


def plan_fault(directory: Path, path: Path, fault: str) -> EngineError:
    """The error for a plan that cannot be used: the ONNX files make it again, no checkpoint needed.

    Args:
        directory: the engine directory, for the command.
        path: what is at fault, the directory or a plan in it.
        fault: what was found and what was expected.
    """
    return EngineError(
        f"{path}: {fault}; make the plans again with: "
        f"efgan-rt build-engines {directory} --backend tensorrt"
    )


def int8_fault(directory: Path, path: Path, fault: str) -> EngineError:
    """The error for int8 files that cannot be used; arguments as of `plan_fault`."""
    return EngineError(
        f"{path}: {fault}; make the int8 files with: "
        f"efgan-rt build-engines {directory} --precision int8"
    )


@dataclass(frozen=True)
class StoredFile:
    """A file of the directory, and what vouches for its content."""

    file: FileName
    sha256: Sha256
    bytes: Count


@dataclass(frozen=True)
class Int8Files:
    """A network whose convolutions are in int8, as OpenVINO writes it."""

    graph: StoredFile
    """The `.xml`."""
    weights: StoredFile
    """The `.bin`."""


@dataclass(frozen=True)
class Int8Facts:
    """What all int8 files of a directory have in common; they belong to no one processor."""

    nncf: Text
    """Version of what quantised them."""
    openvino: Text
    """Version of what wrote them."""
    parity: Mapping[str, float]
    """The whole program's pixels against FP32's when they were made; finite numbers."""
    settings: Mapping[str, Any]
    """How they were made, for people."""


@dataclass(frozen=True)
class PlanFacts:
    """What all plans of a directory have in common: who can open them, and where."""

    library: Annotated[str, Meta(pattern="^(tensorrt|tensorrt_rtx)$")]
    """Whose runtime opens them."""
    version: Text
    """Of that library, such as `11.4.0.106`."""
    gpu: Text | None
    """Name of the GPU that they were made on; None: ahead of time, without one."""
    compute_capability: Text | None
    """Of that GPU, such as `9.0`; None without one."""
    driver: Text | None
    """Of that GPU; None without one."""
    hardware_compatibility: Annotated[
        str, Meta(pattern=f"^({'|'.join(HARDWARE_COMPATIBILITIES)})$")
    ]
    version_compatible: bool
    """True where later versions of the library may open them too."""
    settings: Mapping[str, Any]
    """Builder and profile settings, for people."""


@dataclass(frozen=True)
class NetworkEntry:
    """One network of an engine directory."""

    name: str
    file: FileName
    sha256: Sha256
    bytes: Count
    batch: tuple[Count, Count, Count]
    """Smallest, best and largest batch that it was made for."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    parity: Mapping[str, float]
    """What was measured against PyTorch when it was made; finite numbers."""
    plan: StoredFile | None = None
    """TensorRT's, if the directory has plans."""
    int8: Int8Files | None = None
    """OpenVINO's, if this network was quantised."""

    @property
    def stored(self) -> StoredFile:
        """Its ONNX file."""
        return StoredFile(self.file, self.sha256, self.bytes)


@dataclass(frozen=True)
class Manifest:
    """What an engine directory holds."""

    tool_version: Text
    kind: Annotated[str, Meta(pattern="^(onnx)$")]
    precision: Precision
    """Arithmetic of the graphs: `fp32` or `fp16`."""
    weights: Precision
    """Element type of the stored weights: `fp32` or `fp16`."""
    networks: Mapping[str, NetworkEntry]
    properties: Mapping[str, Any]
    """Opaque to this floor."""
    plans: PlanFacts | None = None
    """None if and only if no network has a plan."""
    weights_file: StoredFile | None = None
    """A checkpoint that holds weights which the networks' files only point to."""
    data_file: StoredFile | None = None
    """Data beside the networks, opaque to this floor."""
    int8: Int8Facts | None = None
    """None if and only if no network has int8 files."""
    family: Text = "cascade"
    """Of models; opaque to this floor. What older versions wrote is the cascade."""

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

    def stored_files(self) -> list[StoredFile]:
        """Every file that it vouches for."""
        files = [self.weights_file, self.data_file]
        for entry in self.networks.values():
            files += [entry.stored, entry.plan]
            files += [entry.int8.graph, entry.int8.weights] if entry.int8 is not None else []
        return [file for file in files if file is not None]

    def write(self, directory: Path) -> Path:
        """Writes `manifest.json`, after everything it vouches for; complete or not at all.

        Raises:
            EngineError: `read_manifest` would refuse it.
            OSError: the directory cannot be written.
        """
        networks = {name: _present(asdict(entry)) for name, entry in self.networks.items()}
        for fields in networks.values():
            del fields["name"]
        document = {"format": FORMAT} | _present(asdict(self)) | {"networks": networks}
        if self.plans is not None:
            document["plans"] = asdict(self.plans)
        path = directory / MANIFEST_NAME
        try:
            text = json.dumps(document, indent=1, allow_nan=False)
        except ValueError as error:
            raise directory_fault(path, f"{error}: expected finite numbers only") from error
        _parse(path, text)  # a fault shows here, not at the reader's
        write_whole(path, text + "\n")
        return path


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    """Those fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def read_manifest(directory: Path) -> Manifest:
    """Reads and checks `manifest.json`; the files it names are checked when they are read.

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


def _parse(path: Path, text: str) -> Manifest:
    """The manifest that `text` describes; `path` is for the messages."""
    try:
        document = msgspec.json.decode(text)
    except RecursionError as error:
        raise directory_fault(path, "JSON beyond what can be read") from error
    except msgspec.DecodeError as error:
        raise directory_fault(path, f"not valid JSON, cut short or edited ({error})") from error
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise directory_fault(path, f"format {found!r} found, {FORMAT!r} expected")
    networks = document.get("networks")
    if not isinstance(networks, dict) or not networks:
        raise directory_fault(path, f"networks is {networks!r}, expected one network or more")
    entries = {name: _network(path, name, fields) for name, fields in networks.items()}
    whole = converted(path, "the manifest", document | {"networks": {}}, Manifest)
    manifest = replace(whole, networks=entries)
    _check_companions(path, manifest)
    return manifest


def _network(path: Path, name: str, fields: object) -> NetworkEntry:
    """One network's entry, with what no type says of it."""
    what = f"network '{name}'"
    if not isinstance(fields, dict):
        raise directory_fault(path, f"{what} is {fields!r}, expected an object")
    entry = converted(path, what, fields | {"name": name}, NetworkEntry)
    if list(entry.batch) != sorted(entry.batch):
        raise directory_fault(
            path,
            f"{what}: batch is {list(entry.batch)}, expected [smallest, best, largest] in rising "
            "order",
        )
    for kind, specs in (("inputs", entry.inputs), ("outputs", entry.outputs)):
        names = [spec.name for spec in specs]
        if not names or len(set(names)) < len(names):
            expected = "at least one tensor, each with a name of its own"
            raise directory_fault(path, f"{what}: {kind} is {names}, expected {expected}")
    return entry


def _check_companions(path: Path, manifest: Manifest) -> None:
    """Plans and int8 files stand at networks exactly where the manifest has facts about them."""
    quantised = [name for name, entry in manifest.networks.items() if entry.int8 is not None]
    if bool(quantised) != (manifest.int8 is not None):
        found = f"networks {', '.join(quantised)}" if quantised else "no network"
        raise directory_fault(
            path, f"{found} with int8 files found, expected some exactly where it has 'int8'"
        )
    plans = manifest.plans
    for name, entry in manifest.networks.items():
        if (entry.plan is None) != (plans is None):
            found, expected = ("no 'plan'", "one") if plans else ("a 'plan'", "none")
            given = "has" if plans else "has no"
            raise directory_fault(
                path,
                f"network '{name}' has {found}, expected {expected}, because the manifest {given} "
                "'plans'",
            )


def converted(path: Path, what: str, document: object, kind: type[T]) -> T:
    """Plain values as a typed object.

    Args:
        path: of the file, for the message.
        what: the values are, for the message.
        document: as JSON gave them.
        kind: a dataclass whose annotations say what is right.

    Raises:
        EngineError: a value is missing or wrong; names file, place, what was found and expected.
    """
    try:
        return msgspec.convert(document, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise directory_fault(path, wrong_value(error, document, what)) from error


def wrong_value(error: Exception, document: Any, what: str) -> str:
    """What msgspec found wrong: the place, what is there, and what was expected.

    Args:
        error: a `ValidationError` of `msgspec.convert`, or an `OverflowError`.
        document: what it was to convert.
        what: the document is.
    """
    expected, _, path_in = str(error).partition(" - at `$")
    steps = re.findall(r"\.(\w+)|\[(\d+)\]", path_in.partition("[...]")[0])
    keys = [name or int(number) for name, number in steps]
    where = ".".join(map(str, keys))
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", expected):
        return f"{', '.join(filter(None, (what, where)))} has no '{missing[1]}'"
    found = repr(reduce(operator.getitem, keys, document))
    shown = found if len(found) <= MAX_SHOWN else f"{found[:MAX_SHOWN]}..."
    return f"{what}: {where or 'it'} is {shown}, {_in_words(expected)}"


def _in_words(expected: str) -> str:
    """What msgspec expects, as a person says it."""
    expected = expected.partition(", got ")[0].replace("`", "").replace("Expected", "expected")
    pattern = expected.partition("str matching regex ")[2]
    if not pattern:
        return expected
    choices = pattern.strip("'").removeprefix("^(").removesuffix(")$").replace("|", " or ")
    return f"expected {_IN_WORDS.get(pattern, choices)}"
