"""How like two registered crops are, by PyPI's `piq`: GMSD (0 is equal) and MS-SSIM (1 is equal).

    VENV/bin/python piq_likeness.py

piq imports torchvision for measures that are not asked for here, and PyPI's build of it wants the
CUDA build of torch; an empty stand-in takes its place. Jobs and readings are lines of JSON, as
`judges.py` says.
"""

import base64
import json
import sys
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import Any

import numpy as np


def main() -> None:
    """Answers each line of stdin by one of stdout."""
    for name in ("torchvision", "torchvision.models"):
        sys.modules[name] = ModuleType(name)
    for name in ("vgg16", "vgg19"):
        setattr(sys.modules["torchvision.models"], name, None)
    torch, piq = import_module("torch"), import_module("piq")
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
            "gmsd": float(piq.gmsd(one, other, data_range=1.0)),
            "ms_ssim": float(piq.multi_scale_ssim(one, other, data_range=1.0)),
        }
        print(json.dumps({"key": job["key"], "reading": reading}), flush=True)


if __name__ == "__main__":
    main()
