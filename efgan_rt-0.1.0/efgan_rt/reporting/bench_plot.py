"""A picture of a bench: each way a bar of its stages, side by side, in milliseconds a picture.

Time a picture and not a batch, so that batch sizes compare. Waits are no work and are left out; the
line across each bar is what a picture took from directory to directory, below the bar's end where
stages overlap.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from efgan_rt.errors import EfganError
from efgan_rt.extras import needs_extra
from efgan_rt.reporting.bench_result import Result, latencies_of, name_of
from efgan_rt.reporting.latency import WAIT_PREFIX

INCHES_A_WAY: Final = 1.5
DPI: Final = 150


def check_plot(path: Path) -> None:
    """Refuses what could not be written in the end, before anything is measured.

    Raises:
        EfganError: the name is no PNG's, the folder is missing, or matplotlib is.
    """
    if path.suffix.lower() != ".png":
        raise EfganError(f"{path}: a plot is a PNG; give it a name that ends in .png")
    if not path.parent.is_dir():
        raise EfganError(f"{path}: there is no folder {path.parent}")
    with needs_extra("plot"):
        import matplotlib  # noqa: F401


def stage_shares(results: Sequence[Result]) -> dict[str, list[float]]:
    """Milliseconds a picture by stage, in each way; 0 where a way has no such stage."""
    found: dict[str, list[float]] = {}
    for number, result in enumerate(results):
        for each in latencies_of(result, "pipeline"):
            if not each.stage.startswith(WAIT_PREFIX):
                row = found.setdefault(each.stage, [0.0] * len(results))
                row[number] = each.mean_ms / result["batch"]
    return found


def write_plot(path: Path, results: Sequence[Result], machine: str) -> None:
    """Draws the ways' stages.

    Args:
        path: a PNG.
        results: at least one.
        machine: for the title.

    Raises:
        EfganError: it cannot be written, or matplotlib is not installed.
    """
    with needs_extra("plot"):
        from matplotlib import colormaps
        from matplotlib.figure import Figure
    shares = stage_shares(results)
    figure = Figure(figsize=(3.5 + INCHES_A_WAY * len(results), 5), layout="constrained")
    axes = figure.subplots()
    colours = colormaps["tab20"]
    places = range(len(results))
    floor = [0.0] * len(results)
    for number, (stage, heights) in enumerate(shares.items()):
        colour = colours(number % colours.N)
        axes.bar(places, heights, 0.7, bottom=floor, label=stage, color=colour)
        floor = [below + height for below, height in zip(floor, heights, strict=True)]
    for place, result in zip(places, results, strict=True):
        took = 1e3 / result["pipeline"]["images_per_s"]
        label = "a picture took" if place == 0 else ""
        ends = (place - 0.42, place + 0.42)
        axes.hlines(took, *ends, colors="black", linewidth=1.5, label=label)
        axes.annotate(
            f"{result['pipeline']['images_per_s']:.0f}/s",
            (place, max(took, floor[place])),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
        )
    axes.set_xticks(places, [name_of(result).replace(", ", "\n") for result in results])
    axes.set_ylabel("ms a picture")
    axes.margins(y=0.1)
    axes.set_title(f"Stages of a run, directory to directory\n{machine}", fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right upper", frameon=False)
    try:
        figure.savefig(path, dpi=DPI)
    except OSError as error:
        raise EfganError(f"{path}: cannot be written: {error.strerror}") from error
