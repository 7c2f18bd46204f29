"""Every backend and precision that works here, against each other in one run.

    python -m benchmarks backends
    python -m benchmarks backends --rounds 5 --seconds 10

Runs `efgan-rt bench` on the example faces, a process for each backend, precision and batch, by
turns; what is kept of a figure is its median. A way that this machine cannot go is left out with
its reason. The networks bound the number where the last column is near 1; below that, decoding and
encoding, which share the cores with them, do. A table for people, one JSON object last. Further
options are those of `efgan-rt bench`.
"""

import statistics
import sys
from typing import Any

from benchmarks.kit import FACES, Document, command_json, finish, parser, turns
from efgan_rt.errors import EfganError

WAYS = (
    *(("openvino", "bf16"), ("openvino", "fp32"), ("onnxruntime", "fp32")),
    # On a GPU the precision is the engines' own.
    *((backend, None) for backend in ("tensorrt", "tensorrt-rtx", "onnxruntime-cuda")),
)
PERCENTILES = ("p50_ms", "p90_ms", "p99_ms")


def summarise(runs: list[Document]) -> Document:
    """Medians over the turns of one way."""
    results = [run["results"][0] for run in runs]

    def median(*path: str) -> float:
        found: list[Any] = results
        for key in path:
            found = [each[key] for each in found]
        return round(statistics.median(map(float, found)), 3)

    latencies: Document = {}
    for same in zip(*(result["engines"]["networks"] for result in results), strict=True):
        figures = {p: round(statistics.median(each[p] for each in same), 2) for p in PERCENTILES}
        latencies[same[0]["stage"]] = figures | {"n": sum(each["n"] for each in same)}
    return {
        "precision": results[0]["precision"],
        "rounds": len(results),
        "engines_images_per_s": median("engines", "images_per_s"),
        "pipeline_images_per_s": median("pipeline", "images_per_s"),
        "ratio": median("ratio"),
        "latency_of_a_batch": latencies,
    }


def main() -> None:
    """Measures, prints, writes."""
    options = parser(__doc__, "backends")
    options.add_argument("--rounds", type=int, default=3, metavar="N")
    options.add_argument("--seconds", type=float, default=5.0, metavar="S")
    options.add_argument("--batches", type=int, nargs="+", default=[1, 8], metavar="B")
    arguments, rest = options.parse_known_args()
    runs: dict[tuple[str, str | None, int], list[Document]] = {}
    left_out = set()
    ways = [(*way, batch) for batch in arguments.batches for way in WAYS]
    for way in turns(ways, arguments.rounds):
        backend, precision, batch = way
        asked = ["--backend", backend, *(("--precision", precision) if precision else ())]
        asked += ["--batch-size", batch, "--pictures", FACES, "--seconds", arguments.seconds]
        if way not in left_out:
            try:
                found = command_json("bench", "--json", "-", *asked, *rest)
                runs.setdefault(way, []).append(found)
            except EfganError as error:
                left_out.add(way)
                print(f"{backend} {precision or ''}: left out: {error}", file=sys.stderr)
    first = next(iter(runs.values()))[0]
    document = {
        "machine": first["machine"],
        "networks": "shipped" if "--engines" not in rest else "named",
        "seconds": arguments.seconds,
        "workers": first["workers"],
        "ways": [
            {"backend": backend, "batch": batch, **summarise(runs[backend, precision, batch])}
            for backend, precision, batch in ways
            if (backend, precision, batch) in runs
        ],
    }
    finish(arguments.json, document, "backends")
