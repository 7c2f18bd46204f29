"""Convolutions in int8, by NNCF's post-training quantisation of OpenVINO's own model.

OpenVINO's model and not the ONNX file, because OpenVINO runs a quantised ONNX file with other
rounding: 35 dB of full precision were left where 53 to 55 are now (shipped weights, NNCF 3.4,
OpenVINO 2026.4.1). Only convolutions: with additions and normalisations in int8, which NNCF would
do as well, the worst edit falls to 30 dB and nothing is quicker. And not the first one of a branch
or of the Refiner, which sees the picture: left alone, the worst edit of three stages keeps 54 dB,
else 43, and in bf16 it is as quick. The output layers cost nothing in quality and are quantised.

Weights are rounded a channel at a time, activations a tensor at a time, over the range that they
have on the samples.
"""

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from efgan_rt.extras import needs_extra
from engines.arrays import Array
from engines.runtimes import import_openvino, without_telemetry

CONVOLUTIONS: Final = ("Convolution", "ConvolutionBackpropData")
PICTURE_CHANNELS: Final = 6  # of a picture, or of two as the Refiner sees them; a feature map has 8


@dataclass(frozen=True)
class Quantised:
    """A network in int8, as OpenVINO's two files."""

    graph: bytes
    weights: bytes
    convolutions: int
    """How many are in int8."""
    left_alone: tuple[str, ...]
    """Those that are not, by the name that OpenVINO gives them."""


def import_nncf() -> Any:
    """The `nncf` module, without its telemetry.

    Raises:
        EfganError: it is not installed; the message holds the line that installs it.
    """
    import_openvino()  # its telemetry is decided at the first import
    with needs_extra("int8"), without_telemetry():
        import nncf
    return nncf


def to_int8(model: bytes, samples: Sequence[Mapping[str, Array]]) -> Quantised:
    """A network with its convolutions in int8.

    Args:
        model: a complete ONNX file in full precision.
        samples: what it is given on faces, a picture each.

    Raises:
        EfganError: NNCF is not installed.
        EngineError: OpenVINO is not installed.
    """
    nncf, openvino = import_nncf(), import_openvino()
    graph = openvino.Core().read_model(model)
    operations = graph.get_ordered_ops()
    convolutions = [each for each in operations if each.get_type_name() in CONVOLUTIONS]
    left_alone = tuple(each.get_friendly_name() for each in convolutions if _sees_a_picture(each))
    kinds = {each.get_type_name() for each in operations}
    exact = kinds - {*CONVOLUTIONS, "Constant", "Parameter", "Result"}
    with _quiet():
        made = nncf.quantize(
            graph,
            nncf.Dataset(list(samples)),
            subset_size=len(samples),
            # Symmetric for weights, for activations whatever range they have.
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(
                types=sorted(exact), names=list(left_alone), validate=False
            ),
        )
    return Quantised(*_written(openvino, made), len(convolutions) - len(left_alone), left_alone)


def _sees_a_picture(convolution: Any) -> bool:
    channels = convolution.input(0).get_partial_shape()[1]
    return bool(channels.get_length() <= PICTURE_CHANNELS)


def _written(openvino: Any, model: Any) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory(prefix="efgan-int8-") as folder:
        graph, weights = Path(folder, "network.xml"), Path(folder, "network.bin")
        openvino.serialize(model, graph, weights)
        return graph.read_bytes(), weights.read_bytes()


@contextmanager
def _quiet() -> Iterator[None]:
    """NNCF logs every step and draws bars on stdout."""
    logger = logging.getLogger("nncf")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
