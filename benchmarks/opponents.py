"""efgan-rt against what people would use otherwise, in one run on the same pictures.

    python benchmarks/opponents.py
    python benchmarks/opponents.py --pictures faces --count 512 --rounds 5 --json FILE

| way | what |
|---|---|
| `torch loop` | the checkpoint in PyTorch, a loop over files, one by one or in batches |
| `onnxruntime loop` | the ONNX files in ONNX Runtime with its defaults, the same loop |
| `efgan-rt` | `run_batch` from directory to directory, for each backend and precision |
| `benchmark_app` | no files: the networks alone in OpenVINO's own tool, the limit of the runtime |

All ways edit the same files towards the same target, in turns, so that a machine whose speed drifts
treats them alike; what counts of a way is the median of its turns. The loops' pictures are compared
with efgan-rt's of the same precision, so that nobody wins by doing something else. A table for
people, one JSON object last.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # a script's own folder is there, the repository is not

from benchmarks.file_loops import SessionLoop, edit_files, largest_difference  # noqa: E402
from benchmarks.runtime_limit import cascade_limit, network_limits  # noqa: E402
from benchmarks.torch_engine import TorchForm, torch_networks  # noqa: E402
from benchmarks.torch_loop import TorchLoop  # noqa: E402
from efgan_rt.cascade import CascadeEngines  # noqa: E402
from efgan_rt.errors import EfganError  # noqa: E402
from efgan_rt.expressions import Target, target_for  # noqa: E402
from efgan_rt.originals import JPEG_QUALITY  # noqa: E402
from efgan_rt.pipeline.batch import run_batch  # noqa: E402
from efgan_rt.pipeline.files import Plan, asked_of_all  # noqa: E402
from efgan_rt.pipeline.journal import Journal  # noqa: E402
from efgan_rt.pipeline.workers import BatchOptions  # noqa: E402
from efgan_rt.reporting.bench import picture_files  # noqa: E402
from efgan_rt.reporting.machine import machine_facts  # noqa: E402
from efgan_rt.shots import stills  # noqa: E402
from efgan_rt.tuning import default_settings  # noqa: E402
from engines.base import EngineError  # noqa: E402
from engines.manifest import read_manifest  # noqa: E402
from train.models.checkpoint import load_checkpoint  # noqa: E402

SHIPPED: Final = REPOSITORY / "efgan_rt" / "shipped"
FACES: Final = REPOSITORY / "examples" / "faces"
OURS: Final = (("openvino", "bf16"), ("openvino", "fp32"), ("onnxruntime", "fp32"))
FIRST: Final = "efgan-rt onnxruntime fp32"  # that the loops' pictures are held against

Run = Callable[[Path], float]
"""Edits all files into an empty folder; gives pictures a second."""


def links_to(files: Sequence[Path], count: int, folder: Path) -> list[Path]:
    """`count` links to the files, under names of their own."""
    folder.mkdir()
    links = []
    for number, file in enumerate(islice(cycle(files), count)):
        link = folder / f"{number:06}{file.suffix}"
        link.symlink_to(file.absolute())
        links.append(link)
    return links


def pipeline_run(cascade: CascadeEngines, target: Target, source: Path, out: Path) -> float:
    """`efgan-rt batch` without its command line."""
    jobs = asked_of_all(Plan(source, out, stills("")).jobs(), [target], [b""])
    with Journal(out) as journal:
        outcome = run_batch(
            jobs,
            [cascade.lane() for _ in range(cascade.lanes)],
            batch=cascade.batch,
            journal=journal,
            crop_px=cascade.crop_px,
            # As the loops write, so that the pictures can be compared.
            options=BatchOptions(default_settings().workers, quality=JPEG_QUALITY),
        )
    shutil.rmtree(out / ".efgan-rt")
    if outcome.failed:
        raise EfganError(f"a picture to measure with failed: {outcome.failures[0].reason}")
    return outcome.written / outcome.seconds


def find_ways(options: argparse.Namespace, source: Path, files: list[Path]) -> dict[str, Run]:
    """Every way that this machine can go, by name."""
    ways: dict[str, Run] = {}
    manifest = read_manifest(options.engines)
    expression = next(iter(manifest.properties["expressions"]), None)
    for backend, precision in OURS:
        try:
            cascade = CascadeEngines.open(
                options.engines, backend=backend, precision=precision, batch=options.batch
            )
        except EngineError as error:
            print(f"{backend} {precision}: left out: {error}", file=sys.stderr)
            continue
        target = target_for(cascade.expressions, cascade.au_names, expression=expression, au=None)
        ways[f"efgan-rt {backend} {precision}"] = partial(pipeline_run, cascade, target, source)
    stages = int(manifest.properties["stages"])
    networks = load_checkpoint(options.checkpoint).build()
    for batch in dict.fromkeys((1, options.batch)):
        exported = torch_networks(networks, TorchForm(), "cpu")
        loop = TorchLoop(exported, stages, batch, "cpu")
        session_loop = SessionLoop(options.engines, manifest, stages, batch)
        for name, editor in (("torch", loop), ("onnxruntime", session_loop)):
            ways[f"{name} loop, batch {batch}"] = partial(
                edit_files, editor, target, files, batch=batch
            )
    return ways


def measure(ways: dict[str, Run], rounds: int, folder: Path) -> tuple[dict[str, list[float]], Any]:
    """Pictures a second of each way's turns, and how far its pictures are from the first's."""
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    differences: dict[str, int] = {}
    for turn in range(rounds + 1):  # the first turn warms up, and its pictures are compared
        for name, run in ways.items():
            out = folder / f"{turn} {name}"
            out.mkdir()
            speed = run(out)
            if turn:
                speeds[name].append(speed)
                shutil.rmtree(out)
    for name in ways:
        if FIRST in ways:
            differences[name] = largest_difference(folder / f"0 {FIRST}", folder / f"0 {name}")
    return speeds, differences


def limits(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What `benchmark_app` makes of the networks, in each of OpenVINO's precisions."""
    found: dict[str, Any] = {}
    manifest = read_manifest(options.engines)
    for precision in ("bf16", "fp32"):
        place = folder / precision
        place.mkdir()
        try:
            networks = network_limits(
                options.engines,
                manifest,
                place,
                precision=precision,
                batch=options.batch,
                seconds=options.seconds,
            )
        except EfganError as error:
            print(f"benchmark_app {precision}: left out: {error}", file=sys.stderr)
            continue
        found[precision] = {"networks": networks, "images_per_s": cascade_limit(networks)}
    return found


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--engines", type=Path, default=SHIPPED, metavar="DIR")
    add("--checkpoint", type=Path, default=SHIPPED / "efgan.safetensors", metavar="FILE")
    add("--pictures", type=Path, default=FACES, metavar="DIR", help="crops of the networks' size")
    add("--count", type=int, default=256, metavar="N", help="files, links to the pictures")
    add("--batch", type=int, default=8, metavar="B")
    add("--rounds", type=int, default=5, metavar="N")
    add("--seconds", type=float, default=10.0, metavar="S", help="of benchmark_app a network")
    add("--json", type=Path, metavar="FILE", help="also write the figures there")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measures everything."""
    with tempfile.TemporaryDirectory(prefix="efgan-opponents-") as name:
        folder = Path(name)
        source = folder / "in"
        files = links_to(picture_files(options.pictures), options.count, source)
        speeds, differences = measure(find_ways(options, source, files), options.rounds, folder)
        (folder / "limit").mkdir()
        return {
            "machine": machine_facts(),
            "pictures": options.count,
            "batch": options.batch,
            "rounds": options.rounds,
            "ways": {
                way: {
                    "images_per_s": statistics.median(turns),
                    "turns": turns,
                    "largest_difference_levels": differences.get(way),
                }
                for way, turns in speeds.items()
            },
            "benchmark_app": limits(options, folder / "limit"),
        }


def _table(document: dict[str, Any]) -> Table:
    table = Table(title="Pictures a second, medians", title_justify="left")
    table.add_column("way")
    for heading in ("/s", "slowest turn", "levels apart"):
        table.add_column(heading, justify="right")
    for name, way in document["ways"].items():
        figures = (way["images_per_s"], min(way["turns"]))
        apart = way["largest_difference_levels"]
        table.add_row(
            name, *(f"{each:.1f}" for each in figures), "" if apart is None else f"{apart}"
        )
    for precision, found in document["benchmark_app"].items():
        table.add_row(
            f"benchmark_app {precision}, no files", f"{found['images_per_s']:.1f}", "", ""
        )
    return table


def main() -> int:
    """Runs the script; what the user can mend is one sentence and status 1."""
    options = parse_arguments()
    try:
        document = run(options)
    except (EfganError, EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    Console().print(_table(document))
    print(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
