"""How fast photographs are edited, and where the time goes.

    python -m benchmarks photograph_speed PORTRAITS --detector face_detection_yunet.onnx

PORTRAITS is a folder of photographs of one face each; every one is laid on a canvas of two
megapixels, as a face is in a snapshot, and stored as a JPEG. `efgan-rt batch` makes all of them
happy, in a process of its own, several times; the median counts. The time of each stage is summed
over the threads, so the sum over the run's time says how much ran beside something else.

Prints a table and writes benchmarks/results/photograph_speed.json. The pictures are not kept.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from benchmarks.kit import Document, command_json, finish, parser, with_machine
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import encode_picture
from efgan_rt.reporting.bench import picture_files

WIDTH, HEIGHT = 1632, 1224  # 2.0 megapixels, as small cameras have them
WAITS: Final = "wait"


def snapshot(portrait: Picture) -> Picture:
    """A portrait, uint8 RGB (H, W, 3), in the middle of a picture of two megapixels.

    It keeps its size, but for one that is larger. Around it are the portrait's own colours, so
    coarse that no detector finds a second face in them, with noise for the codec.
    """
    coarse = cv2.resize(portrait, (8, 6), interpolation=cv2.INTER_AREA)
    ground = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 3, ground.shape)
    canvas = np.asarray(np.clip(np.rint(ground + noise), 0, 255), np.uint8)
    side = min(HEIGHT, max(portrait.shape[:2]))
    scale = side / max(portrait.shape[:2])
    size = (round(portrait.shape[1] * scale), round(portrait.shape[0] * scale))
    face = cv2.resize(portrait, size, interpolation=cv2.INTER_AREA)
    top, left = (HEIGHT - size[1]) // 2, (WIDTH - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = face
    return canvas


def edit_once(folder: Path, out: Path, options: argparse.Namespace) -> Document:
    """One run of `efgan-rt batch`: its summary, as `--json` prints it.

    Raises:
        EfganError: the run fails.
    """
    named = {"--detector": options.detector, "--engines": options.engines}
    more = [word for name, value in named.items() if value is not None for word in (name, value)]
    return command_json(
        "batch", folder, out, "--expression", "happy", "--json", "--no-crops", *more
    )


def measure(portraits: list[Path], options: argparse.Namespace) -> Document:
    """The figures of the median run."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "in"
        folder.mkdir()
        for number in range(options.pictures):
            picture = snapshot(read_picture(portraits[number % len(portraits)]))
            (folder / f"{number:03d}.jpg").write_bytes(encode_picture(".jpg", picture))
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


def main() -> None:
    """Measures, writes, prints."""
    given = parser(__doc__, "photograph_speed")
    add = given.add_argument
    add("portraits", type=Path, metavar="PORTRAITS")
    add("--detector", type=Path, metavar="FILE", help="YuNet; else as `batch` takes it")
    add("--engines", type=Path, metavar="DIR", help="an engine directory, not the current one")
    add("--pictures", type=int, default=48, metavar="N")
    add("--rounds", type=int, default=5, metavar="N")
    options = given.parse_args()
    document = measure(picture_files(options.portraits), options)
    finish(options.json, document, "photograph_speed")
