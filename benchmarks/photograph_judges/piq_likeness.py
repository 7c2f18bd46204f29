"""How like two registered crops are, by PyPI's `piq`: GMSD (0 is equal) and MS-SSIM (1 is equal).

    VENV/bin/python piq_likeness.py

The package's two modules are imported without its front page, which imports torchvision for other
measures; PyPI's build of that wants the CUDA build of torch. Jobs and readings are lines of JSON,
as `judges.py` says.
"""

import base64
import json
import sys
from importlib import import_module
from importlib.metadata import distribution, version
from types import ModuleType
from typing import Any

import numpy as np


def answer() -> None:
    """Answers each line of stdin by one of stdout."""
    torch = import_module("torch")
    package = ModuleType("piq")
    package.__path__ = [str(distribution("piq").locate_file("piq"))]
    sys.modules["piq"] = package
    gmsd, ms_ssim = import_module("piq.gmsd"), import_module("piq.ms_ssim")
    torch.set_num_threads(1)

    def tensor(pixels: dict[str, Any]) -> Any:
        levels = np.frombuffer(base64.b64decode(pixels["base64"]), np.uint8)
        crop = levels.reshape(pixels["shape"]).astype(np.float32) / 255
        return torch.from_numpy(crop).permute(2, 0, 1)[None]

    versions = {name: version(name) for name in ("piq", "torch")}
    print(json.dumps({"versions": versions}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        one, other = tensor(job["pixels"]), tensor(job["other"])
        reading = {
            "gmsd": float(gmsd.gmsd(one, other, data_range=1.0)),
            "ms_ssim": float(ms_ssim.multi_scale_ssim(one, other, data_range=1.0)),
        }
        print(json.dumps({"key": job["key"], "reading": reading}), flush=True)


if __name__ == "__main__":
    answer()
