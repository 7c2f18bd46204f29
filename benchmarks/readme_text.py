"""How every generated table is written: Markdown, and the machine that its figures are from."""

from typing import Any

Document = dict[str, Any]


def markdown_table(head: list[str], body: list[list[str]]) -> str:
    """The first column to the left, figures to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine_text(document: Document, names: tuple[str, ...] = ("openvino", "onnxruntime")) -> str:
    """The processor, its cores and the versions of the packages that count."""
    machine = document["machine"]
    packages = machine["packages"]
    versions = ", ".join(f"{name} {packages[name]}" for name in names)
    cores = machine["cores"]
    counted = "1 core" if cores == 1 else f"{cores} cores"
    bf16 = f" with {machine['bf16']}" if machine["bf16"] else ""
    return f"{machine['processor']}{bf16}, {counted}, {versions}"
