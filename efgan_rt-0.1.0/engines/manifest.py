"""The engine directory: one file for each network and a `manifest.json` that vouches for them.

Everything in the manifest is checked when it is read, and every file against its size and sha256
before a runtime sees it, so that a truncated copy, an edited file or a directory of another version
ends in one sentence and never in a wrong picture. `properties` belongs to whoever wrote the
directory and is passed on unread.

The ONNX files are what every backend can read. Where TensorRT compiled them, a plan lies beside
each, so one directory serves every backend, and plans that do not suit a GPU are made again from
the ONNX files alone. The same goes for files of OpenVINO's in int8, which some networks may have.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from engines.base import EngineError
from engines.external_data import has_external_data, with_data
from engines.int8_entries import Int8Facts as Int8Facts
from engines.int8_entries import Int8Files as Int8Files
from engines.int8_entries import int8_facts
from engines.int8_entries import int8_fault as int8_fault
from engines.manifest_fields import REMEDY as REMEDY
from engines.manifest_fields import Fields, checked_bytes
from engines.manifest_fields import StoredFile as StoredFile
from engines.manifest_fields import directory_fault as directory_fault
from engines.network_entry import BATCH_DIMENSION as BATCH_DIMENSION
from engines.network_entry import NetworkEntry as NetworkEntry
from engines.network_entry import network_entry
from engines.plan_entries import PlanFacts as PlanFacts
from engines.plan_entries import plan_facts
from engines.plan_entries import plan_fault as plan_fault

MANIFEST_NAME: Final = "manifest.json"
FORMAT: Final = "efgan-rt engines 1"
KINDS: Final = ("onnx",)
PRECISIONS: Final = ("fp32", "fp16")


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
    data_file: StoredFile | None = None
    """Data beside the networks, opaque to this floor; see `read_data`."""
    int8: Int8Facts | None = None
    """None if and only if no network has int8 files."""

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
        networks = {name: asdict(entry) for name, entry in self.networks.items()}
        for fields in networks.values():
            del fields["name"]
            for optional in ("plan", "int8"):
                if fields[optional] is None:
                    del fields[optional]
        document: dict[str, Any] = {
            "format": FORMAT,
            "tool_version": self.tool_version,
            "kind": self.kind,
            "precision": self.precision,
            "weights": self.weights,
            "networks": networks,
            "properties": dict(self.properties),
        }
        optional_facts = {
            "plans": self.plans,
            "weights_file": self.weights_file,
            "data_file": self.data_file,
            "int8": self.int8,
        }
        document |= {name: asdict(facts) for name, facts in optional_facts.items() if facts}
        path = directory / MANIFEST_NAME
        text = json.dumps(document, indent=1)
        _parse(path, text)  # a fault shows here, not at the reader's
        temporary = path.with_suffix(".json.tmp")
        temporary.write_text(text + "\n", encoding="utf-8")
        os.replace(temporary, path)
        return path


def read_data(directory: Path, manifest: Manifest) -> bytes:
    """The content of the set's data file, as checked.

    Raises:
        EngineError: the set has none, or it is missing or not as the manifest says.
    """
    if manifest.data_file is None:
        raise directory_fault(directory, "no data_file found, expected one")
    path = directory / manifest.data_file.file
    return checked_bytes(path, manifest.data_file, directory_fault)


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
    return checked_bytes(directory / entry.file, entry.stored, directory_fault)


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
            weights = checked_bytes(directory / stored.file, stored, directory_fault)
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
    return checked_bytes(
        directory / entry.plan.file,
        entry.plan,
        lambda path, fault: plan_fault(directory, path, fault),
    )


def read_int8(directory: Path, entry: NetworkEntry) -> tuple[bytes, bytes]:
    """A network in int8, graph and weights: the very bytes that were checked.

    Raises:
        EngineError: it has no int8 files, or one is missing, of another size, or of other content.
    """

    def fault(path: Path, found: str) -> EngineError:
        return int8_fault(directory, path, found)

    if entry.int8 is None:
        raise fault(directory, f"network '{entry.name}' has no int8 files")
    files = entry.int8.graph, entry.int8.weights
    graph, weights = (checked_bytes(directory / file.file, file, fault) for file in files)
    return graph, weights


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
    entries = {name: network_entry(path, name, fields) for name, fields in networks.fields.items()}
    plans = plan_facts(path, top.fields["plans"]) if "plans" in top.fields else None
    int8 = int8_facts(path, top.fields["int8"]) if "int8" in top.fields else None
    quantised = [name for name, entry in entries.items() if entry.int8 is not None]
    if bool(quantised) != (int8 is not None):
        found = f"networks {', '.join(quantised)}" if quantised else "no network"
        raise directory_fault(
            path, f"{found} with int8 files found, expected some exactly where it has 'int8'"
        )
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
        weights_file=top.optional_file("weights_file"),
        data_file=top.optional_file("data_file"),
        int8=int8,
    )
