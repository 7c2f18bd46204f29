"""Where trained judges are kept: made once for a picture set, and taken up again while they fit.

A kept file is used only while it was made from the same labels by the same recipe, with the same
people kept out, so that a number never comes from a stale judge.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from torch import nn

from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from engines.whole_file import whole_file
from train.data.faces import FaceSet
from train.data.labels import LabelTable, read_labels
from train.metrics.judge_training import JudgeRecipe, Progress
from train.metrics.people import UNSEEN_PEOPLE, split_origin

FORMAT: Final = "efgan-rt judge 1"  # the number rises when the way of training changes

Network = TypeVar("Network", bound=nn.Module)


class JudgeShelf:
    """The judges of one picture set.

    Args:
        data_dir: holds `labels.csv` and `images/`.
        cache_dir: where the judges are kept; made if missing.
        unseen: the people who are judged, and so kept out.
        say: told what is being trained and why, line by line.
        au_names: what the table is to have; None for those of OpenFace's 17 that it has.

    Raises:
        EfganError: the labels cannot be read.
    """

    def __init__(
        self,
        data_dir: Path,
        cache_dir: Path,
        *,
        unseen: Collection[str] = UNSEEN_PEOPLE,
        say: Progress = lambda _: None,
        au_names: Sequence[str] | None = AU_NAMES,
    ) -> None:
        labels = data_dir / "labels.csv"
        self.table: Final = read_labels(labels, au_names)
        self._label_hash = hashlib.sha256(labels.read_bytes()).hexdigest()
        self._data_dir, self._cache_dir = data_dir, cache_dir
        self._unseen, self._say = unseen, say

    def fill(
        self,
        network: Network,
        name: str,
        recipe: JudgeRecipe,
        outputs: Sequence[Any],
        train: Callable[[FaceSet, JudgeRecipe, Progress], Network],
    ) -> Network:
        """Fills a network with what is kept of it, or trains it now and keeps it.

        Args:
            network: of the shape that is wanted.
            name: of the file.
            recipe: epochs, rate and seed.
            outputs: what the network tells, and whatever else makes it another network.
            train: gives a trained network of this shape; called only where none is kept.

        Returns:
            `network`, in evaluation mode.

        Raises:
            EfganError: a picture cannot be read, or everybody in the set is unseen.
        """
        path = self._cache_dir / name
        origin = {
            "labels": self._label_hash,
            "recipe": asdict(recipe),
            "outputs": list(outputs),
            **split_origin(self._unseen),
        }
        if not _load_kept(network, path, origin):
            self._say(f"{path}: no judge made from these labels by this recipe, training one")
            network.load_state_dict(train(self._faces, recipe, self._say).state_dict())
            _keep(network, path, origin)
        return network.eval()

    @cached_property
    def _faces(self) -> FaceSet:
        return training_faces(self._data_dir, self.table, self._unseen)


def training_faces(data_dir: Path, table: LabelTable, unseen: Collection[str]) -> FaceSet:
    """The pictures that judges may learn from: everybody's but the unseen people's.

    Pictures without a name are left out: whether they show an unseen person is not known.

    Raises:
        EfganError: nobody is left, or a picture cannot be read.
    """
    others = table.where(lambda who: who != "" and who not in unseen)
    if len(others) == 0:
        raise EfganError(
            f"{data_dir}: everybody in labels.csv is to be judged, so nobody is left to train the "
            "judges on; name fewer people"
        )
    return FaceSet(data_dir / "images", others)


def _load_kept(network: nn.Module, path: Path, origin: dict[str, Any]) -> bool:
    """Fills `network` from a kept file; False where there is none of this origin."""
    if not path.is_file():
        return False
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != FORMAT or content["origin"] != origin:
            return False
        network.load_state_dict(content["weights"])
    except Exception:  # whatever is wrong with a kept file, training anew mends it
        return False
    return True


def _keep(network: nn.Module, path: Path, origin: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        torch.save({"format": FORMAT, "origin": origin, "weights": network.state_dict()}, file)
