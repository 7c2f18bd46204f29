"""MediaPipe's expression scores of picture files, as one JSON object on stdout.

    python benchmarks/smile_scores.py face_landmarker.task PICTURE...

Runs in whatever Python has MediaPipe (`pip install mediapipe`); it imports nothing of ours, and
nothing of ours imports it, because MediaPipe is for measuring only. For each file: the scores by
name, 0 to 1, or null where no face is found.
"""

import json
import sys
from importlib import import_module


def main() -> None:
    """Prints {file: {score name: value} or null}."""
    model, *files = sys.argv[1:]
    mediapipe = import_module("mediapipe")  # by name: type checking needs no stubs for it
    vision = import_module("mediapipe.tasks.python.vision")
    base = import_module("mediapipe.tasks.python")
    options = vision.FaceLandmarkerOptions(
        base_options=base.BaseOptions(model_asset_path=model), output_face_blendshapes=True
    )
    scores = {}
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for file in files:
            found = landmarker.detect(mediapipe.Image.create_from_file(file)).face_blendshapes
            scores[file] = {c.category_name: float(c.score) for c in found[0]} if found else None
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
