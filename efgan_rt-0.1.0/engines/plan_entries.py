"""What a manifest says of TensorRT's plans: a file beside each ONNX file, and whose they are.

A plan belongs to a library's version and to a GPU, so these facts are compared before one is
opened. Import them from `engines.manifest`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engines.base import EngineError
from engines.manifest_fields import Fields

LIBRARIES: Final = ("tensorrt", "tensorrt_rtx")
HARDWARE_COMPATIBILITIES: Final = ("none", "ampere_plus", "same_compute_capability")


@dataclass(frozen=True)
class PlanFacts:
    """What all plans of a directory have in common: who can open them, and where."""

    library: str
    """Whose runtime opens them: `tensorrt` or `tensorrt_rtx`."""
    version: str
    """Of that library, such as `11.4.0.106`."""
    gpu: str | None
    """Name of the GPU that they were made on; None: ahead of time, without one."""
    compute_capability: str | None
    """Of that GPU, such as `9.0`; None without one."""
    driver: str | None
    """Of that GPU; None without one."""
    hardware_compatibility: str
    """`none`, `ampere_plus` or `same_compute_capability`."""
    version_compatible: bool
    """True where later versions of the library may open them too."""
    settings: Mapping[str, Any]
    """Builder and profile settings, for people."""


def plan_fault(directory: Path, path: Path, fault: str) -> EngineError:
    """The error for a plan that cannot be used: the ONNX files make it again, no checkpoint needed.

    Args:
        directory: the engine directory, for the command.
        path: what is at fault, the directory or a plan in it.
        fault: what was found and what was expected.
    """
    return EngineError(
        f"{path}: {fault}; make the plans again with: "
        f"efgan-rt build-engines {directory} --backend tensorrt"
    )


def plan_facts(path: Path, document: object) -> PlanFacts:
    """Reads what a manifest says of all its plans."""
    fields = Fields(path, "'plans'", document)
    return PlanFacts(
        library=fields.one_of("library", LIBRARIES),
        version=fields.text("version"),
        gpu=fields.optional_text("gpu"),
        compute_capability=fields.optional_text("compute_capability"),
        driver=fields.optional_text("driver"),
        hardware_compatibility=fields.one_of("hardware_compatibility", HARDWARE_COMPATIBILITIES),
        version_compatible=fields.get("version_compatible", bool, "true or false"),
        settings=fields.get("settings", dict, "an object"),
    )
