"""`efgan-rt export-triton`: an engine set as a model repository for Triton Inference Server."""

from pathlib import Path
from typing import Annotated

import typer


def export_triton(
    engines: Annotated[Path, typer.Argument(metavar="ENGINES", help="An engine directory.")],
    repository: Annotated[
        Path,
        typer.Argument(metavar="REPO", help="The model repository; made if it is not there."),
    ],
) -> None:
    """Writes an engine set as a model repository for NVIDIA's Triton Inference Server.

    `efgan` is one network, crops in and out; `efgan_photo` takes and gives whole photographs. The
    repository's README names the container. Needs `onnx`, of the extra `train`.

    **Example**

    - `efgan-rt export-triton happy models`
    """
    from efgan_rt.cli.console import print_text
    from efgan_rt.engine_sets import find_set
    from efgan_rt.extras import needs_extra

    directory = find_set(engines).directory
    with needs_extra("train"):
        from export.to_triton import CROPS, PHOTOGRAPHS
        from export.to_triton import export_triton as export
    merged = export(directory, repository)
    taken = ", ".join(spec.name for spec in merged.inputs)
    given = ", ".join(spec.name for spec in merged.outputs)
    print_text(f"{repository / CROPS}: {taken} -> {given}")
    print_text(f"{repository / PHOTOGRAPHS}: photograph -> edited")
    print_text(f"{repository / 'README.md'}: the container, and how to ask")
