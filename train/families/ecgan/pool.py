"""CycleGAN's pool: a discriminator sees earlier pictures as often as the latest ones."""

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

SIZE: Final = 50  # CycleGAN's


class PicturePool:
    """Pictures that a generator made, each with the vector that it was asked for."""

    def __init__(self, size: int = SIZE) -> None:
        self.size = size
        self._images: list[Tensor] = []
        self._vectors: list[Tensor] = []

    def exchanged(
        self, images: Tensor, vectors: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """For each picture it or, every second time once the pool is full, an earlier one.

        Args:
            images: (B, 3, H, W), detached.
            vectors: (B, e).
            rng: the training's.
        """
        shown = []
        for image, vector in zip(images, vectors, strict=True):
            if len(self._images) < self.size:
                self._images.append(image.clone())
                self._vectors.append(vector.clone())
                shown.append((image, vector))
            elif float(torch.rand((), generator=rng)) < 0.5:
                place = int(torch.randint(self.size, (), generator=rng))
                shown.append((self._images[place], self._vectors[place]))
                self._images[place], self._vectors[place] = image.clone(), vector.clone()
            else:
                shown.append((image, vector))
        return torch.stack([each for each, _ in shown]), torch.stack([each for _, each in shown])

    def state_dict(self) -> dict[str, Any]:
        """What it holds."""
        return {"images": list(self._images), "vectors": list(self._vectors)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes it up."""
        self._images, self._vectors = list(state_dict["images"]), list(state_dict["vectors"])
