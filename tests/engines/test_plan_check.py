"""Plans that do not suit the library or the GPU, each with its one sentence."""

from dataclasses import replace
from pathlib import Path

import pytest

from engines.base import EngineError
from engines.choice import check_plans
from engines.cuda_memory import DeviceFacts
from engines.manifest import PlanFacts

H100 = DeviceFacts("NVIDIA H100 80GB HBM3", "9.0", "580.65.06", 85_000_000_000)
L4 = DeviceFacts("NVIDIA L4", "8.9", "580.65.06", 24_000_000_000)
RTX_4090 = DeviceFacts("NVIDIA GeForce RTX 4090", "8.9", "580.65.06", 24_000_000_000)
T4 = DeviceFacts("Tesla T4", "7.5", "580.65.06", 16_000_000_000)
DIRECTORY = Path("sets/faces")
REMEDY = "; make the plans again with: efgan-rt build-engines sets/faces --backend tensorrt"
PLANS = PlanFacts(
    library="tensorrt",
    version="11.4.0.106",
    gpu=L4.name,
    compute_capability="8.9",
    driver="580.65.06",
    hardware_compatibility="none",
    version_compatible=False,
    settings={},
)


def check(
    plans: PlanFacts,
    gpu: DeviceFacts = L4,
    *,
    library: str = "tensorrt",
    version: str = "11.4.0.106",
) -> None:
    check_plans(DIRECTORY, plans, library=library, version=version, gpu=gpu)


def fault(
    plans: PlanFacts,
    gpu: DeviceFacts = L4,
    *,
    library: str = "tensorrt",
    version: str = "11.4.0.106",
) -> str:
    """What is said between the directory and the remedy."""
    with pytest.raises(EngineError) as error:
        check(plans, gpu, library=library, version=version)
    said = str(error.value)
    start = "sets/faces: its TensorRT plans do not suit this machine: "
    assert said.startswith(start) and said.endswith(REMEDY)
    return said.removeprefix(start).removesuffix(REMEDY)


def test_plans_of_this_gpu_and_version_suit() -> None:
    check(PLANS)


def test_plans_of_another_gpu_are_refused() -> None:
    assert fault(PLANS, H100) == (
        "made on NVIDIA L4 (compute capability 8.9); "
        "this GPU is NVIDIA H100 80GB HBM3 (compute capability 9.0)"
    )


def test_plans_of_another_model_of_the_same_compute_capability_are_refused() -> None:
    assert fault(PLANS, RTX_4090) == (
        "made on NVIDIA L4 (compute capability 8.9), for that model alone; this GPU is NVIDIA "
        "GeForce RTX 4090 (compute capability 8.9) (plans made with --hardware-compatible serve "
        "every GPU of a compute capability)"
    )


def test_plans_for_a_compute_capability_suit_every_model_of_it() -> None:
    plans = replace(PLANS, hardware_compatibility="same_compute_capability")
    check(plans, RTX_4090)
    assert "this GPU is NVIDIA H100" in fault(plans, H100)


def test_plans_for_ampere_and_newer_suit_newer_gpus_and_no_older_one() -> None:
    plans = replace(PLANS, hardware_compatibility="ampere_plus")
    check(plans, H100)
    check(plans, replace(H100, compute_capability="12.0"))
    assert fault(plans, T4) == (
        "made on NVIDIA L4 (compute capability 8.9) for compute capability 8.0 and newer; "
        "this GPU is Tesla T4 (compute capability 7.5)"
    )


def test_plans_made_ahead_of_time_leave_the_gpu_to_the_runtime() -> None:
    check(replace(PLANS, gpu=None, compute_capability=None), T4)


@pytest.mark.parametrize("version", ["11.4.0.107", "11.3.0.12", "10.16.1.11", "12.0.0.1"])
def test_plans_of_another_version_are_refused(version: str) -> None:
    found = fault(PLANS, version=version)
    assert found == f"made with TensorRT 11.4.0.106, expected {version}, which is installed"


@pytest.mark.parametrize("version", ["11.4.0.106", "11.10.0.1", "12.0.0.1"])
def test_version_compatible_plans_suit_later_versions(version: str) -> None:
    check(replace(PLANS, version_compatible=True), version=version)


@pytest.mark.parametrize("version", ["11.3.9.999", "10.16.1.11"])
def test_version_compatible_plans_are_refused_by_older_versions(version: str) -> None:
    assert fault(replace(PLANS, version_compatible=True), version=version) == (
        f"made with TensorRT 11.4.0.106, version compatible, expected {version} or older: "
        f"TensorRT {version} is installed and opens no plan of a later one"
    )


def test_plans_of_the_other_library_are_refused() -> None:
    plans = replace(PLANS, library="tensorrt_rtx", version="1.7.1.116")
    assert fault(plans) == (
        "made with TensorRT for RTX 1.7.1.116, which TensorRT 11.4.0.106 does not open"
    )
    assert fault(PLANS, library="tensorrt_rtx", version="1.7.1.116") == (
        "made with TensorRT 11.4.0.106, which TensorRT for RTX 1.7.1.116 does not open"
    )
