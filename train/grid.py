"""Sample grids: what the networks make of a few people, as one PNG to look at."""

from pathlib import Path

import cv2
import numpy as np
import torch

from efgan_rt.action_units import FloatArray
from train.data.faces import FaceSet
from train.models.cascade import CascadeEFGAN, to_bytes, to_unit_range

PEOPLE = 4


@torch.no_grad()
def write_grid(
    cascade: CascadeEFGAN, faces: FaceSet, expressions: dict[str, FloatArray], path: Path
) -> None:
    """Writes a grid: a row a person, the source first, then every expression; attention below.

    Args:
        cascade: the networks; left in the mode they are in.
        faces: the first pictures of its first people are the sources.
        expressions: (K,) each, 0 to 5.
        path: the PNG.
    """
    first_rows = {who: i for i, who in reversed(list(enumerate(faces.table.identities)))}
    rows = sorted(first_rows.values())[:PEOPLE]
    training = cascade.training
    cascade.eval()
    lines = []
    for row in rows:
        pixels = faces.pixels[row : row + 1]
        image, source = to_unit_range(pixels), faces.au[row : row + 1]
        edits, maps = [pixels[0].cpu().numpy()], [np.zeros_like(pixels[0].cpu().numpy())]
        for au in expressions.values():
            target = torch.from_numpy(au)[None].to(faces.device)
            edit = cascade(image, source, target)[-1]
            edits.append(to_bytes(edit.final)[0].cpu().numpy())
            attention = (
                cascade.stage(len(cascade.stages))
                .attention(edit.initial)[0, 0]
                .float()
                .cpu()
                .numpy()
            )
            level = np.round(255 * attention).astype(np.uint8)
            maps.append(np.repeat(level[:, :, None], 3, axis=2))
        lines += [np.hstack(edits), np.hstack(maps)]
    cascade.train(training)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(lines), cv2.COLOR_RGB2BGR))
