"""What a picture becomes does not depend on how many are edited at once, nor on the backend."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from efgan_rt.editing import OpenedSet
from efgan_rt.expressions import target_places
from engines.base import EngineError
from engines.choice import PROCESSOR_BACKENDS, BackendChoice, choose_backend
from engines.directory import EngineDirectory
from engines.manifest import Manifest
from engines.open import open_engine
from export.parity import psnr_db
from tests.built_engines import Built
from train.families.registry import load_checkpoint
from train.pixels import to_bytes, to_unit_range

Faces = npt.NDArray[np.uint8]
Arrays = Mapping[str, npt.NDArray[np.generic]]


def run_in_batches(
    built: Built, inputs: Arrays, *, backend: str, precision: str | None, batch: int
) -> Faces:
    """`pixels_out` of stage 1 for all rows of the inputs."""
    engine = open_engine(
        EngineDirectory(built.directory, built.manifest),
        "stage_1",
        BackendChoice(backend, precision or "fp32", ""),
        batch=batch,
    )
    request = engine.request()
    count = len(inputs["pixels"])
    rows = [
        request.run({k: np.ascontiguousarray(v[i : i + batch]) for k, v in inputs.items()})[
            "pixels_out"
        ].copy()
        for i in range(0, count, batch)
    ]
    return np.concatenate(rows)


@pytest.fixture(scope="module")
def inputs(faces: Faces) -> Arrays:
    au = np.random.default_rng(3).uniform(0, 5, (len(faces), 17)).astype(np.float32)
    return {"pixels": faces, "au": au}


def levels_apart(a: Faces, b: Faces) -> npt.NDArray[np.int64]:
    return np.abs(a.astype(np.int64) - b.astype(np.int64))


@pytest.mark.parametrize("backend", PROCESSOR_BACKENDS)
def test_in_fp32_a_batch_equals_pictures_one_by_one_within_a_level(
    backend: str, fp32_engines: Built, inputs: Arrays
) -> None:
    run = {"backend": backend, "precision": "fp32"}
    together = run_in_batches(fp32_engines, inputs, batch=3, **run)
    apart = run_in_batches(fp32_engines, inputs, batch=1, **run)
    # Another batch may be computed by another kernel, which adds up in another order.
    assert levels_apart(together, apart).max() <= 1


def reduced_precision(manifest: Manifest) -> str:
    try:
        return choose_backend("openvino", EngineDirectory(Path("DIR"), manifest), "bf16").precision
    except EngineError as error:
        pytest.skip(f"no bf16 here: {error}")


def test_in_bf16_a_batch_equals_pictures_one_by_one_to_50_db(
    fp32_engines: Built, inputs: Arrays
) -> None:
    precision = reduced_precision(fp32_engines.manifest)
    run = {"backend": "openvino", "precision": precision}
    together = run_in_batches(fp32_engines, inputs, batch=3, **run)
    apart = run_in_batches(fp32_engines, inputs, batch=1, **run)
    assert psnr_db(levels_apart(together, apart)) >= 50


@pytest.mark.parametrize("backend", PROCESSOR_BACKENDS)
def test_in_a_half_set_a_batch_equals_pictures_one_by_one_to_50_db(
    backend: str, fp16_engines: Built, inputs: Arrays
) -> None:
    run = {"backend": backend, "precision": "fp32"}
    together = run_in_batches(fp16_engines, inputs, batch=3, **run)
    apart = run_in_batches(fp16_engines, inputs, batch=1, **run)
    assert psnr_db(levels_apart(together, apart)) >= 50


@pytest.mark.parametrize("backend", PROCESSOR_BACKENDS)
def test_the_engines_edit_as_the_trained_cascade_does(
    backend: str, fp32_engines: Built, faces: Faces
) -> None:
    engines = OpenedSet.open(fp32_engines.directory, backend=backend, precision="fp32", batch=3)
    happy = np.tile(engines.expressions["happy"], (3, 1))
    edited = engines.lane().run(faces, target_places(np.zeros_like(happy), happy))
    cascade = load_checkpoint(fp32_engines.checkpoint).build().cascade
    source = torch.from_numpy(edited.source_au.copy())
    with torch.inference_mode():
        edits = cascade(to_unit_range(torch.from_numpy(faces)), source, torch.from_numpy(happy))
    expected = to_bytes(edits[-1].final).numpy()
    # Every stage may move a value across one rounding.
    assert levels_apart(edited.pixels, expected).max() <= 1
