"""Fixtures that more than one floor's tests use."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def synth_dir() -> Path:
    """The rendered picture set (`labels.csv` and its pictures), which lies beside the repository.

    `EFGAN_SHARED` names the folder that holds `data/synth` where it lies elsewhere.
    """
    folder = _shared() / "data" / "synth"
    if not (folder / "labels.csv").is_file():
        pytest.skip(f"no picture set: {folder}/labels.csv is missing (EFGAN_SHARED moves it)")
    return folder


@pytest.fixture(scope="session")
def yunet_file() -> Path:
    """A YuNet detector's file, which lies beside the repository as the picture set does."""
    folder = _shared() / "data" / "models"
    found = sorted(folder.glob("face_detection_yunet_*.onnx"))
    if not found:
        pytest.skip(f"no face detector: {folder} has no YuNet file (EFGAN_SHARED moves it)")
    return found[-1]


def _shared() -> Path:
    return Path(os.environ.get("EFGAN_SHARED", REPOSITORY.parent / "shared"))
