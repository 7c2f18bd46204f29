"""Does what was exported compute what was trained? Measured on faces at every build.

Two comparisons, with bars of their own:

* the file against PyTorch with the weights that the file stores, network by network, each given
  the same inputs. In FP32 this is the exporter's and the runtime's error alone. Of a half graph,
  ONNX Runtime's CPU says only that it is valid, because it computes in FP32.
* the stored networks against the full-precision ones, both in PyTorch and as a whole cascade: what
  rounding costs. Half graphs run in half arithmetic here, so overflow shows.

A figure that is not a number fails every bar.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from efgan_rt.errors import EfganError
from engines.arrays import Array
from engines.runtimes import import_onnxruntime

Arrays = Mapping[str, Array]
Figures = dict[str, float]

# Where a motion stage's channels lie, by output, and which are of one kind; of displacements only
# those of a pixel count (`efgan_rt.faces.motion.FIELDS`).
FIELDS_BY_KIND: Final[Mapping[str, int]] = {"totals_out": 1, "fields": -1}
KINDS: Final[Mapping[str, tuple[int, ...]]] = {
    "displacement": (0, 1),
    "shade": (2,),
    "mouth": (3, 4, 5),
    "paint": (6, 7, 8, 9),
}
LARGEST_HALF: Final = 65504.0
IDENTICAL_DB: Final = 99.0  # stands for an infinite PSNR, which JSON cannot say
AGAINST_FP32: Final = "_against_fp32"
HALF_MARGIN: Final = "margin_to_65504"


@dataclass(frozen=True)
class Bar:
    """What a figure must reach, or must not exceed."""

    limit: float
    at_least: bool = False

    def holds(self, figure: float) -> bool:
        """False for a figure that is not a number."""
        return figure >= self.limit if self.at_least else figure <= self.limit

    def __str__(self) -> str:
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g}"


# FP32: the order of additions differs between PyTorch and a runtime, nothing else.
FILE_BARS_FP32: Final[Mapping[str, Bar]] = {
    "image_out_max_abs": Bar(1e-4),
    "au_max_abs": Bar(5e-4),
    "stage_au_max_abs": Bar(5e-4),
    "pixels_out_max_abs": Bar(1),
    "attention_max_abs": Bar(1),
    # In pixels of the fields' grid, half of the crop's; paint 1 level of 127.5.
    "totals_out_displacement_max_abs": Bar(0.01),
    "totals_out_shade_max_abs": Bar(0.002),
    "totals_out_mouth_max_abs": Bar(0.004),
    "totals_out_paint_max_abs": Bar(1 / 127.5),
    "mouth_choice_max_abs": Bar(0),
}
# Half: every layer's result is rounded in PyTorch and not in ONNX Runtime. The bar for action
# units, 1 % of their range, is ours.
FILE_BARS_FP16: Final[Mapping[str, Bar]] = {
    "pixels_out_psnr_db": Bar(45, at_least=True),
    "au_max_abs": Bar(0.05),
    "stage_au_max_abs": Bar(5e-4),
    "totals_out_displacement_max_abs": Bar(0.05),
    "totals_out_shade_max_abs": Bar(0.01),
    "totals_out_paint_max_abs": Bar(3 / 127.5),
    "mouth_choice_max_abs": Bar(0),
}
# Half arithmetic against FP32 with unrounded weights. The peak is held to a quarter of float16's
# end: a picture unlike the faces measured may reach further than they do.
HALF_BARS: Final[Mapping[str, Bar]] = {
    "peak_activation": Bar(LARGEST_HALF / 4),
    "pixels_out_psnr_db" + AGAINST_FP32: Bar(45, at_least=True),
    "au_max_abs" + AGAINST_FP32: Bar(0.05),
}
FILE_REMEDY: Final = (
    "the export or the runtime is at fault: compare the versions of torch, onnx and onnxruntime "
    "with those in constraints.txt"
)
CHECKPOINT_REMEDY: Final = (
    "the checkpoint gives this in FP32 already, as a training that diverged does: take another"
)
ROUNDING_REMEDY: Final = "half precision does not carry these weights: build with --precision fp32"


@dataclass(frozen=True)
class Run:
    """What a network was given and gave, each tensor by name."""

    inputs: Arrays
    outputs: Arrays


def run_file(model: Path | bytes, inputs: Arrays, *, optimised: bool = True) -> Arrays:
    """Runs a network's file in ONNX Runtime on the CPU.

    Args:
        model: the file or its content.
        inputs: by tensor.
        optimised: whether the runtime may compute the graph in other ways.

    Raises:
        EngineError: ONNX Runtime is not installed.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def differences(found: Arrays, expected: Arrays) -> Figures:
    """How far two sets of outputs are apart: `<name>_max_abs`, and PSNR in dB for pictures.

    Bytes differ in levels, all else in its own unit. Not a number if either holds a non-finite one.
    """
    figures: Figures = {}
    for name, wanted in expected.items():
        a, b = found[name].astype(np.float64), wanted.astype(np.float64)
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            figures[f"{name}_max_abs"] = float("nan")
            continue
        error = np.abs(a - b)
        if name in FIELDS_BY_KIND:
            figures |= {
                f"{name}_{kind}_max_abs": float(error.take(places, FIELDS_BY_KIND[name]).max())
                for kind, places in KINDS.items()
            }
            continue
        figures[f"{name}_max_abs"] = float(error.max())
        if name == "pixels_out":
            figures["pixels_out_psnr_db"] = psnr_db(error)
    return figures


def psnr_db(error: npt.NDArray[Any]) -> float:
    """Peak signal-to-noise ratio of an error in levels of 0..255; 99 for no error at all."""
    mean_square = float(np.mean(np.square(error)))
    if mean_square == 0:
        return IDENTICAL_DB
    return min(float(10 * np.log10(255**2 / mean_square)), IDENTICAL_DB)


def rounding_figures(stored: Run, exact: Run) -> Figures:
    """What rounding costs a network within the cascade; names end in `AGAINST_FP32`."""
    figures = differences(stored.outputs, exact.outputs)
    return {
        figure + AGAINST_FP32: figures[figure]
        for figure in ("pixels_out_psnr_db", "au_max_abs")
        if figure in figures
    }


def half_margin(peak: float) -> Figures:
    """How many times a network's largest activation fits below float16's end."""
    return {HALF_MARGIN: LARGEST_HALF / peak} if peak > 0 else {}


def half_range(figures: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """The set's nearest approach to float16's end, for the manifest, from its networks' figures."""
    nearest = max(figures, key=lambda name: figures[name]["peak_activation"])
    peak = figures[nearest]["peak_activation"]
    return {
        "largest_half": LARGEST_HALF,
        "largest_activation": peak,
        "largest_activation_in": nearest,
        **half_margin(peak),
    }


def refuse_non_finite(runs: Mapping[str, Run], remedy: str) -> None:
    """Holds every output of every network to finite numbers.

    Raises:
        EfganError: one has another; the message names network, tensor and remedy.
    """
    for name, run in runs.items():
        for output, values in run.outputs.items():
            if not np.isfinite(values).all():
                raise EfganError(
                    f"{name}: {output} is not finite everywhere on the faces of the parity check; "
                    f"no engines were written; {remedy}"
                )


def hold(name: str, figures: Figures, bars: Mapping[str, Bar], remedy: str) -> None:
    """Holds every figure that has a bar to it.

    Raises:
        EfganError: one fails; the message names network, figure, bar and remedy.
    """
    for figure, bar in bars.items():
        if figure in figures and not bar.holds(figures[figure]):
            raise EfganError(
                f"{name}: parity failed, {figure} is {figures[figure]:.4g}, expected {bar}; "
                f"no engines were written; {remedy}"
            )
