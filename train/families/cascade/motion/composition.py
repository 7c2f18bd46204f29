"""What a cascade with motion gives: fields, and the picture that they make of the original.

A stage says what becomes of the picture that it was given; totals say what becomes of the original,
which is sampled once, however many stages there were. All fields lie on a grid of half the crop's
side; displacements are in that grid's pixels, x then y. Alphas come first in no channel: what is
laid over something is premultiplied by its alpha.
"""

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

# The paste draws the same mouth in the same light (`efgan_rt.faces.motion`).
from efgan_rt.faces.motion import (
    CHEEK_SIDE,
    CHEEKS,
    CORNER_LIGHT,
    CORNER_SHARE,
    EDGE_DEPTH,
    EDGE_LIGHT,
    EYES_END,
    EYES_MIDDLE,
    LID_LIGHT,
    SHADE_LIMIT,
    TINT,
    TONES,
)
from efgan_rt.faces.mouths import DEPTH, EYE_DEPTH, EYES_PART, GAMMA


@dataclass(frozen=True)
class MotionFields:
    """Fields of a stage, or totals, each (B, ., h, w).

    Attributes:
        displacement: 2, from a pixel to where it comes from.
        shade: 1, logarithm of how much lighter the moved pixel gets.
        mouth: 3, coordinates into a mouth, premultiplied, then alpha. Along the lips from -0.5 to
            0.5; down from the upper lip in lengths from eye to eye, less half of `DEPTH`. Or into
            an eye: along from corner to corner, down from the line between them.
        paint: 4, colour in [-1, 1], premultiplied, then alpha.
    """

    displacement: Tensor
    shade: Tensor
    mouth: Tensor
    paint: Tensor

    def map(self, what: "torch.nn.Module") -> "MotionFields":
        """Each field put through a module."""
        return MotionFields(*(what(getattr(self, each.name)) for each in fields(self)))


@dataclass(frozen=True)
class MouthAtlas:
    """Mouths of generated people, and what chooses one of them.

    Attributes:
        pixels: (M, 3, rows, columns), encoded, 0 to 1; with `eyes`, the last `EYES_PART` of the
            rows are a pair of eyes.
        skin: (M, 3), their people's cheeks in linear light.
        gap: (M,), how far each is open, in lengths from eye to eye.
    """

    pixels: Tensor
    skin: Tensor
    gap: Tensor
    eyes: bool = False


def places(length: int, like: Tensor) -> Tensor:
    """Normalised places of a grid's rows or columns, (length,), half-pixel centres."""
    return (torch.arange(length, device=like.device, dtype=torch.float32) + 0.5) * 2 / length - 1


def warp(image: Tensor, displacement: Tensor) -> Tensor:
    """Samples an image where each pixel comes from; bilinear, border padding, FP32.

    Args:
        image: (B, C, h, w).
        displacement: (B, 2, h, w), in its pixels, x then y.
    """
    height, width = image.shape[2:]
    moved = displacement.float()
    # By rows and columns, so that a graph holds no grid of constants.
    horizontal = places(width, image)[None, None, :] + moved[:, 0] * (2 / width)
    vertical = places(height, image)[None, :, None] + moved[:, 1] * (2 / height)
    grid = torch.stack([horizontal, vertical], dim=-1)
    return F.grid_sample(
        image.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )


def enlarged(field: Tensor, factor: int = 2) -> Tensor:
    """A field on a finer grid, bilinear, half-pixel centres; values are not scaled."""
    return F.interpolate(field, scale_factor=float(factor), mode="bilinear", align_corners=False)


def composed(stage: MotionFields, totals: MotionFields | None) -> MotionFields:
    """Totals after a stage from those before it; None before the first."""
    if totals is None:
        return stage
    moved = stage.displacement
    before = warp(
        torch.cat([totals.displacement, totals.shade, totals.mouth, totals.paint], dim=1), moved
    )
    displacement, shade, mouth, paint = before.split([2, 1, 3, 4], dim=1)
    return MotionFields(
        moved + displacement,
        stage.shade + shade,
        stage.mouth + (1 - stage.mouth[:, 2:]) * mouth,
        stage.paint + (1 - stage.paint[:, 3:]) * paint,
    )


def cheek_tone(image: Tensor) -> Tensor:
    """The light on a face's cheeks in linear light, (B, 3), of a crop (B, 3, H, W) in [-1, 1]."""
    side = image.shape[2]
    half = max(1, round(CHEEK_SIDE * side / 2))
    parts = []
    for down, across in CHEEKS:
        row, column = round(down * side), round(across * side)
        parts.append(image[:, :, row - half : row + half, column - half : column + half].flatten(2))
    light = ((torch.cat(parts, dim=2).float() + 1) / 2).clamp(0.0, 1.0) ** GAMMA
    return light.mean(dim=2)


def mouth_colour(mouth: Tensor, atlas: MouthAtlas, choice: Tensor, tone: Tensor) -> Tensor:
    """The inside of a mouth and of eyes as the face's light shows it.

    Args:
        mouth: (B, 3, h, w), as in `MotionFields`.
        atlas: the mouths.
        choice: int64 (B,), which.
        tone: (B, 3), `cheek_tone` of the original.

    Returns:
        (B, 3, h, w) in [-1, 1]; meaningless where alpha is 0.
    """
    place = mouth[:, :2] / mouth[:, 2:].clamp(min=1e-3)
    along, down = place[:, 0], place[:, 1] + DEPTH / 2
    row = down / DEPTH
    upper = EDGE_LIGHT + (1 - EDGE_LIGHT) * (down / EDGE_DEPTH).clamp(0.0, 1.0)
    corner = ((0.5 - along.abs()) / CORNER_SHARE).clamp(0.0, 1.0)
    light = upper * (CORNER_LIGHT + (1 - CORNER_LIGHT) * corner)  # B h w
    if atlas.eyes:
        high, wide = ((places(length, mouth) + 1) / 2 for length in mouth.shape[2:])
        is_eye = (high < EYES_END).to(row.dtype)[None, :, None]
        second = (wide >= EYES_MIDDLE).to(row.dtype)[None, None, :]
        # Half a row from their ends, so that nothing of a neighbour is mixed in.
        rim = 0.5 / atlas.pixels.shape[2]
        own = (row * (1 - EYES_PART)).clamp(rim, 1 - EYES_PART - rim)
        each = EYES_PART / 2
        within = ((place[:, 1] / EYE_DEPTH + 0.5) * each).clamp(rim, each - rim)
        row = own + is_eye * (1 - EYES_PART + second * each + within - own)
        lid = LID_LIGHT + (1 - LID_LIGHT) * (2 * mouth[:, 2] - 1).clamp(0.0, 1.0)
        light = light + is_eye * (lid - light)
    grid = torch.stack([2 * along, 2 * row - 1], dim=-1)
    drawn = F.grid_sample(
        atlas.pixels[choice], grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    gain = tone / atlas.skin[choice]
    gain = (TINT * gain + (1 - TINT) * gain.mean(dim=1, keepdim=True)).clamp(*TONES)
    linear = drawn.clamp(0.0, 1.0) ** GAMMA * gain[:, :, None, None] * light[:, None]
    return linear.clamp(min=1e-6).clamp(max=1.0) ** (1 / GAMMA) * 2 - 1


def picture(
    original: Tensor, totals: MotionFields, atlas: MouthAtlas, choice: Tensor, tone: Tensor
) -> Tensor:
    """The crop that totals make of the original.

    Args:
        original: (B, 3, H, W) in [-1, 1], twice the fields' side.
        totals: the fields.
        atlas: the mouths.
        choice: int64 (B,), which mouth.
        tone: (B, 3), `cheek_tone` of the original.
    """
    factor = original.shape[2] // totals.shade.shape[2]
    moved = warp(original, enlarged(totals.displacement, factor) * factor)
    shade = enlarged(totals.shade, factor).clamp(-SHADE_LIMIT, SHADE_LIMIT)
    lit = (moved + 1) * torch.exp(shade) - 1
    mouth = enlarged(totals.mouth, factor)
    paint = enlarged(totals.paint, factor)
    inside = mouth_colour(mouth, atlas, choice, tone)
    alpha = mouth[:, 2:].clamp(0.0, 1.0)
    under = alpha * inside + (1 - alpha) * lit
    return (paint[:, :3] + (1 - paint[:, 3:]) * under).clamp(-1.0, 1.0)
