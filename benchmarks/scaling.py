"""How a run grows: with pictures, their size, the batch, lanes and cores; time and memory.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --only size --only lanes --rounds 5 --json FILE

Every point is an `efgan-rt batch` in a process of its own, on generated crops, with one thing
changed and the rest as it is by default; points take turns over the rounds and medians count. Time
is the run's own, from the first picture read to the last one written; memory is the peak of the
process as the system counts it; cores are taken away by affinity. A table for people, one JSON
object last.
"""

import argparse
import json
import os
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
from efgan_rt.images import encode_picture, read_picture  # noqa: E402
from efgan_rt.reporting.bench import picture_files  # noqa: E402
from efgan_rt.reporting.machine import machine_facts  # noqa: E402

FACES: Final = REPOSITORY / "examples" / "faces"


@dataclass(frozen=True)
class Point:
    """One run. None leaves a choice to `efgan-rt batch`."""

    pictures: int
    size_px: int = 128
    batch: int | None = None
    lanes: int | None = None
    cores: int | None = None


def points(axis: str, pictures: int, cores: int) -> list[Point]:
    """What is run along an axis.

    Args:
        axis: a field of `Point`.
        pictures: of the runs that do not change it.
        cores: that this process may use.
    """
    doubled = [1 << n for n in range(cores.bit_length())]
    values: dict[str, Sequence[int]] = {
        "pictures": [max(1, pictures // 8), pictures // 2, pictures, 4 * pictures],
        "size_px": [128, 256, 512, 1024, 2048],
        "batch": [1, 2, 4, 8, 16, 32],
        "lanes": [n for n in (1, 2, 3, 4, 8) if n <= 2 * cores],
        "cores": sorted({*doubled, cores}),
    }
    return [replace(Point(pictures), **{axis: value}) for value in values[axis]]


AXES: Final = ("pictures", "size_px", "batch", "lanes", "cores")


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
    axes: Sequence[str], pictures: int, rounds: int, options: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """Every point of every axis, medians over the rounds."""
    faces = picture_files(FACES)
    cores = len(os.sched_getaffinity(0))
    planned = {axis: points(axis, pictures, cores) for axis in axes}
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="efgan-scaling-") as name:
        folder = Path(name)
        for turn in range(rounds):
            for axis, row in planned.items():
                for number, point in enumerate(row):
                    source = folder / f"{axis}-{number}"
                    if not turn:
                        write_pictures(point, faces, source)
                    out = folder / f"out-{axis}-{number}-{turn}"
                    figures = run_point(point, source, out, options)
                    found.setdefault((axis, number), []).append(figures)
    return {
        axis: [
            asdict(point)
            | {
                figure: statistics.median(each[figure] for each in found[axis, number])
                for figure in ("images_per_s", "processor_s", "peak_mb")
            }
            for number, point in enumerate(row)
        ]
        for axis, row in planned.items()
    }


def main() -> int:
    """Runs the script; what the user can mend is one sentence and status 1."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", action="append", choices=AXES, help="this axis; may be repeated")
    add("--pictures", type=int, default=400, metavar="N", help="of the runs that do not change it")
    add("--rounds", type=int, default=3, metavar="N")
    add("--json", type=Path, metavar="FILE", help="also write the figures there")
    arguments, rest = parser.parse_known_args()
    axes = tuple(dict.fromkeys(arguments.only or AXES))
    try:
        found = measure(axes, arguments.pictures, arguments.rounds, rest)
    except EfganError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    document = {
        "machine": machine_facts(),
        "pictures": arguments.pictures,
        "rounds": arguments.rounds,
        "options": rest,
        "axes": found,
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
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
