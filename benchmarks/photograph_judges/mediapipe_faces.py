"""MediaPipe's expression scores and the corners of the mouth, a picture at a time.

    VENV/bin/python mediapipe_faces.py face_landmarker.task

Tightly framed pictures get a border of their own edge, because MediaPipe's detector wants room
around a face. Jobs and readings are lines of JSON, as `judges.py` says; a picture without a face
has the reading null.
"""

import json
import os
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Final

CORNERS: Final = (61, 291)  # of the mouth, among the 478 landmarks


def answer() -> None:
    """Answers each line of stdin by one of stdout."""
    mediapipe, cv2 = import_module("mediapipe"), import_module("cv2")
    vision = import_module("mediapipe.tasks.python.vision")
    base = import_module("mediapipe.tasks.python")
    options = vision.FaceLandmarkerOptions(
        base_options=base.BaseOptions(model_asset_path=sys.argv[1]), output_face_blendshapes=True
    )
    landmarker = vision.FaceLandmarker.create_from_options(options)
    print(json.dumps({"versions": {"mediapipe": version("mediapipe")}}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        picture = cv2.cvtColor(cv2.imread(job["picture"], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        border = job["border_px"]
        if border:
            picture = cv2.copyMakeBorder(picture, *(border,) * 4, cv2.BORDER_REPLICATE)
        height, width = picture.shape[:2]
        found = landmarker.detect(mediapipe.Image(mediapipe.ImageFormat.SRGB, picture))
        reading = None
        if found.face_landmarks:
            points = [found.face_landmarks[0][i] for i in CORNERS]
            corners = [[p.x * width - border, p.y * height - border] for p in points]
            scores = {c.category_name: round(float(c.score), 5) for c in found.face_blendshapes[0]}
            reading = {"corners": corners, "scores": scores}
        print(json.dumps({"key": job["key"], "reading": reading}), flush=True)
    sys.stdout.flush()
    os._exit(0)  # its threads do not end by themselves


if __name__ == "__main__":
    answer()
