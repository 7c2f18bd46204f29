"""What both runtimes have to do alike: the promises of `engines.base` and of the manifest."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from engines import openvino_engine
from engines.arrays import Array
from engines.base import Engine, EngineError, TensorSpec
from engines.choice import BackendChoice
from engines.directory import EngineDirectory
from engines.manifest import Manifest, read_manifest
from engines.open import open_engine
from engines.openvino_engine import OpenvinoEngine, has_bf16
from engines.runtimes import import_openvino
from tests.toy_engines import AU_NAMES, CROP_PX, entry_for, toy_network, write_toy_engines

BATCH = 4
PRECISION_HINT = "INFERENCE_PRECISION_HINT"
needs_bf16 = pytest.mark.skipif(
    not has_bf16(), reason="this processor has no bf16 arithmetic that OpenVINO uses"
)
EVERY_BACKEND = [
    pytest.param("onnxruntime", "fp32", id="onnxruntime"),
    pytest.param("openvino", "fp32", id="openvino-fp32"),
    pytest.param("openvino", "bf16", id="openvino-bf16", marks=needs_bf16),
]
every_backend = pytest.mark.parametrize(("backend", "precision"), EVERY_BACKEND)
each_runtime = pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engines")
    write_toy_engines(folder)
    return folder


@pytest.fixture(scope="module")
def manifest(directory: Path) -> Manifest:
    return read_manifest(directory)


@pytest.fixture
def open_network(directory: Path, manifest: Manifest) -> Callable[..., Engine]:
    def opened(network: str = "stage_1", **options: Any) -> Engine:
        settings: dict[str, Any] = {"batch": BATCH, "threads": 1, "precision": "fp32"} | options
        choice = BackendChoice(settings.pop("backend"), settings.pop("precision"), "")
        return open_engine(EngineDirectory(directory, manifest), network, choice, **settings)

    return opened


def batch_of(seed: int = 0) -> dict[str, Array]:
    """Inputs of `stage_1`."""
    random = np.random.default_rng(seed)
    return {
        "pixels": random.integers(0, 256, (BATCH, CROP_PX, CROP_PX, 3), dtype=np.uint8),
        "au": random.uniform(0, 5, (BATCH, len(AU_NAMES))).astype(np.float32),
    }


def copied(outputs: Mapping[str, Array]) -> dict[str, Array]:
    return {name: array.copy() for name, array in outputs.items()}


def same(left: Mapping[str, Array], right: Mapping[str, Array]) -> bool:
    return left.keys() == right.keys() and all(
        np.array_equal(left[name], right[name]) for name in left
    )


@each_runtime
def test_fp32_agrees_with_the_reference_of_onnx(
    open_network: Callable[..., Engine], backend: str
) -> None:
    engine, inputs = open_network(backend=backend), batch_of()
    expected = dict(
        zip(
            [spec.name for spec in engine.outputs],
            ReferenceEvaluator(toy_network("stage_1")).run(None, inputs),
            strict=True,
        )
    )
    found = engine.request().run(inputs)
    error = np.abs(found["image_out"] - expected["image_out"])
    print(f"image_out: max {error.max():.2e}, mean {error.mean():.2e}")
    # Values are within -1 to 1, sums over 72 products: a few roundings of fp32.
    assert error.max() < 1e-5
    for name in ("pixels_out", "attention"):
        # A value that lies on a half may round either way.
        assert np.abs(found[name].astype(int) - expected[name]).max() <= 1


@needs_bf16
def test_bf16_is_near_fp32_and_not_the_same(open_network: Callable[..., Engine]) -> None:
    inputs = batch_of()
    exact, rounded = (
        open_network(backend="openvino", precision=precision).request().run(inputs)["image_out"]
        for precision in ("fp32", "bf16")
    )
    error = np.abs(exact - rounded)
    print(f"image_out: max {error.max():.2e}, mean {error.mean():.2e}")
    # bf16 keeps 8 bits: three convolutions in a row, values up to 1.
    assert 1e-4 < error.max() < 0.1


@every_backend
def test_a_picture_comes_out_bit_for_bit_the_same_whatever_its_place_and_neighbours(
    open_network: Callable[..., Engine], backend: str, precision: str
) -> None:
    request = open_network(backend=backend, precision=precision).request()
    inputs = batch_of()
    together = copied(request.run(inputs))
    for row in range(BATCH):
        for place in range(BATCH):
            alone = {name: np.zeros_like(array) for name, array in inputs.items()}
            for name, array in inputs.items():
                alone[name][place] = array[row]
            found = request.run(alone)
            assert same(
                {name: array[place] for name, array in found.items()},
                {name: array[row] for name, array in together.items()},
            )


@every_backend
def test_outputs_are_the_requests_own_and_overwritten_by_its_next_run(
    open_network: Callable[..., Engine], backend: str, precision: str
) -> None:
    request = open_network(backend=backend, precision=precision).request()
    first = request.run(batch_of(0))
    kept = copied(first)
    second = request.run(batch_of(1))
    assert all(first[name] is second[name] for name in kept)
    assert not same(first, kept)


@every_backend
def test_requests_of_one_engine_do_not_touch_each_others_outputs(
    open_network: Callable[..., Engine], backend: str, precision: str
) -> None:
    engine = open_network(backend=backend, precision=precision)
    one, other = engine.request(), engine.request()
    found = one.run(batch_of(0))
    kept = copied(found)
    other.run(batch_of(1))
    assert same(found, kept)


@every_backend
def test_threads_with_a_request_each_get_their_own_results(
    open_network: Callable[..., Engine], backend: str, precision: str
) -> None:
    engine = open_network(backend=backend, precision=precision)
    expected = [copied(engine.request().run(batch_of(seed))) for seed in range(3)]

    def repeat(seed: int) -> bool:
        request, inputs = engine.request(), batch_of(seed)
        return all(same(request.run(inputs), expected[seed]) for _ in range(20))

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(repeat, range(3))) == [True, True, True]


@every_backend
def test_changed_inputs_in_the_same_arrays_are_seen(
    open_network: Callable[..., Engine], backend: str, precision: str
) -> None:
    request, inputs = open_network(backend=backend, precision=precision).request(), batch_of(0)
    request.run(inputs)
    for name, array in batch_of(1).items():
        inputs[name][:] = array
    found = copied(request.run(inputs))
    assert same(found, request.run(batch_of(1)))


@every_backend
def test_a_read_only_input_is_taken_and_read_anew_each_time(
    open_network: Callable[..., Engine], backend: str, precision: str
) -> None:
    request, inputs = open_network(backend=backend, precision=precision).request(), batch_of(0)
    views = {name: array.view() for name, array in inputs.items()}
    for view in views.values():
        view.flags.writeable = False
    request.run(views)
    inputs["pixels"][:] = batch_of(1)["pixels"]
    found = copied(request.run(views))
    assert same(found, request.run(inputs))


@every_backend
def test_a_run_leaves_its_inputs_alone(
    open_network: Callable[..., Engine], backend: str, precision: str
) -> None:
    inputs = batch_of()
    open_network(backend=backend, precision=precision).request().run(inputs)
    assert same(inputs, batch_of())


@each_runtime
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda x: {"pixels": x["pixels"]},
            "stage_1: input 'au' is missing; it takes pixels, au",
        ),
        (
            lambda x: x | {"extra": x["au"]},
            "stage_1: there is no input 'extra'; it takes pixels, au",
        ),
        (
            lambda x: x | {"pixels": x["pixels"].astype(np.float32)},
            "stage_1: input 'pixels' is float32, expected uint8",
        ),
        (
            lambda x: x | {"au": x["au"][:3].copy()},
            "stage_1: input 'au' has shape (3, 3), expected (4, 3)",
        ),
        (
            lambda x: x | {"pixels": x["pixels"].transpose(0, 2, 1, 3)},
            "stage_1: input 'pixels' is not C-contiguous; pass numpy.ascontiguousarray of it",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    open_network: Callable[..., Engine],
    backend: str,
    change: Callable[[dict[str, Array]], dict[str, Array]],
    sentence: str,
) -> None:
    request = open_network(backend=backend).request()
    with pytest.raises(EngineError) as caught:
        request.run(change(batch_of()))
    assert str(caught.value) == sentence


@every_backend
def test_an_engine_says_what_it_is(
    open_network: Callable[..., Engine], backend: str, precision: str
) -> None:
    engine = open_network(backend=backend, precision=precision)
    assert (engine.backend, engine.precision) == (backend, precision)
    assert [(spec.name, spec.dtype, spec.shape) for spec in engine.inputs] == [
        ("pixels", "uint8", (BATCH, CROP_PX, CROP_PX, 3)),
        ("au", "float32", (BATCH, len(AU_NAMES))),
    ]
    assert [spec.name for spec in engine.outputs] == ["image_out", "pixels_out", "attention"]


@every_backend
def test_half_precision_images_pass_between_stages(
    tmp_path: Path, backend: str, precision: str
) -> None:
    manifest = write_toy_engines(tmp_path, precision="fp16")
    first, second = (
        open_engine(
            EngineDirectory(tmp_path, manifest),
            name,
            BackendChoice(backend, precision, ""),
            batch=BATCH,
            threads=1,
        ).request()
        for name in ("stage_1", "stage_2")
    )
    inputs = batch_of()
    image = first.run(inputs)["image_out"]
    edited = second.run({"image_in": image, "au": inputs["au"]})["pixels_out"]
    assert image.dtype == np.float16
    assert edited.std() > 0


@each_runtime
@pytest.mark.parametrize(
    ("inputs", "outputs", "sentence"),
    [
        (
            (TensorSpec("pixels", "uint8", ("B", 8, 8, 3)),),
            (TensorSpec("au", "float32", ("B", 3)),),
            r"au_estimator: input 'pixels' is uint8 \(.*, 16, 16, 3\) in the graph, "
            r"the manifest says uint8 \(4, 8, 8, 3\)",
        ),
        (
            (TensorSpec("pixels", "float32", ("B", 16, 16, 3)),),
            (TensorSpec("au", "float32", ("B", 3)),),
            "in the graph, the manifest says float32",
        ),
        (
            (TensorSpec("image", "uint8", ("B", 16, 16, 3)),),
            (TensorSpec("au", "float32", ("B", 3)),),
            "au_estimator: the graph's inputs are pixels, the manifest says image",
        ),
        (
            (TensorSpec("pixels", "uint8", ("B", 16, 16, 3)),),
            (TensorSpec("au", "float32", ("B", 17)),),
            "au_estimator: output 'au' is float32 .*3.* in the graph, the manifest says float32 ",
        ),
        (
            (TensorSpec("pixels", "uint8", ("B", 16, 16, 3)),),
            (TensorSpec("au", "float32", ("B", 3)), TensorSpec("x", "float32", ("B", 3))),
            "au_estimator: the graph's outputs are au, the manifest says au, x",
        ),
    ],
)
def test_a_graph_that_is_not_what_the_manifest_says_is_refused(
    tmp_path: Path,
    manifest: Manifest,
    backend: str,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    sentence: str,
) -> None:
    content = toy_network("au_estimator").SerializeToString()
    (tmp_path / "au_estimator.onnx").write_bytes(content)
    entry = entry_for("au_estimator", content, inputs, outputs)
    with pytest.raises(EngineError, match=sentence):
        open_engine(
            EngineDirectory(tmp_path, replace(manifest, networks={"au_estimator": entry})),
            "au_estimator",
            BackendChoice(backend, "fp32", ""),
            batch=BATCH,
        )


def reopen(
    folder: Path, manifest: Manifest, content: bytes, backend: str, **options: Any
) -> Engine:
    """Opens `stage_1` with another file, for which the manifest vouches."""
    (folder / "stage_1.onnx").write_bytes(content)
    entry = manifest.networks["stage_1"]
    entry = entry_for("stage_1", content, entry.inputs, entry.outputs)
    changed = replace(manifest, networks={"stage_1": entry}, **options)
    return open_engine(
        EngineDirectory(folder, changed), "stage_1", BackendChoice(backend, "fp32", ""), batch=BATCH
    )


@pytest.mark.parametrize(
    ("backend", "title"), [("onnxruntime", "ONNX Runtime"), ("openvino", "OpenVINO")]
)
def test_a_model_that_the_runtime_does_not_know_is_refused(
    tmp_path: Path, manifest: Manifest, backend: str, title: str
) -> None:
    model = toy_network("stage_1")
    model.graph.node[0].op_type = "NoSuchOperation"
    with pytest.raises(EngineError, match=rf"{title} cannot open stage_1\.onnx: .*NoSuchOperation"):
        reopen(tmp_path, manifest, model.SerializeToString(), backend)


@each_runtime
def test_a_model_with_weights_in_another_file_is_refused(
    tmp_path: Path, manifest: Manifest, backend: str
) -> None:
    model = toy_network("stage_1")
    onnx.external_data_helper.convert_model_to_external_data(
        model, location="weights.data", size_threshold=0
    )
    onnx.save_model(model, tmp_path / "stage_1.onnx")
    content = (tmp_path / "stage_1.onnx").read_bytes()
    with pytest.raises(EngineError, match="keeps weights where the manifest does not say; ma"):
        reopen(tmp_path, manifest, content, backend)


@each_runtime
def test_bytes_that_are_no_model_are_refused(
    tmp_path: Path, manifest: Manifest, backend: str
) -> None:
    with pytest.raises(EngineError, match=r"stage_1\.onnx: not an ONNX model that can .*; make"):
        reopen(tmp_path, manifest, b"<net/>", backend)


def test_a_changed_file_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    manifest = write_toy_engines(tmp_path)
    path = tmp_path / "stage_1.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(EngineError, match=r"sha256 .* found, .* expected"):
        open_engine(
            EngineDirectory(tmp_path, manifest),
            "stage_1",
            BackendChoice("onnxruntime", "fp32", ""),
            batch=BATCH,
        )


@pytest.mark.parametrize("batch", [0, 9])
def test_a_batch_outside_the_range_is_refused(
    open_network: Callable[..., Engine], batch: int
) -> None:
    sentence = f"stage_1: batch {batch} is outside 1 to 8, which the engines were made for; choose"
    with pytest.raises(EngineError, match=sentence):
        open_network(backend="onnxruntime", batch=batch)


def test_no_threads_at_all_are_refused(open_network: Callable[..., Engine]) -> None:
    with pytest.raises(EngineError, match="0 threads were asked for, expected 1 or more"):
        open_network(backend="onnxruntime", threads=0)


def test_a_network_that_is_not_in_the_set_is_refused(open_network: Callable[..., Engine]) -> None:
    with pytest.raises(EngineError, match="has no network 'stage_7', it has au_estimator, interp"):
        open_network("stage_7", backend="onnxruntime")


def test_the_compile_cache_is_written_where_asked(
    open_network: Callable[..., Engine], tmp_path: Path
) -> None:
    inputs = batch_of()
    first, again = (
        open_network(backend="openvino", cache_dir=tmp_path / "cache").request().run(inputs)
        for _ in range(2)
    )
    assert list((tmp_path / "cache").iterdir())
    assert same(first, again)


def test_a_precision_that_openvino_replaces_silently_is_an_error(
    manifest: Manifest, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half precision, which most processors of the x86 family answer with another type."""
    entry = manifest.networks["stage_1"]
    content = (directory / entry.file).read_bytes()
    core = import_openvino().Core()
    compiled = core.compile_model(core.read_model(content), "CPU", {PRECISION_HINT: "f16"})
    used = compiled.get_property(PRECISION_HINT).to_string()
    if used == "f16":
        pytest.skip("this processor computes in half precision, so nothing is replaced")
    monkeypatch.setitem(openvino_engine.PRECISIONS, "fp32", "f16")
    with pytest.raises(EngineError) as caught:
        OpenvinoEngine(content, entry, precision="fp32", batch=BATCH)
    assert str(caught.value) == (
        f"stage_1: OpenVINO computes in {used} where fp32 was asked for; "
        "this processor does not have it, ask for fp32"
    )
