"""One network's entry in a manifest: its files, its tensors, and what was measured of it.

Import these from `engines.manifest`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from engines.base import TensorSpec
from engines.int8_entries import Int8Files, int8_files
from engines.manifest_fields import Fields, StoredFile, is_count, is_finite_number

DTYPES: Final = ("uint8", "int32", "float16", "float32")
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
    int8: Int8Files | None = None
    """OpenVINO's, if this network was quantised."""

    @property
    def stored(self) -> StoredFile:
        """Its ONNX file."""
        return StoredFile(self.file, self.sha256, self.bytes)


def network_entry(path: Path, name: str, document: object) -> NetworkEntry:
    """Reads one network's entry; `path` is for the messages."""
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
        plan=entry.optional_file("plan"),
        int8=int8_files(entry),
    )


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
