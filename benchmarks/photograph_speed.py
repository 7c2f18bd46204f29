"""How fast photographs are edited, and where the time goes.

    python -m benchmarks photograph_speed PORTRAITS --detector face_detection_yunet.onnx

PORTRAITS is a folder of photographs of one face each; every one is laid on a canvas of two
megapixels, as a face is in a snapshot, and stored as a JPEG. `efgan-rt batch` makes all of them
happy, in a process of its own, several times; the median counts. The time of each stage is summed
over the threads, so the sum over the run's time says how much ran beside something else.

Prints a table and writes benchmarks/results/photograph_speed.json. The pictures are not kept.

    python -m benchmarks photograph_speed PORTRAITS --against ../an-older-checkout --engines SET

runs this checkout and another one by turns instead, over photographs of two megapixels and of
twelve, with the same detector and engines, and prints what either took for a picture.
"""

import argparse
import json
import resource
import statistics
import tempfile
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from benchmarks.kit import (
    REPOSITORY,
    RESULTS,
    Document,
    command_json,
    finish,
    parser,
    spread,
    turns,
    with_machine,
    write,
)
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import encode_picture
from efgan_rt.reporting.bench import picture_files

WIDTH, HEIGHT = 1632, 1224  # 2.0 megapixels, as small cameras have them
LARGE: Final = (4032, 3024), 2.2  # a telephone's 12.2 megapixels, and how much larger its faces are
WAITS: Final = "wait"


def snapshot(portrait: Picture, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """A portrait, uint8 RGB (H, W, 3), in the middle of a larger picture.

    It keeps its size, but for one that is larger. Around it are the portrait's own colours, so
    coarse that no detector finds a second face in them, with noise for the codec.
    """
    coarse = cv2.resize(portrait, (8, 6), interpolation=cv2.INTER_AREA)
    ground = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 3, ground.shape)
    canvas = np.asarray(np.clip(np.rint(ground + noise), 0, 255), np.uint8)
    side = min(height, max(portrait.shape[:2]))
    scale = side / max(portrait.shape[:2])
    size = (round(portrait.shape[1] * scale), round(portrait.shape[0] * scale))
    face = cv2.resize(portrait, size, interpolation=cv2.INTER_AREA)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = face
    return canvas


def edit_once(
    folder: Path, out: Path, options: argparse.Namespace, tree: Path = REPOSITORY
) -> Document:
    """One run of a checkout's `efgan-rt batch`: its summary, as `--json` prints it.

    Raises:
        EfganError: the run fails.
    """
    named = {"--detector": options.detector, "--engines": options.engines}
    more = [word for name, value in named.items() if value is not None for word in (name, value)]
    words = ("batch", folder, out, "--expression", "happy", "--json", "--no-crops", *more)
    return command_json(*words, tree=tree)


def measure(portraits: list[Path], options: argparse.Namespace) -> Document:
    """The figures of the median run."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "in"
        put_photographs(folder, portraits, options.pictures, large=False)
        runs = [
            edit_once(folder, Path(place) / f"out-{number}", options)
            for number in range(options.rounds + 1)
        ][1:]  # the first one compiles and warms the disk
    runs.sort(key=lambda run: run["seconds"])
    middle = runs[len(runs) // 2]
    stages = {
        found["stage"]: {"seconds": found["mean_ms"] * found["n"] / 1e3}
        for found in middle["latency"]
        if not found["stage"].startswith(WAITS)
    }
    busy = sum(stage["seconds"] for stage in stages.values())
    for stage in stages.values():
        stage["share"] = stage["seconds"] / busy
    rates = [options.pictures / run["seconds"] for run in runs]
    return with_machine(
        what="photographs of two megapixels with one face each, JPEG to JPEG, made happy",
        pictures=options.pictures,
        rounds=len(runs),
        megapixels=WIDTH * HEIGHT / 1e6,
        a_second=statistics.median(rates),
        a_second_range=[min(rates), max(rates)],
        seconds=middle["seconds"],
        busy_seconds=busy,
        faces=middle["faces"],
        engines={key: value for key, value in middle["engines"].items() if key != "directory"},
        stages=stages,
    )


def put_photographs(folder: Path, portraits: list[Path], count: int, *, large: bool) -> None:
    """Makes so many photographs out of portraits, in a new folder."""
    folder.mkdir()
    (width, height), grown = LARGE if large else ((WIDTH, HEIGHT), 1.0)
    for number in range(count):
        portrait = read_picture(portraits[number % len(portraits)])
        if large:
            portrait = np.asarray(
                cv2.resize(portrait, None, fx=grown, fy=grown, interpolation=cv2.INTER_CUBIC),
                np.uint8,
            )
        data = encode_picture(".jpg", snapshot(portrait, width, height))
        (folder / f"{number:03d}.jpg").write_bytes(data)


def compare(portraits: list[Path], options: argparse.Namespace) -> list[Document]:
    """Two checkouts by turns: what a photograph of either size took them, and each stage of it."""
    rows = []
    for large in (False, True):
        with tempfile.TemporaryDirectory() as place:
            put_photographs(Path(place) / "in", portraits, options.pictures, large=large)
            found: dict[str, list[Document]] = {"this": [], "other": []}
            for number, name in enumerate(turns(list(found), options.rounds)):
                tree = REPOSITORY if name == "this" else options.against.resolve()
                before = _processor_s()
                run = edit_once(Path(place) / "in", Path(place) / f"out-{number}", options, tree)
                found[name].append(run | {"processor_s": _processor_s() - before})
        own, other = (_a_picture(runs, options.pictures) for runs in found.values())
        ratio = other["milliseconds"]["median"] / own["milliseconds"]["median"]
        rows.append({"large": large, "ratio": ratio, "this": own, "other": other})
    return rows


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _a_picture(runs: list[Document], pictures: int) -> Document:
    """Milliseconds of a picture: of the run, of all processors with its start, of each stage."""
    stages: dict[str, list[float]] = {}
    for run in runs:
        for stage in run["latency"]:
            stages.setdefault(stage["stage"], []).append(stage["mean_ms"] * stage["n"] / pictures)
    return {
        "milliseconds": spread([1e3 * run["seconds"] / pictures for run in runs]),
        "processor_ms": spread([1e3 * run["processor_s"] / pictures for run in runs]),
        "stages_ms": {name: round(statistics.median(each), 1) for name, each in stages.items()},
    }


def main() -> None:
    """Measures, writes, prints."""
    given = parser(__doc__, "photograph_speed")
    add = given.add_argument
    add("portraits", type=Path, metavar="PORTRAITS")
    add("--detector", type=Path, metavar="FILE", help="YuNet; else as `batch` takes it")
    add("--engines", type=Path, metavar="DIR", help="an engine directory, not the current one")
    add("--pictures", type=int, default=48, metavar="N")
    add("--rounds", type=int, default=5, metavar="N")
    add("--against", type=Path, metavar="TREE", help="another checkout, run by turns with this one")
    options = given.parse_args()
    if options.against is not None:
        rows = compare(picture_files(options.portraits), options)
        for row in rows:
            size = "12" if row["large"] else "2"
            print(f"{size} megapixels: {row['ratio']:.2f} times as many a second")
        document = with_machine(pictures=options.pictures, rounds=options.rounds, sizes=rows)
        write(None if options.json == RESULTS / "photograph_speed.json" else options.json, document)
        print(json.dumps(document))
        return
    document = measure(picture_files(options.portraits), options)
    finish(options.json, document, "photograph_speed")
