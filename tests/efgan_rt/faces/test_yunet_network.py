"""YuNet run by each runtime gives what OpenCV's own class around the network gives."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.errors import EfganError
from efgan_rt.faces.yunet_network import MOST_CANDIDATES, YunetNetwork, as_input, best_of
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture

MIN_SCORE = 0.6


def collage(files: list[Path], sides: tuple[int, ...], width: int, height: int) -> Picture:
    """Faces of the given sides, beside each other on a grey ground; odd sides and odd places."""
    canvas = np.full((height, width, 3), 140, np.uint8)
    left = 7
    for file, side in zip(files, sides, strict=False):
        how = cv2.INTER_AREA if side < 128 else cv2.INTER_CUBIC
        canvas[11 : 11 + side, left : left + side] = cv2.resize(
            read_picture(file), (side, side), interpolation=how
        )
        left += side + 5
    return canvas


@pytest.fixture(scope="module")
def pictures(repository: Path) -> list[Picture]:
    files = sorted((repository / "examples/faces").glob("*.jpg"))
    return [
        *(read_picture(file) for file in files[:6]),
        collage(files[4:], (200, 90, 61, 33, 128), 557, 241),
        collage(files[9:], (400, 320), 801, 450),
        np.full((50, 70, 3), 90, np.uint8),
    ]


def by_opencv(file: Path, picture: Picture) -> np.ndarray:
    size = (picture.shape[1], picture.shape[0])
    detector = cv2.FaceDetectorYN.create(str(file), "", size, MIN_SCORE, 0.3, MOST_CANDIDATES)
    _, rows = detector.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return np.zeros((0, 15), np.float32) if rows is None else np.asarray(rows)


def assert_alike(network: YunetNetwork, file: Path, pictures: list[Picture]) -> int:
    faces, furthest, worst = 0, 0.0, 0.0
    for picture in pictures:
        found, wanted = network.detect(picture), by_opencv(file, picture)
        assert found.shape == wanted.shape
        faces += len(found)
        furthest = max(furthest, np.abs(found[:, :14] - wanted[:, :14]).max(initial=0))
        worst = max(worst, np.abs(found[:, 14] - wanted[:, 14]).max(initial=0))
    print(f"{faces} faces: at most {furthest:.4f} pixels and {worst:.5f} of score apart")
    # Float sums in another order; what the detector reads anew trembles by whole pixels.
    assert furthest < 0.5 and worst < 0.01
    return faces


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_each_runtime_finds_the_faces_that_opencv_finds(
    runtime: str, yunet_file: Path, pictures: list[Picture]
) -> None:
    pytest.importorskip(runtime, reason=f"{runtime} is not installed")
    network = YunetNetwork(yunet_file, MIN_SCORE, runtime)
    assert network.runtime == runtime
    assert assert_alike(network, yunet_file, pictures) >= 12


def test_photographs_have_the_faces_that_opencv_finds(
    yunet_file: Path, london_images: Path
) -> None:
    files = sorted(london_images.glob("*.jpg"))[::24]
    network = YunetNetwork(yunet_file, MIN_SCORE)
    assert assert_alike(network, yunet_file, [read_picture(file) for file in files]) == len(files)


def test_the_first_runtime_that_is_installed_runs_it(
    yunet_file: Path, pictures: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {"onnxruntime": "onnxruntime", "openvino": "openvino", "": "opencv"}
    for missing, runtime in zip(("", "onnxruntime", "openvino"), expected.values(), strict=True):
        if missing:
            monkeypatch.setitem(sys.modules, missing, None)
        network = YunetNetwork(yunet_file, MIN_SCORE)
        assert network.runtime == runtime
        assert len(network.detect(pictures[0])) == 1


def test_a_file_of_a_fixed_size_is_run_by_opencv(
    yunet_file: Path, pictures: list[Picture], tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install onnx")
    model = onnx.load(str(yunet_file))
    for dimension in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dimension.dim_value = 640
    file = tmp_path / "fixed.onnx"
    onnx.save(model, str(file))
    network = YunetNetwork(file, MIN_SCORE)
    assert network.runtime == "opencv"
    assert len(network.detect(pictures[0])) == 1


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "opencv"])
def test_a_network_that_is_no_yunet_is_refused(
    runtime: str, repository: Path, tmp_path: Path
) -> None:
    noise = tmp_path / "noise.onnx"
    noise.write_bytes(b"no network")
    other = repository / "efgan_rt/shipped/stage_1.onnx"
    for file in (noise, other):
        with pytest.raises(EfganError, match="cannot be run as a YuNet face detector"):
            YunetNetwork(file, MIN_SCORE, runtime)


def test_a_picture_enters_as_blue_green_red_with_black_up_to_a_multiple_of_32() -> None:
    picture = np.zeros((33, 40, 3), np.uint8)
    picture[32, 39] = (1, 2, 3)
    pixels = as_input(picture)
    assert pixels.shape == (1, 3, 64, 64) and pixels.dtype == np.float32
    assert pixels[0, :, 32, 39].tolist() == [3, 2, 1]
    assert pixels.sum() == 6


def found_at(*rows: tuple[float, float, float, float, float]) -> np.ndarray:
    found = np.zeros((len(rows), 15), np.float32)
    for number, (*box, score) in enumerate(rows):
        found[number, :4], found[number, 14] = box, score
    return found


def test_of_overlapping_findings_the_best_is_kept_and_the_others_stay() -> None:
    found = found_at(
        (0, 0, 10, 10, 0.7), (1, 1, 10, 10, 0.9), (30, 0, 10, 10, 0.8), (8, 8, 10, 10, 0.75)
    )
    assert best_of(found, 0.6).tolist() == [1, 2, 3]
    assert best_of(found, 0.78).tolist() == [1, 2]
    assert best_of(found[:0], 0.6).tolist() == []


def test_a_finding_of_no_finite_size_is_left_out() -> None:
    found = found_at((0, 0, np.inf, 5, 0.9), (0, 0, 1e20, 5, 0.9), (np.nan, 0, 5, 5, 0.9))
    assert best_of(found, 0.6).tolist() == []
