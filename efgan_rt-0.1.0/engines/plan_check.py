"""Whether the plans of an engine directory suit this GPU and this TensorRT, before one is opened.

TensorRT answers a plan that does not suit with nothing and a line in its log. What it would refuse
is known from the manifest: a plan is for one version of one library and for one GPU, unless it was
made to be compatible, and then for later versions (never older ones) and a family of GPUs. Every
fault names what was found, what was expected, and the command that makes the plans again.
"""

from pathlib import Path
from typing import Final

from engines.base import EngineError
from engines.cuda_memory import DeviceFacts
from engines.manifest import PlanFacts, plan_fault

LIBRARIES: Final = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT for RTX"}
# The first family that `ampere_plus` covers.
AMPERE: Final = (8, 0)


def check_plans(
    directory: Path, plans: PlanFacts, *, library: str, version: str, gpu: DeviceFacts
) -> None:
    """Holds what the plans were made with against what is here.

    Args:
        directory: of the engines, for the messages.
        plans: from the manifest.
        library: `tensorrt` or `tensorrt_rtx`, the one that would open them.
        version: of that library.
        gpu: the GPU that would run them.

    Raises:
        EngineError: they were made by the other library, by a version whose plans this one does
            not open, or for another GPU.
    """
    found = f"{LIBRARIES[plans.library]} {plans.version}"
    if plans.library != library:
        raise _unsuitable(
            directory,
            f"made with {found}, which {LIBRARIES[library]} {version} does not open",
        )
    if plans.version_compatible:
        if _numbers(version) < _numbers(plans.version):
            raise _unsuitable(
                directory,
                f"made with {found}, version compatible, expected {version} or older: "
                f"{LIBRARIES[library]} {version} is installed and opens no plan of a later one",
            )
    elif version != plans.version:
        raise _unsuitable(directory, f"made with {found}, expected {version}, which is installed")
    _check_gpu(directory, plans, gpu)


def _check_gpu(directory: Path, plans: PlanFacts, gpu: DeviceFacts) -> None:
    if plans.compute_capability is None:
        return  # made ahead of time for several families: the runtime knows which
    here = f"this GPU is {gpu.name} (compute capability {gpu.compute_capability})"
    made = f"{plans.gpu or 'no GPU'} (compute capability {plans.compute_capability})"
    if plans.hardware_compatibility == "ampere_plus":
        if _numbers(gpu.compute_capability) < AMPERE:
            raise _unsuitable(
                directory,
                f"made on {made} for compute capability {AMPERE[0]}.{AMPERE[1]} and newer; {here}",
            )
        return
    if gpu.compute_capability != plans.compute_capability:
        raise _unsuitable(directory, f"made on {made}; {here}")
    same_model = plans.hardware_compatibility == "same_compute_capability" or plans.gpu is None
    if not same_model and gpu.name != plans.gpu:
        raise _unsuitable(
            directory,
            f"made on {made}, for that model alone; {here} (plans made with --hardware-compatible "
            "serve every GPU of a compute capability)",
        )


def _unsuitable(directory: Path, fault: str) -> EngineError:
    return plan_fault(directory, directory, f"its TensorRT plans do not suit this machine: {fault}")


def _numbers(version: str) -> tuple[int, ...]:
    """A version as numbers: "11.4.0.106" -> (11, 4, 0, 106); what is no number counts as 0."""
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
