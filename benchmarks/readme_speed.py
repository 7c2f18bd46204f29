"""The tables about speed: against other ways, by size of the work, at the start, and by folding."""

from typing import Final

from benchmarks.opponent_ratios import BASE, best_ways, verdict
from benchmarks.readme_text import Document, machine_text, markdown_table
from benchmarks.scaling import LABELS

# family -> what a reader calls it; in the order of the rows.
CALLED: Final = {
    "torch fp32 loop": "PyTorch, a loop in batches",
    "torch bf16 loop": "PyTorch in bf16, a loop in batches",
    "torch compiled loop": "torch.compile, a loop in batches",
    "onnxruntime fp32 loop": "ONNX Runtime, a loop in batches",
    "efgan-rt onnxruntime fp32": "efgan-rt, ONNX Runtime in fp32",
    "efgan-rt openvino fp32": "efgan-rt, OpenVINO in fp32",
    "efgan-rt openvino bf16": "efgan-rt, OpenVINO in bf16",
    "efgan-rt openvino int8": "efgan-rt, OpenVINO in int8",
}


# The stages are what is folded; the other networks take no time to speak of.
FOLDED: Final = ("stage_", "whole batch")


def opponents(document: Document) -> str:
    """Directory to directory, a row a way, the slowest first way as 1."""
    ways, best = document["ways"], best_ways(document["ways"])
    rows = [("PyTorch, a loop over files one by one", BASE)] if BASE in ways else []
    rows += [
        (label, best[family])
        for family, label in CALLED.items()
        if best.get(family) not in (None, BASE)
    ]
    base = ways[BASE]["images_per_s"] if BASE in ways else None
    body = [
        [
            label,
            str(ways[name]["batch"]),
            f"{ways[name]['images_per_s']:.3g}",
            "" if base is None else f"{ways[name]['images_per_s'] / base:.1f}",
        ]
        for label, name in rows
    ]
    stages = "one stage" if document["stages"] == 1 else f"{document['stages']} stages"
    n = (
        "JPEG to JPEG, each loop at its best batch, efgan-rt at its default, all on "
        f"{document['threads']} threads; {stages} of width {document['width']}, "
        f"{document['weights']} weights; medians of {document['rounds']} turns"
    )
    shown = markdown_table(["way", "batch", "pictures /s", "times"], body)
    return f"{shown}\n\n{n}; {machine_text(document)}."


def opponent_ratios(document: Document) -> str:
    """The ratios with their bars."""
    body = [
        [
            f"{ratio['over']} by {ratio['under']}",
            f"{ratio['ratio']:.2f}",
            f"{ratio['lowest']:.2f} to {ratio['highest']:.2f}",
            "" if ratio["bar"] is None else f"{ratio['bar']:g}",
            verdict(ratio, document["machine"]["bf16"]),
        ]
        for ratio in document["ratios"]
    ]
    head = ["pictures a second of", "ratio", "turn by turn", "bar", ""]
    left_out = "".join(f" Left out: {name}." for name in document["left_out"])
    return (
        f"{markdown_table(head, body)}\n\nWidth {document['width']}, stages "
        f"{document['stages']}; medians over {document['rounds']} turns.{left_out}"
    )


def scaling(document: Document) -> str:
    """How a run grows, axis by axis."""
    head = ["", "pictures /s", "processor s a picture", "peak memory, MB", "runs"]
    body = [
        [
            f"{label}: {point[axis]:,}",
            f"{point['images_per_s']:.1f}",
            f"{point['processor_s'] / point['pictures']:.4f}",
            f"{point['peak_mb']:.0f}",
            str(point["rounds"]),
        ]
        for axis, label in LABELS.items()
        for point in document["axes"].get(axis, ())
    ]
    n = (
        f"{document['pictures']} pictures of 128 x 128 where nothing else is said; the processor's "
        "seconds hold the start"
    )
    shown = markdown_table(head, body)
    if document.get("plot"):
        shown = f"![Pictures a second and peak memory, axis by axis]({document['plot']})\n\n{shown}"
    return f"{shown}\n\n{n}; {machine_text(document)}."


def startup(document: Document) -> str:
    """Where the time of a run on one picture goes."""
    parts = document["parts_ms"]
    body = [
        [label, f"{part['median']:.0f}", f"{part['median'] / document['wall_ms']['median']:.0%}"]
        for label, part in parts.items()
    ]
    wall = document["wall_ms"]
    imports = ", ".join(f"{name} {ms:.0f}" for name, ms in document["imports_ms"].items())
    return (
        f"One picture, from the command to its end: {wall['median'] / 1e3:.2f} s "
        f"({wall['lowest'] / 1e3:.2f} to {wall['highest'] / 1e3:.2f} in {document['runs']} "
        f"processes), {document['processor_ms']['median'] / 1e3:.2f} s of the processor; the very "
        f"first run, which compiles, {document['first_run_ms'] / 1e3:.1f} s.\n\n"
        f"{markdown_table(['part', 'ms', 'share'], body)}\n\n"
        f"Imports by package, ms: {imports}; {machine_text(document)}."
    )


def folding(document: Document) -> str:
    """What the folded files save of each network's time."""
    head = ["backend", "precision", "network", "as trained, ms", "folded, ms", "ratio"]
    body = []
    for way in document["ways"]:
        for name, ratio in way["ratio"].items():
            if not name.startswith(FOLDED):
                continue
            figures = [f"{way['ms'][form][name]:.1f}" for form in ("as trained", "folded")]
            body.append([way["backend"], way["precision"], name, *figures, f"{ratio:.2f}"])
    bar, n = document["image_out"], document["ways"][0]["n"]
    return (
        f"{markdown_table(head, body)}\n\nA batch of {document['ways'][0]['batch']}, medians of "
        f"{n} alternating rounds on one thread, width {document['width']}; in fp32 the two differ "
        f"by at most {bar['largest_difference']:.1e} in `image_out` ({bar['bar']:.0e} is allowed); "
        f"{machine_text(document)}."
    )
