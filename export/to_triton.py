"""An engine set as a model repository for Triton Inference Server.

    REPO/efgan/           one network: crops and what is asked for in, edited crops out
    REPO/efgan_photo/     a Python model: a whole photograph's file in, the edited one's out
    REPO/README.md        the container, and how both are asked

The set's networks are merged along their family's program, because an ensemble cannot hand on the
parts of a tensor. Everything is batch-first, as Triton wants it. Weights are written in once more,
so the repository needs nothing else; the photograph's model has a copy of the set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

import onnx
from onnx import ModelProto, NodeProto, ValueInfoProto, compose, helper

from efgan_rt import __version__
from efgan_rt.errors import EfganError
from efgan_rt.families.family import Wiring
from efgan_rt.families.registry import family_of
from engines.base import TensorSpec
from engines.directory import EngineDirectory
from engines.manifest import BATCH_DIMENSION
from engines.program import Part
from export.directory import copy_files, staging_folder

CROPS, PHOTOGRAPHS = "efgan", "efgan_photo"
CONTAINER: Final = "nvcr.io/nvidia/tritonserver:26.07-py3"
QUEUE_DELAY_US: Final = 2000
ENGINES: Final = "engines"

_PHOTO_MODEL: Final = '''"""Edits whole photographs, by the efgan-rt of the server's Python."""

from efgan_rt.triton import TritonPythonModel

__all__ = ["TritonPythonModel"]
'''
_PHOTO_CONFIG: Final = Template("""\
name: "$name"
backend: "python"
max_batch_size: 0
input [
  { name: "photograph" data_type: TYPE_UINT8 dims: [ -1 ] }
]
output [
  { name: "edited" data_type: TYPE_UINT8 dims: [ -1 ] }
]
instance_group [ { kind: KIND_CPU count: 1 } ]
parameters { key: "backend" value { string_value: "onnxruntime" } }
parameters { key: "batch" value { string_value: "$batch" } }
""")
_README: Final = Template("""\
# efgan-rt for Triton Inference Server

Made by efgan-rt $version for the container `$container`,
from engines of the family $family in $precision. The network is ONNX of opset $opset, which the
container's ONNX Runtime runs. `$photo` needs efgan-rt $version in the container's Python; with its
source folder beside this one:

    docker run --rm --gpus all -p 8000:8000 -p 8001:8001 \\
        -v "$$PWD":/models -v "$$PWD/../efgan-rt":/efgan-rt $container \\
        bash -c 'pip install "/efgan-rt[cpu]" && tritonserver --model-repository /models'

`$crops` alone needs no package: start `tritonserver` with `--model-control-mode explicit
--load-model $crops`.

## `$crops`: crops in, edited crops out

| | name | type | shape without the batch |
|---|---|---|---|
$table

The batch is at most $largest. Progress is how far each stage goes: 1/S, 2/S to 1 for an edit.

## `$photo`: a photograph's file in, the edited one's out

`photograph` is a picture file's bytes, uint8 [ -1 ]. The request's parameters say what to make of
it: `expression` ($expressions),
`intensity` 0 to 2, `au` single action units such as `AU12=3.5`. `edited` is a file of the same
format with the pixels, metadata and mark that `efgan-rt batch` writes. The networks run in ONNX
Runtime inside the model, by the copy of the engines beside it; the parameters in its
`config.pbtxt` choose another backend.

## A TensorRT plan in place of the network

A plan runs in the TensorRT version that made it and on that kind of GPU, so make it in this
container (`trtexec --onnx=$crops/1/model.onnx --saveEngine=$crops/1/model.plan`), with shapes from
1 to $largest, and set `backend: "tensorrt"` in its `config.pbtxt`.
""")


@dataclass(frozen=True)
class Merged:
    """A set's networks as one.

    Attributes:
        model: the network.
        inputs: its inputs, batch first.
        outputs: its outputs, batch first.
    """

    model: ModelProto
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def merged_network(directory: EngineDirectory) -> Merged:
    """The networks of a set in one, along its family's program.

    Inputs are the places that a caller fills; outputs the last picture, attention, units, aims,
    fields and mouth choice, as far as the family has them, by their networks' names for them; the
    aims become (B, S, K).

    Raises:
        EfganError: the networks are of several opsets.
        EngineError: a file of the set is not as its manifest says.
    """
    family = family_of(directory)
    wiring = family.wiring(family.read(directory))
    written = {place for step in wiring.program.steps for place in step.outputs.values()}
    given: dict[str, TensorSpec] = {}
    for step in wiring.program.steps:
        for spec in directory.manifest.network(step.network).inputs:
            place = step.inputs[spec.name]
            if isinstance(place, str) and place not in written:
                given.setdefault(place, TensorSpec(place, spec.dtype, spec.shape))
    wanted = _wanted(wiring)
    values = {place: place for place in given}
    nodes: list[NodeProto] = []
    initializers = []
    opsets: dict[str, int] = {}
    ir_version = 0
    for step in wiring.program.needed(given, list(wanted.values())):
        prefix = f"{step.network}/"
        own = compose.add_prefix(onnx.load_from_string(directory.model(step.network)), prefix)
        ir_version = max(ir_version, own.ir_version)
        for each in own.opset_import:
            if opsets.setdefault(each.domain, each.version) != each.version:
                raise EfganError(
                    f"{directory.path}: its networks are of opsets {opsets[each.domain]} and "
                    f"{each.version}, expected one; make the engines again with build-engines"
                )
        for tensor, place in step.inputs.items():
            nodes += _read(values, place, f"{prefix}{tensor}")
        nodes += own.graph.node
        initializers += own.graph.initializer
        values |= {place: f"{prefix}{tensor}" for tensor, place in step.outputs.items()}
    outputs: list[TensorSpec] = []
    for name, (network, tensor) in wanted.items():
        entry = directory.manifest.network(network)
        spec = next(each for each in entry.outputs if each.name == tensor)
        last, shape = f"{network}/{tensor}", list(spec.shape)
        if shape[0] == BATCH_DIMENSION:
            nodes.append(helper.make_node("Identity", [last], [name], name=f"give {name}"))
        else:
            axes = [1, 0, *range(2, len(shape))]
            nodes.append(
                helper.make_node("Transpose", [last], [name], name=f"give {name}", perm=axes)
            )
            shape = [shape[axis] for axis in axes]
        outputs.append(TensorSpec(name, spec.dtype, tuple(shape)))
    graph = helper.make_graph(
        nodes,
        CROPS,
        [_value(spec) for spec in given.values()],
        [_value(spec) for spec in outputs],
        initializers,
    )
    model = helper.make_model(
        graph,
        producer_name="efgan-rt",
        producer_version=__version__,
        ir_version=ir_version,
        opset_imports=[helper.make_opsetid(*each) for each in opsets.items()],
    )
    onnx.checker.check_model(model, full_check=True)
    return Merged(model, tuple(given.values()), tuple(outputs))


def _wanted(wiring: Wiring) -> dict[str, tuple[str, str]]:
    """What the merged network gives: by name, a network's output."""
    found = [wiring.pictures[-1], wiring.attention, wiring.aims, wiring.mouth_choice]
    found += wiring.fields[-1:]
    wanted = {tensor: (network, tensor) for network, tensor in filter(None, found)}
    # What is kept of a face goes by the name of its place: that is what a caller may give.
    return wanted | dict(wiring.kept)


def _read(values: Mapping[str, str], place: str | Part, tensor: str) -> list[NodeProto]:
    """The nodes that bring a place, or a part of one, to a network's input."""
    if isinstance(place, str):
        return [helper.make_node("Identity", [values[place]], [tensor], name=f"read {tensor}")]
    index = helper.make_tensor("value", onnx.TensorProto.INT64, [], [place.index])
    number = f"{tensor}, number"
    return [
        helper.make_node("Constant", [], [number], name=number, value=index),
        helper.make_node(
            "Gather", [values[place.place], number], [tensor], name=f"read {tensor}", axis=0
        ),
    ]


def _value(spec: TensorSpec) -> ValueInfoProto:
    return helper.make_tensor_value_info(
        spec.name, helper.np_dtype_to_tensor_dtype(spec.numpy_dtype), list(spec.shape)
    )


def export_triton(engines: Path, repository: Path) -> Merged:
    """Writes the models of an engine set into a model repository, which may hold others.

    Args:
        engines: the engine directory.
        repository: made if it is not there.

    Returns:
        The merged network.

    Raises:
        EfganError: the repository has such a model already, or cannot be written.
        EngineError: the engines are not as their manifest says.
    """
    for name in (CROPS, PHOTOGRAPHS):
        if (repository / name).exists():
            raise EfganError(
                f"{repository / name}: is there already; remove it, or choose another repository"
            )
    directory = EngineDirectory(engines)
    merged = merged_network(directory)
    entries = directory.manifest.networks.values()
    usual = min(entry.batch[1] for entry in entries)
    largest = min(entry.batch[2] for entry in entries)
    try:
        with staging_folder(repository / CROPS) as crops:
            (crops / "1").mkdir()
            (crops / "1" / "model.onnx").write_bytes(merged.model.SerializeToString())
            (crops / "config.pbtxt").write_text(_crops_config(merged, usual, largest))
            with staging_folder(repository / PHOTOGRAPHS) as photographs:
                copied = photographs / "1" / ENGINES
                copied.mkdir(parents=True)
                copy_files(directory, copied)
                directory.manifest.write(copied)
                (photographs / "1" / "model.py").write_text(_PHOTO_MODEL)
                config = _PHOTO_CONFIG.substitute(name=PHOTOGRAPHS, batch=usual)
                (photographs / "config.pbtxt").write_text(config)
                photographs.rename(repository / PHOTOGRAPHS)
            crops.rename(repository / CROPS)
        (repository / "README.md").write_text(_readme(directory, merged, largest))
    except OSError as error:
        raise EfganError(f"{repository}: cannot be written: {error.strerror}") from error
    return merged


def _triton_type(dtype: str) -> str:
    kind = {"float16": "FP16", "float32": "FP32"}.get(dtype, dtype.upper())
    return f"TYPE_{kind}"


def _crops_config(merged: Merged, usual: int, largest: int) -> str:
    """The `config.pbtxt` of the merged network; Triton's shapes leave the batch out."""

    def tensors(specs: Sequence[TensorSpec]) -> str:
        return ",\n".join(
            f'  {{ name: "{spec.name}" data_type: {_triton_type(spec.dtype)} dims: {_dims(spec)}'
            # One value a picture: Triton has no shape without dimensions.
            f"{'' if len(spec.shape) > 1 else ' reshape: { shape: [ ] }'} }}"
            for spec in specs
        )

    warm = "\n".join(
        f'    inputs {{ key: "{spec.name}" value {{ data_type: {_triton_type(spec.dtype)} '
        f"dims: {_dims(spec)} zero_data: true }} }}"
        for spec in merged.inputs
    )
    return f"""\
name: "{CROPS}"
backend: "onnxruntime"
max_batch_size: {largest}
input [
{tensors(merged.inputs)}
]
output [
{tensors(merged.outputs)}
]
dynamic_batching {{
  preferred_batch_size: [ {usual} ]
  max_queue_delay_microseconds: {QUEUE_DELAY_US}
}}
instance_group [ {{ kind: KIND_AUTO count: 1 }} ]
model_warmup [
  {{
    name: "usual batch"
    batch_size: {usual}
{warm}
  }}
]
"""


def _dims(spec: TensorSpec) -> str:
    sizes = ", ".join(map(str, spec.shape[1:])) or "1"
    return f"[ {sizes} ]"


def _readme(directory: EngineDirectory, merged: Merged, largest: int) -> str:
    family = family_of(directory)
    rows = [
        f"| {which} | `{spec.name}` | {spec.dtype} | {_dims(spec)} |"
        for which, specs in (("in", merged.inputs), ("out", merged.outputs))
        for spec in specs
    ]
    return _README.substitute(
        version=__version__,
        container=CONTAINER,
        family=family.title,
        precision=directory.manifest.precision,
        opset=merged.model.opset_import[0].version,
        crops=CROPS,
        photo=PHOTOGRAPHS,
        table="\n".join(rows),
        largest=largest,
        expressions=", ".join(family.read(directory).expressions),
    )
