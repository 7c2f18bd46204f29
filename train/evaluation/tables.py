"""All tables of an evaluation: the papers' (`paper_tables`), then those of this run alone."""

from typing import Final

from train.evaluation.figure_text import (
    Document,
    TextTable,
    editors,
    interval_text,
    times,
    unless_truth,
)
from train.evaluation.paper_tables import (
    accuracy_table,
    agreement_table,
    pictures_table,
    verification_table,
    vgg_table,
)

# (key, label, format, factor); the summary's rows.
SUMMARY: Final = (
    ("named_as_wanted", "named as wanted (G)", ".1%", 1),
    ("wanted_probability", "VGG score of the edits", ".1%", 1),
    ("au_error", "AU error against the truth, 0 to 5", ".3f", 1),
    ("psnr_db", "PSNR, dB", ".2f", 1),
    ("gain_db", "  above the unedited picture", "+.2f", 1),
    ("ssim", "SSIM", ".4f", 1),
    ("fid", "FID", ".2f", 1),
    ("kid", "KID x 1000", ".3f", 1000),
    ("identity_to_truth", "identity: to the true picture", ".3f", 1),
    ("identity_to_source", "  to the input", ".3f", 1),
    ("identity_nearest_own", "  nearest to its own person", ".1%", 1),
    ("sharpness_eyes", "sharpness, eyes (truth = 1)", ".2f", 1),
    ("sharpness_mouth", "sharpness, mouth (truth = 1)", ".2f", 1),
    ("outside_changed", "pixels changed outside the face", ".2%", 1),
)
COSTS: Final = (
    ("psnr_between_db", "PSNR between the two's edits, dB", ".2f"),
    ("psnr_between_worst_db", "  of the edit that differs most, dB", ".2f"),
    ("psnr_db", "PSNR against the truth, dB", "+.3f"),
    ("ssim", "SSIM", "+.5f"),
    ("named_as_wanted", "named as wanted (G)", "+.2%"),
    ("wanted_probability", "VGG score", "+.3%"),
    ("au_error", "AU error, 0 to 5", "+.4f"),
)


def every_table(document: Document) -> list[TextTable]:
    """All tables, in the order in which they are shown."""
    tables = [
        accuracy_table(document),
        pictures_table(document),
        vgg_table(document),
        agreement_table(document, "icc"),
        agreement_table(document, "mse"),
        verification_table(document),
        summary_table(document),
    ]
    costs = cost_table(document)
    return tables if costs is None else [*tables, costs]


def summary_table(document: Document) -> TextTable:
    """Every measure of this run, a column for each way of editing."""
    columns = document["columns"]
    rows = []
    for key, label, form, factor in SUMMARY:
        texts = [interval_text(times(c["figures"].get(key), factor), form) for c in columns]
        if key in ("psnr_db", "gain_db"):
            texts = [unless_truth(c, t) for c, t in zip(columns, texts, strict=True)]
        rows.append((label, *texts))
    section = len(rows)
    for name in document["data"]["expressions"]:
        texts = [interval_text(c["named_by_expression"].get(name), ".1%") for c in columns]
        rows.append((f"named right, of edits to {name}", *texts))
    rows.append(("edits", *(f"{c['edits']:,}" for c in columns)))
    data = document["data"]
    return TextTable(
        f"This run: {document['protocol']['edits']:,} edits of {data['people']} people",
        ("", *(c["name"] for c in columns)),
        tuple(rows),
        (section,),
        "In brackets 95 % intervals over people. 'input' is doing nothing, 'truth' the true "
        "pictures.",
    )


def cost_table(document: Document) -> TextTable | None:
    """What each further way gives away against the first, edit by edit; None if there is one."""
    first, *others = editors(document)
    if not others:
        return None
    rows = [
        (label, *(interval_text(c["against_first"][key], form) for c in others))
        for key, label, form in COSTS
    ]
    return TextTable(
        f"What a backend or precision costs: against {first['name']}, edit by edit",
        ("", *(c["name"] for c in others)),
        tuple(rows),
        (),
        "Means of differences, in brackets 95 % intervals over people.",
    )
