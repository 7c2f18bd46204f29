"""The figures as a table for people."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.photograph_judges.photographs import EXPRESSIONS

COLUMNS: Final = (*EXPRESSIONS, "input", "true")
TITLES: Final = {
    "face-api": "read as wanted, face-api",
    "fer": "read as wanted, fer",
    "identity": "identity, dlib's distance",
    "smile": "mouthSmile",
    "jaw_open": "jawOpen",
    "inner_brow": "browInnerUp",
    "outer_brow": "browOuterUp",
    "brow_down": "browDown",
    "eyes_wide": "eyeWide",
    "face_sharpness": "sharp face / input's, median",
    "mouth_sharpness": "sharp mouth / input's, median",
    "mouth_sharpness_by_true": "sharp mouth / true's, median",
    "gmsd": "GMSD to the true picture",
    "ms_ssim": "MS-SSIM to the true picture",
    "pixels_changed_outside": "pixels changed outside the paste",
}
NAME_WIDTH, CELL_WIDTH = 33, 17


def table(
    title: str, figures: Mapping[str, Mapping[str, Any]], beside: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """A group's lines: a metric each, mean (or median) and 95 % interval in each cell.

    Args:
        title: of the table.
        figures: metric -> column -> interval, of a set.
        beside: likewise of the photographs themselves.
    """
    count = max((c["count"] for m in figures.values() for c in m.values()), default=0)
    lines = [f"{title} (n up to {count})", _line("", COLUMNS)]
    for metric, name in TITLES.items():
        if metric in figures or metric in beside:
            found = {**beside.get(metric, {}), **figures.get(metric, {})}
            lines.append(_line(name, [cell(found.get(column)) for column in COLUMNS]))
    shares = figures.get("evenness_of_happy", {})
    for intensity, interval in shares.items():
        lines.append(_line(f"corners' movement at {intensity}", [cell(interval)]))
    return lines


def cell(interval: Mapping[str, Any] | None) -> str:
    """`0.94 0.88 to 0.99`."""
    if interval is None or interval["value"] is None:
        return "-"
    return f"{interval['value']:.2f} {interval['low']:.2f}:{interval['high']:.2f}"


def _line(name: str, cells: Sequence[str]) -> str:
    return (f"{name:{NAME_WIDTH}}" + "".join(f"{each:>{CELL_WIDTH}}" for each in cells)).rstrip()
