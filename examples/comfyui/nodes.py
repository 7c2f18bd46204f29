"""A node that edits the expressions in pictures with `efgan_rt.Editor`.

ComfyUI hands over pictures as float tensors (B, H, W, 3) from 0 to 1 and wants such back. Nothing
of ComfyUI is imported: a node is a class with the attributes that its loader reads.
"""

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch

from efgan_rt import Editor
from efgan_rt.presets.library import preset_names

AS_IT_IS = "as it is"
# The names that the engines that come along know; others are typed into `au` or come by preset.
EXPRESSIONS = (
    *(AS_IT_IS, "neutral", "happy", "sad", "angry", "surprised", "fearful", "disgusted"),
    "contemptuous",
)


@lru_cache(maxsize=2)
def opened(engines: str, faces: str) -> Editor:
    """An editor, kept open between runs of a workflow."""
    return Editor.open(engines or None, faces=int(faces) if faces.isdecimal() else faces)


def to_bytes(images: torch.Tensor) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """Pictures of ComfyUI as `Editor` takes them."""
    levels = images.detach().cpu().float().clamp(0, 1).mul(255).round()
    return list(levels.to(torch.uint8).numpy())


class EditExpression:
    """Edits every chosen face of every picture; pictures without a face stay as they are."""

    CATEGORY = "image/efgan-rt"
    FUNCTION = "edit"
    RETURN_TYPES: ClassVar = ("IMAGE",)
    RETURN_NAMES: ClassVar = ("images",)
    DESCRIPTION = "Edits facial expressions: an expression, another face's, or single action units."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:  # noqa: N802 - ComfyUI's name
        """What the node has sockets and widgets for."""
        text = {"default": "", "multiline": False}
        return {
            "required": {
                "images": ("IMAGE",),
                "expression": (list(EXPRESSIONS), {"default": "happy"}),
                "intensity": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 2.0, "step": 0.05}),
            },
            "optional": {
                "reference": ("IMAGE",),
                "preset": (["", *preset_names()], {"default": ""}),
                "au": ("STRING", {**text, "placeholder": "AU12=3.5,AU04-=1"}),
                "only_if": ("STRING", {**text, "placeholder": "AU12<1.5"}),
                "faces": ("STRING", {**text, "default": "all", "placeholder": "all, largest, 2"}),
                "engines": ("STRING", {**text, "placeholder": "an engine directory"}),
            },
        }

    def edit(
        self,
        images: torch.Tensor,
        expression: str,
        intensity: float,
        reference: torch.Tensor | None = None,
        preset: str = "",
        au: str = "",
        only_if: str = "",
        faces: str = "all",
        engines: str = "",
    ) -> tuple[torch.Tensor]:
        """One run of the node.

        Args:
            images: float (B, H, W, 3), 0 to 1.
            expression: one of `EXPRESSIONS`; a reference or a preset is in its place.
            intensity: 0 to 2.
            reference: a picture whose largest face lends its expression.
            preset: a saved preset's name.
            au: single action units, as `--au` has them.
            only_if: leaves faces alone of which it is not true.
            faces: which of each picture: `all`, `largest` or a number.
            engines: an engine directory; empty for the current one, else the shipped one.
        """
        editor = opened(engines, faces)
        asked: dict[str, Any] = {"no_face": "copy", "only_if": only_if or None}
        if preset:
            asked["preset"] = preset
        else:
            asked |= {"au": au or None, "intensity": intensity}
            if reference is not None:
                units = editor.action_units(to_bytes(reference)[0])
                if not len(units):
                    raise ValueError("no face was found in the reference; connect another picture")
                asked["towards"] = units[0]
            elif expression != AS_IT_IS:
                asked["expression"] = expression
            else:
                asked["intensity"] = 1.0
        made = np.stack(editor.edit(to_bytes(images), **asked))
        return (torch.from_numpy(made).float().div(255),)
