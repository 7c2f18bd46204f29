"""The tables about trainings: several models by every measure, each switch alone, a step's cost."""

from typing import Any, Final

from benchmarks.ablation_table import figure_rows, real_people, real_worths
from benchmarks.readme_text import machine_text, markdown_table
from train.evaluation.figure_text import interval_text

Document = dict[str, Any]

# (key, heading, format) of the table whose rows are models.
SWITCH_FIGURES: Final = (
    ("psnr_db", "PSNR, dB", ".2f"),
    ("named_as_wanted", "named as wanted (G)", ".1%"),
    ("au_error", "AU error", ".3f"),
    ("sharpness_mouth", "sharpness of the mouth", ".2f"),
    ("sharpness_eyes", "of the eyes", ".2f"),
    ("identity_to_truth", "identity", ".3f"),
)


def models_by_measure(document: Document) -> str:
    """Several models by every measure, a column a model; intervals behind the figures."""
    models = document["models"]
    head = ["", *(model["name"] for model in models)]
    body = [[label.strip(), *texts] for label, texts in figure_rows(document)]
    return f"{markdown_table(head, body)}\n\n{_n(document)}."


def switches(document: Document) -> str:
    """What each switch does, a row a training."""
    head = ["training", *(heading for _, heading, _ in SWITCH_FIGURES), "pictures", "seconds"]
    body = [
        [
            model["name"],
            *(interval_text(model["figures"][key], form) for key, _, form in SWITCH_FIGURES),
            f"{model['pictures_seen']:,.0f}",
            f"{model['training_seconds']:,.0f}",
        ]
        for model in document["models"]
    ]
    return f"{markdown_table(head, body)}\n\n{_n(document)}."


def intensity(document: Document) -> str:
    """How strong an expression is at shares of it, a row an expression."""
    shares = [f"at {share:g}" for share in document["shares"]]
    head = ["neutral made", "read by", *shares, "off an even rise"]
    body = [
        [
            name,
            found["unit"],
            *(f"{reading:.2f}" for reading in found["readings"]),
            f"{found['off']:.2f}",
        ]
        for name, found in document["expressions"].items()
    ]
    n = (
        f"Means over {document['people']} unseen people, 0 to 5, by a judge trained on real crops; "
        "the last column is 0 for an even rise; "
        f"{document['backend']} {document['precision']}, {machine_text(document)}"
    )
    return f"{markdown_table(head, body)}\n\n{n}."


def training_step(document: Document) -> str:
    """What a training step costs, a row a switch."""
    head = ["", "step", "processor s", "of the first", "GFLOP/s"]
    body = []
    for title, setting in document["settings"].items():
        for name, case in setting["cases"].items():
            figures = f"{case['step_s']:.2f}", f"{case['of_the_first']:.2f}"
            body.append([title.split(",")[0], name, *figures, f"{case['gflop_per_s']:.0f}"])
    setting = next(iter(document["settings"].values()))
    fastest = document["fastest_gflop_per_s"]["bf16"]["convolution"]
    arithmetic = "bf16" if setting["bf16"] else "fp32"
    return (
        f"{markdown_table(head, body)}\n\nWidth {setting['width']}, batch {setting['batch']}, "
        f"{arithmetic}, n {setting['n']}, one thread; a large convolution alone reaches "
        f"{fastest:.0f} GFLOP/s there; torch {document['versions']['torch']}."
    )


def _n(document: Document) -> str:
    models, judges = document["models"], document["judges"]
    real = f"{judges['on_real_crops']['accuracy']:.1%}" + "".join(
        f", {worth['value']:.1%} from the real crops of {real_people(worth)}"
        for worth in real_worths(judges)
        if worth["real_people"] is not None
    )
    return (
        f"{models[0]['edits']} edits of {document['people']['n']} unseen people, and "
        f"{models[0]['large_gap_edits']} over large gaps (angry to happy, sad to surprised); in "
        f"brackets 95 % intervals over people; R is {real}; "
        f"{machine_text(document, ('torch',))}"
    )
