"""Has an editor edit pictures towards named expressions, or towards what another picture shows.

Pictures go through in parts, so that whoever waits can be told how far it is; the parts change no
result.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from efgan_rt.errors import EfganError
from engines.arrays import Bytes, FloatArray
from train.data.faces import FaceSet
from train.evaluation.editors import Editor
from train.metrics.paired import EditPlan

PART: Final = 64  # pictures edited between two signs of life
Advance = Callable[[int], None]  # told how many more pictures are done


def edit_planned(
    editor: Editor, plan: EditPlan, faces: FaceSet, advance: Advance = lambda _: None
) -> Bytes:
    """The plan's edits, uint8 RGB (n, H, W, 3).

    Raises:
        EfganError: the model does not know one of the expressions.
    """
    pixels = faces.pixels.numpy()[list(plan.sources)]
    return edit_towards(editor, pixels, plan.wanted_of(faces.table), advance)


def edit_towards(
    editor: Editor,
    pixels: Bytes,
    expressions: Sequence[str],
    advance: Advance = lambda _: None,
) -> Bytes:
    """Edits each picture towards the model's own notion of its named expression.

    Raises:
        EfganError: the model does not know one of the expressions.
    """
    return edit_in_parts(editor, pixels, target_au(editor, expressions), advance)


def edit_in_parts(
    editor: Editor, pixels: Bytes, wanted: FloatArray, advance: Advance = lambda _: None
) -> Bytes:
    """Edits uint8 RGB (n, H, W, 3) towards absolute action units (n, K), 0 to 5."""
    edits = np.empty_like(pixels)
    for start in range(0, len(pixels), PART):
        rows = slice(start, start + PART)
        edits[rows] = editor.edit(pixels[rows], wanted[rows])
        advance(len(edits[rows]))
    return edits


def target_au(editor: Editor, expressions: Sequence[str]) -> FloatArray:
    """The model's own action units of each named expression, float32 (n, K), 0 to 5.

    Raises:
        EfganError: the model does not know one of them.
    """
    unknown = sorted(set(expressions) - set(editor.expressions))
    if unknown:
        raise EfganError(
            f"the model has no expression {' or '.join(unknown)}; "
            f"it has {' '.join(sorted(editor.expressions))}"
        )
    return np.stack([editor.expressions[name] for name in expressions])


def labelled_au(
    editor: Editor, pixels: Bytes, labels: FloatArray, au_names: Sequence[str]
) -> FloatArray:
    """Labels of other pictures as targets: a unit that has no label stays as the model reads it.

    Args:
        editor: whose units they are to be.
        pixels: what is to be edited, uint8 RGB (n, H, W, 3).
        labels: action units of the pictures that lend their expression, (n, K'), 0 to 5.
        au_names: the K' units.

    Returns:
        float32 (n, K) in the order of the editor's own units.
    """
    places = {name: k for k, name in enumerate(au_names)}
    known = all(name in places for name in editor.au_names)
    wanted = np.zeros((len(pixels), len(editor.au_names)), np.float32)
    if not known:
        wanted[:] = editor.au(pixels)
    for k, name in enumerate(editor.au_names):
        if name in places:
            wanted[:, k] = labels[:, places[name]]
    return wanted
