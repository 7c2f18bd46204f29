"""The network whose features the context loss compares (equation 3): VGG's layers.

VGG-19's published weights by path (a file of `features.N.weight` and `features.N.bias`, as
torchvision names them), or one of our own: the same layers, narrower, taught in a phase of its own
to tell the training set's expressions and people apart.
"""

from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from efgan_rt.errors import EfganError

# VGG-19 as far as the last convolution before its third pooling, phi(3, 4): where features are
# still places, and no longer colours. Which layer the text does not give.
LAYERS: Final = (1, 1, 0, 2, 2, 0, 4, 4, 4, 4)  # channels in multiples of the width; 0 halves
PUBLISHED_WIDTH: Final = 64
# What the published weights were trained on: ImageNet's means and deviations, of pictures in 0..1.
MEANS: Final = (0.485, 0.456, 0.406)
DEVIATIONS: Final = (0.229, 0.224, 0.225)


class ContextNetwork(nn.Module):
    """VGG's first layers, and on top what our own is taught by."""

    means: Tensor
    deviations: Tensor

    def __init__(self, width: int, expressions: int, identities: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for each in LAYERS:
            if not each:
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(channels, each * width, 3, padding=1), nn.ReLU()]
            channels = each * width
        self.features = nn.Sequential(*layers)
        self.expression = nn.Linear(channels, expressions)
        self.identity = nn.Linear(channels, identities)
        self.register_buffer("means", torch.tensor(MEANS).view(1, 3, 1, 1))
        self.register_buffer("deviations", torch.tensor(DEVIATIONS).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [-1, 1] -> features (B, 4 width, H/4, W/4)."""
        found: Tensor = self.features(((image + 1) / 2 - self.means) / self.deviations)
        return found

    def classes(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of expression and identity."""
        found = self(image).mean(dim=(2, 3))
        return self.expression(found), self.identity(found)


def load_published(network: ContextNetwork, path: Path) -> None:
    """Fills the features with published weights.

    Raises:
        EfganError: the file is missing, or does not hold VGG-19's first layers.
    """
    if not path.is_file():
        raise EfganError(f"{path}: no such file; expected VGG-19's weights as torchvision has them")
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
        wanted = network.features.state_dict()
        network.features.load_state_dict({key: values[f"features.{key}"] for key in wanted})
    except Exception as error:  # torch raises many kinds; all mean that it is another file
        raise EfganError(
            f"{path}: does not hold VGG-19's first layers ({type(error).__name__}); expected "
            "features.0.weight and so on, as torchvision names them"
        ) from error
