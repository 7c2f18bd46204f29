"""Edits for Ray Data: `dataset.map_batches(Edit, fn_constructor_kwargs=...)`.

An exception would end the whole job, so what is wrong with a picture comes back beside it.
"""

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from efgan_rt.editor import Editor
from efgan_rt.errors import EfganError


class Edit:
    """Edits the pictures of one column; each actor opens the engines once.

    Args:
        expression: one that the engines know.
        intensity: 0 to 2.
        au: single action units, as `--au` has them.
        column: of arrays, uint8 (H, W, 3) or (H, W), as `ray.data.read_images` gives them.
        errors: the column that is added: "" of an edited picture, else why it is as it was.
        engines: an engine directory, on every node; None for the current or the shipped one.
        **opened: further arguments of `Editor.open`, such as `backend` or `batch`.
    """

    def __init__(
        self,
        expression: str | None = None,
        intensity: float = 1.0,
        au: str | Mapping[str, float] | None = None,
        *,
        column: str = "image",
        errors: str = "error",
        engines: str | PathLike[str] | None = None,
        **opened: Any,
    ) -> None:
        self._asked = (expression, intensity, au)
        self._column, self._errors = column, errors
        self._editor = Editor.open(engines, **opened)

    def __call__(self, batch: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Edits a batch, by column; pictures of one size stay one array.

        Raises:
            KeyError: the batch has no such column.
        """
        pictures = list(batch[self._column])
        said = []
        for number, picture in enumerate(pictures):
            try:
                pictures[number] = self._editor.edit(np.asarray(picture), *self._asked)
                said.append("")
            except EfganError as error:
                said.append(str(error))
        column: npt.NDArray[Any]
        if batch[self._column].dtype == np.object_:
            column = np.empty(len(pictures), np.object_)
            column[:] = pictures
        else:
            column = np.stack(pictures)
        return {**batch, self._column: column, self._errors: np.array(said, np.object_)}
