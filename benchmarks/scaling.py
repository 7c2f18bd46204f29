"""How a run grows: with pictures, their size, the batch, lanes and cores; time and memory.

    python benchmarks/scaling.py --json benchmarks/results/scaling.json --plot docs/scaling.png
    python benchmarks/scaling.py --pictures-axis 100 1000 5000 20000
    python benchmarks/scaling.py --only size_px --only lanes --rounds 5

Every point is an `efgan-rt batch` in a process of its own, on crops (links to a dozen files), with
one thing changed and the rest as it is by default; points take turns over the rounds and medians
count, points of more than a thousand pictures run once. Time is the run's own, from the first
picture read to the last one written; memory is the peak of the process as the system counts it;
cores are taken away by affinity. A table for people, one JSON object last, and a picture where
matplotlib is installed.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # a script's own folder is there, the repository is not

from efgan_rt.errors import EfganError  # noqa: E402
from efgan_rt.extras import needs_extra  # noqa: E402
from efgan_rt.pictures.read import read_picture  # noqa: E402
from efgan_rt.pictures.write import encode_picture  # noqa: E402
from efgan_rt.reporting.bench import picture_files  # noqa: E402
from efgan_rt.reporting.machine import machine_facts  # noqa: E402

FACES: Final = REPOSITORY / "examples" / "faces"
PICTURES_AXIS: Final = (100, 1000, 5000)
REPEATED_UP_TO: Final = 1000  # pictures: a longer run is its own average


@dataclass(frozen=True)
class Point:
    """One run. None leaves a choice to `efgan-rt batch`."""

    pictures: int
    size_px: int = 128
    batch: int | None = None
    lanes: int | None = None
    cores: int | None = None


def points(
    axis: str, pictures: int, cores: int, pictures_axis: Sequence[int] = PICTURES_AXIS
) -> list[Point]:
    """What is run along an axis.

    Args:
        axis: a field of `Point`.
        pictures: of the runs that do not change it.
        cores: that this process may use.
        pictures_axis: of the runs that do.
    """
    doubled = [1 << n for n in range(cores.bit_length())]
    values: dict[str, Sequence[int]] = {
        "pictures": pictures_axis,
        "size_px": [128, 256, 512, 1024, 2048],
        "batch": [1, 2, 4, 8, 16, 32],
        "lanes": [n for n in (1, 2, 3, 4, 8) if n <= 2 * cores],
        "cores": sorted({*doubled, cores}),
    }
    return [replace(Point(pictures), **{axis: value}) for value in values[axis]]


LABELS: Final = {
    "pictures": "pictures",
    "size_px": "their side, pixels",
    "batch": "batch",
    "lanes": "lanes",
    "cores": "cores",
}
AXES: Final = tuple(LABELS)
SPEED_COLOUR: Final = "#1f5f99"
HEADROOM: Final = 1.15  # of a panel, above its highest point
MEMORY_COLOUR: Final = "#b4531a"


def write_pictures(point: Point, faces: Sequence[Path], folder: Path) -> None:
    """The run's input: JPEG crops of its size, links to a few real files."""
    folder.mkdir()
    scaled = []
    for number, face in enumerate(faces):
        size = (point.size_px, point.size_px)
        crop = np.asarray(
            cv2.resize(read_picture(face), size, interpolation=cv2.INTER_CUBIC), np.uint8
        )
        file = folder.with_name(f"{folder.name}-{number}.jpg")
        file.write_bytes(encode_picture(".jpg", crop))
        scaled.append(file)
    for number in range(point.pictures):
        (folder / f"{number:06}.jpg").symlink_to(scaled[number % len(scaled)])


def run_point(point: Point, source: Path, out: Path, options: Sequence[str]) -> dict[str, float]:
    """One run: pictures a second, seconds of the whole process, peak memory in MB.

    Raises:
        EfganError: the run failed.
    """
    command = [
        *(sys.executable, "-m", "efgan_rt.cli.app", "batch", str(source), str(out)),
        *("--expression", "happy", "--crops", "--json", *options),
    ]
    for name, value in (("--batch-size", point.batch), ("--lanes", point.lanes)):
        command += [] if value is None else [name, str(value)]
    usable = sorted(os.sched_getaffinity(0))
    used = usable if point.cores is None else usable[: point.cores]
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        ["taskset", "--cpu-list", ",".join(map(str, used)), *command],
        cwd=REPOSITORY,
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write_end)
    with os.fdopen(read_end) as stream:
        printed = stream.read()
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise EfganError(f"{point}: {(said.strip() or 'failed').splitlines()[-1]}")
    document = json.loads(printed)
    return {
        "images_per_s": document["written"] / document["seconds"],
        "processor_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss * 1024 / 1e6,
    }


def measure(
    axes: Sequence[str],
    pictures: int,
    rounds: int,
    options: Sequence[str],
    pictures_axis: Sequence[int] = PICTURES_AXIS,
) -> dict[str, list[dict[str, Any]]]:
    """Every point of every axis, medians over the rounds."""
    faces = picture_files(FACES)
    cores = len(os.sched_getaffinity(0))
    planned = {axis: points(axis, pictures, cores, pictures_axis) for axis in axes}
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="efgan-scaling-") as name:
        folder = Path(name)
        for turn in range(rounds):
            for axis, row in planned.items():
                for number, point in enumerate(row):
                    if turn and point.pictures > REPEATED_UP_TO:
                        continue
                    source = folder / f"{axis}-{number}"
                    if not turn:
                        write_pictures(point, faces, source)
                    out = folder / f"out-{axis}-{number}-{turn}"
                    figures = run_point(point, source, out, options)
                    found.setdefault((axis, number), []).append(figures)
                    shutil.rmtree(out)
                    said = f"{axis} {getattr(point, axis)}: {figures['images_per_s']:.1f} a second"
                    print(said, file=sys.stderr, flush=True)
    return {
        axis: [
            asdict(point)
            | {"rounds": len(found[axis, number])}
            | {
                figure: statistics.median(each[figure] for each in found[axis, number])
                for figure in ("images_per_s", "processor_s", "peak_mb")
            }
            for number, point in enumerate(row)
        ]
        for axis, row in planned.items()
    }


def draw(path: Path, document: dict[str, Any]) -> None:
    """A panel an axis: pictures a second, and peak memory beside it.

    Raises:
        EfganError: matplotlib is not installed.
    """
    with needs_extra("plot"):
        from matplotlib.figure import Figure
    axes: dict[str, list[dict[str, Any]]] = document["axes"]
    figure = Figure(figsize=(3.2 * len(axes), 2.9), layout="constrained")
    for number, (axis, rows) in enumerate(axes.items(), start=1):
        panel = figure.add_subplot(1, len(axes), number)
        values = [row[axis] for row in rows]
        panel.plot(values, [row["images_per_s"] for row in rows], "o-", color=SPEED_COLOUR)
        panel.set_ylim(0, HEADROOM * max(row["images_per_s"] for row in rows))
        panel.set_xscale("log")
        panel.set_xticks(values, [f"{value:,}" for value in values])
        panel.minorticks_off()
        panel.set_xlabel(LABELS[axis])
        panel.tick_params(axis="y", labelcolor=SPEED_COLOUR)
        beside = panel.twinx()
        beside.plot(values, [row["peak_mb"] for row in rows], "s--", color=MEMORY_COLOUR)
        beside.set_ylim(0, HEADROOM * max(row["peak_mb"] for row in rows))
        beside.tick_params(axis="y", labelcolor=MEMORY_COLOUR)
        if number == 1:
            panel.set_ylabel("pictures a second", color=SPEED_COLOUR)
        if number == len(axes):
            beside.set_ylabel("peak memory, MB", color=MEMORY_COLOUR)
    figure.savefig(path, dpi=120)


def main() -> int:
    """Runs the script; what the user can mend is one sentence and status 1."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", action="append", choices=AXES, help="this axis; may be repeated")
    add("--pictures", type=int, default=200, metavar="N", help="of the runs that do not change it")
    add("--pictures-axis", type=int, nargs="+", default=list(PICTURES_AXIS), metavar="N")
    add("--rounds", type=int, default=3, metavar="N")
    add("--json", type=Path, metavar="FILE", help="also write the figures there")
    add("--plot", type=Path, metavar="FILE.png", help="also draw them; needs matplotlib")
    arguments, rest = parser.parse_known_args()
    axes = tuple(dict.fromkeys(arguments.only or AXES))
    try:
        found = measure(axes, arguments.pictures, arguments.rounds, rest, arguments.pictures_axis)
    except EfganError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    document = {
        "machine": machine_facts(),
        "pictures": arguments.pictures,
        "rounds": arguments.rounds,
        "options": rest,
        "plot": arguments.plot.name if arguments.plot else None,
        "axes": found,
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    if arguments.plot:
        draw(arguments.plot, document)
    for axis, rows in found.items():
        Console().print(_table(axis, rows))
    print(json.dumps(document))
    return 0


def _table(axis: str, rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(title=f"By {axis}", title_justify="left")
    for heading in (axis, "images /s", "processor s", "peak MB"):
        table.add_column(heading, justify="right")
    for row in rows:
        figures = (row["images_per_s"], row["processor_s"], row["peak_mb"])
        table.add_row(str(row[axis]), *(f"{figure:.1f}" for figure in figures))
    return table


if __name__ == "__main__":
    sys.exit(main())
