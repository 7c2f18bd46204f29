"""YuNet's network, run by ONNX Runtime or OpenVINO, and what its outputs mean.

OpenCV's own class around the network (`FaceDetectorYN`) takes twice as long for the same numbers:
103 ms of one thread against 46 at 1200 x 900, 3.1 against 2.0 at 192 x 192 (medians of 31 and 201
on a busy Xeon with AMX; ONNX Runtime 1.31.1, OpenCV 4.14). So the runtime that the engines have
anyway runs it, and the little around it is here: priors, decoding and the suppression of
overlapping boxes, step by step as OpenCV does them, so that boxes and scores are the same. Where
neither runtime is installed, and for files of a fixed size of input (those of 2023), it is OpenCV.
"""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.errors import EfganError
from efgan_rt.faces.image import Outputs
from efgan_rt.pictures.original import Picture
from engines.arrays import FloatArray
from engines.base import EngineError
from engines.runtimes import import_onnxruntime, import_openvino
from engines.signal_stack import kept_signal_stack

STRIDES: Final = (8, 16, 32)  # pixels between the places at which the network looks for a face
MULTIPLE: Final = STRIDES[-1]  # of which a picture's sides have to be one
# Two findings of one search that share more than this are one face; OpenCV's default as well.
SUPPRESSION_OVERLAP: Final = 0.3
MOST_CANDIDATES: Final = 5000  # a crowd of 100 faces has about 1,500
OUTPUTS: Final = tuple(f"{kind}_{s}" for kind in ("cls", "obj", "bbox", "kps") for s in STRIDES)
BAND: Final = 64  # rows whose planes stay in the processor's caches
_ERRORS_ONLY: Final = 3


class YunetNetwork:
    """The network of one YuNet file; one for each thread.

    Attributes:
        runtime: what runs it: `onnxruntime`, `openvino` or `opencv`.
    """

    def __init__(self, file: Path, min_score: float, runtime: str | None = None) -> None:
        """Opens the file.

        Args:
            file: the ONNX file.
            min_score: findings below it are left out.
            runtime: None for the first of the three that is installed and takes the file.

        Raises:
            EfganError: none of them can run the file as a face detector.
        """
        self._min_score = min_score
        self._run: Callable[[Picture], FloatArray] | None = None
        self._memory = np.empty(0, np.float32)  # of the largest input so far
        for name in (runtime,) if runtime else ("onnxruntime", "openvino"):
            opened = _OPENERS[name](file) if name in _OPENERS else None
            if opened is not None:
                self.runtime = name
                self._outputs_of = opened
                self._run = self._decoded
                break
        if self._run is None:
            self.runtime = "opencv"
            self._opencv = _opened_by_opencv(file, min_score)
            self._run = self._seen_by_opencv
        try:
            self.detect(np.zeros((64, 64, 3), np.uint8))
        except (cv2.error, RuntimeError, ValueError, KeyError) as error:
            raise EfganError(_no_yunet(file)) from error

    def detect(self, picture: Picture) -> FloatArray:
        """The faces in a picture as it is.

        Args:
            picture: uint8 RGB (H, W, 3).

        Returns:
            float32 (N, 15), the best first: left, top, width and height of the box, x and y of five
            points, the score.
        """
        assert self._run is not None
        return self._run(picture)

    def _decoded(self, picture: Picture) -> FloatArray:
        pixels = as_input(picture, self._memory)
        if pixels.size > self._memory.size:
            self._memory = pixels.reshape(-1)
        return self.found_in(self._outputs_of(pixels), picture.shape)

    def found_in(self, outputs: Outputs, shape: tuple[int, ...]) -> FloatArray:
        """The faces in what the network has said of a picture of this shape; as `detect`."""
        found = decode(outputs, *padded(shape), self._min_score)
        return found[best_of(found, self._min_score)]

    def _seen_by_opencv(self, picture: Picture) -> FloatArray:
        self._opencv.setInputSize((picture.shape[1], picture.shape[0]))
        _, rows = self._opencv.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        return np.zeros((0, 15), np.float32) if rows is None else np.asarray(rows, np.float32)


def padded(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of the network's input for a picture of this shape."""
    height, width = (-(-side // MULTIPLE) * MULTIPLE for side in shape[:2])
    return height, width


def as_input(picture: Picture, memory: FloatArray | None = None) -> FloatArray:
    """A picture as the network takes it.

    Args:
        picture: uint8 RGB (H, W, 3).
        memory: float32 (N,), in which the result shall lie, if it is large enough.

    Returns:
        float32 BGR (1, 3, H, W), 0 to 255, black to the right and below up to a multiple of 32.
    """
    height, width = picture.shape[:2]
    shape = (3, *padded(picture.shape))
    if memory is None or memory.size < math.prod(shape):
        memory = np.empty(math.prod(shape), np.float32)
    pixels = memory[: math.prod(shape)].reshape(shape)
    pixels[:, height:], pixels[:, :, width:] = 0, 0
    for top in range(0, height, BAND):
        for channel, values in enumerate(cv2.split(picture[top : top + BAND])):
            pixels[2 - channel, top : top + BAND, :width][: len(values)] = values
    return pixels[np.newaxis]


def decode(outputs: Outputs, height: int, width: int, min_score: float) -> FloatArray:
    """The findings in the network's outputs, before overlapping ones are left out.

    A place's score is the geometric mean of "a face" and "something". Boxes are given by the offset
    of their centre and the logarithm of their size, points by their offset, all in strides.

    Args:
        outputs: `OUTPUTS`, each float32 (1, places, values).
        height: of the network's input.
        width: of the network's input.
        min_score: findings below it are left out.

    Returns:
        float32 (N, 15), as `YunetNetwork.detect` gives them, in the order of their places.

    Source: OpenCV, `FaceDetectorYN`; the network is of Wu et al. (2023), "YuNet".
    """
    found = [np.zeros((0, 15), np.float32)]
    for stride in STRIDES:
        columns = width // stride
        certain, something = (
            outputs[f"{kind}_{stride}"].reshape(-1).clip(0, 1) for kind in ("cls", "obj")
        )
        if len(certain) != columns * (height // stride):
            raise ValueError(f"{len(certain)} places at stride {stride}")
        scores = np.sqrt(certain * something)
        places = np.flatnonzero(scores >= min_score)
        if not len(places):
            continue
        corner = np.stack([places % columns, places // columns], axis=1).astype(np.float32)
        boxes = outputs[f"bbox_{stride}"].reshape(-1, 4)[places]
        points = outputs[f"kps_{stride}"].reshape(-1, 5, 2)[places]
        # A network that has not seen a picture of one pixel says anything; what is infinite is
        # dropped by whoever checks the faces.
        with np.errstate(over="ignore", invalid="ignore"):
            size = np.exp(boxes[:, 2:]) * stride
            left_top = (corner + boxes[:, :2]) * stride - size / 2
            points = (points + corner[:, np.newaxis]) * stride
        rows = (left_top, size, points.reshape(-1, 10), scores[places, np.newaxis])
        found.append(np.concatenate(rows, axis=1))
    return np.concatenate(found).astype(np.float32)


def best_of(found: FloatArray, min_score: float) -> npt.NDArray[np.intp]:
    """Which findings to keep, the best first: those that overlap no better one.

    Args:
        found: float32 (N, 15).
        min_score: as for `decode`.
    """
    finite = np.isfinite(found).all(axis=1) & (np.abs(found[:, :4]) < 1e6).all(axis=1)
    order = np.flatnonzero(finite & (found[:, 14] >= min_score))
    order = order[np.argsort(-found[order, 14], kind="stable")][:MOST_CANDIDATES]
    # OpenCV compares boxes in whole pixels, cut off and not rounded.
    left, top, width, height = np.trunc(found[order, :4].T).astype(np.float64)
    right, bottom, area = left + width, top + height, width * height
    left_over = np.arange(len(order))
    kept = []
    while len(left_over):
        best, others = left_over[0], left_over[1:]
        kept.append(best)
        across = np.minimum(right[best], right[others]) - np.maximum(left[best], left[others])
        down = np.minimum(bottom[best], bottom[others]) - np.maximum(top[best], top[others])
        shared = across.clip(0) * down.clip(0)
        union = area[best] + area[others] - shared
        left_over = others[shared <= SUPPRESSION_OVERLAP * union]
    return order[np.array(kept, dtype=np.intp)]


def _opened_by_onnxruntime(file: Path) -> Callable[[FloatArray], Outputs] | None:
    """What runs the network; None where the runtime is missing or the file has a fixed size."""
    try:
        ort = import_onnxruntime()
    except EngineError:
        return None
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # several pictures are searched at the same time already
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _ERRORS_ONLY
    try:
        session = ort.InferenceSession(os.fspath(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has an exception class for each status code
        raise EfganError(_no_yunet(file)) from error
    inputs, outputs = session.get_inputs(), {each.name for each in session.get_outputs()}
    if len(inputs) != 1 or not outputs.issuperset(OUTPUTS):
        raise EfganError(_no_yunet(file))
    if any(isinstance(side, int) for side in inputs[0].shape[2:]):
        return None
    name = inputs[0].name

    def run(pixels: FloatArray) -> Outputs:
        return dict(zip(OUTPUTS, session.run(OUTPUTS, {name: pixels}), strict=True))

    return run


def _opened_by_openvino(file: Path) -> Callable[[FloatArray], Outputs] | None:
    """As `_opened_by_onnxruntime`."""
    try:
        openvino = import_openvino()
    except EngineError:
        return None
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    with kept_signal_stack():
        try:
            graph = openvino.Core().read_model(os.fspath(file))
        except RuntimeError as error:
            raise EfganError(_no_yunet(file)) from error
        names = {name for output in graph.outputs for name in output.names}
        if len(graph.inputs) != 1 or not names.issuperset(OUTPUTS):
            raise EfganError(_no_yunet(file))
        if not graph.inputs[0].partial_shape.is_dynamic:
            return None
        request: Any = openvino.compile_model(graph, "CPU", settings).create_infer_request()

    def run(pixels: FloatArray) -> Outputs:
        request.infer([pixels])
        return {name: np.array(request.get_tensor(name).data) for name in OUTPUTS}

    return run


def _opened_by_opencv(file: Path, min_score: float) -> cv2.FaceDetectorYN:
    try:
        return cv2.FaceDetectorYN.create(
            str(file), "", (64, 64), min_score, SUPPRESSION_OVERLAP, MOST_CANDIDATES
        )
    except cv2.error as error:
        raise EfganError(_no_yunet(file)) from error


def _no_yunet(file: Path) -> str:
    return (
        f"{file}: cannot be run as a YuNet face detector; leave --detector out for the one that "
        "comes along, or give a file of OpenCV's model zoo"
    )


_OPENERS: Final = {"onnxruntime": _opened_by_onnxruntime, "openvino": _opened_by_openvino}
