"""What MediaPipe's scores say of where eyes look, and a judge that learns it."""

import numpy as np
import pytest
import torch

from benchmarks import gaze_judge
from benchmarks.gaze_judge import AHEAD, LEFT, RIGHT, looks, named, taught


def scores_of(right: list[float], left: list[float], shut: list[float]) -> dict[str, np.ndarray]:
    sides = {"LookOutLeft": right, "LookInRight": right, "LookOutRight": left, "LookInLeft": left}
    both = {"BlinkLeft": shut, "BlinkRight": shut}
    return {f"eye{name}": np.array(values) for name, values in (sides | both).items()}


def test_eyes_look_aside_ahead_or_neither() -> None:
    found = looks(
        scores_of([0.6, 0.1, 0.05, 0.2, 0.6], [0.1, 0.6, 0, 0, 0], [0, 0, 0.1, 0, 0.9]), 0.3, 0.1
    )
    assert found.tolist() == [RIGHT, LEFT, AHEAD, -1, -1]


def test_a_judge_learns_the_way_and_its_mirror_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaze_judge, "STEPS", 60)
    pixels = torch.full((30, 3, 36, 96), 0.8)
    classes = torch.arange(30) % 3
    for number, way in enumerate(classes.tolist()):
        pixels[number, :, 12:24, (20, 42, 64)[way] : (20, 42, 64)[way] + 12] = 0.1
    judge = taught(pixels, classes)
    assert (named(judge, pixels) == classes).float().mean() > 0.9
    assert (named(judge, pixels.flip(3)) == RIGHT - classes).float().mean() > 0.9
