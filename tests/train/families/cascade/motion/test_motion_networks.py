"""A stage's fields: shapes and limits, and local branches that begin by changing nothing."""

import pytest
import torch

from efgan_rt.faces.motion import SHADE_LIMIT
from efgan_rt.faces.mouths import DEPTH
from train.families.cascade.motion.composition import MotionFields
from train.families.cascade.motion.networks import (
    CHANNELS,
    HALVINGS,
    LEAK,
    STEER,
    UNSURE,
    MotionEFGAN,
    SkinReading,
    limited,
    motion_regions,
)
from train.portraits.folds import FOLDS_PX

CROP_PX = 256  # what the patches are made for: at others their sides do not halve


@pytest.fixture(scope="module")
def stage() -> MotionEFGAN:
    torch.manual_seed(0)
    return MotionEFGAN(CROP_PX, motion_regions(CROP_PX), 17, (8, 8, 8, 8))


def faces(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 3, CROP_PX, CROP_PX, generator=generator) * 2 - 1


def shapes_of(fields: MotionFields) -> list[tuple[int, ...]]:
    return [tuple(t.shape) for t in (fields.displacement, fields.shade, fields.mouth, fields.paint)]


@torch.no_grad()
def test_a_stage_gives_its_fields_on_half_the_crops_grid(stage: MotionEFGAN) -> None:
    fields = stage(faces(2), torch.full((2, 17), 3.0))
    half = CROP_PX // 2
    assert shapes_of(fields) == [(2, n, half, half) for n in (2, 1, 3, 4)]


@torch.no_grad()
def test_local_branches_begin_by_changing_nothing(stage: MotionEFGAN) -> None:
    au = torch.full((1, 17), 3.0)
    with_regions = stage(faces(1), au)
    stage.uses_regions = False
    try:
        alone = stage(faces(1), au)
    finally:
        stage.uses_regions = True
    assert torch.allclose(with_regions.displacement, alone.displacement, atol=1e-5)
    assert torch.allclose(with_regions.mouth, alone.mouth, atol=1e-5)


@torch.no_grad()
def test_a_row_of_a_batch_is_what_it_is_alone(stage: MotionEFGAN) -> None:
    au = torch.rand(2, 17, generator=torch.Generator().manual_seed(1)) * 5
    both, one = stage(faces(2), au), stage(faces(2)[1:], au[1:])
    assert torch.allclose(both.displacement[1:], one.displacement, atol=1e-4)


@torch.no_grad()
def test_action_units_steer_the_fields(stage: MotionEFGAN) -> None:
    still, asked = stage(faces(1), torch.zeros(1, 17)), stage(faces(1), torch.full((1, 17), 5.0))
    assert (still.displacement - asked.displacement).abs().max() > 1e-4


@torch.no_grad()
def test_light_is_looked_up_where_a_pixel_lies_by_what_is_gained(stage: MotionEFGAN) -> None:
    rows, columns = torch.arange(FOLDS_PX), torch.arange(FOLDS_PX)
    stage.folds.zero_()
    stage.folds[3] = 0.0005 * (rows[:, None] + 2 * columns)
    stage.folds[5] = -1.0
    for rim in (0, -1):  # as in every picture of folds
        stage.folds[:, rim] = stage.folds[:, :, rim] = 0
    try:
        au = torch.zeros(1, 17)
        au[0, 3], au[0, 5] = 3.0, 4.0
        places = torch.rand(1, 2, 6, 6, generator=torch.Generator().manual_seed(2)) * 1.6 - 0.8
        units = torch.zeros(1, 17)
        units[0, 3], units[0, 5] = 1.0, 4.0 + UNSURE / 2  # a difference that is not sure is none
        shade = stage._shade(SkinReading(places, units), au)
        across, down = ((places[0] + 1) * FOLDS_PX - 1) / 2
        assert torch.allclose(shade[0, 0], (2 - UNSURE) * 0.0005 * (down + 2 * across), atol=1e-4)
        units[0, 5] = 0.0
        assert (stage._shade(SkinReading(places, units), au) == -SHADE_LIMIT).all()
        outside = SkinReading(torch.full((1, 2, 6, 6), 1.5), units)
        assert not stage._shade(outside, au).any()
    finally:
        stage.folds.zero_()


@torch.no_grad()
def test_a_stage_reads_places_and_units_of_its_picture(stage: MotionEFGAN) -> None:
    fields, skin = stage.read(faces(2), torch.full((2, 17), 3.0))
    half = CROP_PX // 2
    assert skin.places.shape == (2, 2, half, half) and skin.units.shape == (2, 17)
    assert skin.places[:, 0, :, 0].mean() < -0.7 and skin.places[:, 1, -1].mean() > 0.7
    assert not fields.shade.any()  # its pictures of folds are empty


@pytest.mark.parametrize("size", [0.0, 1.0, 100.0])
def test_fields_keep_their_limits_whatever_the_network_says(size: float) -> None:
    raw = torch.randn(4, CHANNELS, 8, 8, generator=torch.Generator().manual_seed(0)) * size
    fields = limited(raw, raw[:, :1])
    assert torch.equal(fields.displacement, raw[:, :2])
    assert torch.equal(fields.shade, raw[:, :1])
    alpha = fields.mouth[:, 2:]
    assert alpha.min() >= 0 and alpha.max() <= 1
    assert (fields.mouth[:, :1].abs() <= 0.6 * alpha + 1e-6).all()
    assert (fields.mouth[:, 1:2].abs() <= DEPTH / 2 * alpha + 1e-6).all()
    assert (fields.paint[:, :3].abs() <= fields.paint[:, 3:] + 1e-6).all()
    assert fields.paint[:, 3:].min() >= 0 and fields.paint[:, 3:].max() <= 1


@pytest.mark.parametrize("crop_px", [256, 512])
def test_regions_lie_inside_the_crop_and_can_be_halved(crop_px: int) -> None:
    regions = motion_regions(crop_px)
    assert set(regions) == {"eyes", "nose", "mouth"}
    for box in regions.values():
        assert box.height % HALVINGS == 0 and box.width % HALVINGS == 0
        assert box.top % 2 == 0 and box.left % 2 == 0
        assert box.top >= 0 and box.top + box.height <= crop_px
        assert box.left >= 0 and box.left + box.width <= crop_px


def test_a_patch_fades_out_at_its_border(stage: MotionEFGAN) -> None:
    for feather, box in zip(stage.feather, stage.regions.values(), strict=True):
        top, left = box.top // 2, box.left // 2
        assert feather.max() == 1 and feather[0, top, left + 10] == pytest.approx(1 / 6)
        outside = feather.clone()
        outside[0, top : top + box.height // 2, left : left + box.width // 2] = 0
        assert not outside.any()


@torch.no_grad()
def test_a_lost_branch_that_is_renewed_says_the_same_and_learns() -> None:
    torch.manual_seed(1)
    stage = MotionEFGAN(CROP_PX, motion_regions(CROP_PX), 17, (8, 8, 8, 8), slope=0.0)
    branch = stage.patches["eyes"]
    branch.get_parameter("fine.bias").fill_(-100.0)  # lost: below 0 for every picture
    for name in ("heads.weight", "heads.bias", "coarse.weight"):
        branch.get_parameter(name).normal_(std=0.1)
    image, au = faces(2), torch.full((2, 17), 2.0)
    before = stage(image, au)
    stage.renew("eyes", image, au)
    for old, new in zip(fields_in(before), fields_in(stage(image, au)), strict=True):
        assert torch.allclose(old, new, atol=1e-5)
    box, seen = stage.regions["eyes"], []
    branch.get_submodule("fine").register_forward_hook(lambda _, __, out: seen.append(out))
    branch(image[:, :, box.rows, box.columns], stage.steer(au / 5))
    assert 0.5 < seen[0].std() < 3 and 0.2 < (seen[0] > 0).float().mean() < 0.8


def fields_in(fields: MotionFields) -> list[torch.Tensor]:
    return [fields.displacement, fields.shade, fields.mouth, fields.paint]


def test_a_local_branch_below_zero_still_learns() -> None:
    """As after a long training: what comes before its fields is below 0 for every picture."""
    for slope, learns in ((LEAK, True), (0.0, False)):
        stage = MotionEFGAN(CROP_PX, motion_regions(CROP_PX), 17, (8, 8, 8, 8), slope)
        branch = stage.patches["mouth"]
        with torch.no_grad():
            branch.get_parameter("fine.bias").fill_(-100.0)
            branch.get_parameter("heads.weight").fill_(0.1)
        raw, _ = branch(torch.rand(1, 3, 32, 32), torch.rand(1, STEER))
        raw[:, 2:].sum().backward()
        gradient = branch.get_parameter("fine.weight").grad
        assert gradient is not None and bool(gradient.any()) == learns
