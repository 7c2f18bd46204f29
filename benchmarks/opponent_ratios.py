"""What the opponents' figures say: the best of each family, and the ratios with their bars.

A ratio is the median over the turns of both ways' ratio within a turn, because a machine that slows
down for a minute slows both. A bar is what has to hold; some are meant for processors with AMX, or
for one width of networks, and then the table says whether this machine is meant.
"""

import statistics
from collections.abc import Mapping
from typing import Any, Final

PAPER_WIDTH: Final = 64
AMX: Final = "AMX"
BASE: Final = "torch fp32 loop, batch 1"  # that the short table counts from
PRECISIONS: Final = ("bf16", "fp32")  # of efgan-rt in the ratios: the first that ran
OURS, ALONE = "efgan-rt openvino {}", "engines alone openvino {}"
INT8: Final = "efgan-rt openvino int8"
# Two families, the bar for networks of the paper's width and for narrower ones, None where the
# ratio is only to be known, and what a processor needs for it.
BARS: Final = (
    (OURS, "onnxruntime fp32 loop", 7.0, None, AMX),
    (OURS, "torch bf16 loop", 2.5, None, AMX),
    (OURS, "torch fp32 loop", None, None, None),
    (OURS, "torch compiled loop", None, None, None),
    (OURS, BASE, None, 5.0, AMX),
    (ALONE, "benchmark_app {}", 0.95, 0.95, None),
    (OURS, ALONE, 0.95, 0.85, None),
    (INT8, OURS, None, None, None),
    (INT8, BASE, None, None, None),
)


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
    precision = next((p for p in PRECISIONS if OURS.format(p) in best), PRECISIONS[-1])
    found = []
    for this, that, wide, narrow, needs in BARS:
        over, under = (best.get(each.format(precision)) for each in (this, that))
        if over is None or under is None or (that != BASE and under == BASE):
            continue  # did not run, or is told below, with its bar
        turns = [a / b for a, b in zip(ways[over]["turns"], ways[under]["turns"], strict=True)]
        found.append(
            {
                "over": over,
                "under": under,
                "ratio": statistics.median(turns),
                "lowest": min(turns),
                "highest": max(turns),
                "bar": wide if width >= PAPER_WIDTH else narrow,
                "needs": needs,
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
