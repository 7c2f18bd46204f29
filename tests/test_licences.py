"""The page of licences names every extra and every package that the installation asks for."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
# As the page calls them.
CALLED = {
    "opencv-python-headless": "OpenCV headless",
    "opencv-contrib-python": "OpenCV contrib",
    "onnxruntime": "ONNX Runtime",
    "onnxruntime-gpu": "ONNX Runtime for CUDA",
    "onnxruntime-ep-nv-tensorrt-rtx-cu13": "plugin for",
    "ai-edge-litert": "LiteRT",
    "dlib-bin": "dlib",
    "nvidia-nvimgcodec-cu13": "nvImageCodec",
    "torch": "PyTorch",
    "av": "PyAV",
    "tensorrt-cu13-bindings": "TensorRT's bindings",
}


def test_every_extra_has_a_row_with_its_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs" / "licences.md").read_text()
    extras = {"efgan-rt itself": project["dependencies"]}
    extras |= {f"`{name}`": wanted for name, wanted in project["optional-dependencies"].items()}
    missing = []
    for name, wanted in extras.items():
        row = re.search(rf"^\| {re.escape(name)} \| (.*) \|$", page, re.MULTILINE)
        for each in wanted:
            package = re.split(r"[\[<>=;~ ]", each)[0]
            said = CALLED.get(package, package)
            if row is None or said.lower() not in row[1].lower():
                missing.append(f"{name}: {package}")
    assert missing == []
