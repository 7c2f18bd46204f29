"""The papers' tables, their published rows above ours.

Rows of published figures are marked as such; nothing is computed from them.
"""

from collections.abc import Callable, Sequence
from typing import Final

from train.evaluation import published
from train.evaluation.figure_text import (
    Document,
    TextTable,
    editors,
    interval_text,
    times,
    unless_truth,
)
from train.evaluation.published import Published

OTHER_DATA: Final = "measured on other data and by other judges"
SELF_DATA: Final = "this run"


def accuracy_table(document: Document) -> TextTable:
    """Expression accuracy: R, G and R+G."""
    return _methods(
        document,
        "Expression accuracy (Cascade EF-GAN, Table 1)",
        ("R", "G", "R+G"),
        published.ACCURACY,
        ("R", "G", "R+G"),
        lambda column: _taught(document, column, "named_as_wanted", "accuracy"),
        "R: a classifier that learnt from real crops names real crops of unseen people; G: it "
        "names edits of them; R+G: one that learnt from real crops and edits names real crops.",
        _percent,
    )


def pictures_table(document: Document) -> TextTable:
    """PSNR and FID, and beside them SSIM and KID."""

    def own(column: Document) -> tuple[str, ...]:
        figures = column["figures"]
        return (
            unless_truth(column, interval_text(figures["psnr_db"], ".2f")),
            interval_text(figures["fid"], ".2f"),
            interval_text(figures["ssim"], ".4f"),
            interval_text(times(figures["kid"], 1000), ".3f"),
        )

    features = document["judges"]["features"]["name"]
    return _methods(
        document,
        "Quality of the pictures (Cascade EF-GAN, Table 2)",
        ("PSNR, dB", f"FID ({features})", "SSIM", "KID x 1000"),
        published.PICTURES,
        ("PSNR", "FID", "", ""),
        own,
        f"FID and KID here are over the features '{features}'"
        + (
            ", as the published ones are. "
            if features == "inception"
            else ", the published ones over Inception's: their sizes have nothing to do with each "
            "other. "
        )
        + "Both are taken against the real pictures of the same people, so unedited pictures are "
        "at no distance (KID, which compares no picture with itself elsewhere, puts them below 0): "
        "read both beside G.",
        lambda value: _plain(value, ".2f"),
    )


def vgg_table(document: Document) -> TextTable:
    """ECGAN's VGG score, by what was learnt from and what is asked about."""

    def own(column: Document) -> tuple[str, ...]:
        real, edits, both = _taught(document, column, "wanted_probability", "probability")
        return real, both, edits

    return _methods(
        document,
        "VGG score (ECGAN, Table 2)",
        ("real to real", "real and edits to real", "real to edits"),
        published.VGG_SCORE,
        ("R", "R+G", "G"),
        own,
        "The mean probability of the right expression; ECGAN's own figures are called both that "
        "and a recognition rate.",
        _percent,
    )


def agreement_table(document: Document, measure: str) -> TextTable:
    """ICC(3,1) or mean squared error of every action unit, in transfers between people."""
    known = published.ICC if measure == "icc" else published.MSE
    columns = [column for column in document["columns"] if column["transfer"] is not None]
    reading = document["real"]["reader_against_labels"]
    head = ("unit", *(f"{each.label}*" for each in known), *(c["name"] for c in columns), "reader")
    rows = []
    for unit in document["data"]["au_names"]:
        theirs = [_plain(each.figures.get(unit), ".2f") for each in known]
        ours = [interval_text(c["transfer"][measure][unit], ".2f") for c in columns]
        rows.append((unit, *theirs, *ours, interval_text(reading[measure][unit], ".2f")))
    average = f"{measure}_average"
    rows.append(
        (
            "average",
            *(_plain(each.figures["average"], ".2f") for each in known),
            *(interval_text(c["transfer"][average], ".2f") for c in columns),
            interval_text(reading[average], ".2f"),
        )
    )
    name = "ICC(3,1), higher is better" if measure == "icc" else "mean squared error, 0 to 5"
    return TextTable(
        f"Action units in transfers between people: {name} (EET, Tables II to IV)",
        head,
        tuple(rows),
        (len(rows) - 1,),
        f"{document['protocol']['transfers']} transfers, the reader reading both pictures. "
        f"*published, {OTHER_DATA}: {known[0].source} and {known[-1].source}; their average is "
        "over 12 units. "
        "'input' is doing nothing; 'reader' is the reader against the labels of real pictures, "
        "which bounds what it can say.",
    )


def averages_table(document: Document) -> TextTable:
    """The averages over the units of both agreement tables, a row a method."""

    def own(column: Document) -> tuple[str, ...]:
        transfer = column["transfer"] or {}
        return (
            interval_text(transfer.get("icc_average"), ".2f"),
            interval_text(transfer.get("mse_average"), ".2f"),
        )

    known = [
        Published(
            each.method,
            each.data,
            each.source,
            {"ICC": each.figures["average"], "MSE": error.figures["average"]},
        )
        for each, error in zip(published.ICC, published.MSE, strict=True)
    ]
    return _methods(
        document,
        "Action units in transfers between people, average (EET, Tables II to IV)",
        ("ICC(3,1)", "MSE, 0 to 5"),
        known,
        ("ICC", "MSE"),
        own,
        "",
        lambda value: _plain(value, ".2f"),
    )


def verification_table(document: Document) -> TextTable:
    """Face verification, with real pairs as the upper bound."""
    embedder = document["judges"]["embedder"]["name"]
    rows = [
        (
            each.label,
            f"published: {each.source}",
            _percent(each.figures["accuracy"]),
            _percent(each.figures["TAR"]),
        )
        for each in published.VERIFICATION
    ]
    section = len(rows)
    shown = [("Real (upper bound)", document["real"]["verification"])]
    shown += [(c["name"], c["verification"]) for c in editors(document)]
    rows += [
        (
            name,
            f"{SELF_DATA}, {embedder}",
            interval_text(found["accuracy"], ".2%"),
            interval_text(found["tar_at_far"], ".2%"),
        )
        for name, found in shown
    ]
    pairs = document["real"]["verification"]
    return TextTable(
        "Is it still the same person? (EET, Tables V and VI)",
        ("", "data and embedder", "accuracy", "TAR at 1 % FAR"),
        tuple(rows),
        (section,),
        f"{pairs['same_pairs']} pairs of one person and {pairs['different_pairs']} of two, one "
        f"picture of each an edit. Published rows: {OTHER_DATA}.",
    )


def _taught(document: Document, column: Document, figure: str, worth: str) -> tuple[str, str, str]:
    """R, G and R+G of a way of editing, by a figure of the judge and its name in R+G."""
    return (
        interval_text(document["real"][figure], ".2%"),
        interval_text(column["figures"][figure], ".2%"),
        interval_text((column["training_worth"] or {}).get(worth), ".2%"),
    )


def _methods(
    document: Document,
    title: str,
    figures: Sequence[str],
    known: Sequence[Published],
    keys: Sequence[str],
    own: Callable[[Document], tuple[str, ...]],
    remark: str,
    show: Callable[[float | None], str],
) -> TextTable:
    """A table of a row a method: the published ones, then this run's."""
    rows = [
        (each.label, f"published: {each.source}", *(show(each.figures.get(key)) for key in keys))
        for each in known
    ]
    section = len(rows)
    rows += [(c["name"], SELF_DATA, *own(c)) for c in document["columns"]]
    return TextTable(
        title,
        ("", "data", *figures),
        tuple(rows),
        (section,),
        f"{remark} Published rows: {OTHER_DATA}.",
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}%"


def _plain(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
