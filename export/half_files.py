"""A half-precision engine directory, made from one in FP32 without checkpoint and PyTorch.

Who runs the engines that come along on a GPU needs no more than the extra for the GPU: the graphs
are rewritten (`export.half_graph`) and held to the bars of any other half set. Rounding and the
largest activation come from the rewritten graphs with their rounding made visible, over the whole
program as it runs, faces towards every expression in turn; then each file is held to that.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import onnx

from efgan_rt import __version__
from efgan_rt.errors import EfganError
from efgan_rt.families.family import PIXELS, Family, Wish
from efgan_rt.families.properties import Properties
from efgan_rt.families.registry import family_of, read_properties
from efgan_rt.lane import even_progress
from engines.arrays import Array
from engines.base import TensorSpec
from engines.directory import EngineDirectory
from engines.manifest import Manifest, NetworkEntry
from engines.program import Output
from engines.runtimes import import_onnxruntime
from export import parity
from export.calibration import Pixels, checked_faces
from export.directory import check_replaceable, put_in_place, staging_folder
from export.graphs import check_precision, to_file_bytes
from export.half_graph import PEAK, to_half, with_visible_rounding
from export.plans import PlanOptions, Watch, add_plans, check_plans_possible

Progress = Callable[[str], None]
REMEDY: Final = "half precision does not carry these weights: go on with the engines in fp32"


def remake_half(
    directory: Path,
    out: Path,
    *,
    batch: tuple[int, int, int] | None = None,
    faces: Pixels | None = None,
    progress: Progress | None = None,
    plans: PlanOptions | None = None,
    watch: Watch | None = None,
) -> Manifest:
    """Makes a half-precision engine directory from the ONNX files of another.

    Args:
        directory: an engine directory in fp32.
        out: where the result goes; an engine directory there is replaced.
        batch: smallest, best and largest batch that it is meant for; None means as before.
        faces: uint8 (n, H, W, 3), RGB; None means the package's own.
        progress: called with a line when it begins and after each network.
        plans: what TensorRT plans are to be made for; None means no plans.
        watch: told how far TensorRT is with a network.

    Raises:
        EngineError: the directory is none, a file is not as its manifest says, or ONNX Runtime, or
            TensorRT where plans are asked for, is not installed.
        EfganError: the engines are not in fp32, a figure misses its bar, or `out` holds something
            else. Then nothing there has changed.
    """
    source = EngineDirectory(directory)
    if source.manifest.precision != "fp32":
        raise EfganError(
            f"{directory}: these engines are {source.manifest.precision} already, expected fp32"
        )
    check_replaceable(out)
    ort = import_onnxruntime()
    if plans is not None:
        check_plans_possible()
    report = progress or (lambda _: None)
    family, before = family_of(source), read_properties(source)
    after = replace(before, image_dtype="float16")
    used_faces = checked_faces(faces, before.crop_px)
    report(f"half precision from {directory}: {len(used_faces)} faces")
    exact = _given(family, before, used_faces)
    rounded = dict(exact)
    entries: dict[str, NetworkEntry] = {}
    specs = family.specs(after)
    with staging_folder(out) as folder:
        for step in family.wiring(before).program.steps:
            started, name = time.perf_counter(), step.network
            content = source.model(name)
            entry = source.manifest.network(name)
            made, visible = content, content
            if name not in family.exact:
                half = to_half(onnx.load_from_string(content), _narrowed(entry, specs[name]))
                check_precision(half, half=True)
                made = to_file_bytes(half)
                visible = to_file_bytes(with_visible_rounding(half))
            wide = parity.run_file(content, step.gathered(exact))
            inputs = {
                spec.name: step.gathered(rounded)[spec.name].astype(spec.numpy_dtype)
                for spec in specs[name][0]
            }
            narrow = dict(parity.run_file(visible, inputs, optimised=False))
            peak = float(narrow.pop(PEAK, np.float32(0)))
            figures = _figures(name, peak, parity.Run(inputs, narrow), wide)
            figures |= parity.differences(parity.run_file(made, inputs), narrow)
            parity.hold(name, figures, parity.FILE_BARS_FP16, parity.FILE_REMEDY)
            exact |= {step.outputs[each]: values for each, values in wide.items()}
            rounded |= {step.outputs[each]: values for each, values in narrow.items()}
            (folder / entry.file).write_bytes(made)
            entries[name] = replace(
                entry,
                sha256=hashlib.sha256(made).hexdigest(),
                bytes=len(made),
                batch=batch or entry.batch,
                inputs=specs[name][0],
                outputs=specs[name][1],
                parity=figures,
                plan=None,
                int8=None,
            )
            shown = ", ".join(f"{figure} {value:.3g}" for figure, value in figures.items())
            seconds, megabytes = time.perf_counter() - started, len(made) / 1e6
            report(f"{name}: {seconds:.1f} s, {megabytes:.2f} MB, {shown}")
        properties = dict(source.manifest.properties)
        properties["parity"] = {"faces": len(used_faces)} | parity.half_range(
            {name: entry.parity for name, entry in entries.items()}
        )
        properties["half_made_with"] = {each.__name__: each.__version__ for each in (onnx, ort)}
        manifest = replace(
            source.manifest,
            tool_version=__version__,
            precision="fp16",
            weights="fp16",
            networks=entries,
            properties=properties,
            plans=None,
            int8=None,
            weights_file=None,
        )
        if source.manifest.data_file is not None:
            (folder / source.manifest.data_file.file).write_bytes(source.data())
        if plans is not None:
            manifest = add_plans(folder, manifest, plans, progress, watch)
        manifest.write(folder)
        read_properties(EngineDirectory(folder, manifest))
        put_in_place(folder, out)
    return manifest


def _given(family: Family, properties: Properties, faces: Pixels) -> dict[str, Array]:
    """By place, what the program is given: every face towards another expression in turn."""

    def read_nothing(_path: Path, _output: Output) -> Array:
        raise AssertionError("no picture is referred to")

    goals = [
        family.goal(properties, Wish(expression=name), read_nothing, lambda _: None)
        for name in properties.expressions
    ] or [family.any_goal(properties)]
    rows = [goals[number % len(goals)].places for number in range(len(faces))]
    given: dict[str, Array] = {PIXELS: faces}
    given |= {place: np.stack([row[place] for row in rows]) for place in rows[0]}
    wiring = family.wiring(properties)
    if wiring.progress is not None:
        given[wiring.progress] = even_progress(properties.stages, len(faces))
    return given


def _narrowed(entry: NetworkEntry, specs: tuple[tuple[TensorSpec, ...], ...]) -> list[str]:
    """The tensors that are float16 in a half set and were not."""
    before = {spec.name: spec.dtype for spec in (*entry.inputs, *entry.outputs)}
    return [
        spec.name
        for each in specs
        for spec in each
        if spec.dtype == "float16" and before[spec.name] == "float32"
    ]


def _figures(name: str, peak: float, run: parity.Run, exact: parity.Arrays) -> parity.Figures:
    """What rounding costs a network within the program, held to its bars."""
    figures: parity.Figures = {"peak_activation": peak} | parity.half_margin(peak)
    parity.hold(name, figures, parity.HALF_BARS, REMEDY)
    parity.refuse_non_finite({name: run}, REMEDY)
    figures |= parity.rounding_figures(run, parity.Run(run.inputs, exact))
    parity.hold(name, figures, parity.HALF_BARS, REMEDY)
    return figures
