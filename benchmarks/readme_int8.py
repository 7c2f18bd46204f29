"""The table of what int8 saves and costs, from benchmarks/results/int8.json."""

from typing import Any

from benchmarks.readme_text import machine_text, markdown_table

Document = dict[str, Any]


def int8(document: Document) -> str:
    """A row a network: the time in int8 over that in each other precision."""
    others = list(document["ratio"]["whole batch"])
    head = ["int8's time over that of", *others]
    body = [
        [name, *(f"{ratio[other]:.2f}" for other in others)]
        for name, ratio in document["ratio"].items()
        if name.startswith(("stage", "whole"))
    ]
    costs = "; ".join(
        f"{name} keeps {figures['worst']:.1f} dB of fp32's pixels at worst and "
        f"{figures['mean']:.1f} on average"
        for name, figures in document["pixels_psnr_db"].items()
    )
    networks = document["networks"].values()
    done = sum(network["convolutions"] for network in networks)
    alone = sum(len(network["left_alone"]) for network in networks)
    return (
        f"{markdown_table(head, body)}\n\nOf {document['edits']} edits of people whose faces "
        f"gave no range, {costs}. {done} convolutions in int8, {alone} not; "
        f"{document['bytes'] / 1e6:.1f} MB. Medians of {document['n']} rounds, batch "
        f"{document['batch']}, {document['threads']} thread; NNCF {document['nncf']}; "
        f"{machine_text(document, ('openvino',))}."
    )
