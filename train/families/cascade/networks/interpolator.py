"""The Interpolator: natural action units between source and target (paper, section 3.2).

The paper does not give its architecture. Ours adds a small network's correction to the linear
interpolation, with the last layer zero at the start, so that it begins as linear interpolation and
asking for no change gives (nearly) none.
"""

import torch
from torch import Tensor, nn

from efgan_rt.action_units import MAX_INTENSITY


class Interpolator(nn.Module):
    """(source, residual) -> natural action units; shared by all stages."""

    def __init__(self, au_count: int, width: int) -> None:
        super().__init__()
        last = nn.Linear(width, au_count)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.correction = nn.Sequential(
            nn.Linear(2 * au_count, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last
        )

    def forward(self, source: Tensor, residual: Tensor) -> Tensor:
        """Interpolated action units.

        Args:
            source: (B, K), 0 to 5.
            residual: (B, K), the wanted change, -5 to 5.

        Returns:
            (B, K), 0 to 5.
        """
        source, residual = source / MAX_INTENSITY, residual / MAX_INTENSITY
        linear = source + residual
        correction: Tensor = self.correction(torch.cat([source, residual], dim=1))  # B 2K -> B K
        return (linear + correction).clamp(0, 1) * MAX_INTENSITY
