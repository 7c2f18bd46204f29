"""Whether two resumable checkpoints hold the same training, to the bit."""

from typing import Any

import torch

from train.checkpoint import Checkpoint

CLOCK = ("seconds",)


def assert_same_training(whole: Checkpoint, pieces: Checkpoint) -> None:
    """Networks, average, optimisers, random numbers and counters; only the clock may differ."""
    assert whole.training_state is not None and pieces.training_state is not None
    assert whole.training_state.keys() == pieces.training_state.keys()
    for part in whole.training_state.keys() - set(CLOCK):
        _assert_same(whole.training_state[part], pieces.training_state[part], part)
    _assert_same(whole.weights, pieces.weights, "weights")


def _assert_same(one: Any, other: Any, where: str) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key, value in one.items():
            _assert_same(value, other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            _assert_same(left, right, f"{where}[{number}]")
    else:
        assert one == other, where
