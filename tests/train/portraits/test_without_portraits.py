"""What `portraits` brings is needed where pairs are made and nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from efgan_rt.errors import EfganError
from tests.toy_face_model import landmarks_of, toy_fit, toy_model
from train.portraits.camera import draw, projected
from train.portraits.fit import fit

BLOCKED = "import sys; sys.modules.update(dict.fromkeys(('numba', 'scipy', 'mediapipe')))"
MODULES = (
    "train.checkpoint",
    "train.families.cascade.motion.training",
    "train.families.cascade.motion.cascade",
    "train.portraits.portrait_pairs",
    "train.portraits.shading",
)


def test_networks_trainings_and_readers_of_pairs_need_none_of_it(repository: Path) -> None:
    code = f"{BLOCKED}; import {', '.join(MODULES)}"
    environment = os.environ | {"PYTHONPATH": str(repository)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_drawing_without_numba_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    known = toy_fit(64, {})
    points = projected(known, toy_model().neutral)
    monkeypatch.delitem(sys.modules, "train.portraits.z_buffer", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(EfganError) as told:
        draw(toy_model(), points, 64)
    assert str(told.value) == (
        "this needs numba, which is not installed; install it with: "
        'pip install "efgan-rt[portraits]"'
    )


def test_fitting_without_scipy_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    landmarks = landmarks_of(toy_fit(64, {}))
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(EfganError, match="this needs scipy, which is not installed"):
        fit(toy_model(), landmarks, {})
