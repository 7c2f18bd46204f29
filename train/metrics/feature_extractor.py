"""Which features FID and KID are taken over; a figure says which, for it means nothing without.

- `local`: a small network of ours (`train.metrics.feature_training`), trained on the set's own
  training crops and kept beside the judges. It needs nothing from elsewhere. Its figures compare
  engines with each other on one set, and with nothing published.
- `inception`: the network of the FID paper, by torch-fidelity. Published figures use it.
- an ONNX file, by its path.
"""

from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from engines.arrays import Bytes

Features = npt.NDArray[np.float32]

LOCAL: Final = "local"
INCEPTION: Final = "inception"


class Extractor(Protocol):
    """Turns crops into features."""

    @property
    def name(self) -> str:
        """Which one it is, for the report."""

    def extract(self, pixels: Bytes) -> Features:
        """Features float32 (n, D) of crops uint8 RGB (n, H, H, 3)."""


def open_extractor(wanted: str, layout: str = "") -> Extractor | None:
    """The extractor of a name or path; None for the local one, which has to be trained first.

    Args:
        wanted: `local`, `inception`, or an ONNX file's path.
        layout: how the ONNX file's input is laid out, see `train.metrics.onnx_network`.

    Raises:
        EfganError: the file or the package it needs is missing, or cannot be used.
    """
    if wanted == LOCAL:
        return None
    if wanted == INCEPTION:
        from train.metrics.inception import Inception

        return Inception.open()
    from train.metrics.onnx_network import OnnxNetwork

    return OnnxNetwork(Path(wanted), layout)
