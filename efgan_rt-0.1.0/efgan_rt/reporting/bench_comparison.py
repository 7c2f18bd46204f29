"""One bench against another: ratios, and what makes them worth less.

Only ways that both have measured are compared. Two machines, or two versions of a runtime, may be
compared on purpose; it is said, because nobody remembers it later.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from efgan_rt.errors import EfganError
from efgan_rt.reporting.bench import WHOLE_BATCH
from efgan_rt.reporting.bench_result import latencies_of, name_of

if TYPE_CHECKING:
    from rich.table import Table

Document = Mapping[str, Any]


@dataclass(frozen=True)
class WayRatio:
    """What a way did in the second bench over what it did in the first.

    Attributes:
        way: its name.
        engines: pictures a second of the engines alone; above 1 is faster.
        pipeline: the same from directory to directory.
        p50: of a batch; below 1 is faster.
    """

    way: str
    engines: float
    pipeline: float
    p50: float


def read_bench(path: Path) -> Document:
    """Reads what `efgan-rt bench --json FILE` wrote.

    Raises:
        EfganError: it cannot be read, or is something else.
    """
    try:
        document = json.loads(path.read_text())
    except OSError as error:
        raise EfganError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise EfganError(f"{path}: no JSON: {error}") from error
    try:
        for result in document["results"]:
            name_of(result), _speeds(result)
        document["machine"]["processor"], document["machine"]["packages"]
    except (KeyError, TypeError, IndexError, StopIteration) as error:
        raise EfganError(
            f"{path}: not a bench of efgan-rt; make one with: efgan-rt bench --json {path}"
        ) from error
    found: Document = document
    return found


def ratios(before: Document, after: Document) -> list[WayRatio]:
    """The second over the first, for each way that both have.

    Raises:
        EfganError: they have none in common.
    """
    first = {name_of(result): result for result in before["results"]}
    second = {name_of(result): result for result in after["results"]}
    found = []
    for way in (name for name in second if name in first):
        old, new = _speeds(first[way]), _speeds(second[way])
        found.append(WayRatio(way, *(b / a for a, b in zip(old, new, strict=True))))
    if not found:
        raise EfganError(
            f"the two have no way in common: found {', '.join(first)} and {', '.join(second)}"
        )
    return found


def _speeds(result: Mapping[str, Any]) -> tuple[float, float, float]:
    """Pictures a second of engines and pipeline, and the p50 of a batch."""
    whole = next(r for r in latencies_of(dict(result), "engines") if r.stage == WHOLE_BATCH)
    return result["engines"]["images_per_s"], result["pipeline"]["images_per_s"], whole.p50_ms


def caveats(before: Document, after: Document) -> Iterator[str]:
    """What the two do not have in common besides their ways, and what was unsteady."""
    for fact in ("processor", "cores"):
        old, new = (each["machine"].get(fact) for each in (before, after))
        if old != new:
            yield f"another machine: {fact} {old}, then {new}"
    packages = [each["machine"]["packages"] for each in (before, after)]
    for package in sorted(packages[0].keys() | packages[1].keys()):
        old, new = (each.get(package, "none") for each in packages)
        if old != new:
            yield f"another version: {package} {old}, then {new}"
    for which, document in (("first", before), ("second", after)):
        for result in document["results"]:
            for reason in result.get("unrest", ()):
                yield f"unsteady in the {which}: {name_of(result)}: {reason}"


def comparison_table(found: list[WayRatio]) -> "Table":
    """A table for people."""
    from rich.table import Table

    table = Table(title="The second over the first", title_justify="left")
    table.add_column("way")
    for heading in ("engines /s", "dir to dir /s", "p50 of a batch"):
        table.add_column(heading, justify="right")
    for each in found:
        figures = (each.engines, each.pipeline, each.p50)
        table.add_row(each.way, *(f"{figure:.2f}" for figure in figures))
    return table
