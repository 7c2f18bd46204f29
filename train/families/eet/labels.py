"""The classes that EET learns beside action units: who it is, and how the head is turned."""

from typing import Final

import numpy as np
import torch
from torch import Tensor

from train.data.faces import Batch
from train.data.labels import LabelTable

TURNED_DEG: Final = 15.0  # ours: from here on a head is turned; the paper's cameras are 45 apart
FRONTAL: Final = 1
POSES: Final = 3  # turned to the picture's left, frontal, to its right


def identity_classes(table: LabelTable) -> Tensor:
    """A number for each picture's person, (N,), in the order of their names."""
    numbers = {name: number for number, name in enumerate(sorted(set(table.identities)))}
    return torch.tensor([numbers[name] for name in table.identities])


def pose_classes(table: LabelTable) -> Tensor:
    """0, 1 or 2 for each picture, (N,); all frontal where the table has no yaw."""
    if table.yaw_deg is None:
        return torch.full((len(table),), FRONTAL)
    classes = np.digitize(table.yaw_deg, (-TURNED_DEG, TURNED_DEG))
    return torch.from_numpy(classes.astype(np.int64))


def mirrored_poses(poses: Tensor, batch: Batch) -> Tensor:
    """The poses of a batch (B,), as the set's (N,) say: a mirror image is turned the other way."""
    drawn = poses[batch.rows]
    return torch.where(batch.mirrored, POSES - 1 - drawn, drawn)
