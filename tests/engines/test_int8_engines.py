"""Networks in int8: what a manifest says of them, when they run, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from efgan_rt.editing import OpenedSet
from efgan_rt.expressions import target_places
from engines.base import EngineError
from engines.choice import BackendChoice, choose_backend
from engines.directory import EngineDirectory
from engines.manifest import read_manifest
from engines.open import open_engine
from engines.openvino_engine import has_bf16
from engines.processor import this_processor
from tests.toy_engines import AU_NAMES, toy_faces, write_toy_engines

REMAKE = "make the int8 files with: efgan-rt build-engines {directory} --precision int8"


@pytest.fixture
def own_copy(int8_toy: Path, tmp_path: Path) -> Path:
    """The toy's directory, to do harm to."""
    return Path(shutil.copytree(int8_toy, tmp_path / "engines"))


def change(directory: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edits the manifest's JSON in place."""
    path = directory / "manifest.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def edited(directory: Path, precision: str, **options: Any) -> npt.NDArray[np.uint8]:
    """What the cascade makes of the toy's faces, every unit up by one."""
    cascade = OpenedSet.open(
        directory, backend="openvino", precision=precision, batch=4, threads=1, **options
    )
    ones = np.ones(len(AU_NAMES), np.float32)
    return cascade.edit(toy_faces(), target_places(ones, ones)).pixels


def test_int8_is_near_fp32_and_not_the_same(int8_toy: Path) -> None:
    exact, rounded = edited(int8_toy, "fp32").astype(int), edited(int8_toy, "int8").astype(int)
    error = np.abs(exact - rounded)
    print(f"levels: max {error.max()}, mean {error.mean():.3f}")
    # The bar that its build was held to, 38 dB, is a mean square of 10.
    assert 0 < np.square(error).mean() < 10


def test_only_quantised_networks_run_in_int8(int8_toy: Path) -> None:
    manifest = read_manifest(int8_toy)
    rest = "bf16" if this_processor().bf16 and has_bf16() else "fp32"
    found = {
        name: open_engine(
            EngineDirectory(int8_toy, manifest),
            name,
            BackendChoice("openvino", "int8", "", rest),
            batch=2,
        ).precision
        for name in manifest.networks
    }
    assert found == {
        "au_estimator": rest,
        "interpolator": rest,
        "stage_1": "int8",
        "stage_2": "int8",
    }


def test_int8_is_taken_only_when_asked_for(int8_toy: Path) -> None:
    manifest = read_manifest(int8_toy)
    assert choose_backend("openvino", EngineDirectory(Path("DIR"), manifest)).precision in (
        "fp32",
        "bf16",
    )
    choice = choose_backend("openvino", EngineDirectory(Path("DIR"), manifest), "int8")
    rest = "bf16" if this_processor().bf16 and has_bf16() else "fp32"
    assert (choice.backend, choice.precision) == ("openvino", "int8")
    assert choice.reason == f"OpenVINO in int8, as asked for, the rest in {rest}"


def test_a_set_without_int8_files_says_how_to_make_them(tmp_path: Path) -> None:
    manifest = write_toy_engines(tmp_path)
    with pytest.raises(EngineError) as caught:
        choose_backend("auto", EngineDirectory(tmp_path, manifest), "int8")
    assert str(caught.value) == (
        f"{tmp_path}: int8 was asked for, and these engines have no int8 files; "
        + REMAKE.format(directory=tmp_path)
    )
    with pytest.raises(EngineError, match="network 'stage_1' has no int8 files; make the int8"):
        EngineDirectory(tmp_path).int8(manifest.network("stage_1").name)


def test_onnxruntime_reads_no_int8_files(int8_toy: Path) -> None:
    sentence = "ONNX Runtime reads no int8 files; use fp32 with it, or the openvino backend"
    with pytest.raises(EngineError, match=sentence):
        choose_backend("onnxruntime", EngineDirectory(int8_toy), "int8")


def test_a_pictures_neighbours_make_no_difference(int8_toy: Path) -> None:
    engine = open_engine(
        EngineDirectory(int8_toy), "stage_1", BackendChoice("openvino", "int8", "", "fp32"), batch=4
    )
    request, faces = engine.request(), toy_faces(4)
    au = np.ones((4, len(AU_NAMES)), np.float32)
    together = request.run({"pixels": faces, "au": au})["pixels_out"].copy()
    alone = np.zeros_like(faces)
    alone[2] = faces[2]
    np.testing.assert_array_equal(
        request.run({"pixels": alone, "au": au})["pixels_out"][2], together[2]
    )


@pytest.mark.parametrize("suffix", ["xml", "bin"])
def test_a_file_that_is_not_as_described_is_refused_before_it_is_opened(
    own_copy: Path, suffix: str
) -> None:
    path = own_copy / f"stage_2.int8.{suffix}"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(EngineError) as caught:
        edited(own_copy, "int8")
    assert str(caught.value).startswith(f"{path}: sha256 ")
    assert str(caught.value).endswith(REMAKE.format(directory=own_copy))
    path.unlink()
    with pytest.raises(EngineError, match="the file is missing, though the manifest names it; m"):
        edited(own_copy, "int8")
    assert edited(own_copy, "fp32").any()


def test_int8_files_are_read_as_they_were_written(own_copy: Path) -> None:
    manifest = read_manifest(own_copy)
    manifest.write(own_copy)
    assert read_manifest(own_copy) == manifest
    assert manifest.int8 is not None
    assert {file.file for file in manifest.stored_files()} == {
        path.name for path in own_copy.iterdir() if path.name != "manifest.json"
    }


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (
            lambda d: d.pop("int8"),
            "networks stage_1, stage_2 with int8 files found, expected some exactly where it has",
        ),
        (
            lambda d: [network.pop("int8", None) for network in d["networks"].values()],
            "no network with int8 files found, expected some exactly where it has 'int8'",
        ),
        (
            lambda d: d["networks"]["stage_1"]["int8"].pop("weights"),
            r"network 'stage_1', int8 has no 'weights'",
        ),
        (
            lambda d: d["networks"]["stage_1"]["int8"]["graph"].update(file="../x"),
            "network 'stage_1': int8.graph.file is '../x', expected a plain file name",
        ),
        (lambda d: d["int8"].pop("nncf"), "the manifest, int8 has no 'nncf'"),
        (
            lambda d: d["int8"]["parity"].update(edits="many"),
            "int8.parity is .*'edits': 'many'}, expected float",
        ),
    ],
)
def test_each_fault_of_a_manifest_with_int8_files_has_a_sentence_of_its_own(
    own_copy: Path, edit: Callable[[dict[str, Any]], object], sentence: str
) -> None:
    change(own_copy, edit)
    with pytest.raises(EngineError, match=sentence):
        read_manifest(own_copy)


def test_compiled_int8_networks_come_out_of_the_cache_the_same(
    int8_toy: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    expected = edited(int8_toy, "int8")
    np.testing.assert_array_equal(edited(int8_toy, "int8", cache_dir=cache), expected)
    kept = {path.name: path.stat().st_ino for path in cache.iterdir()}
    assert len(kept) == 4
    np.testing.assert_array_equal(edited(int8_toy, "int8", cache_dir=cache), expected)
    assert {path.name: path.stat().st_ino for path in cache.iterdir()} == kept


def test_other_int8_weights_of_the_same_graph_are_another_compiled_network(
    own_copy: Path, tmp_path: Path
) -> None:
    from engines.openvino_engine import OpenvinoEngine

    entry = read_manifest(own_copy).network("stage_1")
    graph, weights = EngineDirectory(own_copy).int8(entry.name)
    for content in (weights, weights + b"\0"):
        OpenvinoEngine(
            graph, entry, precision="fp32", batch=2, cache_dir=tmp_path, int8_weights=content
        )
    assert len(list(tmp_path.glob("*.compiled"))) == 2
