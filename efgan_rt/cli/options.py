"""Choices and panels that more than one command has; imports nothing but typer."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer


def panel(title: str) -> Callable[..., Any]:
    """`typer.Option` for what stands below a title in `--help`."""
    return partial(typer.Option, rich_help_panel=title)


class Request(Protocol):
    """What a command is asked for: a dataclass whose fields are its options."""

    @property
    def done_by(self) -> str:
        """The module whose `run` does it and gives the exit status; imported when it is asked."""
        ...


def command_of(request: Callable[..., Request]) -> Callable[..., None]:
    """A command with a request's fields as its options, and its docstring as its help."""

    def command(**given: Any) -> None:
        asked = request(**given)
        if status := import_module(asked.done_by).run(asked):
            raise typer.Exit(status)

    command.__doc__ = request.__doc__
    command.__signature__ = inspect.signature(request)  # type: ignore[attr-defined]
    return command


@contextmanager
def said_of_options() -> Iterator[None]:
    """Has what the user can mend in the options come as wrong usage."""
    from efgan_rt.errors import EfganError

    try:
        yield
    except EfganError as error:
        raise typer.BadParameter(str(error)) from error


engines_option = panel("Engines")
files_option = panel("Files")
edit_option = panel("The edit")
run_option = panel("The run")


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
    engines_option(
        "--engines",
        metavar="DIR",
        help="Engine directory (default: the one built last, else the shipped one).",
    ),
]
BackendOption = Annotated[
    Backend,
    engines_option("--backend", help="What runs the networks."),
]
PrecisionOption = Annotated[
    Arithmetic | None,
    engines_option(
        "--precision",
        help="Arithmetic of the networks; bf16 and int8 are OpenVINO's only, int8 if the engines "
        "were built with it (default: the backend's choice, never int8).",
    ),
]
ModelOption = Annotated[
    str | None,
    engines_option(
        "--model",
        metavar="NAME",
        help="A family of models, such as cascade: its engines that were built last.",
    ),
]
BatchSizeOption = Annotated[
    int | None,
    engines_option(
        "--batch-size",
        metavar="N",
        min=1,
        help="Pictures that go through the networks together (default: as tuned, else 8, on a data "
        "centre's GPU up to 64).",
    ),
]
LanesOption = Annotated[
    int | None,
    engines_option(
        "--lanes",
        metavar="N",
        min=1,
        help="Batches in flight at the same time (default: as tuned, else by cores).",
    ),
]
ThreadsOption = Annotated[
    int | None,
    engines_option(
        "--threads",
        metavar="N",
        min=1,
        help="Threads inside the networks (default: as tuned, else one for each core).",
    ),
]
WorkersOption = Annotated[
    int | None,
    run_option(
        "--workers",
        metavar="N",
        min=1,
        help="Threads that decode, and as many that encode (default: one a core).",
    ),
]
ProcessesOption = Annotated[
    int | None,
    run_option(
        "--processes",
        metavar="N",
        min=1,
        help="Edit in so many processes, which share the cores (default: one; with --gpus, one a "
        "GPU).",
    ),
]
GpusOption = Annotated[
    str | None,
    run_option(
        "--gpus",
        metavar="all|0,2",
        help="One process on each of these GPUs: all, or nvidia-smi's numbers or UUIDs.",
    ),
]
RayOption = Annotated[
    str | None,
    run_option(
        "--ray",
        metavar="auto|HOST:PORT",
        help="Edit on the nodes of a Ray cluster: the one that this machine is in, or a head's. "
        "All of them must see IN_DIR, OUT_DIR and the engines under the same paths.",
    ),
]
FailFastOption = Annotated[
    bool,
    run_option("--fail-fast", help="Stop at the first failure."),
]


class Progress(StrEnum):
    """How a run tells how far it is."""

    BAR = "bar"
    JSON = "json"


ProgressOption = Annotated[
    Progress,
    run_option(
        "--progress", help="On stderr: a bar, or JSON lines for a program that started this one."
    ),
]
JsonOption = Annotated[
    bool,
    run_option("--json", help="The result as JSON on stdout."),
]
MaxPixelsOption = Annotated[
    int,
    files_option("--max-pixels", metavar="N", min=1, help="Largest picture accepted."),
]
NoMarkOption = Annotated[
    bool,
    files_option("--no-mark", help="Leave out the metadata that say that a network edited it."),
]


def default_workers() -> int:
    """Decoding threads where `--workers` is not given."""
    import os

    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2, 8)
