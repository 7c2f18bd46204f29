"""A network from elsewhere that looks at crops: FID's features, or who is shown, as an ONNX file.

The file says the input's type, order and size. What it cannot say is how bytes become its numbers:
that is the layout, words joined by commas, of `rgb` or `bgr` and one of

    bytes      0 to 255
    unit       0 to 1
    signed     -1 to 1
    imagenet   0 to 1, less ImageNet's mean, by its deviation

The default is `rgb,signed`. An input of bytes takes none but the order of its channels.
"""

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.errors import EfganError
from efgan_rt.extras import needs_extra
from engines.arrays import Bytes, FloatArray

BATCH: Final = 32
ORDERS: Final = ("rgb", "bgr")
IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION: Final = (0.229, 0.224, 0.225)
RANGES: Final = ("bytes", "unit", "signed", "imagenet")


class OnnxNetwork:
    """One input of pictures, and the first output as a row of numbers a picture."""

    def __init__(self, path: Path, layout: str = "") -> None:
        """Opens the file with ONNX Runtime.

        Args:
            path: the file.
            layout: see the module's docstring.

        Raises:
            EfganError: the file cannot be opened or does not take pictures, the layout cannot be
                read, or ONNX Runtime is not installed.
        """
        self.name = path.name
        self._order, self._range = parse_layout(layout)
        if not path.is_file():
            raise EfganError(f"{path}: there is no such file, expected an ONNX network")
        with needs_extra("cpu"):
            import onnxruntime as ort
        try:
            self._session: Any = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has an exception of its own for every fault
            first = str(error).splitlines()[0]
            raise EfganError(f"{path}: cannot be opened as an ONNX network: {first}") from error
        (taken, *others) = self._session.get_inputs()
        shape = list(taken.shape)
        known = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}
        self._channels_last = len(shape) == 4 and shape[3] == 3
        if others or len(shape) != 4 or 3 not in (shape[1], shape[3]) or taken.type not in known:
            raise EfganError(
                f"{path}: takes {taken.name} {taken.type} {shape}"
                f"{' and more' if others else ''}, expected one input of pictures, "
                "float or uint8, (B, 3, H, W) or (B, H, W, 3)"
            )
        self._input, self._type = taken.name, known[taken.type]
        sides = shape[1:3] if self._channels_last else shape[2:4]
        self._size = tuple(s if isinstance(s, int) else None for s in sides)
        self._batch = shape[0] if isinstance(shape[0], int) else None

    def extract(self, pixels: Bytes) -> FloatArray:
        """The first output's numbers, float32 (n, D), of crops uint8 RGB (n, H, H, 3)."""
        step = self._batch or BATCH
        parts = []
        for start in range(0, len(pixels), step):
            taken = self._prepared(pixels[start : start + step])
            used = len(taken)
            if self._batch is not None and used < self._batch:  # a fixed batch is filled up
                taken = np.concatenate([taken, np.repeat(taken[-1:], self._batch - used, axis=0)])
            (found, *_) = self._session.run(None, {self._input: taken})
            parts.append(np.asarray(found, dtype=np.float32).reshape(len(taken), -1)[:used])
        return np.concatenate(parts)

    def embed(self, pixels: Bytes) -> FloatArray:
        """`extract`, each row brought to length 1: what an identity embedder gives."""
        found = self.extract(pixels)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        result: FloatArray = (found / np.maximum(lengths, 1e-12)).astype(np.float32)
        return result

    def _prepared(self, pixels: Bytes) -> npt.NDArray[Any]:
        height, width = (wanted or own for wanted, own in zip(
            self._size, pixels.shape[1:3], strict=True
        ))  # fmt: skip
        if (height, width) != pixels.shape[1:3]:
            smaller = height < pixels.shape[1]
            how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
            pixels = np.stack(
                [cv2.resize(crop, (width, height), interpolation=how) for crop in pixels]
            ).astype(np.uint8, copy=False)
        if self._order == "bgr":
            pixels = pixels[..., ::-1]
        prepared: npt.NDArray[Any] = pixels
        if self._type is np.float32:
            prepared = as_range(pixels, self._range)
        if not self._channels_last:
            prepared = prepared.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(prepared)


def parse_layout(text: str) -> tuple[str, str]:
    """Order of the channels and range of the numbers, such as `bgr,unit`.

    Raises:
        EfganError: a word is unknown, or two of a kind are given.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    orders = [word for word in words if word in ORDERS]
    ranges = [word for word in words if word in RANGES]
    if len(orders) + len(ranges) < len(words) or len(orders) > 1 or len(ranges) > 1:
        raise EfganError(
            f"'{text}' is no layout of a network's input; expected one of {' '.join(ORDERS)} "
            f"and one of {' '.join(RANGES)}, such as bgr,unit"
        )
    return (orders or ["rgb"])[0], (ranges or ["signed"])[0]


def as_range(pixels: Bytes, name: str) -> FloatArray:
    """Bytes (n, H, W, 3) as float32 of one of `RANGES`."""
    values = pixels.astype(np.float32)
    if name == "signed":
        values = values / np.float32(127.5) - np.float32(1)
    elif name != "bytes":
        values /= np.float32(255)
        if name == "imagenet":
            values -= np.array(IMAGENET_MEAN, np.float32)
            values /= np.array(IMAGENET_DEVIATION, np.float32)
    return values
