"""What the opponents' figures say: the best of each family, and the ratios with their bars.

A ratio is the median over the turns of both ways' ratio within a turn, because a machine that slows
down for a minute slows both. A bar is what has to hold; some are meant for processors with AMX, or
for one width of networks, and then the table says whether this machine is meant.
"""

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.table import Table

PAPER_WIDTH: Final = 64
AMX: Final = "AMX"
BASE: Final = "torch fp32 loop, batch 1"  # that the short table counts from
PRECISIONS: Final = ("bf16", "fp32")  # of efgan-rt in the ratios: the first that ran


@dataclass(frozen=True)
class Bar:
    """A ratio of two families and what it has to reach; None where it is only to be known."""

    over: str
    under: str
    wide: float | None
    narrow: float | None
    needs: str | None = None

    def at(self, width: int) -> float | None:
        """What it has to reach for networks of a width."""
        return self.wide if width >= PAPER_WIDTH else self.narrow


def bars(precision: str) -> Iterator[Bar]:
    """What is compared, for efgan-rt's OpenVINO in a precision."""
    ours, alone = f"efgan-rt openvino {precision}", f"engines alone openvino {precision}"
    yield Bar(ours, "onnxruntime fp32 loop", 7.0, None, AMX)
    yield Bar(ours, "torch bf16 loop", 2.5, None, AMX)
    yield Bar(ours, "torch fp32 loop", None, None)
    yield Bar(ours, "torch compiled loop", None, None)
    yield Bar(ours, BASE, None, 5.0, AMX)
    yield Bar(alone, f"benchmark_app {precision}", 0.95, 0.95)
    yield Bar(ours, alone, 0.95, 0.85)
    yield Bar("efgan-rt openvino int8", ours, None, None)
    yield Bar("efgan-rt openvino int8", BASE, None, None)


def best_ways(ways: Mapping[str, Any]) -> dict[str, str]:
    """Family -> the way of it that had the best median, of those that took turns."""
    found: dict[str, str] = {}
    for name, way in ways.items():
        family = way["family"]
        if way["turns"] and (
            family not in found or way["images_per_s"] > ways[found[family]]["images_per_s"]
        ):
            found[family] = name
    return found


def find_ratios(ways: Mapping[str, Any], width: int) -> list[dict[str, Any]]:
    """Every ratio of which both ways ran.

    Args:
        ways: name -> family and turns, as `benchmarks.opponents` writes them.
        width: of the networks.
    """
    best = best_ways(ways)
    best |= {BASE: BASE} if BASE in ways else {}
    precision = next((p for p in PRECISIONS if f"efgan-rt openvino {p}" in best), PRECISIONS[-1])
    found = []
    for bar in bars(precision):
        if bar.over not in best or bar.under not in best:
            continue
        over, under = best[bar.over], best[bar.under]
        if bar.under != BASE and under == BASE:
            continue  # told below, with its bar
        turns = [a / b for a, b in zip(ways[over]["turns"], ways[under]["turns"], strict=True)]
        found.append(
            {
                "over": over,
                "under": under,
                "ratio": statistics.median(turns),
                "lowest": min(turns),
                "highest": max(turns),
                "bar": bar.at(width),
                "needs": bar.needs,
            }
        )
    return found


def verdict(ratio: Mapping[str, Any], bf16: str | None) -> str:
    """Whether a ratio reaches its bar, or why that is not asked here."""
    if ratio["bar"] is None:
        return ""
    if ratio["ratio"] >= ratio["bar"]:
        return "reached"
    if ratio["needs"] and ratio["needs"] not in (bf16 or ""):
        return f"not reached; meant for {ratio['needs']}, this is {bf16 or 'without bf16'}"
    return "not reached"


def ways_table(document: Mapping[str, Any]) -> Table:
    """Every way, those that were only tried with the trial's figure."""
    title = f"Pictures a second, medians of {document['rounds']} turns; width {document['width']}"
    table = Table(title=title, title_justify="left")
    table.add_column("way")
    for heading in ("/s", "slowest turn", "in the trial", "levels apart"):
        table.add_column(heading, justify="right")
    best = set(best_ways(document["ways"]).values())
    for name, way in document["ways"].items():
        apart = way["largest_difference_levels"]
        median = "" if way["images_per_s"] is None else f"{way['images_per_s']:.2f}"
        table.add_row(
            f"[bold]{name}" if name in best else name,
            median,
            f"{min(way['turns']):.2f}" if way["turns"] else "",
            f"{way['trial_images_per_s']:.2f}",
            "" if apart is None else f"{apart}",
        )
    return table


def ratio_table(document: Mapping[str, Any]) -> Table:
    """The ratios and their bars."""
    table = Table(title="Ratios, medians over the turns", title_justify="left")
    for heading in ("this", "by that", "ratio", "lowest to highest", "bar", ""):
        table.add_column(heading, justify="right" if heading in ("ratio", "bar") else "left")
    for ratio in document["ratios"]:
        table.add_row(
            ratio["over"],
            ratio["under"],
            f"{ratio['ratio']:.2f}",
            f"{ratio['lowest']:.2f} to {ratio['highest']:.2f}",
            "" if ratio["bar"] is None else f"{ratio['bar']:g}",
            verdict(ratio, document["machine"]["bf16"]),
        )
    return table
