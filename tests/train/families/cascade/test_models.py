"""The networks: shapes, and the properties that the paper's equations promise."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize

from efgan_rt.errors import EfganError
from train.data.regions import REGION_SIZES, RegionBox
from train.families.cascade.networks.cascade import CascadeEFGAN
from train.families.cascade.networks.config import ModelConfig
from train.families.cascade.networks.discriminators import Discriminators
from train.families.cascade.networks.efgan import EFGAN
from train.families.cascade.networks.interpolator import Interpolator
from train.families.cascade.networks.transformer import stitch
from train.layers import InstanceNorm
from train.pixels import to_bytes, to_unit_range

REGIONS = {
    name: RegionBox.centred(x, y, *REGION_SIZES[name], 128)
    for name, (x, y) in {"eyes": (62, 52), "nose": (61, 77), "mouth": (61, 98)}.items()
}


def toy_config(**changes: object) -> ModelConfig:
    values = {"width": 8, "residual_blocks": 1, "stages": 2, "critic_width": 8, "regions": REGIONS}
    return ModelConfig(**(values | changes))  # type: ignore[arg-type]


def random_faces(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1


def random_au(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 17, generator=torch.Generator().manual_seed(seed)) * 5


def test_the_cascade_gives_one_edit_a_stage() -> None:
    edits = CascadeEFGAN(toy_config())(random_faces(2), random_au(2), random_au(2, seed=1))
    assert len(edits) == 2
    assert edits[1].final.shape == (2, 3, 128, 128)
    assert edits[0].initial.patches["eyes"].shape == (2, 3, 40, 92)
    assert edits[0].initial.patch_attentions["mouth"].shape == (2, 1, 40, 60)


def test_without_regions_the_model_is_the_global_baseline() -> None:
    model = EFGAN(toy_config(regions={}))
    edit = model(random_faces(1), random_au(1))
    assert edit.initial.patches == {}
    assert edit.final.shape == (1, 3, 128, 128)


def test_an_attention_of_zero_leaves_the_picture_alone() -> None:
    branch = EFGAN(toy_config()).transformer.face
    with torch.no_grad():
        branch.heads.weight.zero_()
    image = random_faces(1)
    edit, attention = branch(image, random_au(1) / 5)
    torch.testing.assert_close(attention, torch.full_like(attention, 0.5))
    torch.testing.assert_close(edit, 0.5 * image)  # equation 1 with colour 0 and attention 1/2


def test_a_residual_refiner_starts_by_handing_on_the_stitched_picture() -> None:
    model = EFGAN(toy_config(residual_refiner=True))
    edit = model(random_faces(1), random_au(1))
    expected = stitch(edit.initial.patches, REGIONS, edit.initial.face)
    torch.testing.assert_close(edit.final, expected)


def test_the_mouth_is_stitched_over_the_nose_and_the_nose_over_the_eyes() -> None:
    patches = {
        name: torch.full((1, 1, *REGION_SIZES[name]), value)
        for name, value in {"eyes": 1.0, "nose": 2.0, "mouth": 3.0}.items()
    }
    canvas = stitch(patches, REGIONS, torch.zeros(1, 1, 128, 128))[0, 0]
    assert canvas[0, 0] == 0
    nose, mouth, eyes = REGIONS["nose"], REGIONS["mouth"], REGIONS["eyes"]
    assert canvas[nose.top + 2, nose.left + 5] == 2 and nose.top + 2 < eyes.top + eyes.height
    assert canvas[mouth.top + 2, 61] == 3 and mouth.top + 2 < nose.top + nose.height
    assert canvas[eyes.top, eyes.left] == 1


def test_the_instance_norm_is_pytorchs_own() -> None:
    norm = InstanceNorm(5)
    nn.init.uniform_(norm.weight)
    nn.init.uniform_(norm.bias)
    x = torch.randn(3, 5, 12, 20, generator=torch.Generator().manual_seed(0))
    expected = F.instance_norm(x, weight=norm.weight, bias=norm.bias)
    torch.testing.assert_close(norm(x), expected, atol=1e-5, rtol=1e-5)


def test_half_precision_statistics_do_not_overflow() -> None:
    x = torch.randn(1, 2, 16, 16).half() * 3000  # squares are far beyond half's 65504
    assert torch.isfinite(InstanceNorm(2)(x)).all()


def test_spectral_norm_is_on_every_convolution_but_the_outputs() -> None:
    config = toy_config(stages=1)
    outputs = ("heads", "head", "critic", "au_head")
    for module in (CascadeEFGAN(config), Discriminators(config)):
        for path, layer in module.named_modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                is_output = path.split(".")[-1] in outputs
                assert parametrize.is_parametrized(layer) != is_output, path


def test_the_critics_shapes_suit_their_patches() -> None:
    critics = Discriminators(toy_config())
    score, au = critics.final.score_and_au(random_faces(2))
    assert score.shape == (2,) and au.shape == (2, 17)
    for name, (height, width) in REGION_SIZES.items():
        assert critics.patches[name](torch.zeros(2, 3, height, width)).shape == (2,)
    assert critics.interp(random_au(2)).shape == (2,)


def test_a_fresh_interpolator_interpolates_linearly_and_stays_in_range() -> None:
    interpolator = Interpolator(17, 8)
    source = random_au(4)
    torch.testing.assert_close(interpolator(source, torch.zeros_like(source)), source)
    assert interpolator(source, torch.full_like(source, 5.0)).max() <= 5
    assert interpolator(source, torch.full_like(source, -5.0)).min() >= 0


def test_each_stage_aims_at_its_share_of_the_way() -> None:
    cascade = CascadeEFGAN(toy_config())
    source, target = torch.zeros(1, 17), torch.full((1, 17), 4.0)
    first, second = cascade.stage_au(source, target)
    torch.testing.assert_close(first, torch.full((1, 17), 2.0))
    torch.testing.assert_close(second, target)


def test_bytes_and_unit_range_are_inverses() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).repeat(3).reshape(1, 16, 16, 3)
    assert torch.equal(to_bytes(to_unit_range(pixels)), pixels)


def test_bytes_are_rounded_and_clipped() -> None:
    image = torch.tensor([-3.0, -1.0, 0.0, 0.004, 1.0, 2.0]).reshape(1, 1, 1, 6).expand(1, 3, 1, 6)
    assert to_bytes(image)[0, 0, :, 0].tolist() == [0, 0, 128, 128, 255, 255]


def test_a_region_that_would_stick_out_is_moved_inside() -> None:
    assert RegionBox.centred(2, 126, 40, 60, 128) == RegionBox(88, 0, 40, 60)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regions": {"ears": RegionBox(0, 0, 40, 40)}}, "regions: .*ears.* unknown"),
        ({"width": 0}, "width: found 0, expected 1 to 1024"),
        ({"crop_px": 126}, "crop_px 126 does not suit"),
        ({"regions": {"nose": RegionBox(100, 0, 40, 48)}}, "sticks out of crop_px 128"),
        ({"regions": {"nose": RegionBox(0, 0, 41, 48)}}, "divisible by 4"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(EfganError, match=message):
        toy_config(**changes)


def test_a_config_survives_plain_values() -> None:
    config = toy_config()
    assert ModelConfig.from_dict(config.to_dict()) == config
