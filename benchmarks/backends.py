"""Every backend and precision that works here, against each other in one run.

    python benchmarks/backends.py
    python benchmarks/backends.py --rounds 5 --seconds 10

Runs `efgan-rt bench` on the example faces, a process for each backend, precision and batch, in
rounds, so that a machine whose speed drifts treats all alike; what is kept of a figure is its
median over the rounds. A way that this machine cannot go is left out with its reason. The networks
bound the number where the last column is near 1; below that, decoding and encoding, which share the
cores with them, do. A table for people, one JSON object last, and the same in
benchmarks/results/backends.json.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results" / "backends.json"
GPU_BACKENDS = ("tensorrt", "tensorrt-rtx", "onnxruntime-cuda")
WAYS = (
    *(("openvino", "bf16"), ("openvino", "fp32"), ("onnxruntime", "fp32")),
    # On a GPU the precision is the engines' own.
    *((backend, None) for backend in GPU_BACKENDS),
)


def bench(
    backend: str, precision: str | None, batch: int, rest: list[str]
) -> dict[str, Any] | None:
    """One process's figures, or None where this machine cannot run that way."""
    wish = ("--precision", precision) if precision else ()
    run = subprocess.run(
        [
            *(sys.executable, "-m", "efgan_rt.cli.app", "bench", "--json", "-"),
            *("--backend", backend, *wish, "--batch-size", str(batch)),
            *("--pictures", str(REPOSITORY / "examples" / "faces"), *rest),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        print(f"{backend} {precision or ''}: left out: {run.stderr.strip()}", file=sys.stderr)
        return None
    document: dict[str, Any] = json.loads(run.stdout)
    return document


def summarise(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the rounds of one way."""
    results = [run["results"][0] for run in runs]

    def median(*path: str) -> float:
        values = []
        for result in results:
            for key in path:
                result = result[key]
            values.append(float(result))
        return round(statistics.median(values), 3)

    networks = [network["stage"] for network in results[0]["engines"]["networks"]]
    latencies = {}
    for i, name in enumerate(networks):
        each = [result["engines"]["networks"][i] for result in results]
        latencies[name] = {
            figure: round(statistics.median(network[figure] for network in each), 2)
            for figure in ("p50_ms", "p90_ms", "p99_ms")
        } | {"n": sum(network["n"] for network in each)}
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8], metavar="B")
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="FILE")
    arguments, rest = parser.parse_known_args()
    rest += ["--seconds", str(arguments.seconds)]
    ways = [(*way, batch) for batch in arguments.batches for way in WAYS]
    runs: dict[tuple[str, str | None, int], list[dict[str, Any]]] = {way: [] for way in ways}
    for _ in range(arguments.rounds):
        for way in ways:
            if (document := bench(*way, rest)) is not None:
                runs[way].append(document)
    measured = {way: found for way, found in runs.items() if found}
    first = next(iter(measured.values()))[0]
    document = {
        "machine": first["machine"],
        "networks": "shipped" if "--engines" not in rest else "named",
        "seconds": arguments.seconds,
        "workers": first["workers"],
        "ways": [
            {"backend": backend, "batch": batch, **summarise(found)}
            for (backend, _, batch), found in measured.items()
        ],
    }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    Console().print(_table(document))
    print(json.dumps(document))


def _table(document: dict[str, Any]) -> Table:
    table = Table(title="Pictures a second, medians", title_justify="left")
    for heading in ("backend", "precision", "batch", "engines", "dir to dir", "ratio"):
        table.add_column(heading, justify="left" if heading == "backend" else "right")
    for way in document["ways"]:
        figures = (way["engines_images_per_s"], way["pipeline_images_per_s"])
        table.add_row(
            way["backend"],
            way["precision"],
            str(way["batch"]),
            *(f"{figure:.1f}" for figure in figures),
            f"{way['ratio']:.2f}",
        )
    return table


if __name__ == "__main__":
    main()
