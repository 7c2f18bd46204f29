"""Covers drawn over faces, and the network that learns to find them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from train.covers import drawing
from train.covers.drawing import Portrait, bothered, covered, face_mask
from train.covers.network import SAID, SIDE, CoverNetwork
from train.covers.training import jittered, measure, samples, train, write_onnx

FACES = sorted((Path(__file__).parents[3] / "examples" / "faces").glob("*.jpg"))[:3]


@pytest.fixture
def portraits() -> list[Portrait]:
    """Three rendered faces with landmarks about where a face's are."""
    turns = np.linspace(0, 2 * np.pi, 478, endpoint=False)
    points = 64 + 30 * np.stack([np.sin(turns), -np.cos(turns)], 1)
    around = np.linspace(0, 2 * np.pi, len(drawing.OVAL), endpoint=False)
    points[drawing.OVAL] = 64 + np.stack([40 * np.sin(around), -48 * np.cos(around)], 1)
    for eye, x in zip(drawing.EYES, (46, 82), strict=True):
        points[eye] = [[x - 6, 52], [x, 50], [x + 6, 52], [x, 54]]
    for number, place in (
        (drawing.MOUTH, (64, 90)),
        (drawing.BRIDGE, (64, 55)),
        (drawing.NOSE, (64, 72)),
        (drawing.CHEEKS[0], (44, 74)),
        (drawing.CHEEKS[1], (84, 74)),
    ):
        points[number] = place
    pictures = [cv2.imread(str(path)) for path in FACES]
    return [
        Portrait(np.asarray(each[..., ::-1], np.uint8), points.astype(np.float32))
        for each in pictures
        if each is not None
    ]


def test_a_cover_changes_what_its_mask_says_and_most_of_all_there(
    portraits: list[Portrait],
) -> None:
    random = np.random.default_rng(0)
    for _ in range(40):
        pixels, mask = covered(portraits[0], portraits, random)
        assert set(np.unique(mask)) <= {0.0, 1.0} and mask.any()
        change = np.abs(pixels.astype(int) - portraits[0].pixels).max(axis=2)
        assert change[mask > 0].mean() > change[mask == 0].mean()


def test_every_kind_of_cover_lies_on_the_face_often(portraits: list[Portrait]) -> None:
    face = face_mask(portraits[0].points) > 0
    for draw in drawing._COVERS:
        random = np.random.default_rng(1)
        shares = [(draw(portraits[0], portraits, random)[1] > 0)[face].mean() for _ in range(10)]
        assert np.median(shares) > 0.02, draw.__name__


def test_spectacles_and_shadows_are_drawn_and_are_no_cover(portraits: list[Portrait]) -> None:
    random = np.random.default_rng(0)
    changed = [
        not np.array_equal(bothered(portraits[0], random), portraits[0].pixels) for _ in range(40)
    ]
    assert 10 < sum(changed) < 35


def test_a_jittered_portrait_keeps_its_points_on_its_face(portraits: list[Portrait]) -> None:
    moved = jittered(portraits[0], np.random.default_rng(2))
    assert np.abs(moved.points - portraits[0].points).max() < 25
    assert moved.pixels.shape == portraits[0].pixels.shape


def test_samples_have_the_networks_sizes(portraits: list[Portrait]) -> None:
    pixels, masks, faces = samples(portraits, 6, 0)
    assert pixels.shape == (6, SIDE, SIDE, 3) and pixels.dtype == np.uint8
    assert masks.shape == faces.shape == (6, SAID, SAID)


def test_it_learns_and_what_is_exported_says_the_same(
    portraits: list[Portrait], tmp_path: Path
) -> None:
    network = train(portraits, steps=6, drawn=24, seed=0)
    torch.save(network.state_dict(), tmp_path / "cover.pt")
    train(portraits, steps=2, drawn=8, seed=1, start=tmp_path / "cover.pt")
    write_onnx(network, tmp_path / "cover.onnx")
    assert (tmp_path / "cover.onnx").stat().st_size < 300_000
    pixels = samples(portraits, 1, 3)[0]
    opened = cv2.dnn.readNetFromONNX(str(tmp_path / "cover.onnx"))
    opened.setInput(cv2.dnn.blobFromImage(pixels[0]))
    with torch.no_grad():
        wanted = torch.sigmoid(network(torch.from_numpy(pixels).permute(0, 3, 1, 2).float()))
    np.testing.assert_allclose(opened.forward(), wanted.numpy(), atol=1e-4)


def test_what_is_measured_are_shares(portraits: list[Portrait]) -> None:
    found = measure(portraits, 3)
    assert set(found) == {"covered_left", "uncovered_lost", "free_lost"}
    assert all(0 <= value <= 1 for value in found.values())


def test_the_network_sees_the_whole_face() -> None:
    network = CoverNetwork().eval()
    pixels = torch.zeros(1, 3, SIDE, SIDE, requires_grad=True)
    network(pixels)[0, 0, SAID // 2, SAID // 2].backward()
    assert pixels.grad is not None
    reached = (pixels.grad.abs().sum(dim=(0, 1)) > 0).float()
    assert reached.mean() > 0.9
