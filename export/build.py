"""Checkpoint to engine directory: export, check, and only then show.

Everything is written into a folder beside the destination and renamed when it is complete and
within its bars, so a failed or interrupted build leaves nothing. An engine directory that is there
already is replaced; any other file is never deleted. TensorRT plans, where asked for, are made of
the very ONNX files, after those have passed; so are files in int8 for OpenVINO.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import onnx
import onnxscript
import torch

from efgan_rt import __version__
from efgan_rt.errors import EfganError
from efgan_rt.families.registry import read_properties
from engines.directory import EngineDirectory
from engines.manifest import Manifest, NetworkEntry, StoredFile
from engines.runtimes import import_onnxruntime
from export import parity
from export.calibration import Pixels, checked_faces
from export.directory import check_replaceable, put_in_place, staging_folder
from export.graphs import check_precision, to_file_bytes
from export.int8_files import add_int8, check_int8_possible
from export.networks import ExportedNetwork, exported_networks, run_in_torch
from export.plans import PlanOptions, Watch, add_plans, check_plans_possible
from export.to_half import (
    fast_half_convolutions,
    half_twin,
    recorded_peaks,
    store_convolutions_in_half,
    with_rounded_weights,
)
from export.to_onnx import to_onnx
from train.checkpoint import Checkpoint
from train.families.registry import load_checkpoint, trained_family

PRECISIONS: Final = ("fp32", "fp16")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Form:
    """The form that networks are given: arithmetic, storage, and the batches they are meant for."""

    precision: str
    weights: str
    batch: tuple[int, int, int]

    def __post_init__(self) -> None:
        for field, found in (("precision", self.precision), ("weights", self.weights)):
            if found not in PRECISIONS:
                raise EfganError(f"{field}: found '{found}', expected fp32 or fp16")
        if self.computes_in_half and not self.stores_half:
            raise EfganError(
                "weights: found fp32 with precision fp16, whose graphs hold their weights in fp16; "
                "leave weights out, or take precision fp32"
            )
        smallest, best, largest = self.batch
        if not 1 <= smallest <= best <= largest:
            raise EfganError(
                f"batch: found {':'.join(map(str, self.batch))}, expected MIN:OPT:MAX in rising "
                "order from 1"
            )

    @property
    def computes_in_half(self) -> bool:
        """True for float16 arithmetic in the convolutions."""
        return self.precision == "fp16"

    @property
    def stores_half(self) -> bool:
        """True for convolution weights stored as float16."""
        return self.weights == "fp16"


def build_engines(
    checkpoint: Path,
    out: Path,
    *,
    precision: str = "fp32",
    batch: tuple[int, int, int] = (1, 8, 32),
    weights: str | None = None,
    progress: Progress | None = None,
    faces: Pixels | None = None,
    plans: PlanOptions | None = None,
    watch: Watch | None = None,
    int8: bool = False,
) -> Manifest:
    """Exports every network of a checkpoint and writes an engine directory.

    Args:
        checkpoint: a `.pt` or `.safetensors` of this project.
        out: the directory to make; an engine directory there is replaced.
        precision: arithmetic of the graphs, `fp32` or `fp16`.
        batch: smallest, best and largest batch that the engines are meant for.
        weights: how convolution weights are stored, `fp32` or `fp16`; None means like `precision`.
        progress: called with a line after each network.
        faces: uint8 (n, H, W, 3), RGB, on which parity is measured; None means the package's own.
        plans: what TensorRT plans are to be made for; None means no plans.
        watch: told how far TensorRT is with a network.
        int8: whether the stages get files in int8 beside their ONNX files; with precision fp32.

    Raises:
        EfganError: an argument or the checkpoint is wrong, `out` holds something else, a figure
            misses its bar, or NNCF is not installed and int8 asked for. Then nothing at `out` has
            changed.
        EngineError: ONNX Runtime, with which the files are checked, or what else is asked for
            needs, TensorRT or OpenVINO, is not installed.
        KeyboardInterrupt: Ctrl-C; nothing at `out` has changed.
    """
    form = Form(precision, weights or precision, batch)
    check_replaceable(out)
    import_onnxruntime()
    if plans is not None:
        check_plans_possible()
    if int8:
        check_int8_possible(precision)
    loaded = load_checkpoint(checkpoint)
    family = trained_family(loaded.family)
    if int8 and (loaded.family != "cascade" or loaded.config.motion):
        raise EfganError(
            "int8 is for cascades that repaint, and this checkpoint is none; build it with "
            "precision fp32 or fp16"
        )
    used_faces = checked_faces(faces, loaded.config.crop_px)
    with staging_folder(out) as folder:
        entries = _write_networks(loaded, folder, form, used_faces, progress or (lambda _: None))
        properties = _properties(loaded, checkpoint, len(used_faces))
        stored = None
        if (data := family.data(loaded)) is not None:
            path = folder / data[0]
            path.write_bytes(data[1])
            stored = StoredFile(path.name, _sha256(path), path.stat().st_size)
            properties |= data[2]
        if form.computes_in_half:
            properties["parity"] |= parity.half_range(
                {name: entry.parity for name, entry in entries.items()}
            )
        manifest = Manifest(
            __version__,
            "onnx",
            precision,
            form.weights,
            entries,
            properties,
            data_file=stored,
            family=loaded.family,
        )
        if plans is not None:
            manifest = add_plans(folder, manifest, plans, progress, watch)
        if int8:
            manifest = add_int8(folder, manifest, used_faces, progress)
        manifest.write(folder)
        read_properties(EngineDirectory(folder, manifest))
        put_in_place(folder, out)
    return manifest


def _write_networks(
    checkpoint: Checkpoint, folder: Path, form: Form, faces: Pixels, report: Progress
) -> dict[str, NetworkEntry]:
    """Exports, writes and measures network by network, in the order in which they run."""
    started = time.perf_counter()
    probe = trained_family(checkpoint.family).probe(faces, checkpoint)
    networks, runs, figures = _measured_in_torch(checkpoint.build(), form, probe)
    report(f"reference: {len(faces)} faces in PyTorch, {time.perf_counter() - started:.1f} s")

    bars = parity.FILE_BARS_FP16 if form.computes_in_half else parity.FILE_BARS_FP32
    entries = {}
    for name, network in networks.items():
        started = time.perf_counter()
        path = write_network(network, folder, form)
        from_file = parity.run_file(path, runs[name].inputs)
        figures[name] |= parity.differences(from_file, runs[name].outputs)
        parity.hold(name, figures[name], bars, parity.FILE_REMEDY)
        entries[name] = network_entry(network, path, form, figures[name])
        seconds, megabytes = time.perf_counter() - started, entries[name].bytes / 1e6
        shown = ", ".join(f"{figure} {value:.3g}" for figure, value in figures[name].items())
        report(f"{name}: {seconds:.1f} s, {megabytes:.2f} MB, {shown}")
    return entries


def _measured_in_torch(
    trained: Any, form: Form, probe: parity.Arrays
) -> tuple[Mapping[str, ExportedNetwork], Mapping[str, parity.Run], dict[str, parity.Figures]]:
    """The networks in their form, what they have to give, and what the form costs.

    What a file has to give is what PyTorch makes of the networks as they were trained, except in
    half arithmetic: there it is what the very networks that are exported give.
    """
    folded = trained_family(trained.family).folded
    exact = exported_networks(trained)
    with recorded_peaks({name: network.module for name, network in exact.items()}) as peaks:
        exact_runs = run_in_torch(exact, probe)
    parity.refuse_non_finite(exact_runs, parity.CHECKPOINT_REMEDY)
    figures: dict[str, parity.Figures] = {name: {"peak_activation": peaks[name]} for name in exact}
    if not form.stores_half:
        return exported_networks(folded(trained)), exact_runs, figures

    if form.computes_in_half:
        twin = half_twin(folded(trained))
        networks = exported_networks(twin, torch.float16)
        with fast_half_convolutions(twin):
            runs = run_in_torch(networks, probe)
    else:
        rounded = with_rounded_weights(trained)
        networks = exported_networks(folded(rounded))
        runs = run_in_torch(exported_networks(rounded), probe)
    if form.computes_in_half:  # first, because the peak is the cause of what else would be told
        for name in networks:
            figures[name] |= parity.half_margin(peaks[name])
            parity.hold(name, figures[name], parity.HALF_BARS, parity.ROUNDING_REMEDY)
    parity.refuse_non_finite(runs, parity.ROUNDING_REMEDY)
    for name in networks:
        figures[name] |= parity.rounding_figures(runs[name], exact_runs[name])
        if form.computes_in_half:  # stored halves alone are only reported: FP32 computes with them
            parity.hold(name, figures[name], parity.HALF_BARS, parity.ROUNDING_REMEDY)
    return networks, runs, figures


def write_network(network: ExportedNetwork, folder: Path, form: Form) -> Path:
    """Exports a network into a folder and holds its graph to its form; the file's path."""
    model = to_onnx(network)
    check_precision(model, half=form.computes_in_half)
    if form.stores_half and not form.computes_in_half:
        store_convolutions_in_half(model)
    path = folder / f"{network.name}.onnx"
    path.write_bytes(to_file_bytes(model))
    return path


def network_entry(
    network: ExportedNetwork, path: Path, form: Form, figures: parity.Figures
) -> NetworkEntry:
    """The manifest's entry of a network that has been written."""
    return NetworkEntry(
        name=network.name,
        file=path.name,
        sha256=_sha256(path),
        bytes=path.stat().st_size,
        batch=form.batch,
        inputs=network.inputs,
        outputs=network.outputs,
        parity=figures,
    )


def _properties(checkpoint: Checkpoint, path: Path, face_count: int) -> dict[str, Any]:
    """What an edit needs to know of the model, and what made these engines."""
    return {
        **trained_family(checkpoint.family).properties(checkpoint.config),
        "expressions": {name: au.tolist() for name, au in checkpoint.expressions.items()},
        "alignment": checkpoint.alignment,
        "checkpoint_sha256": _sha256(path),
        "training": checkpoint.training,
        "parity": {"faces": face_count},
        "made_with": {
            package.__name__: package.__version__
            for package in (torch, onnx, onnxscript, import_onnxruntime())
        },
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
