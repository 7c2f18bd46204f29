"""What benchmarks share: options and results, the command line, turns, tables, test people."""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from efgan_rt.errors import EfganError
from efgan_rt.reporting.machine import machine_facts

REPOSITORY: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = REPOSITORY / "benchmarks" / "results"
SHIPPED: Final = REPOSITORY / "efgan_rt" / "shipped"
FACES: Final = REPOSITORY / "examples" / "faces"
PORTRAIT: Final = REPOSITORY / "examples" / "photographs" / "astronaut.jpg"
SHARED: Final = Path(os.environ.get("EFGAN_SHARED", REPOSITORY.parent / "shared")) / "data"
COMMAND: Final = (sys.executable, "-m", "efgan_rt.cli.app")
_PATHS = (str(REPOSITORY), os.environ.get("PYTHONPATH", ""))
ENVIRONMENT: Final = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, _PATHS))}
FIRST_LONDON_TEST_PERSON: Final = 110  # people numbered below may be trained on

Document = dict[str, Any]
T = TypeVar("T")


def parser(description: str | None, result: str | None = None) -> argparse.ArgumentParser:
    """A benchmark's options, of which `--json` is one.

    Args:
        description: the module's docstring.
        result: the figures go to `benchmarks/results/RESULT.json` unless `--json` names another
            place; without it they go nowhere else.
    """
    made = argparse.ArgumentParser(
        prog=sys.argv[0],
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = None if result is None else RESULTS / f"{result}.json"
    made.add_argument("--json", type=Path, default=default, metavar="FILE", help="for the figures")
    return made


def with_machine(**figures: Any) -> Document:
    """A result: the machine's facts and versions, then the figures."""
    return {"machine": machine_facts(), **figures}


def write(file: Path | None, document: Document) -> None:
    """Writes a result where a file is named."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")


def command_json(*words: object, tree: Path = REPOSITORY) -> Document:
    """What `efgan-rt` prints as JSON, in a process of its own.

    Args:
        words: its arguments.
        tree: the checkout whose code is run, by this one's Python.

    Raises:
        EfganError: it fails.
    """
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True, text=True, check=False, cwd=tree,
        env=ENVIRONMENT if tree == REPOSITORY else ENVIRONMENT | {"PYTHONPATH": str(tree)},
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.strip()[-500:]
        raise EfganError(f"efgan-rt {words[0]} ended with {done.returncode}: {said}")
    printed: Document = json.loads(done.stdout)
    return printed


def turns(ways: Sequence[T], rounds: int) -> Iterator[T]:
    """Every way in every round, every second round backwards: a drift of the machine hits all."""
    for number in range(rounds):
        yield from ways if number % 2 == 0 else reversed(ways)


def spread(values: Sequence[float], digits: int = 1) -> dict[str, float]:
    """Median, lowest and highest."""
    found = {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
    return {name: round(value, digits) for name, value in found.items()}


def medians(runs: Sequence[Mapping[str, float]], digits: int = 4) -> dict[str, float]:
    """Of each figure the median over the runs."""
    return {name: round(statistics.median(run[name] for run in runs), digits) for name in runs[0]}


def finish(file: Path | None, document: Document, table: str) -> None:
    """Writes a result, and prints it: for people as the pages show it, and as JSON on a last line.

    Args:
        file: where it goes; None for nowhere.
        document: the result.
        table: of `benchmarks.readme_tables`.
    """
    from benchmarks.readme_tables import TABLES

    write(file, document)
    print(TABLES[table](document))
    print(json.dumps(document))


def find_picture_set(named: Path | None) -> Path:
    """The rendered set's folder with `labels.csv` and `images/`, no part of the repository.

    Args:
        named: what `--data` gave; without it `$EFGAN_SHARED/data/synth`, and without that variable
            `shared/data/synth` beside the repository.

    Raises:
        EfganError: there is no picture set at that place.
    """
    folder = named if named is not None else SHARED / "synth"
    if not ((folder / "labels.csv").is_file() and (folder / "images").is_dir()):
        raise EfganError(
            f"{folder}: no picture set, expected labels.csv and images/ in it; "
            "name its folder with --data, or the one that holds data/synth with EFGAN_SHARED"
        )
    return folder


def london_pairs(folder: Path, *, everybody: bool = False) -> dict[str, tuple[Path, Path]]:
    """The London set's neutral and happy photograph by person, of the test people or of everybody.

    Raises:
        EfganError: there is nobody with both.
    """
    found = {}
    for neutral in sorted((folder / "images").glob("*_neutral.jpg")):
        person = neutral.stem.removesuffix("_neutral")
        happy = neutral.with_name(f"{person}_happy.jpg")
        if (everybody or int(person) >= FIRST_LONDON_TEST_PERSON) and happy.is_file():
            found[person] = (neutral, happy)
    if not found:
        raise EfganError(
            f"{folder}: nobody with images/N_neutral.jpg and images/N_happy.jpg; expected the "
            "London set, named by --london"
        )
    return found
