"""Weights kept once, in the checkpoint beside the engines."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest

from efgan_rt.editing import OpenedSet
from efgan_rt.errors import EfganError
from efgan_rt.expressions import target_places
from engines.base import EngineError
from engines.directory import EngineDirectory
from engines.manifest import Manifest, read_manifest
from export.build import build_engines
from export.calibration import bundled_faces
from export.directory import check_replaceable
from export.shared_weights import share_weights
from tests.toy import toy_checkpoint
from train.checkpoint import save_safetensors
from train.families.registry import load_checkpoint


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Engines with stored halves, and in `toy.safetensors` what they were made from."""
    folder = tmp_path_factory.mktemp("shared")
    checkpoint = folder / "toy.safetensors"
    toy = toy_checkpoint(folder / "toy.pt", stages=1, regions={})
    save_safetensors(load_checkpoint(toy), checkpoint)
    build_engines(checkpoint, folder / "whole", weights="fp16", faces=bundled_faces()[:2])
    shutil.copytree(folder / "whole", folder / "shared")
    share_weights(folder / "shared", checkpoint)
    return folder


@pytest.fixture
def shared(built: Path, tmp_path: Path) -> Iterator[tuple[Path, Manifest]]:
    """A copy to spoil."""
    shutil.copytree(built / "shared", tmp_path / "shared")
    yield tmp_path / "shared", read_manifest(tmp_path / "shared")


def test_every_network_is_read_as_it_was_before(built: Path) -> None:
    before, after = (read_manifest(built / name) for name in ("whole", "shared"))
    for name in before.networks:
        whole = onnx.load_from_string(EngineDirectory(built / "whole", before).model(name))
        joined = onnx.load_from_string(EngineDirectory(built / "shared", after).model(name))
        for found, expected in zip(joined.graph.initializer, whole.graph.initializer, strict=True):
            np.testing.assert_array_equal(
                onnx.numpy_helper.to_array(found), onnx.numpy_helper.to_array(expected)
            )
        assert list(joined.graph.node) == list(whole.graph.node)


def test_the_directory_is_smaller_by_nearly_all_of_the_weights(built: Path) -> None:
    def size(name: str) -> int:
        return sum(path.stat().st_size for path in (built / name).glob("*.onnx"))

    weights = (built / "toy.safetensors").stat().st_size
    assert size("whole") - size("shared") > weights / 2


def test_edits_are_the_same(built: Path) -> None:
    faces = bundled_faces()[:2]

    def edited(name: str) -> npt.NDArray[np.uint8]:
        cascade = OpenedSet.open(built / name, backend="onnxruntime", batch=2)
        au = np.full(len(cascade.au_names), 2, np.float32)
        return cascade.edit(faces, target_places(np.zeros_like(au), au)).pixels

    np.testing.assert_array_equal(edited("whole"), edited("shared"))


def test_any_reader_of_onnx_opens_the_files_where_they_lie(built: Path) -> None:
    for path in (built / "shared").glob("*.onnx"):
        onnx.checker.check_model(path)
        onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_a_changed_weights_file_is_refused(shared: tuple[Path, Manifest]) -> None:
    folder, manifest = shared
    path = folder / "toy.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(EngineError, match=r"toy\.safetensors: sha256 .* found, .* expected; make"):
        EngineDirectory(folder, manifest).model("stage_1")


def test_a_missing_weights_file_is_named(shared: tuple[Path, Manifest]) -> None:
    folder, manifest = shared
    (folder / "toy.safetensors").unlink()
    with pytest.raises(EngineError, match=r"toy\.safetensors: the file is missing, though the man"):
        EngineDirectory(folder, manifest).model("stage_1")


def test_a_network_that_points_elsewhere_is_refused(shared: tuple[Path, Manifest]) -> None:
    folder, manifest = shared
    whole = EngineDirectory(folder).content(manifest.networks["stage_1"].stored)
    model = onnx.load_from_string(whole)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../elsewhere"
    content = model.SerializeToString()
    path = folder / "stage_1.onnx"
    path.write_bytes(content)
    entry = replace(
        manifest.networks["stage_1"],
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
    )
    changed = replace(manifest, networks={"stage_1": entry})
    with pytest.raises(EngineError, match=r"lies in '\.\./elsewhere', which is not there\); make"):
        EngineDirectory(folder, changed).model("stage_1")


def test_a_checkpoint_of_other_weights_is_refused(built: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_safetensors(load_checkpoint(toy_checkpoint(tmp_path / "other.pt", seed=7)), other)
    shutil.copytree(built / "whole", tmp_path / "whole")
    with pytest.raises(EfganError, match=r"shares no weight with the networks of .*--weights fp16"):
        share_weights(tmp_path / "whole", other)


def test_a_directory_with_shared_weights_may_be_replaced(shared: tuple[Path, Manifest]) -> None:
    check_replaceable(shared[0])


def test_sharing_twice_changes_nothing(shared: tuple[Path, Manifest], built: Path) -> None:
    folder, _ = shared
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    share_weights(folder, built / "toy.safetensors")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_refusal_leaves_the_directory_as_it_was(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built / "whole", tmp_path / "whole")
    before = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    other = tmp_path / "other.safetensors"
    save_safetensors(load_checkpoint(toy_checkpoint(tmp_path / "other.pt", seed=7)), other)
    with pytest.raises(EfganError):
        share_weights(tmp_path / "whole", other)
    assert {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()} == before


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("torn.safetensors", b"\x10", "not a safetensors file, or truncated"),
        ("missing.safetensors", None, "no such checkpoint"),
    ],
)
def test_what_is_no_checkpoint_is_one_sentence(
    shared: tuple[Path, Manifest], tmp_path: Path, name: str, content: bytes | None, why: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(EfganError, match=f"{name}: {why}"):
        share_weights(shared[0], tmp_path / name)


def test_a_checkpoint_of_another_kind_is_refused(built: Path) -> None:
    with pytest.raises(EfganError, match=r"toy\.pt: expected a \.safetensors, whose weights lie"):
        share_weights(built / "shared", built / "toy.pt")
