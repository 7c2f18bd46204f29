"""Engines built from toy checkpoints, once for the whole session: an export takes seconds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from engines.manifest import Manifest
from export.build import build_engines
from export.calibration import bundled_faces
from tests.toy import REGIONS, toy_checkpoint


@dataclass(frozen=True)
class Built:
    """A checkpoint and the engines made from it."""

    checkpoint: Path
    directory: Path
    manifest: Manifest
    progress: tuple[str, ...]


@pytest.fixture(scope="session")
def faces() -> npt.NDArray[np.uint8]:
    """Three of the package's faces."""
    return bundled_faces()[:3]


@pytest.fixture(scope="session")
def fp32_engines(tmp_path_factory: pytest.TempPathFactory, faces: npt.NDArray[np.uint8]) -> Built:
    """Two stages with all regions, FP32 throughout."""
    folder = tmp_path_factory.mktemp("fp32")
    checkpoint = toy_checkpoint(folder / "toy.pt")
    lines: list[str] = []
    out = folder / "engines"
    manifest = build_engines(checkpoint, out, faces=faces, progress=lines.append)
    return Built(checkpoint, out, manifest, tuple(lines))


@pytest.fixture(scope="session")
def fp16_engines(tmp_path_factory: pytest.TempPathFactory, faces: npt.NDArray[np.uint8]) -> Built:
    """Two stages with one region, half precision."""
    folder = tmp_path_factory.mktemp("fp16")
    regions = {"mouth": REGIONS["mouth"]}
    checkpoint = toy_checkpoint(folder / "toy.pt", regions=regions)
    out = folder / "engines"
    manifest = build_engines(checkpoint, out, precision="fp16", batch=(1, 4, 4), faces=faces)
    return Built(checkpoint, out, manifest, ())
