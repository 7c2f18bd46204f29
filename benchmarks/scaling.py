"""How a run grows: with pictures, their size, the batch, lanes and cores; time and memory.

    python -m benchmarks scaling --json benchmarks/results/scaling.json
    python -m benchmarks scaling --pictures-axis 100 1000 5000 20000
    python -m benchmarks scaling --only size_px --only lanes --rounds 5

Every point is an `efgan-rt batch` in a process of its own, on crops (links to a dozen files), with
one thing changed and the rest as it is by default; points take turns over the rounds and medians
count, points of more than a thousand pictures run once. Time is the run's own, from the first
picture read to the last one written; memory is the peak of the process as the system counts it;
cores are taken away by affinity. A table for people, one JSON object last.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.kit import (
    COMMAND,
    ENVIRONMENT,
    FACES,
    finish,
    medians,
    parser,
    with_machine,
)
from benchmarks.readme_tables import AXES
from efgan_rt.errors import EfganError
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import encode_picture
from efgan_rt.reporting.bench import picture_files

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
    command = [*COMMAND, "batch", str(source), str(out)]
    command += ["--expression", "happy", "--crops", "--json", *options]
    for name, value in (("--batch-size", point.batch), ("--lanes", point.lanes)):
        command += [] if value is None else [name, str(value)]
    usable = sorted(os.sched_getaffinity(0))
    used = usable if point.cores is None else usable[: point.cores]
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        ["taskset", "--cpu-list", ",".join(map(str, used)), *command],
        env=ENVIRONMENT,
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
            asdict(point) | {"rounds": len(runs := found[axis, number])} | medians(runs)
            for number, point in enumerate(row)
        ]
        for axis, row in planned.items()
    }


def main() -> None:
    """Measures, prints, writes."""
    options = parser(__doc__)
    add = options.add_argument
    add("--only", action="append", choices=tuple(AXES), help="this axis; may be repeated")
    add("--pictures", type=int, default=200, metavar="N", help="of the runs that do not change it")
    add("--pictures-axis", type=int, nargs="+", default=list(PICTURES_AXIS), metavar="N")
    add("--rounds", type=int, default=3, metavar="N")
    arguments, rest = options.parse_known_args()
    axes = tuple(dict.fromkeys(arguments.only or AXES))
    document = with_machine(
        pictures=arguments.pictures,
        rounds=arguments.rounds,
        options=rest,
        axes=measure(axes, arguments.pictures, arguments.rounds, rest, arguments.pictures_axis),
    )
    finish(arguments.json, document, "scaling")
