"""What goes wrong when a plan is built, each with its sentence; the real parser and compiler."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, ValueInfoProto, helper

from efgan_rt.errors import EfganError
from engines.base import EngineError, TensorSpec
from engines.manifest import Manifest, NetworkEntry
from engines.nvidia_driver import present_gpu
from engines.runtimes import import_tensorrt
from export.plans import PlanOptions, remake_plans
from tests.tensorrt_on_cpu import LIBRARIES, environment, find_compiler

pytestmark = [
    pytest.mark.tensorrt,
    pytest.mark.usefixtures("own_cache_folder"),
    pytest.mark.skipif(present_gpu() is not None, reason="made for a machine without a GPU"),
]
HALF, FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT
Nodes = list[onnx.NodeProto]


def tensor(name: str, kind: int, *shape: str | int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape or None)


def model(
    nodes: Nodes,
    kind: int = FLOAT,
    *,
    x: ValueInfoProto | None = None,
    y: ValueInfoProto | None = None,
    initializers: dict[str, tuple[int, list[int]]] | None = None,
) -> bytes:
    """An ONNX file from `x` to `y`, pictures of 2 x 8 x 8 unless said otherwise."""
    stored = [
        helper.make_tensor(name, of, shape, [0.5] * max(1, _count(shape)))
        for name, (of, shape) in (initializers or {}).items()
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [x or tensor("x", kind, "B", 2, 8, 8)],
        [y or tensor("y", kind, "B", 2, 8, 8)],
        stored,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    content: bytes = made.SerializeToString()
    return content


def _count(shape: list[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def convolution(kind: int, source: str = "x", target: str = "y") -> Nodes:
    return [helper.make_node("Conv", [source, f"w{kind}"], [target], name="the_conv")]


def weights(*kinds: int) -> dict[str, tuple[int, list[int]]]:
    return {f"w{kind}": (kind, [2, 2, 1, 1]) for kind in kinds}


@pytest.fixture
def compile_one(loaded_tensorrt: Any, tmp_path: Path) -> Callable[..., Any]:
    """`compile_one(model, batch=..., rule=..., ...)` compiles a network called `net`."""
    from export.arithmetic_proof import Arithmetic
    from export.to_tensorrt import PlanRequest, to_tensorrt

    def run(content: bytes, **changes: Any) -> Any:
        rule = Arithmetic[changes.pop("rule", "HALF")]
        watch = changes.pop("watch", lambda _done, _phase: None)
        wanted: dict[str, Any] = {
            "network": "net",
            "batch": (1, 4, 8),
            "hardware_compatibility": "none",
            "version_compatible": False,
        }
        request = PlanRequest(**(wanted | changes), arithmetic=rule)
        return to_tensorrt(content, request, None, tmp_path / "cache" / "timing", watch)

    return run


def refusal(compile_one: Callable[..., Any], content: bytes, **changes: Any) -> str:
    with pytest.raises(EfganError) as caught:
        compile_one(content, **changes)
    message = str(caught.value)
    print(message)
    assert "\n" not in message
    assert "cudaError" not in message
    return message


def test_a_half_convolution_compiles(compile_one: Callable[..., Any]) -> None:
    plan = compile_one(model(convolution(HALF), HALF, initializers=weights(HALF)))
    assert len(plan.content) > 1000
    assert plan.facts["convolutions"] == 1
    assert not plan.cache_found


def test_a_damaged_timing_cache_stops_nothing_and_is_replaced(
    compile_one: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "cache" / "timing"
    path.parent.mkdir()
    path.write_bytes(b"no timings at all")
    plan = compile_one(model(convolution(HALF), HALF, initializers=weights(HALF)))
    assert len(plan.content) > 1000
    assert b"no timings" not in path.read_bytes()


def test_an_unsupported_operator_is_named_with_its_node(compile_one: Callable[..., Any]) -> None:
    nodes = [helper.make_node("Unique", ["x"], ["y"], name="the_odd_one", axis=0)]
    message = refusal(compile_one, model(nodes, y=tensor("y", FLOAT)))
    assert message.startswith("net: TensorRT 11.")
    assert "cannot read the ONNX file: node 'the_odd_one' (Unique): unsupported node" in message
    assert message.endswith("; no plans were written")


def test_an_operator_that_refuses_a_type_is_named_with_the_reason(
    compile_one: Callable[..., Any],
) -> None:
    nodes = [helper.make_node("Transpose", ["x"], ["y"], name="turn", perm=[0, 2, 1])]
    x, y = tensor("x", TensorProto.UINT8, "B", 4, 3), tensor("y", TensorProto.UINT8, "B", 3, 4)
    message = refusal(compile_one, model(nodes, x=x, y=y))
    assert "node 'turn' (Transpose): invalid node" in message
    assert "first input has type UInt8" in message


def test_what_is_no_onnx_file_is_refused(compile_one: Callable[..., Any]) -> None:
    assert "cannot read the ONNX file: " in refusal(compile_one, b"no model at all")


def test_a_convolution_in_fp32_fails_a_half_set(compile_one: Callable[..., Any]) -> None:
    cast = [helper.make_node("Cast", ["x"], ["f"], name="up", to=FLOAT)]
    back = [helper.make_node("Cast", ["g"], ["y"], name="down", to=HALF)]
    nodes = [*cast, *convolution(FLOAT, "f", "g"), *back]
    message = refusal(compile_one, model(nodes, HALF, initializers=weights(FLOAT)))
    assert message == (
        "net: the network that TensorRT read: the_conv is FLOAT, expected convolutions in half, "
        "normalisations in FP32; no plans were written; make the engines again with: "
        "efgan-rt build-engines CKPT.pt"
    )


def test_a_convolution_in_half_fails_a_full_precision_set(compile_one: Callable[..., Any]) -> None:
    content = model(convolution(HALF), HALF, initializers=weights(HALF))
    assert "the_conv is HALF, expected convolutions and normal" in refusal(
        compile_one, content, rule="SINGLE"
    )


def test_a_normalisation_in_half_fails(compile_one: Callable[..., Any]) -> None:
    norm = helper.make_node("InstanceNormalization", ["c", "s", "s"], ["y"], name="the_norm")
    nodes = [*convolution(HALF, "x", "c"), norm]
    content = model(nodes, HALF, initializers=weights(HALF) | {"s": (HALF, [2])})
    assert "the_norm is HALF, expected" in refusal(compile_one, content)


def test_a_network_without_a_convolution_proves_nothing(compile_one: Callable[..., Any]) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"], name="r")]
    assert "no convolution at all, expected" in refusal(compile_one, model(nodes, HALF))


def test_the_interpolator_must_be_fp32_throughout(compile_one: Callable[..., Any]) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"], name="r")]
    assert compile_one(model(nodes), rule="SINGLE_THROUGHOUT").facts["convolutions"] == 0
    message = refusal(compile_one, model(nodes, HALF), rule="SINGLE_THROUGHOUT")
    assert "r is HALF, expected no convolutions, everything in FP32" in message


def test_a_builder_that_gives_no_plan_is_told_with_tensorrts_own_words(
    compile_one: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # No optimization profile, so the real builder refuses the varying batch and returns None.
    monkeypatch.setattr("export.to_tensorrt._add_profile", lambda *_: None)
    message = refusal(compile_one, model(convolution(HALF), HALF, initializers=weights(HALF)))
    assert message.startswith("net: TensorRT cannot build this network: TensorRT says: ")
    assert "profile" in message


@pytest.mark.parametrize("batch", [(8, 4, 16), (0, 1, 2), (1, 8, 4)])
def test_a_batch_range_that_is_none_is_refused(
    compile_one: Callable[..., Any], batch: tuple[int, int, int]
) -> None:
    content = model(convolution(HALF), HALF, initializers=weights(HALF))
    message = refusal(compile_one, content, batch=batch)
    assert message.startswith(f"net: batch {':'.join(map(str, batch))} found, expected MIN:OPT:MAX")


def test_a_second_dimension_that_varies_is_refused(compile_one: Callable[..., Any]) -> None:
    x, y = tensor("x", HALF, "B", 2, "H", 8), tensor("y", HALF, "B", 2, "H", 8)
    content = model(convolution(HALF), HALF, x=x, y=y, initializers=weights(HALF))
    assert "input x has shape [-1, 2, -1, 8], expected one dimension to vary" in refusal(
        compile_one, content
    )


def test_version_compatible_plans_need_the_lean_runtime_and_say_so(
    compile_one: Callable[..., Any],
) -> None:
    content = model(convolution(HALF), HALF, initializers=weights(HALF))
    message = refusal(compile_one, content, version_compatible=True)
    assert "Unable to load library: libnvinfer_lean" in message


def test_hardware_compatible_plans_are_refused_where_the_library_has_none(
    compile_one: Callable[..., Any],
) -> None:
    content = model(convolution(HALF), HALF, initializers=weights(HALF))
    message = refusal(compile_one, content, hardware_compatibility="ampere_plus")
    assert message.startswith("--hardware-compatible: this TensorRT (11.")
    assert message.endswith("leave the option out")


def test_an_unknown_hardware_compatibility_is_refused() -> None:
    with pytest.raises(EfganError, match=r"found 'all', expected none, ampere_plus, same_compute_"):
        PlanOptions(hardware_compatibility="all")


def test_ctrl_c_in_the_middle_of_a_compilation_ends_it(compile_one: Callable[..., Any]) -> None:
    phases: list[str] = []

    def interrupt(_done: float, phase: str) -> None:
        if not phases:
            os.kill(os.getpid(), signal.SIGINT)  # what the terminal sends
        phases.append(phase)

    content = model(convolution(HALF), HALF, initializers=weights(HALF))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            compile_one(content, watch=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert phases


def write_set(folder: Path, content: bytes) -> Path:
    """An engine directory of one network that is not as it should be."""
    import hashlib

    folder.mkdir()
    (folder / "stage_1.onnx").write_bytes(content)
    entry = NetworkEntry(
        name="stage_1",
        file="stage_1.onnx",
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        batch=(1, 2, 4),
        inputs=(TensorSpec("x", "float16", ("B", 2, 8, 8)),),
        outputs=(TensorSpec("y", "float16", ("B", 2, 8, 8)),),
        parity={},
    )
    Manifest("0", "onnx", "fp16", "fp16", {"stage_1": entry}, {}).write(folder)
    return folder


def test_a_failed_build_leaves_the_directory_as_it_was(
    loaded_tensorrt: Any, tmp_path: Path
) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"], name="r")]
    folder = write_set(tmp_path / "engines", model(nodes, HALF))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(EfganError, match="stage_1: the network that TensorRT read: no convolution"):
        remake_plans(folder, folder, PlanOptions())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name != "user-cache"] == ["engines"]


def test_a_damaged_onnx_file_is_refused_before_the_compiler_sees_it(
    loaded_tensorrt: Any, tmp_path: Path
) -> None:
    folder = write_set(tmp_path / "engines", b"whatever")
    (folder / "stage_1.onnx").write_bytes(b"Whatever")
    with pytest.raises(EngineError, match=r"stage_1\.onnx: sha256 .* found, .* expected"):
        remake_plans(folder, folder, PlanOptions())


def build_by_command(folder: Path, *, hide: str = "", **changes: str) -> str:
    """Runs the command on an engine directory in a process of its own; gives its stderr."""
    hidden = f"import sys; [sys.modules.update({{n: None}}) for n in {hide.split()!r}]\n"
    script = (
        f"{hidden}from efgan_rt.cli.app import main\n"
        f"sys.argv = ['efgan-rt', 'build-engines', {str(folder)!r}, '--backend', 'tensorrt']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | changes,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return done.stderr


def test_without_tensorrt_the_line_that_installs_it_is_given(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "engines", b"whatever")
    told = build_by_command(folder, hide="tensorrt tensorrt_bindings tensorrt_rtx")
    assert told == (
        "error: this needs TensorRT, which is not installed; "
        'install it with: pip install "efgan-rt[tensorrt]"\n'
    )


def test_tensorrt_without_its_libraries_is_told(tensorrt_libraries: Path, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "engines", b"whatever")
    told = build_by_command(folder, LD_LIBRARY_PATH="")
    assert told.startswith("error: TensorRT is installed but does not load (libnv")
    assert told.endswith('install it with its libraries: pip install "efgan-rt[tensorrt]"\n')


def test_a_tensorrt_that_gives_no_builder_is_told(tensorrt_libraries: Path, tmp_path: Path) -> None:
    """As TensorRT itself answers where there is no CUDA driver."""
    functions = (
        "createInferBuilder_INTERNAL createInferRuntime_INTERNAL createInferRefitter_INTERNAL "
        "getBuilderPluginRegistry getPluginRegistry getNvOnnxParserVersion "
        "createNvOnnxParser_INTERNAL createNvOnnxParserRefitter_INTERNAL initLibNvInferPlugins"
    )
    source = tmp_path / "nothing.c"
    source.write_text(
        "".join(f"void *{name}(void) {{ return 0; }}\n" for name in functions.split())
    )
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for library in LIBRARIES:
        name = f"lib{library}.so.11"
        options = ("-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(libraries / name))
        subprocess.run([find_compiler(), *options, str(source)], check=True)
    folder = write_set(tmp_path / "engines", b"whatever")
    told = build_by_command(folder, **environment(libraries))
    assert told.startswith("error: TensorRT 11.")
    assert " gives no builder; there is no CUDA GPU or no driver for it here: " in told


def test_each_library_that_is_missing_has_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt_bindings", None)
    with pytest.raises(EngineError, match="this needs TensorRT, which is not installed"):
        import_tensorrt()
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(EngineError, match="install it with: pip install tensorrt-rtx"):
        import_tensorrt("tensorrt_rtx")


def test_a_tensorrt_older_than_plans_need_is_refused(
    loaded_tensorrt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from export import to_tensorrt

    monkeypatch.setattr(to_tensorrt, "VERSION", "10.3.0.30")  # JetPack's
    with pytest.raises(EfganError) as error:
        to_tensorrt.check_tensorrt_works(None)
    assert str(error.value) == (
        "TensorRT 10.3.0.30 found, 10.12 or newer expected; install it with: "
        'pip install --upgrade "efgan-rt[tensorrt]"'
    )
