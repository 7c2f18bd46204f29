"""The Inception network of the FID paper, as torch-fidelity runs it; published FIDs are over it.

Its weights (95 MB, converted from TensorFlow's of 2015-12-05) are not part of this package. They
are fetched once, when asked for, into the user's data folder. Their publisher's name for the file
holds the first eight digits of its SHA-256, which is checked; a file with anything but tensors in
it is refused before torch-fidelity reads it.
"""

import hashlib
import urllib.request
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from efgan_rt.errors import EfganError
from efgan_rt.extras import needs_extra
from efgan_rt.user_folders import data_folder
from efgan_rt.written import write_file
from engines.arrays import Bytes, FloatArray

NAME: Final = "weights-inception-2015-12-05-6726825d.pth"
ADDRESS: Final = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{NAME}"
SHA256_START: Final = "6726825d"
LARGEST_BYTES: Final = 200_000_000
TIMEOUT_S: Final = 60.0
BATCH: Final = 32


def own_weights() -> Path:
    """Where the fetched weights lie, whether or not they are there."""
    return data_folder() / "models" / NAME


def fetch_weights(address: str = ADDRESS, wanted: str = SHA256_START) -> Path:
    """Fetches the weights into the user's data folder, unless they are there already.

    Args:
        address: where they are published.
        wanted: how the SHA-256 of the file starts.

    Raises:
        EfganError: they cannot be fetched or stored, or another file came.
    """
    file = own_weights()
    if file.is_file() and _starts(file.read_bytes(), wanted):
        return file
    otherwise = f"fetch {NAME} by other means and put it at {file}, or use --features local"
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
            data: bytes = answer.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:  # an URLError is an OSError
        reason = getattr(error, "reason", None) or error
        raise EfganError(f"{address}: cannot be fetched: {reason}; {otherwise}") from error
    if not _starts(data, wanted):
        raise EfganError(f"{address}: gave another file than the published one; {otherwise}")
    write_file(file, data, make_folder=True)
    return file


class Inception:
    """The 2,048 features before the last layer."""

    name = "inception"

    def __init__(self, network: Any) -> None:
        self._network = network

    @classmethod
    def open(cls, file: Path | None = None) -> "Inception":
        """Loads the network.

        Args:
            file: its weights; those that were fetched, if None.

        Raises:
            EfganError: torch-fidelity is not installed, or the weights are not there or damaged.
        """
        with needs_extra("inception"):
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        path = file or own_weights()
        if not path.is_file():
            raise EfganError(f"{path}: no weights; --fetch-features fetches them once (95 MB)")
        try:
            torch.load(path, map_location="cpu", weights_only=True)
            network = FeatureExtractorInceptionV3(
                "inception", ["2048"], feature_extractor_weights_path=str(path)
            )
        except Exception as error:  # each kind of damage has its own
            first = str(error).splitlines()[0]
            raise EfganError(f"{path}: are not the weights of FID's Inception: {first}") from error
        return cls(network)

    @torch.inference_mode()
    def extract(self, pixels: Bytes) -> FloatArray:
        """Features float32 (n, 2048) of crops uint8 RGB (n, H, H, 3)."""
        parts = []
        for start in range(0, len(pixels), BATCH):
            chunk = np.ascontiguousarray(pixels[start : start + BATCH].transpose(0, 3, 1, 2))
            (found,) = self._network(torch.from_numpy(chunk))
            parts.append(found.float().numpy())
        return np.concatenate(parts)


def _starts(data: bytes, wanted: str) -> bool:
    return hashlib.sha256(data).hexdigest().startswith(wanted)
