"""The critics: final picture, initial face, each region's patch, and action-unit vectors.

Paper, section 7 of the supplement: LeakyReLU of slope 0.01, five "bottleneck" layers for faces and
three for patches, the action-unit head on the final picture's critic only. The kernel sizes are
GANimation's (an assumption, as the figure with them is not in the text).
"""

from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from train.families.cascade.networks.config import ModelConfig
from train.layers import orthogonal

LEAK = 0.01


class ImageDiscriminator(nn.Module):
    """A WGAN critic over pictures, with an action-unit regressor on the final picture's."""

    def __init__(
        self, width: int, bottlenecks: int, *, au_count: int, crop_px: int, spectral_norm: bool
    ) -> None:
        """Builds a critic; `au_count` 0 leaves the action-unit head out."""
        super().__init__()
        channels = [3] + [width << i for i in range(bottlenecks + 1)]
        layers: list[nn.Module] = []
        for c_in, c_out in pairwise(channels):
            conv = nn.Conv2d(c_in, c_out, 4, stride=2, padding=1)
            layers += [orthogonal(conv, spectral_norm=spectral_norm), nn.LeakyReLU(LEAK)]
        self.trunk = nn.Sequential(*layers)
        self.critic = orthogonal(
            nn.Conv2d(channels[-1], 1, 3, padding=1, bias=False), spectral_norm=False
        )
        self.au_head: nn.Module | None = None
        if au_count:
            remaining_px = crop_px >> (bottlenecks + 1)
            self.au_head = orthogonal(
                nn.Conv2d(channels[-1], au_count, remaining_px), spectral_norm=False
            )

    def forward(self, image: Tensor) -> Tensor:
        """The critic's score of each picture, (B,); higher is more real.

        Args:
            image: (B, 3, H, W) in [-1, 1], or a patch of it.
        """
        score: Tensor = self.critic(self.trunk(image))
        return score.mean(dim=(1, 2, 3))

    def au(self, image: Tensor) -> Tensor:
        """Action units read off pictures, (B, K), divided by 5 (not clipped)."""
        assert self.au_head is not None, "only the final picture's critic reads action units"
        au: Tensor = self.au_head(self.trunk(image))
        return au.flatten(1)

    def score_and_au(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Both heads with one pass of the trunk."""
        assert self.au_head is not None, "only the final picture's critic reads action units"
        features = self.trunk(image)
        return self.critic(features).mean(dim=(1, 2, 3)), self.au_head(features).flatten(1)


class AUDiscriminator(nn.Module):
    """A WGAN critic over action-unit vectors (equation 7); its shape is ours."""

    def __init__(self, au_count: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(au_count, width),
            nn.LeakyReLU(LEAK),
            nn.Linear(width, width),
            nn.LeakyReLU(LEAK),
            nn.Linear(width, 1),
        )

    def forward(self, au: Tensor) -> Tensor:
        """(B, K) divided by 5 -> (B,)."""
        score: Tensor = self.body(au)
        return score.flatten()


class Discriminators(nn.Module):
    """All critics of one training: `final`, `face`, one for each region, and `interp`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()

        def face_critic(au_count: int) -> ImageDiscriminator:
            return ImageDiscriminator(
                config.critic_width,
                config.face_bottlenecks,
                au_count=au_count,
                crop_px=config.crop_px,
                spectral_norm=config.spectral_norm,
            )

        self.final = face_critic(config.au_count)
        self.face = face_critic(0)
        self.patches = nn.ModuleDict(
            {
                name: ImageDiscriminator(
                    config.critic_width,
                    config.patch_bottlenecks,
                    au_count=0,
                    crop_px=config.crop_px,
                    spectral_norm=config.spectral_norm,
                )
                for name in config.regions
            }
        )
        self.interp = AUDiscriminator(config.au_count, config.interpolator_width)

    def initial(self) -> dict[str, ImageDiscriminator]:
        """The critics of the initial edits: `face` and each region's, by name."""
        patches = {name: cast(ImageDiscriminator, self.patches[name]) for name in self.patches}
        return {"face": self.face, **patches}
