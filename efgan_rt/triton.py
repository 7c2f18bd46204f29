"""Whole photographs in Triton Inference Server: the Python model of `efgan-rt export-triton`.

A request carries a picture file's bytes and what its faces are to become; the answer is the file
that `efgan-rt batch` would have written. The networks run here, in this process, so the server
needs no other backend.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from efgan_rt.editor import Editor
from efgan_rt.errors import EfganError
from efgan_rt.pictures.header import FORMAT_OF, format_of
from efgan_rt.pictures.mark import marked_original
from efgan_rt.pictures.read import decode_original
from efgan_rt.pictures.write import encode_original

NAME: Final = Path("photograph")  # what messages call the picture


class TritonPythonModel:
    """One instance of the model; the server calls its methods, one at a time."""

    def initialize(self, args: dict[str, str]) -> None:
        """Opens the engines that lie beside the model.

        Args:
            args: the server's; `model_config` is the configuration as JSON.
        """
        parameters = json.loads(args["model_config"]).get("parameters", {})
        chosen = {name: each["string_value"] for name, each in parameters.items()}
        self._editor = Editor.open(
            Path(args["model_repository"]) / args["model_version"] / "engines",
            chosen.get("backend", "onnxruntime"),
            batch=int(chosen.get("batch", "1")),
        )

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answers each request, a picture that cannot be edited by an error that says why."""
        import triton_python_backend_utils as triton  # of the server; there is no package of it

        answers = []
        for request in requests:
            # By DLPack, because servers that were built for numpy 1 misread numpy 2's arrays.
            photograph = np.from_dlpack(triton.get_input_tensor_by_name(request, "photograph"))
            try:
                edited = edited_file(
                    self._editor, photograph.tobytes(), json.loads(request.parameters() or "{}")
                )
            except EfganError as error:
                told = triton.TritonError(str(error))
                answers.append(triton.InferenceResponse([], error=told))
                continue
            tensor = triton.Tensor.from_dlpack("edited", np.frombuffer(edited, np.uint8).copy())
            answers.append(triton.InferenceResponse([tensor]))
        return answers

    def finalize(self) -> None:
        """Lets go of the engines."""
        self._editor.close()


def edited_file(editor: Editor, data: bytes, asked: Mapping[str, Any]) -> bytes:
    """A picture's file, edited, in its own format.

    Args:
        editor: finds and edits the faces.
        data: the picture's file.
        asked: `expression`, `intensity` and `au`, as `batch` has them.

    Raises:
        EfganError: the file is no picture, of a format that is not written, without a face, or
            what is asked for is unknown.
    """
    if unknown := set(asked) - {"expression", "intensity", "au"}:
        raise EfganError(
            f"found the parameters {', '.join(sorted(unknown))}, expected expression, intensity, au"
        )
    try:
        intensity = float(asked.get("intensity", 1.0))
    except (TypeError, ValueError):
        raise EfganError(
            f"intensity: found {asked['intensity']!r}, expected a number, 0 to 2"
        ) from None
    original = decode_original(data, NAME)
    found = format_of(data)
    extension = next(each for each, format_ in FORMAT_OF.items() if format_ == found)
    pixels = editor.edit(
        original.pixels, asked.get("expression") or None, intensity, asked.get("au") or None
    )
    return bytes(
        encode_original(extension, marked_original(original.with_pixels(pixels)), quality=None)
    )
