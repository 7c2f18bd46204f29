"""Sample grids: what the networks make of a few people, as one PNG to look at."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from efgan_rt.pictures.original import Picture
from engines.arrays import FloatArray
from train.data.faces import FaceSet
from train.families.cascade.networks.cascade import CascadeEFGAN
from train.pixels import to_bytes, to_unit_range

PEOPLE = 4


@torch.no_grad()
def write_grid(
    cascade: CascadeEFGAN, faces: FaceSet, expressions: dict[str, FloatArray], path: Path
) -> None:
    """Writes a grid: for each person and stage a row of pictures and, below, one of attentions.

    The first column is the source, then comes every expression. The stages of a cascade follow one
    another downwards, so that a column shows an expression unfolding.

    Args:
        cascade: the networks; left in the mode they are in.
        faces: the first pictures of its first people are the sources.
        expressions: (K,) each, 0 to 5.
        path: the PNG.
    """
    first_rows = {who: i for i, who in reversed(list(enumerate(faces.table.identities)))}
    rows = sorted(first_rows.values())[:PEOPLE]
    targets = torch.from_numpy(np.stack(list(expressions.values()))).to(faces.device)
    training = cascade.training
    cascade.eval()
    lines = []
    for row in rows:
        pixels = faces.pixels[row : row + 1]
        image = to_unit_range(pixels).expand(len(targets), -1, -1, -1)
        source = faces.au[row : row + 1].expand(len(targets), -1)
        given: Picture = pixels[0].cpu().numpy()
        for number, edit in enumerate(cascade(image, source, targets), start=1):
            attention = cascade.stage(number).attention(edit.initial)
            lines.append(np.hstack([given, *to_bytes(edit.final).cpu().numpy()]))
            lines.append(np.hstack([np.zeros_like(given), *_as_grey(attention)]))
    cascade.train(training)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(lines), cv2.COLOR_RGB2BGR))


def _as_grey(attention: Tensor) -> Picture:
    """Masks (B, 1, H, W) in [0, 1] as grey pictures, uint8 (B, H, W, 3)."""
    levels = torch.round(255 * attention.float()).to(torch.uint8)
    grey: Picture = levels.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).cpu().numpy()
    return grey
