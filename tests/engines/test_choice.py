import os
import subprocess
import sys
from pathlib import Path

import pytest

from engines import choice as choice_of
from engines.base import EngineError
from engines.choice import BackendChoice, choose_backend
from engines.directory import EngineDirectory
from engines.manifest import Manifest
from engines.openvino_engine import has_bf16
from engines.processor import Processor, this_processor

EMPTY = EngineDirectory(Path("DIR"), Manifest("0.1.0", "onnx", "fp32", "fp32", {}, {}))
INSTALL = r'install it with: pip install "efgan-rt\[cpu\]"'


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """These are about processors, whatever the machine has."""
    monkeypatch.setattr(choice_of, "find_device_backend", lambda *_: (None, ""))


def processor(bf16: str | None, listed: bool = True) -> Processor:
    return Processor("Some CPU", bf16, listed, cores=2)


def pretend(monkeypatch: pytest.MonkeyPatch, found: Processor, runtime_has_bf16: bool) -> None:
    """Has the choice see another machine."""
    monkeypatch.setattr(choice_of, "this_processor", lambda: found)
    monkeypatch.setattr("engines.openvino_engine.has_bf16", lambda: runtime_has_bf16)


def uninstall(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def python(code: str, **environment: str) -> str:
    """Runs code in a process of its own and gives what it printed."""
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "HOME")}
    kept.pop("ORT_DISABLE_TELEMETRY", None)
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_auto_takes_bf16_where_this_machine_has_it_and_such_ones_were_quicker_with_it() -> None:
    here = this_processor()
    choice = choose_backend("auto", EMPTY)
    quicker = here.bf16 == "AMX" or "AMD" in here.name
    expected = "bf16" if here.bf16 and has_bf16() and quicker else "fp32"
    assert (choice.backend, choice.precision) == ("openvino", expected)
    assert here.name in choice.reason


@pytest.mark.parametrize(
    ("found", "runtime_has_bf16", "expected"),
    [
        (
            processor("AMX"),
            True,
            BackendChoice(
                "openvino",
                "bf16",
                "OpenVINO in bf16: nothing was measured here, and with AMX on a processor like "
                "this one (Some CPU) bf16 was quicker than the other",
            ),
        ),
        (
            processor(None),
            True,
            BackendChoice(
                "openvino",
                "fp32",
                "OpenVINO in fp32: this processor (Some CPU) has neither AMX nor AVX512-BF16, "
                "so no bf16",
            ),
        ),
        (
            processor("AVX512-BF16"),
            False,
            BackendChoice(
                "openvino",
                "fp32",
                "OpenVINO in fp32: OpenVINO does not use the AVX512-BF16 of this processor "
                "(Some CPU), so no bf16",
            ),
        ),
        (
            processor(None, listed=False),
            True,
            BackendChoice(
                "openvino",
                "fp32",
                "OpenVINO in fp32: nothing was measured here, and with bf16 arithmetic on a "
                "processor like this one (Some CPU) fp32 was no slower than the other",
            ),
        ),
        (
            processor(None, listed=False),
            False,
            BackendChoice(
                "openvino",
                "fp32",
                "OpenVINO in fp32: OpenVINO has no bf16 arithmetic on this processor (Some CPU), "
                "so no bf16",
            ),
        ),
    ],
)
def test_auto_decides_on_what_processor_and_runtime_have(
    monkeypatch: pytest.MonkeyPatch,
    found: Processor,
    runtime_has_bf16: bool,
    expected: BackendChoice,
) -> None:
    pretend(monkeypatch, found, runtime_has_bf16)
    assert choose_backend("auto", EMPTY) == expected


def test_openvino_held_back_by_its_environment_is_believed() -> None:
    code = (
        "from pathlib import Path\n"
        "from engines.choice import choose_backend\n"
        "from engines.directory import EngineDirectory\n"
        "from engines.manifest import Manifest\n"
        "empty = EngineDirectory(Path('DIR'), Manifest('', 'onnx', 'fp32', 'fp32', {}, {}))\n"
        "print(choose_backend('auto', empty).precision)"
    )
    assert python(code, OV_CPU_MAX_ISA="AVX2") == "fp32"


def test_a_wish_for_fp32_is_followed_where_bf16_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, processor("AMX"), True)
    choice = choose_backend("auto", EMPTY, "fp32")
    assert choice == BackendChoice("openvino", "fp32", "OpenVINO in fp32, as asked for")


def test_onnxruntime_is_taken_when_asked_for() -> None:
    choice = choose_backend("onnxruntime", EMPTY)
    assert choice == BackendChoice("onnxruntime", "fp32", "ONNX Runtime in fp32, as asked for")


def test_without_openvino_auto_falls_back_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    uninstall(monkeypatch, "openvino")
    assert choose_backend("auto", EMPTY) == BackendChoice(
        "onnxruntime",
        "fp32",
        "ONNX Runtime in fp32, slower than OpenVINO, because the openvino backend needs OpenVINO, "
        'which is not installed; install it with: pip install "efgan-rt[cpu]"',
    )


@pytest.mark.parametrize(
    ("backend", "title"), [("openvino", "OpenVINO"), ("onnxruntime", "ONNX Runtime")]
)
def test_a_missing_package_gives_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, backend: str, title: str
) -> None:
    uninstall(monkeypatch, backend)
    sentence = f"the {backend} backend needs {title}, which is not installed; {INSTALL}"
    with pytest.raises(EngineError, match=sentence):
        choose_backend(backend, EMPTY)


def test_with_neither_package_auto_gives_the_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    uninstall(monkeypatch, "openvino", "onnxruntime")
    with pytest.raises(EngineError, match=INSTALL):
        choose_backend("auto", EMPTY)


def test_without_openvino_bf16_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    uninstall(monkeypatch, "openvino")
    with pytest.raises(EngineError, match="needs OpenVINO, which is not installed"):
        choose_backend("auto", EMPTY, "bf16")


def test_a_package_that_does_not_load_is_told_from_one_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libthing.so: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    sentence = (
        r"ONNX Runtime is installed but does not load \(libthing.so: cannot open\); "
        "reinstall it with: pip install --force-reinstall onnxruntime"
    )
    with pytest.raises(EngineError, match=sentence):
        choose_backend("onnxruntime", EMPTY)


def test_an_unknown_backend_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        EngineError,
        match="no backend 'cuda'; known are auto, tensorrt, tensorrt-rtx, onnxruntime-cuda, ",
    ):
        choose_backend("cuda", EMPTY)


def test_half_precision_is_said_to_be_decided_when_engines_are_made() -> None:
    sentence = "precision 'fp16' cannot be chosen when running, only fp32, bf16, int8; these"
    with pytest.raises(EngineError, match=sentence):
        choose_backend("auto", EMPTY, "fp16")


def test_bf16_is_refused_with_onnxruntime() -> None:
    with pytest.raises(EngineError, match="ONNX Runtime has no bf16 arithmetic on processors; use"):
        choose_backend("onnxruntime", EMPTY, "bf16")


def test_bf16_is_refused_where_the_processor_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, processor(None), False)
    sentence = (
        r"bf16 was asked for, but this processor \(Some CPU\) has neither AMX nor .*; use fp32"
    )
    with pytest.raises(EngineError, match=sentence):
        choose_backend("openvino", EMPTY, "bf16")


def test_importing_the_floor_imports_no_runtime() -> None:
    code = (
        "import sys, engines.open, engines.manifest, engines.openvino_engine\n"
        "import engines.onnxruntime_engine, efgan_rt.editing\n"
        "print(*sorted({'onnxruntime', 'openvino', 'torch', 'onnx', 'cv2'} & set(sys.modules)))"
    )
    assert python(code) == ""


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_a_runtime_leaves_nothing_in_the_home_folder(tmp_path: Path, backend: str) -> None:
    """Both wheels report to their makers unless told otherwise, and leave an identifier behind."""
    code = f"from engines import runtimes\nruntimes.import_{backend}()"
    python(code, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert list(tmp_path.rglob("*")) == []


def test_openvino_is_imported_without_its_telemetry() -> None:
    code = (
        "import sys\nfrom engines import runtimes\nruntimes.import_openvino()\n"
        "print(*(name for name in sys.modules if name.startswith('openvino_telemetry')))"
    )
    assert python(code) == ""


def test_openvino_comes_without_its_model_converter() -> None:
    load = "from engines.runtimes import import_openvino as load; load(); import sys;"
    modules = python(f"{load} print('MODULES', *sys.modules)").split("MODULES")[1].split()
    assert "openvino" in modules
    assert [name for name in modules if name.startswith("openvino.tools")] == []


@pytest.mark.parametrize(
    ("name", "feature", "seconds", "expected"),
    [
        # An Emerald Rapids in a virtual machine, as measured, and a Zen 5.
        ("INTEL(R) XEON(R) PLATINUM 8581C", "AVX512-BF16", {"fp32": 0.316, "bf16": 0.537}, "fp32"),
        ("AMD EPYC 9B45", "AVX512-BF16", {"fp32": 0.046, "bf16": 0.025}, "bf16"),
        ("INTEL(R) XEON(R) PLATINUM 8481C", "AMX", {"fp32": 0.30, "bf16": 0.10}, "bf16"),
        # Less than a twentieth quicker is not worth the rounding.
        ("AMD EPYC 9B45", "AVX512-BF16", {"fp32": 0.104, "bf16": 0.1}, "fp32"),
        ("AMD EPYC 9B45", "AVX512-BF16", {"fp32": 0.106, "bf16": 0.1}, "bf16"),
    ],
)
def test_auto_takes_what_was_measured_to_be_quicker(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    feature: str,
    seconds: dict[str, float],
    expected: str,
) -> None:
    pretend(monkeypatch, Processor(name, feature, True, cores=2), True)
    choice = choose_backend("auto", EMPTY, measured=lambda: seconds)
    assert (choice.backend, choice.precision) == ("openvino", expected)
    assert choice.reason == (
        f"OpenVINO in {expected}, by a probe of one network's batch on this processor ({name}): "
        f"fp32 {1e3 * seconds['fp32']:.1f} ms, bf16 {1e3 * seconds['bf16']:.1f} ms"
    )


@pytest.mark.parametrize(
    ("requested", "precision"), [("openvino", None), ("auto", "fp32"), ("auto", "bf16")]
)
def test_nothing_is_measured_where_something_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, requested: str, precision: str | None
) -> None:
    pretend(monkeypatch, processor("AMX"), True)

    def measured() -> None:
        raise AssertionError("measured")

    assert choose_backend(requested, EMPTY, precision, measured=measured).backend == "openvino"


def test_nothing_is_measured_where_one_precision_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, processor(None), False)

    def measured() -> None:
        raise AssertionError("measured")

    assert choose_backend("auto", EMPTY, measured=measured).precision == "fp32"
