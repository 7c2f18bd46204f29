"""Choices and panels that more than one command has; imports nothing but typer."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

ENGINES_PANEL = "Engines"
FILES_PANEL = "Files"
EDIT_PANEL = "The edit"
RUN_PANEL = "The run"


class Backend(StrEnum):
    """What runs the networks."""

    AUTO = "auto"
    TENSORRT = "tensorrt"
    TENSORRT_RTX = "tensorrt-rtx"
    ONNXRUNTIME_CUDA = "onnxruntime-cuda"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"


class Arithmetic(StrEnum):
    """What the networks compute in, where the backend leaves a choice."""

    FP32 = "fp32"
    BF16 = "bf16"
    INT8 = "int8"


EnginesOption = Annotated[
    Path | None,
    typer.Option(
        "--engines",
        metavar="DIR",
        rich_help_panel=ENGINES_PANEL,
        help="Engine directory (default: the one built last, else the shipped one).",
    ),
]
BackendOption = Annotated[
    Backend,
    typer.Option("--backend", rich_help_panel=ENGINES_PANEL, help="What runs the networks."),
]
PrecisionOption = Annotated[
    Arithmetic | None,
    typer.Option(
        "--precision",
        rich_help_panel=ENGINES_PANEL,
        help="Arithmetic of the networks; bf16 and int8 are OpenVINO's only, int8 if the engines "
        "were built with it (default: the backend's choice, never int8).",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        rich_help_panel=ENGINES_PANEL,
        help="A family of models, such as cascade: its engines that were built last.",
    ),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        metavar="N",
        min=1,
        rich_help_panel=ENGINES_PANEL,
        help="Pictures that go through the networks together (default: as tuned, else 8, on a data "
        "centre's GPU up to 64).",
    ),
]
LanesOption = Annotated[
    int | None,
    typer.Option(
        "--lanes",
        metavar="N",
        min=1,
        rich_help_panel=ENGINES_PANEL,
        help="Batches in flight at the same time (default: as tuned, else by cores).",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        min=1,
        rich_help_panel=ENGINES_PANEL,
        help="Threads inside the networks (default: as tuned, else one for each core).",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        rich_help_panel=RUN_PANEL,
        help="Threads that decode, and as many that encode (default: one a core).",
    ),
]
ProcessesOption = Annotated[
    int | None,
    typer.Option(
        "--processes",
        metavar="N",
        min=1,
        rich_help_panel=RUN_PANEL,
        help="Edit in so many processes, which share the cores (default: one; with --gpus, one a "
        "GPU).",
    ),
]
GpusOption = Annotated[
    str | None,
    typer.Option(
        "--gpus",
        metavar="all|0,2",
        rich_help_panel=RUN_PANEL,
        help="One process on each of these GPUs: all, or nvidia-smi's numbers or UUIDs.",
    ),
]
RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="auto|HOST:PORT",
        rich_help_panel=RUN_PANEL,
        help="Edit on the nodes of a Ray cluster: the one that this machine is in, or a head's. "
        "All of them must see IN_DIR, OUT_DIR and the engines under the same paths.",
    ),
]
FailFastOption = Annotated[
    bool,
    typer.Option("--fail-fast", rich_help_panel=RUN_PANEL, help="Stop at the first failure."),
]


class Progress(StrEnum):
    """How a run tells how far it is."""

    BAR = "bar"
    JSON = "json"


ProgressOption = Annotated[
    Progress,
    typer.Option(
        "--progress",
        rich_help_panel=RUN_PANEL,
        help="On stderr: a bar, or JSON lines for a program that started this one.",
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", rich_help_panel=RUN_PANEL, help="The result as JSON on stdout."),
]
MaxPixelsOption = Annotated[
    int,
    typer.Option(
        "--max-pixels",
        metavar="N",
        min=1,
        rich_help_panel=FILES_PANEL,
        help="Largest picture accepted.",
    ),
]
NoMarkOption = Annotated[
    bool,
    typer.Option(
        "--no-mark",
        rich_help_panel=FILES_PANEL,
        help="Leave out the metadata that say that a network edited it.",
    ),
]


def default_workers() -> int:
    """Decoding threads where `--workers` is not given."""
    import os

    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2, 8)
