"""The README's table on photographs of people, from benchmarks/results/photographs_judged.json."""

from typing import Any

from benchmarks.readme_text import machine_text, markdown_table

Document = dict[str, Any]

EXPRESSIONS = ("happy", "surprised", "sad", "disgusted", "fearful", "angry", "neutral")
SHOWN: tuple[tuple[str, str], ...] = (
    ("face-api", "named as asked, by face-api"),
    ("fer", "the same, by fer"),
    ("identity", "distance of the edit to the input, by dlib"),
    ("face_sharpness", "sharpness of the face, input = 1"),
    ("mouth_sharpness", "sharpness of the mouth, input = 1"),
)


def judged(document: Document) -> str:
    """Each set's edits of neutral photographs, a row a judge, a column an expression."""
    head = ["", "", *EXPRESSIONS]
    body = []
    for figure, words in SHOWN:
        for name, found in document["sets"].items():
            row = found["figures"]["neutral"][figure]
            body.append([words, name, *(_value(row.get(each)) for each in EXPRESSIONS)])
    inputs = document["inputs"]["neutral"]
    people = document["photographs"]["neutral"]
    true = inputs["face-api"]["true"]["value"]
    parts = [
        f"{people} people whom no training has seen, neutral photographs, means (sharpness: "
        f"medians). True smiles of the same people are named happy in {true:.0%} by face-api, and "
        f"lie {inputs['identity']['true']['value']:.2f} from the neutral pictures by dlib, which "
        "takes more than about 0.41 for another person.",
        _amount(document),
        f"{document['sources']['london']}; {machine_text(document)}.",
    ]
    return f"{markdown_table(head, body)}\n\n{' '.join(part for part in parts if part)}"


def _amount(document: Document) -> str:
    told = []
    for name, found in document["sets"].items():
        ratio = found["smile_of_happy_by_true"]
        even = found["figures"]["neutral"]["evenness_of_happy"]
        shares = ", ".join(f"{even[share]['value']:.2f}" for share in ("0.25", "0.5", "0.75"))
        told.append(
            f"{name}: the smile is {ratio['value']:.2f} times true ones', its corners go {shares} "
            "of their way at a quarter, half and three quarters of the intensity"
        )
    return "; ".join(told) + "."


def _value(found: Document | None) -> str:
    return "" if found is None else f"{found['value']:.2f}"
