"""Motion learnt from what an edit is to look like."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from train.data.faces import FaceSet
from train.data.labels import LabelTable
from train.families.cascade.motion import training
from train.families.cascade.motion.composition import MotionFields, MouthAtlas
from train.families.cascade.motion.networks import MotionEFGAN, SkinReading, motion_regions
from train.families.cascade.motion.paired_pictures import (
    CHANGED,
    EDGES,
    PAINTED,
    READ,
    ROUGH,
    SEEN,
    PictureLoss,
    picture_loss,
)
from train.families.cascade.motion.training import pictures_loss

SIDE = 32
ATLAS = MouthAtlas(torch.full((1, 3, 8, 8), 0.5), torch.ones(1, 3), torch.zeros(1))


def fields_of(displacement: Tensor | None = None, paint: float = 0.0) -> MotionFields:
    half = SIDE // 2
    moved = torch.zeros(1, 2, half, half) if displacement is None else displacement
    alpha = torch.full((1, 1, half, half), paint)
    colour = torch.zeros(1, 3, half, half)
    return MotionFields(moved, alpha * 0, torch.cat([colour]), torch.cat([colour, alpha], dim=1))


def loss_of(
    made: Tensor, truth: Tensor, source: Tensor, *, totals: MotionFields | None = None
) -> PictureLoss:
    skin = SkinReading(torch.zeros(1, 2, SIDE // 2, SIDE // 2), torch.zeros(1, 17))
    return picture_loss(made, truth, source, totals or fields_of(), skin, torch.zeros(1, 17))


def plain(value: float) -> Tensor:
    return torch.full((1, 3, SIDE, SIDE), value)


def test_the_truth_itself_loses_nothing() -> None:
    loss = loss_of(plain(0.5), plain(0.5), plain(-0.5))
    assert (loss.total.item(), loss.seen) == (0, 0)


def test_an_even_difference_counts_once_at_each_size() -> None:
    loss = loss_of(plain(0.5), plain(0.25), plain(0.25))
    assert loss.total.item() == pytest.approx(SEEN * 0.25)
    assert loss.seen == pytest.approx(0.25)


def test_pixels_that_are_to_change_count_more() -> None:
    source, truth = plain(0.0), plain(0.0)
    truth[..., : SIDE // 2] = 0.6  # twice `MUCH`
    made = truth.clone()
    made[..., : SIDE // 4] -= 0.1
    still = plain(0.0)
    still[..., : SIDE // 4] = 0.1
    changed = loss_of(made, truth, source).total.item()
    unchanged = loss_of(still, source, source).total.item()
    # Half of the pixels are to change, and a few beside them: their share of the weight.
    assert unchanged < changed < (1 + CHANGED) * unchanged


def test_edges_in_other_places_count() -> None:
    truth = plain(0.0)
    made = truth.clone()
    made[..., 0::4] = made[..., 1::4] = 0.2  # stripes as wide as a pixel of half the side
    loss = loss_of(made, truth, truth).total.item()
    seen = SEEN * 0.1
    columns = SIDE // 2
    edges = EDGES / 3 * 0.2 * (columns - 1) / columns  # smaller sizes see no stripes
    assert loss == pytest.approx(seen + edges, rel=1e-4)


def test_movement_is_to_be_smooth_and_paint_is_to_be_little() -> None:
    half = SIDE // 2
    slope = torch.arange(half).float()[None, None, None].repeat(1, 2, half, 1)
    loss = loss_of(plain(0.0), plain(0.0), plain(0.0), totals=fields_of(slope, paint=0.5))
    assert loss.total.item() == pytest.approx(ROUGH + PAINTED * 0.5)


def test_units_that_are_read_are_the_source_s() -> None:
    skin = SkinReading(torch.zeros(1, 2, 16, 16), torch.full((1, 17), 2.0))
    same = plain(0.0)
    loss = picture_loss(same, same, same, fields_of(), skin, torch.full((1, 17), 3.0))
    assert loss.total.item() == pytest.approx(READ)


@pytest.fixture
def faces(tmp_path: Path) -> FaceSet:
    """One person with a dark bar that lies higher or lower as AU12 says."""
    au = np.zeros((2, len(AU_NAMES)), np.float32)
    au[1, AU_NAMES.index("AU12")] = 4
    for number, row in enumerate((40, 44)):
        face = np.full((64, 64, 3), 170, np.uint8)
        face[row : row + 6, 16:48] = 40
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), face)
    points = {name: np.full((2, 2), 32, np.float32) for name in ("eyes", "nose", "mouth")}
    table = LabelTable(("0.png", "1.png"), ("a", "a"), ("neutral", "happy"), au, points)
    return FaceSet(tmp_path, table, crop_px=256)


@pytest.mark.parametrize("count", [1, 2])
def test_a_stage_learns_to_move_a_picture_into_another(faces: FaceSet, count: int) -> None:
    torch.manual_seed(0)
    stages = [
        MotionEFGAN(256, motion_regions(256), len(AU_NAMES), (8, 8, 8, 8)) for _ in range(count)
    ]
    weights = [weight for stage in stages for weight in stage.parameters()]
    optimizer = torch.optim.Adam(weights, 2e-3)
    seen = []
    for _ in range(15):
        rng = torch.Generator().manual_seed(0)  # the same pairs again
        loss = pictures_loss(stages, faces, 2, ATLAS, rng)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        seen.append(loss.total.item())
    assert seen[-1] < 0.7 * seen[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--pictures", "faces"], "--pictures and --labels go together"),
        (["--pictures-batch", "0"], "--pictures-batch: found 0, expected 1 or more"),
        ([], "missing.npz: no atlas of mouths: [Errno 2] No such file or directory"),
    ],
)
def test_what_cannot_be_trained_on_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: str,
) -> None:
    asked = ["training", "pairs", "missing.npz", "out", "--kind", "stage", "--seconds", "1"]
    monkeypatch.setattr("sys.argv", [*asked, *options])
    with pytest.raises(SystemExit):
        training.main()
    printed = capsys.readouterr().err
    assert said in printed and "Traceback" not in printed


def test_an_atlas_that_is_torn_is_named(tmp_path: Path) -> None:
    (tmp_path / "mouths.npz").write_bytes(b"PK\x03\x04torn")
    with pytest.raises(EfganError, match=r"mouths\.npz: no atlas of mouths"):
        training.load_atlas(tmp_path / "mouths.npz")
