"""What the tests of portraits share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def fitting_packages() -> None:
    """numba and scipy, which pairs are made with."""
    for name in ("numba", "scipy"):
        pytest.importorskip(name, reason=f'no {name}: pip install "efgan-rt[portraits]"')


@pytest.fixture(scope="session")
def shared_face_model(repository: Path) -> Callable[[], Path]:
    """The real face model's file, which lies beside the repository."""

    def find() -> Path:
        shared = Path(os.environ.get("EFGAN_SHARED", repository.parent / "shared"))
        path = shared / "data" / "ict" / "ict-light.npz"
        if not path.is_file():
            pytest.skip(f"no face model: {path} is missing (EFGAN_SHARED moves it)")
        return path

    return find


@pytest.fixture(scope="session")
def shared_portraits(repository: Path) -> Path:
    """Real portraits' landmarks, which lie beside the repository."""
    shared = Path(os.environ.get("EFGAN_SHARED", repository.parent / "shared"))
    folder = shared / "data" / "portraits"
    if not (folder / "fits.npz").is_file():
        pytest.skip(f"no portraits: {folder}/fits.npz is missing (EFGAN_SHARED moves it)")
    return folder
