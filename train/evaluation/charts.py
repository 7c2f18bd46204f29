"""Charts of an evaluation: who was taken for what, and agreement by action unit."""

from pathlib import Path
from typing import Any

from efgan_rt.errors import EfganError
from train.evaluation.figure_text import INPUT, Document

CELL_INCH = 0.62
DPI = 120


def write_confusion(path: Path, column: Document, expressions: list[str]) -> None:
    """Writes a confusion matrix: a row what was wanted, a column what the judge named.

    Args:
        path: a PNG.
        column: of the document.
        expressions: in the order in which they are shown.

    Raises:
        EfganError: it cannot be written.
    """
    counts = column["confusion"]
    named = [*expressions, *sorted({n for row in counts.values() for n in row} - set(expressions))]
    wanted = [name for name in expressions if name in counts]
    shares = [
        [counts[want].get(name, 0) / sum(counts[want].values()) for name in named]
        for want in wanted
    ]
    figure, axes = _figure(2.2 + CELL_INCH * len(named), 1.8 + CELL_INCH * len(wanted))
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="equal")
    for y, row in enumerate(shares):
        for x, share in enumerate(row):
            if share:
                ink = "white" if share > 0.5 else "black"
                axes.text(x, y, f"{share:.0%}", ha="center", va="center", color=ink, fontsize=8)
    axes.set_xticks(range(len(named)), named, rotation=45, ha="right")
    axes.set_yticks(range(len(wanted)), wanted)
    axes.set_xlabel("named by the judge")
    axes.set_ylabel("wanted")
    axes.set_title(f"{column['name']}: {column['edits']:,} edits", fontsize=10)
    _save(figure, path)


def write_units(path: Path, document: Document, measure: str) -> None:
    """Writes bars of ICC(3,1) or of the squared error by action unit, with intervals.

    Args:
        path: a PNG.
        document: of the evaluation.
        measure: `icc` or `mse`.

    Raises:
        EfganError: it cannot be written.
    """
    units = document["data"]["au_names"]
    columns = [c for c in document["columns"] if c["transfer"] is not None]
    reading = document["real"]["reader_against_labels"]
    shown = [(c["name"], c["transfer"]) for c in columns] + [("reader, real pictures", reading)]
    figure, axes = _figure(2.0 + 0.62 * len(units), 3.6)
    width = 0.84 / len(shown)
    for i, (name, found) in enumerate(shown):
        figures = [found[measure][unit] for unit in units]
        values = [f["value"] or 0.0 for f in figures]
        # An interval may end at the value itself; rounding must not make its length negative.
        reach = [
            [max(0.0, f["value"] - f["low"]) if f["value"] is not None else 0.0 for f in figures],
            [max(0.0, f["high"] - f["value"]) if f["value"] is not None else 0.0 for f in figures],
        ]
        places = [k + (i - (len(shown) - 1) / 2) * width for k in range(len(units))]
        colour = "0.8" if name == INPUT else "0.45" if name.startswith("reader") else f"C{i}"
        axes.bar(places, values, width, yerr=reach, label=name, color=colour,
                 error_kw={"lw": 0.7})  # fmt: skip
    axes.axhline(0, color="black", lw=0.6)
    axes.set_xticks(range(len(units)), units, rotation=45, ha="right")
    axes.set_ylabel("ICC(3,1)" if measure == "icc" else "mean squared error")
    axes.legend(fontsize=7, ncols=len(shown), loc="upper center", bbox_to_anchor=(0.5, 1.14),
                frameon=False)  # fmt: skip
    axes.margins(x=0.01)
    _save(figure, path)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    # Figure by itself, without pyplot: no window system is looked for and none is kept open.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _save(figure: Any, path: Path) -> None:
    try:
        figure.savefig(path, dpi=DPI)
    except OSError as error:
        raise EfganError(f"{path}: cannot be written: {error.strerror}") from error
