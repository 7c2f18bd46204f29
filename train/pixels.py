"""Bytes as networks see them, and back."""

import torch
from torch import Tensor


def to_unit_range(pixels: Tensor) -> Tensor:
    """Bytes (B, H, W, 3) to a network's picture (B, 3, H, W) in [-1, 1]."""
    # The cast comes first: TensorRT transposes no bytes.
    return pixels.to(torch.float32).permute(0, 3, 1, 2) / 127.5 - 1


def to_bytes(image: Tensor) -> Tensor:
    """A network's picture (B, 3, H, W) to bytes (B, H, W, 3): clip, round half to even, cast."""
    levels = ((image.float().permute(0, 2, 3, 1) + 1) * 127.5).clamp(0, 255)
    return torch.round(levels).to(torch.uint8)
