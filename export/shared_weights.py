"""One copy of the weights where a checkpoint and engines lie in one directory, as in what ships.

The large weights of the networks' files are, byte for byte, tensors of the half-precision
checkpoint that they were made from. Here each such weight is replaced by its place in the
checkpoint's file, in the way that ONNX itself has for weights in another file, so any reader of
ONNX opens the result; our own checks that file against the manifest first.

    python -m export.shared_weights DIRECTORY CHECKPOINT.safetensors
"""

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper
from safetensors import safe_open

from efgan_rt.errors import EfganError
from engines.base import EngineError
from engines.directory import EngineDirectory
from engines.manifest import StoredFile
from export.directory import put_in_place, staging_folder
from export.graphs import to_file_bytes
from train.families.registry import load_checkpoint

Values = tuple[str, tuple[int, ...], bytes]  # a tensor's type, shape and content

# Below this the place takes about as much room as the values.
SMALLEST: Final = 512


@dataclass(frozen=True)
class Place:
    """Where in the checkpoint's file a tensor's values lie, in bytes."""

    offset: int
    length: int


def share_weights(directory: Path, checkpoint: Path) -> int:
    """Moves the weights that a checkpoint holds out of an engine directory's files.

    Args:
        directory: an engine directory; the checkpoint is copied into it, TensorRT plans and
            int8 files go. It is replaced whole or not at all.
        checkpoint: the half-precision `.safetensors` that the engines were made from.

    Returns:
        The bytes that the directory's networks have become smaller by.

    Raises:
        EngineError: the directory is no engine directory, or a file of it is not as recorded.
        EfganError: the checkpoint is no `.safetensors`, or shares no weight with the networks.
    """
    engines = EngineDirectory(directory)
    manifest = engines.manifest
    places = _places(checkpoint)
    stored = StoredFile(checkpoint.name, *_facts(checkpoint.read_bytes()))
    entries = {}
    saved = 0
    with staging_folder(directory) as folder:
        for name, entry in manifest.networks.items():
            before = engines.model(name)
            after = _referring(before, places, stored.file)
            saved += len(before) - len(after)
            (folder / entry.file).write_bytes(after)
            sha256, size = _facts(after)
            entries[name] = replace(entry, sha256=sha256, bytes=size, plan=None, int8=None)
        if not saved:
            raise EfganError(
                f"{checkpoint}: shares no weight with the networks of {directory}; expected the "
                "half-precision .safetensors that they were made from, and --weights fp16"
            )
        shutil.copyfile(checkpoint, folder / stored.file)
        if manifest.data_file is not None:
            data = engines.data()
            (folder / manifest.data_file.file).write_bytes(data)
        made = replace(manifest, networks=entries, plans=None, int8=None, weights_file=stored)
        made.write(folder)
        put_in_place(folder, directory)
    return saved


def _referring(content: bytes, places: Mapping[Values, Place], location: str) -> bytes:
    """The model with the place of every weight that the checkpoint holds instead of its values."""
    model = onnx.load_from_string(content)
    for tensor in model.graph.initializer:
        place = places.get(_values(numpy_helper.to_array(tensor)))
        if place is None or place.length < SMALLEST:
            continue
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (
            ("location", location),
            ("offset", str(place.offset)),
            ("length", str(place.length)),
        ):
            tensor.external_data.add(key=key, value=value)
    return to_file_bytes(model)


def _places(checkpoint: Path) -> dict[Values, Place]:
    """Every tensor of a `.safetensors`, found by type, shape and values.

    Source: the format's description: eight bytes with the header's length, the header, the values.
    """
    load_checkpoint(checkpoint)  # says in a sentence what is wrong with it
    if checkpoint.suffix != ".safetensors":
        raise EfganError(f"{checkpoint}: expected a .safetensors, whose weights lie in plain sight")
    with checkpoint.open("rb") as stream:
        header_bytes = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(header_bytes))
    found = {}
    with safe_open(checkpoint, framework="np") as tensors:
        for name in tensors.keys():  # noqa: SIM118
            values = tensors.get_tensor(name)
            begin, end = header[name]["data_offsets"]
            found[_values(values)] = Place(8 + header_bytes + begin, end - begin)
    return found


def _values(array: npt.NDArray[Any]) -> Values:
    return array.dtype.str, array.shape, array.tobytes()


def _facts(content: bytes) -> tuple[str, int]:
    """What vouches for a file: its sha256 and its size."""
    return hashlib.sha256(content).hexdigest(), len(content)


def main() -> int:
    """Runs from the command line; what the user can mend is one sentence and status 1."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("checkpoint", type=Path)
    arguments = parser.parse_args()
    try:
        saved = share_weights(arguments.directory, arguments.checkpoint)
    except (EfganError, EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.directory}: {saved / 1e6:.2f} MB shared with {arguments.checkpoint.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
