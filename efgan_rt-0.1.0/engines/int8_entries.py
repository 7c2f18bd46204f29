"""What a manifest says of networks in int8: OpenVINO's own two files beside an ONNX file.

The files belong to no processor and to no one version of OpenVINO; what is recorded of how they
were made is for people. Import these from `engines.manifest`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.base import EngineError
from engines.manifest_fields import Fields, StoredFile, is_finite_number


@dataclass(frozen=True)
class Int8Files:
    """A network whose convolutions are in int8, as OpenVINO writes it."""

    graph: StoredFile
    """The `.xml`."""
    weights: StoredFile
    """The `.bin`."""


@dataclass(frozen=True)
class Int8Facts:
    """What all int8 files of a directory have in common."""

    nncf: str
    """Version of what quantised them."""
    openvino: str
    """Version of what wrote them."""
    parity: Mapping[str, float]
    """The whole cascade's pixels against FP32's when they were made; finite numbers."""
    settings: Mapping[str, Any]
    """How they were made, for people."""


def int8_fault(directory: Path, path: Path, fault: str) -> EngineError:
    """The error for int8 files that cannot be used: the ONNX files make them again.

    Args:
        directory: the engine directory, for the command.
        path: what is at fault, the directory or a file in it.
        fault: what was found and what was expected.
    """
    return EngineError(
        f"{path}: {fault}; make the int8 files with: "
        f"efgan-rt build-engines {directory} --precision int8"
    )


def int8_facts(path: Path, document: object) -> Int8Facts:
    """Reads what a manifest says of all its int8 files."""
    fields = Fields(path, "'int8'", document)
    parity = fields.get("parity", dict, "an object")
    for key, value in parity.items():
        if not is_finite_number(value):
            fields.refuse(f"parity {key}", value, "a finite number")
    return Int8Facts(
        nncf=fields.text("nncf"),
        openvino=fields.text("openvino"),
        parity={key: float(value) for key, value in parity.items()},
        settings=fields.get("settings", dict, "an object"),
    )


def int8_files(network: Fields) -> Int8Files | None:
    """A network's int8 files, or None where its entry names none."""
    if "int8" not in network.fields:
        return None
    files = Fields(network.path, f"{network.what}, int8", network.fields["int8"])
    graph, weights = files.optional_file("graph"), files.optional_file("weights")
    if graph is None or weights is None:
        files.refuse("graph, weights", sorted(files.fields), "both files")
    return Int8Files(graph, weights)
