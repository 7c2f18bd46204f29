"""The ablation's figures as tables for people, from the JSON document itself."""

from typing import Any, Final

from rich.table import Table

from train.evaluation.figure_text import interval_text

Document = dict[str, Any]

# (key, label, format); a share is shown in percent.
FIGURES: Final = (
    ("named_as_wanted", "named as wanted (G)", ".1%"),
    ("au_error", "AU error, 0 to 5", ".3f"),
    ("psnr_db", "PSNR, dB", ".2f"),
    ("gain_db", "  above the unedited input", "+.2f"),
    ("identity_to_truth", "identity: to the true picture", ".3f"),
    ("identity_to_source", "  to the input", ".3f"),
    ("identity_nearest_own", "  nearest to its own person", ".1%"),
    ("sharpness_eyes", "sharpness, eyes (truth = 1)", ".2f"),
    ("sharpness_mouth", "sharpness, mouth (truth = 1)", ".2f"),
)
REGIMES: Final = ("few", "all")


def figure_rows(document: Document) -> list[tuple[str, list[str]]]:
    """Every row of the table: a label and a text for each model."""
    models = document["models"]
    rows = [(label, [interval_text(m["figures"][k], f) for m in models]) for k, label, f in FIGURES]
    contemptuous = [interval_text(m["named_contemptuous"], ".1%") for m in models]
    rows.insert(1, ("  contemptuous only", contemptuous))
    if all("training_worth" in model for model in models):
        for regime in REGIMES:
            worths = [model["training_worth"][regime] for model in models]
            texts = [interval_text(worth, ".1%") for worth in worths]
            rows.insert(2, (f"R+G, real crops of {real_people(worths[0])}", texts))
    for key, label, form in FIGURES:
        if key != "gain_db":
            texts = [interval_text(model["large_gap_figures"][key], form) for model in models]
            rows.append((f"large gap: {label.strip()}", texts))
    rows.append(("stages", [str(model["stages"]) for model in models]))
    rows.append(("pictures seen", [_count(model["pictures_seen"]) for model in models]))
    rows.append(("seconds of training", [_count(model["training_seconds"]) for model in models]))
    # Where it was timed from outside: seconds by the clock say little about a busy machine.
    if all("training_processor_seconds" in model for model in models):
        seconds = [_count(model["training_processor_seconds"]) for model in models]
        rows.append(("processor seconds of training", seconds))
    return rows


def real_worths(judges: Document) -> list[Document]:
    """R of classifiers trained for it, by how much they learnt from; empty where none was."""
    found = judges.get("training_worth", {})
    return [found[regime] for regime in REGIMES if regime in found]


def real_people(worth: Document) -> str:
    """Of how many training people a classifier saw real crops."""
    people = worth["real_people"]
    return "all training people" if people is None else f"{people} people"


def figures_table(document: Document) -> Table:
    """One row a figure, one column a model."""
    first = document["models"][0]
    table = Table(
        title=f"{first['edits']} edits of {document['people']['n']} unseen people, and "
        f"{first['large_gap_edits']} over large gaps; 95 % intervals over people"
    )
    table.add_column("figure", no_wrap=True)
    for model in document["models"]:
        table.add_column(model["name"], justify="right")
    for label, texts in figure_rows(document):
        table.add_row(label, *texts)
    return table


def judges_table(document: Document) -> Table:
    """What the judges get right on real crops, and the bounds of identity."""
    judges = document["judges"]
    reading, check = judges["on_real_crops"], judges["verification"]
    bounds = document["models"][0]["figures"]
    table = Table(title="The judges on real crops of the same unseen people")
    table.add_column("figure")
    table.add_column("value", justify="right")
    errors = list(reading["au_error"].values())
    rows = [
        ("expressions named right (R)", format(reading["accuracy"], ".1%")),
        ("AU error against the labels, 0 to 5", format(sum(errors) / len(errors), ".3f")),
        ("pairs of crops told apart (verification)", _share(check["accuracy"])),
        (f"same person found at {check['far']:.0%} false", _share(check["tar_at_far"])),
        ("identity of two real pictures", interval_text(bounds["identity_real"], ".3f")),
        ("identity of two people", interval_text(bounds["identity_stranger"], ".3f")),
    ]
    for worth in real_worths(judges):
        rows.append((f"R, real crops of {real_people(worth)}", interval_text(worth, ".1%")))
    for label, value in rows:
        table.add_row(label, value)
    return table


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _share(value: float | None) -> str:
    return "-" if value is None else format(value, ".1%")
