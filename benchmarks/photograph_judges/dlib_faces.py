"""Whose face it is, as dlib's network describes it: 128 numbers a picture.

    VENV/bin/python dlib_faces.py

The weights come from PyPI's `face-recognition-models`, found without importing it (its code wants
an old setuptools). The face is found by dlib's own detector, because the 5-point predictor learnt
from its boxes; where that finds none, in the box that the job names. Jobs and readings are lines of
JSON, as `judges.py` says.
"""

import importlib.metadata
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

POINTS: Final = "shape_predictor_5_face_landmarks.dat"
NETWORK: Final = "dlib_face_recognition_resnet_model_v1.dat"


def answer() -> None:
    """Answers each line of stdin by one of stdout."""
    dlib, cv2 = import_module("dlib"), import_module("cv2")
    package = importlib.metadata.distribution("face-recognition-models")
    models = Path(str(package.locate_file("face_recognition_models/models")))
    detector = dlib.get_frontal_face_detector()
    predictor = dlib.shape_predictor(str(models / POINTS))
    network = dlib.face_recognition_model_v1(str(models / NETWORK))
    versions = {"dlib": dlib.__version__, "face-recognition-models": package.version}
    print(json.dumps({"versions": versions}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        picture = cv2.cvtColor(cv2.imread(job["picture"], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        found = sorted(detector(picture, 0), key=lambda box: -box.area())
        box = found[0] if found else dlib.rectangle(*(round(v) for v in job["box"]))
        described = network.compute_face_descriptor(picture, predictor(picture, box))
        reading = {"descriptor": [round(v, 6) for v in described], "found": bool(found)}
        print(json.dumps({"key": job["key"], "reading": reading}), flush=True)


if __name__ == "__main__":
    answer()
