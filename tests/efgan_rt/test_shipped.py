"""The engine set inside the package: it is whole, it is small, and it edits faces as it should."""

import functools
import hashlib
from pathlib import Path

import numpy as np
import pytest

from efgan_rt.editing import OpenedSet
from efgan_rt.engine_sets import shipped_set
from efgan_rt.expressions import target_for, target_places
from efgan_rt.pictures.crop import to_crop
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from engines.directory import EngineDirectory
from engines.manifest import read_manifest
from engines.openvino_engine import has_bf16

LIMIT_BYTES = 25_000_000
needs_bf16 = pytest.mark.skipif(
    not has_bf16(), reason="this processor has no bf16 arithmetic that OpenVINO uses"
)
PRECISIONS = [
    ("openvino", "fp32"),
    pytest.param("openvino", "bf16", marks=needs_bf16),
    ("onnxruntime", "fp32"),
]


@pytest.fixture(scope="module")
def shipped() -> Path:
    directory = shipped_set()
    assert directory is not None, "the package ships no engines"
    return directory


@pytest.fixture(scope="module")
def example_faces(repository: Path, shipped: Path) -> Picture:
    paths = sorted((repository / "examples" / "faces").glob("*_neutral.jpg"))
    crop_px = read_manifest(shipped).properties["crop_px"]
    return np.stack([to_crop(read_picture(path), crop_px) for path in paths])


@functools.cache
def open_set(directory: Path, backend: str, precision: str, batch: int) -> OpenedSet:
    return OpenedSet.open(directory, backend=backend, precision=precision, batch=batch)


def edits(cascade: OpenedSet, faces: Picture, expression: str) -> Picture:
    target = target_for(cascade.expressions, cascade.au_names, expression=expression, au=None)
    return cascade.edit(faces, target_places(target.scale, target.offset)).pixels


def psnr_db(a: Picture, b: Picture) -> float:
    mean_square = np.mean((a.astype(float) - b) ** 2)
    return float(10 * np.log10(255**2 / max(float(mean_square), 1e-9)))


def test_every_file_is_there_and_together_they_are_small(shipped: Path) -> None:
    manifest = read_manifest(shipped)
    for name in manifest.networks:
        EngineDirectory(shipped, manifest).model(name)
    assert sum(file.stat().st_size for file in shipped.iterdir()) <= LIMIT_BYTES


def test_the_checkpoint_beside_the_engines_is_the_one_they_were_made_from(shipped: Path) -> None:
    found = hashlib.sha256((shipped / "efgan.safetensors").read_bytes()).hexdigest()
    assert read_manifest(shipped).properties["checkpoint_sha256"] == found


def test_it_knows_the_eight_expressions(shipped: Path) -> None:
    assert set(read_manifest(shipped).properties["expressions"]) == set(
        ["neutral", "happy", "sad", "angry", "surprised", "fearful", "disgusted", "contemptuous"]
    )


def test_a_happy_edit_raises_the_lip_corners(shipped: Path, example_faces: Picture) -> None:
    cascade = open_set(shipped, "openvino", "fp32", batch=8)
    au12 = cascade.au_names.index("AU12")
    before = cascade.estimate(example_faces)[:, au12]
    after = cascade.estimate(edits(cascade, example_faces, "happy"))[:, au12]
    # Stages with motion never saw rendered faces; by the reader they go half of the way.
    asked = cascade.expressions["happy"][au12] - before
    assert (after - before).mean() >= 0.45 * asked.mean()


def test_asking_for_no_change_leaves_the_picture_nearly_alone(
    shipped: Path, example_faces: Picture
) -> None:
    cascade = open_set(shipped, "openvino", "fp32", batch=8)
    unchanged = np.ones(17, np.float32), np.zeros(17, np.float32)
    result = cascade.edit(example_faces, target_places(*unchanged)).pixels
    assert psnr_db(result, example_faces) > 35


def test_what_lies_far_from_the_face_is_left_alone(shipped: Path, example_faces: Picture) -> None:
    cascade = open_set(shipped, "openvino", "fp32", batch=8)
    for expression in ("happy", "angry", "surprised"):
        change = np.abs(edits(cascade, example_faces, expression).astype(int) - example_faces)
        corners = np.concatenate([change[:, :40, :24], change[:, :40, -24:]])
        assert corners.mean() < 0.5  # levels


@pytest.mark.parametrize(("backend", "precision"), PRECISIONS)
def test_a_batch_is_what_its_pictures_are_one_by_one(
    shipped: Path, example_faces: Picture, backend: str, precision: str
) -> None:
    together = edits(open_set(shipped, backend, precision, batch=8), example_faces[:8], "happy")
    alone = edits(open_set(shipped, backend, precision, batch=1), example_faces[:8], "happy")
    difference = np.abs(together.astype(int) - alone)
    print(f"{backend} {precision}: max {difference.max()}, mean {difference.mean():.5f} levels")
    if precision == "fp32":
        assert difference.max() <= 1  # the order of additions may differ with the batch
    else:
        assert psnr_db(together, alone) >= 50


@pytest.mark.parametrize(("backend", "precision"), PRECISIONS[:2])
def test_every_backend_gives_what_onnx_runtime_gives(
    shipped: Path, example_faces: Picture, backend: str, precision: str
) -> None:
    expected = edits(open_set(shipped, "onnxruntime", "fp32", batch=8), example_faces, "surprised")
    found = edits(open_set(shipped, backend, precision, batch=8), example_faces, "surprised")
    difference = np.abs(found.astype(int) - expected)
    print(f"{backend} {precision}: max {difference.max()}, {psnr_db(found, expected):.1f} dB")
    if precision == "fp32":
        assert difference.max() <= 1
    else:
        assert psnr_db(found, expected) >= 40  # what bf16's eight bits of fraction allow
