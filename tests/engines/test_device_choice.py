"""Which backend a GPU gets, and what is said where it does not get what could be expected."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from engines import choice as choice_of
from engines import runtimes
from engines.base import EngineError
from engines.choice import choose_backend
from engines.cuda_faults import no_driver
from engines.cuda_memory import Cuda
from engines.directory import EngineDirectory
from engines.manifest import Manifest, PlanFacts
from tests.engines.fake_cuda import FACTS, FakeCuda

DIRECTORY = Path("sets/faces")
PLANS = PlanFacts(
    library="tensorrt",
    version="11.4.0.106",
    gpu=FACTS.name,
    compute_capability=FACTS.compute_capability,
    driver=FACTS.driver,
    hardware_compatibility="none",
    version_compatible=False,
    settings={},
)
WITHOUT_PLANS = Manifest("0.1.0", "onnx", "fp16", "fp16", {}, {})
WITH_PLANS = replace(WITHOUT_PLANS, plans=PLANS)
REMEDY = "; make the plans again with: efgan-rt build-engines sets/faces --backend tensorrt"
NO_ORT = 'the onnxruntime-cuda backend needs ONNX Runtime\'s build for GPUs; pip install "..."'


def raises(error: EngineError) -> Callable[..., object]:
    def act(*_: object) -> object:
        raise error

    return act


@pytest.fixture(autouse=True)
def gpu_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU with TensorRT and ONNX Runtime's build for it; the tests take away."""
    cuda: Cuda = FakeCuda()
    monkeypatch.setattr(choice_of, "open_cuda", lambda: cuda)
    monkeypatch.setattr(choice_of, "has_driver", lambda: True)
    modules = {"tensorrt": SimpleNamespace(__version__="11.4.0.106")}
    monkeypatch.setattr(runtimes, "import_tensorrt", modules.__getitem__)
    monkeypatch.setattr(runtimes, "tensorrt_library", lambda: "tensorrt")
    monkeypatch.setattr("engines.onnxruntime_cuda_engine.check_cuda_provider", lambda: None)
    monkeypatch.setattr("engines.tensorrt_rtx_engine.plugin_devices", lambda: [])


def take_away_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice_of, "open_cuda", raises(no_driver("libcuda.so.1 is missing")))


def take_away_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    place = "engines.onnxruntime_cuda_engine.check_cuda_provider"
    monkeypatch.setattr(place, raises(EngineError(NO_ORT)))


def test_plans_that_suit_are_taken_first() -> None:
    choice = choose_backend("auto", EngineDirectory(DIRECTORY, WITH_PLANS))
    assert (choice.backend, choice.precision) == ("tensorrt", "fp16")
    assert choice.reason == (
        "TensorRT 11.4.0.106 in fp16 on Fake GPU, the plans suit this GPU "
        "(buffers: a device of the tests)"
    )


def test_without_plans_onnxruntime_runs_on_the_gpu() -> None:
    choice = choose_backend("auto", EngineDirectory(DIRECTORY, WITHOUT_PLANS))
    assert (choice.backend, choice.precision) == ("onnxruntime-cuda", "fp16")
    assert choice.reason == (
        "ONNX Runtime with CUDA in fp16 on Fake GPU, the fastest here "
        "(buffers: a device of the tests)"
    )


def test_plans_that_do_not_suit_are_fallen_back_from_aloud() -> None:
    manifest = replace(WITH_PLANS, plans=replace(PLANS, gpu="NVIDIA L4", compute_capability="8.9"))
    choice = choose_backend("auto", EngineDirectory(DIRECTORY, manifest))
    assert choice.backend == "onnxruntime-cuda"
    assert choice.reason.endswith(
        "; the TensorRT plans are not used: sets/faces: its TensorRT plans do not suit this "
        "machine: made on NVIDIA L4 (compute capability 8.9); this GPU is Fake GPU (compute "
        f"capability 9.0){REMEDY}"
    )


def test_plans_without_tensorrt_are_fallen_back_from_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = EngineError('this needs TensorRT; install it with: pip install "efgan-rt[tensorrt]"')
    monkeypatch.setattr(runtimes, "import_tensorrt", raises(missing))
    take_away_onnxruntime(monkeypatch)
    choice = choose_backend("auto", EngineDirectory(DIRECTORY, WITH_PLANS))
    assert choice.backend in ("openvino", "onnxruntime")
    assert choice.reason.endswith(
        f"; the TensorRT plans are not used: {missing}; "
        f"Fake GPU is not used by ONNX Runtime: {NO_ORT}"
    )


def test_plans_without_a_driver_are_fallen_back_from_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    take_away_the_driver(monkeypatch)
    choice = choose_backend("auto", EngineDirectory(DIRECTORY, WITH_PLANS))
    assert choice.backend in ("openvino", "onnxruntime")
    assert "; the TensorRT plans are not used: there is no CUDA driver on this" in choice.reason


def test_a_gpu_that_onnxruntime_cannot_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    take_away_onnxruntime(monkeypatch)
    choice = choose_backend("auto", EngineDirectory(DIRECTORY, WITHOUT_PLANS))
    assert choice.backend in ("openvino", "onnxruntime")
    assert choice.reason.endswith(f"; Fake GPU is not used by ONNX Runtime: {NO_ORT}")


def test_a_machine_without_a_gpu_says_nothing_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    take_away_the_driver(monkeypatch)
    choice = choose_backend("auto", EngineDirectory(DIRECTORY, WITHOUT_PLANS))
    assert choice.backend in ("openvino", "onnxruntime")
    assert "GPU" not in choice.reason and "CUDA" not in choice.reason


def test_a_precision_that_the_engines_do_not_have_leaves_the_gpu_alone() -> None:
    choice = choose_backend("auto", EngineDirectory(DIRECTORY, WITH_PLANS), "fp32")
    assert choice.backend in ("openvino", "onnxruntime")


@pytest.mark.parametrize("backend", ["tensorrt", "onnxruntime-cuda", "tensorrt-rtx"])
def test_a_gpu_backend_is_taken_when_asked_for(backend: str) -> None:
    choice = choose_backend(backend, EngineDirectory(DIRECTORY, WITH_PLANS))
    assert choice.backend == backend
    assert "in fp16 on Fake GPU, as asked for (buffers: a device of the tests)" in choice.reason


@pytest.mark.parametrize("backend", ["tensorrt", "onnxruntime-cuda", "tensorrt-rtx"])
def test_a_gpu_backend_asked_for_without_a_driver_is_refused(
    monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    take_away_the_driver(monkeypatch)
    with pytest.raises(EngineError, match=r"^there is no CUDA driver on this machine \(libcuda"):
        choose_backend(backend, EngineDirectory(DIRECTORY, WITH_PLANS))


def test_tensorrt_asked_for_without_plans_gives_the_command_that_makes_them() -> None:
    with pytest.raises(EngineError) as error:
        choose_backend("tensorrt", EngineDirectory(DIRECTORY, WITHOUT_PLANS))
    assert str(error.value) == f"sets/faces: has no TensorRT plans, only ONNX files{REMEDY}"


def test_tensorrt_asked_for_and_not_installed_gives_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    for module in ("tensorrt", "tensorrt_bindings", "tensorrt_rtx"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(runtimes, "tensorrt_library", lambda: "tensorrt")
    with pytest.raises(EngineError) as error:
        choose_backend("tensorrt", EngineDirectory(DIRECTORY, WITH_PLANS))
    assert str(error.value) == (
        "this needs TensorRT, which is not installed; "
        'install it with: pip install "efgan-rt[tensorrt]"'
    )


def test_plans_of_the_other_library_are_told_from_a_missing_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = raises(EngineError("this needs TensorRT for RTX, which is not installed"))
    there = SimpleNamespace(__version__="11.4.0.106")
    monkeypatch.setattr(
        runtimes, "import_tensorrt", lambda name: there if name == "tensorrt" else missing()
    )
    plans = replace(PLANS, library="tensorrt_rtx", version="1.7.1.116")
    with pytest.raises(EngineError, match=r"made with TensorRT for RTX 1\.7\.1\.116, which Tens"):
        choose_backend("tensorrt", EngineDirectory(DIRECTORY, replace(WITH_PLANS, plans=plans)))


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_precision_is_refused_with_a_gpu_backend(precision: str) -> None:
    with pytest.raises(EngineError) as error:
        choose_backend("tensorrt", EngineDirectory(DIRECTORY, WITH_PLANS), precision)
    assert str(error.value) == (
        f"{precision} was asked for, but on a GPU the precision is that of the engines, which are "
        "fp16; leave the option out, or make others with: efgan-rt build-engines CKPT.pt "
        "--precision"
    )


def test_without_a_driver_no_gpu_package_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice_of, "has_driver", lambda: False)
    monkeypatch.setattr(choice_of, "open_cuda", raises(AssertionError("imported")))  # type: ignore[arg-type]
    assert choose_backend("auto", EngineDirectory(DIRECTORY, WITHOUT_PLANS)).backend in (
        "openvino",
        "onnxruntime",
    )
