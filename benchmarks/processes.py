"""Several processes, and a cluster of two nodes: are outputs one process's, and what do they cost?

    python -m benchmarks processes                              all parts
    python -m benchmarks processes outputs --pictures 500       one of them, smaller
    python -m benchmarks processes host --before CHECKOUT       another version's host code, too

`outputs`: one process, 2, 4, and a Ray cluster of two nodes on this machine edit the same pictures:
crops, photographs and pairs of faces in several formats, made from the examples and each of its own
colours, broken files among them. Many go through toy networks, which leave the time to what differs
between the ways, fewer through the set that ships. Every output's hash is compared.

`host`: processor time a picture of everything but networks, by a network that gives its pixels
back, 128-pixel JPEGs, ONNX Runtime: one process, 2, 4, and the cluster; with `--before` one process
of another version as well. `shipped`: the same, with the set that ships, in 1 and 2 processes.

A figure is the difference between a long and a short run, so that no start is in it; all ways are
gone through in every round, there and back. Processor time counts everything that a way has
started, the cluster's daemons as well (`benchmarks.control_group`); on a machine that others use,
it says more than seconds do. What Ray costs is the cluster's time over that of two processes, as a
share of what one picture takes with the set that ships. A part that is not run keeps its former
figures. Prints a table and one JSON object last; the same goes to
benchmarks/results/processes.json.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.control_group import ControlGroup
from benchmarks.kit import (
    COMMAND,
    FACES,
    PORTRAIT,
    REPOSITORY,
    SHIPPED,
    Document,
    finish,
    parser,
    spread,
    turns,
    with_machine,
)
from efgan_rt.errors import EfganError
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import write_picture
from efgan_rt.pipeline.journal import FOLDER
from engines.arrays import Bytes
from tests.broken_pictures import write_broken_pictures
from tests.toy_engines import write_toy_engines

PARTS: Final = ("outputs", "host", "shipped")
ONE, TWO, FOUR, RAY, BEFORE = "1 process", "2 processes", "4 processes", "Ray, 2 nodes", "before"
SEVERAL: Final = {ONE: (), TWO: ("--processes", "2"), FOUR: ("--processes", "4")}
RUN_LIMIT_S: Final = 3600
IDLE_S: Final = 20.0
SOME_FAILED: Final = 3
# The toy set's networks with a stage that gives back what it gets, in a checkout's own format.
NULL_SET: Final = """
import sys
from pathlib import Path
import tests.toy_engines as toy
toy.CROP_PX = 128
toy.STAGE = '''
{name} ({source}, float[B,{k}] au)
    => ({image}[B,3,{px},{px}] image_out, uint8[B,{px},{px},3] pixels_out,
        uint8[B,{px},{px}] attention) {{
    pixels_out = Identity(pixels)
    nchw = Transpose<perm=[0,3,1,2]>(pixels)
    image_out = Cast<to={image_type}>(nchw)
    attention = ReduceMax<keepdims=0>(nchw, channel_axis)
}}'''
toy.write_toy_engines(Path(sys.argv[1]), stages=1, batch=(1, 32, 32))
"""


@dataclass(frozen=True)
class Way:
    """A way to run the command.

    Attributes:
        options: that make it so.
        checkout: whose command it is.
        group: that counts its processor time; the cluster's has the cluster in it.
    """

    options: tuple[str, ...]
    group: ControlGroup
    checkout: Path = REPOSITORY


@dataclass
class Taken:
    """What runs of a way took, by how many pictures they had."""

    seconds: dict[int, list[float]] = field(default_factory=dict)
    processor_s: dict[int, list[float]] = field(default_factory=dict)

    def add(self, pictures: int, seconds: float, processor_s: float) -> None:
        """Notes a run."""
        self.seconds.setdefault(pictures, []).append(seconds)
        self.processor_s.setdefault(pictures, []).append(processor_s)

    def a_picture_ms(self, what: dict[int, list[float]]) -> list[float]:
        """What the long runs took over the short ones, a picture, round by round."""
        few, many = sorted(what)
        pairs = zip(what[few], what[many], strict=True)
        return [1e3 * (long - short) / (many - few) for short, long in pairs]

    @property
    def plain(self) -> Document:
        """Median, lowest and highest round."""
        return {
            "pictures": sorted(self.seconds),
            "processor_ms": spread(self.a_picture_ms(self.processor_s), 3),
            "ms": spread(self.a_picture_ms(self.seconds), 3),
        }


def edit(way: Way, source: Path, output: Path, *options: str) -> tuple[float, float, int]:
    """Runs the command; seconds, processor seconds of the way's group, exit status."""
    command = [*COMMAND, "batch", str(source), str(output), "-e", "happy", *options, *way.options]
    environment = os.environ | {"PYTHONPATH": str(way.checkout)}
    began, used = perf_counter(), way.group.processor_s
    with tempfile.TemporaryFile("w+") as said:
        process = way.group.start(
            command, cwd=way.checkout, env=environment, stdout=subprocess.DEVNULL, stderr=said
        )
        status = process.wait(RUN_LIMIT_S)
        taken = perf_counter() - began, way.group.processor_s - used
        if status not in (0, SOME_FAILED):
            said.seek(0)
            last = said.read().strip()[-500:]
            raise EfganError(f"efgan-rt batch {' '.join(way.options)} ended with {status}: {last}")
    return *taken, status


@contextmanager
def cluster(group: ControlGroup) -> Iterator[str]:
    """Two nodes of a Ray cluster on this machine; gives the head's address.

    Raises:
        EfganError: it does not start.
    """
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    process = group.start(
        [sys.executable, "-m", "benchmarks", "processes", "--nodes"],
        cwd=REPOSITORY,
        env=environment | {"PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        if not address:
            raise EfganError("no Ray cluster starts here; install the extra: efgan-rt[ray]")
        yield address
    finally:
        process.stdin.close()
        process.wait(60)


def hold_nodes() -> int:
    """The cluster, in a process of its own until nobody listens any more."""
    from ray.cluster_utils import Cluster

    store: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 1024 * 1024}
    made: Any = Cluster(initialize_head=True, head_node_args={**store, "include_dashboard": False})
    made.add_node(**store)
    made.wait_for_nodes()
    print(made.address, flush=True)
    sys.stdin.read()
    made.shutdown()
    return 0


@contextmanager
def ways(names: Sequence[str], before: Path | None = None) -> Iterator[dict[str, Way]]:
    """Ways to run, each counted, by name."""
    with ControlGroup() as plain, ControlGroup() as nodes:
        found = {name: Way(SEVERAL[name], plain) for name in names if name in SEVERAL}
        if before is not None:
            found[BEFORE] = Way((), plain, before)
        if RAY not in names:
            yield found
            return
        with cluster(nodes) as address:
            yield found | {RAY: Way(("--ray", address), nodes)}


# The outputs.


def mixed_pictures(folder: Path, count: int, broken: int) -> None:
    """Crops, photographs and pairs, each of its own colours, and broken ones.

    Args:
        folder: to be made.
        count: of all of them.
        broken: of them; made ten at a time.
    """
    faces = [read_picture(path) for path in sorted(FACES.glob("*.jpg"))]
    portrait = read_picture(PORTRAIT)
    random = np.random.default_rng(0)
    for number in range(0, broken, 10):
        place = folder / f"broken-{number}"
        place.mkdir(parents=True)
        write_broken_pictures(place, min(FACES.glob("*.jpg")))
    for number in range(count - broken):
        pixels, extension = picture(number, faces, portrait)
        if random.random() < 0.5:
            pixels = pixels[:, ::-1]
        colours = random.uniform(0.8, 1.0, 3) * pixels + random.uniform(0, 40, 3)
        path = folder / f"{number // 100:03}" / f"{number:05}{extension}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(path, np.ascontiguousarray(colours, np.uint8))


def picture(number: int, faces: Sequence[Bytes], portrait: Bytes) -> tuple[Bytes, str]:
    """One of twenty kinds, and its extension; faces are looked for in every tenth."""
    face, other = (faces[(number // 20 + shift) % len(faces)] for shift in (0, 1))
    match number % 20:
        case 0:
            return resized(portrait, 192 + number % 64), ".jpg"
        case 1:
            return np.hstack([resized(face, 144), resized(other, 144)]), ".jpg"
        case 2 | 3 | 4:
            return resized(face, 96), ".png"
        case 5 | 6:
            return resized(face, 112), ".webp"
        case 7 | 8:
            return face, ".bmp"
        case 9:
            return face, ".tif"
        case _:
            return face, ".jpg"


def resized(pixels: Bytes, height: int) -> Bytes:
    """A picture of another height, its sides in the same ratio."""
    width = round(pixels.shape[1] * height / pixels.shape[0])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def digest(path: Path) -> str:
    """The hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def hashes(folder: Path) -> dict[str, str]:
    """Of every file under a final name."""
    return {
        str(path.relative_to(folder)): digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and FOLDER not in path.parts
    }


def outputs(pictures: int, broken: int, engines: Path) -> Document:
    """All ways' outputs by an engine set, against those of one process."""
    document: Document = {"pictures": pictures, "broken": broken, "ways": {}}
    options = ("--no-face", "copy", "--engines", str(engines))
    with tempfile.TemporaryDirectory() as name, ways((*SEVERAL, RAY)) as found:
        source = Path(name) / "in"
        mixed_pictures(source, pictures, broken)
        right: dict[str, str] = {}
        for way in (*SEVERAL, RAY):
            output = Path(name) / way.replace(" ", "-")
            seconds, processor_s, status = edit(found[way], source, output, *options)
            made = hashes(output)
            right = right or made
            document["ways"][way] = {
                "exit_status": status,
                "files": len(made),
                "unedited": sum(made[each] == digest(source / each) for each in made),
                "missing": len(right.keys() - made.keys()),
                "others": len(made.keys() - right.keys()),
                "different": sum(right[each] != made[each] for each in right.keys() & made.keys()),
                "seconds": round(seconds, 1),
                "processor_s": round(processor_s, 1),
            }
            print(f"{way}: {document['ways'][way]}", file=sys.stderr)
    return document


def faults(found: Document) -> int:
    """Outputs that one process makes otherwise, of all ways together."""
    wrong = ("missing", "others", "different")
    return sum(way[each] for way in found["ways"].values() for each in wrong)


# What it costs.


def crops(folder: Path, count: int) -> Path:
    """A folder of so many of the examples' crops."""
    faces = sorted(FACES.glob("*.jpg"))
    folder.mkdir()
    for number in range(count):
        shutil.copyfile(faces[number % len(faces)], folder / f"{number:05}.jpg")
    return folder


def taken(
    found: Mapping[str, Way],
    counts: tuple[int, int],
    rounds: int,
    options: Mapping[str, tuple[str, ...]],
) -> dict[str, Taken]:
    """Runs every way in every round, over few pictures and over many (`counts`)."""
    result = {name: Taken() for name in found}
    with tempfile.TemporaryDirectory() as name:
        sources = {count: crops(Path(name) / str(count), count) for count in counts}
        runs = [(way, count) for way in found for count in counts]
        for number, (way, count) in enumerate(turns(runs, rounds)):
            output = Path(name) / f"out-{number}"
            seconds, processor_s, _ = edit(found[way], sources[count], output, *options[way])
            result[way].add(count, seconds, processor_s)
            print(f"{way}, {count}: {seconds:.1f} s, {processor_s:.1f} s", file=sys.stderr)
    return result


def host(counts: tuple[int, int], rounds: int, before: Path | None) -> Document:
    """Processor time a picture without networks."""
    document: Document = {"rounds": rounds, "ways": {}}
    with tempfile.TemporaryDirectory() as name, ways((*SEVERAL, RAY), before) as found:
        options = {}
        for way, each in found.items():
            engines = Path(name) / ("before" if way == BEFORE else "now")
            if not engines.exists():
                engines.mkdir()
                subprocess.run(
                    [sys.executable, "-c", NULL_SET, str(engines)],
                    cwd=each.checkout,
                    env=os.environ | {"PYTHONPATH": str(each.checkout)},
                    check=True,
                )
            options[way] = (
                *("--crops", "--engines", str(engines), "--backend", "onnxruntime"),
                *("--batch-size", "32"),
            )
        result = taken(found, counts, rounds, options)
        document["ways"] = {way: took.plain for way, took in result.items()}
        used = found[RAY].group.processor_s
        sleep(IDLE_S)
        document["idle_cluster_cores"] = round((found[RAY].group.processor_s - used) / IDLE_S, 4)
    return document


def shipped(counts: tuple[int, int], rounds: int, engines: Path) -> Document:
    """Processor time and seconds a picture with the set that ships, in one process and in two."""
    options = dict.fromkeys((ONE, TWO), ("--crops", "--engines", str(engines)))
    with ways((ONE, TWO)) as found:
        result = taken(found, counts, rounds, options)
    one, two = result[ONE], result[TWO]
    return {
        "rounds": rounds,
        "ways": {name: each.plain for name, each in result.items()},
        "two_over_one": {
            "processor": spread(ratios(two.processor_s, one.processor_s), 3),
            "seconds": spread(ratios(two.seconds, one.seconds), 3),
        },
    }


def ratios(two: dict[int, list[float]], one: dict[int, list[float]]) -> list[float]:
    """Of what a picture takes, round by round."""
    pairs = zip(Taken(two).a_picture_ms(two), Taken(one).a_picture_ms(one), strict=True)
    return [over / under for over, under in pairs]


def ray_share(document: Document) -> Document | None:
    """What Ray takes of a picture's time with the set that ships; None where a part is missing."""
    if "host" not in document or "shipped" not in document:
        return None
    by_way = document["host"]["ways"]
    over = by_way[RAY]["processor_ms"]["median"] - by_way[TWO]["processor_ms"]["median"]
    a_picture = document["shipped"]["ways"][ONE]["processor_ms"]["median"]
    return {"over_two_processes_ms": round(over, 4), "share": round(over / a_picture, 5)}


def main() -> int:
    """Runs the parts, prints, writes; the exit status says whether all outputs were the same."""
    options = parser(__doc__, "processes")
    add = options.add_argument
    add("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all without")
    add("--pictures", type=int, default=5000, metavar="N", help="of outputs, broken ones included")
    add("--shipped-outputs", type=int, default=500, metavar="N", help="likewise, the shipped set's")
    add("--broken", type=int, default=50, metavar="N", help="of either, a multiple of ten")
    add("--rounds", type=int, default=5, metavar="N")
    add("--host-pictures", type=int, nargs=2, default=(1000, 5000), metavar="N")
    add("--shipped-pictures", type=int, nargs=2, default=(100, 500), metavar="N")
    add("--engines", type=Path, default=SHIPPED, metavar="DIR", help="in place of the shipped set")
    add("--before", type=Path, metavar="DIR", help="another version's checkout")
    add("--nodes", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.nodes:
        return hold_nodes()
    if unknown := set(given.parts) - set(PARTS):
        raise EfganError(f"no part is called {min(unknown)}; there are {', '.join(PARTS)}")
    parts = given.parts or PARTS
    kept = json.loads(given.json.read_text()) if given.json.is_file() else {}
    document: Document = {name: kept[name] for name in PARTS if name in kept}
    loads = kept.get("load_at_start", {}) | dict.fromkeys(parts, round(os.getloadavg()[0], 1))
    if "outputs" in parts:
        with tempfile.TemporaryDirectory() as name:
            write_toy_engines(Path(name))
            document["outputs"] = {
                "toy networks": outputs(given.pictures, given.broken, Path(name)),
                "the set that ships": outputs(given.shipped_outputs, given.broken, given.engines),
            }
    if "host" in parts:
        document["host"] = host(tuple(given.host_pictures), given.rounds, given.before)
    if "shipped" in parts:
        document["shipped"] = shipped(tuple(given.shipped_pictures), given.rounds, given.engines)
    document |= {"ray": ray_share(document), "load_at_start": loads}
    finish(given.json, with_machine(**document), "processes")
    return int(any(faults(each) for each in document.get("outputs", {}).values()))
