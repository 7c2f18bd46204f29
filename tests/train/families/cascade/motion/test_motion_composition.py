"""Fields of stages become totals, and totals a picture of the original."""

import math

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from efgan_rt.faces.align import Similarity
from efgan_rt.faces.motion import FIELDS, MOUTH, SHADE_LIMIT, Motion
from efgan_rt.faces.motion_paste import MotionPaste, cheek_light
from efgan_rt.faces.mouths import Mouths, linear
from train.families.cascade.motion.cascade import MotionCascade
from train.families.cascade.motion.composition import (
    MotionFields,
    MouthAtlas,
    cheek_tone,
    composed,
    enlarged,
    picture,
    warp,
)
from train.families.cascade.motion.networks import motion_regions
from train.families.cascade.networks.config import ModelConfig

SIDE = 16


def constant(
    displacement: tuple[float, float] = (0, 0),
    shade: float = 0.0,
    mouth: tuple[float, float, float] = (0, 0, 0),
    paint: tuple[float, float, float, float] = (0, 0, 0, 0),
) -> MotionFields:
    def plane(*values: float) -> Tensor:
        return torch.tensor(values, dtype=torch.float32)[None, :, None, None].repeat(
            1, 1, SIDE, SIDE
        )

    return MotionFields(plane(*displacement), plane(shade), plane(*mouth), plane(*paint))


def image(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, 2 * SIDE, 2 * SIDE, generator=generator) * 2 - 1


def atlas(level: float = 0.4, skin: float = 0.5) -> MouthAtlas:
    return MouthAtlas(torch.full((1, 3, 96, 160), level), torch.full((1, 3), skin), torch.zeros(1))


CHOICE, TONE = torch.zeros(1, dtype=torch.int64), torch.full((1, 3), 0.5)


def test_without_movement_shade_or_mouth_the_picture_is_the_papers_equation_one() -> None:
    generator = torch.Generator().manual_seed(1)
    alpha = torch.rand(1, 1, SIDE, SIDE, generator=generator)
    colour = torch.rand(1, 3, SIDE, SIDE, generator=generator) * 2 - 1
    still = constant()
    paint = torch.cat([alpha * colour, alpha], dim=1)
    fields = MotionFields(still.displacement, still.shade, still.mouth, paint)
    attention = enlarged(alpha)
    wanted = enlarged(alpha * colour) + (1 - attention) * image()  # A C + (1 - A) I
    assert torch.allclose(picture(image(), fields, atlas(), CHOICE, TONE), wanted, atol=2e-6)


def test_no_fields_at_all_leave_the_picture_alone() -> None:
    assert torch.allclose(picture(image(), constant(), atlas(), CHOICE, TONE), image(), atol=2e-6)


def test_a_displacement_says_where_a_pixel_comes_from_x_then_y() -> None:
    plane = constant((2.0, -1.0)).displacement
    small = image()[..., ::2, ::2]
    moved = warp(small, plane)
    assert torch.allclose(moved[..., 1:, :-2], small[..., :-1, 2:], atol=1e-5)


def test_fields_are_in_pixels_of_their_own_grid() -> None:
    moved = picture(image(), constant((1.0, 0.0)), atlas(), CHOICE, TONE)
    assert torch.allclose(moved[..., :-2], image()[..., 2:], atol=1e-5)


def test_two_stages_of_constant_displacement_are_one_warp_of_the_original() -> None:
    first, second = constant((1.25, 0.5)), constant((-0.5, 2.0))
    totals = composed(second, composed(first, None))
    wanted = constant((0.75, 2.5))
    assert torch.allclose(totals.displacement, wanted.displacement, atol=1e-6)
    made = picture(image(), totals, atlas(), CHOICE, TONE)
    assert torch.allclose(made, warp(image(), 2 * enlarged(wanted.displacement)), atol=1e-5)


def test_what_was_there_before_moves_along_with_a_later_stage() -> None:
    before = constant()
    shade = torch.zeros(1, 1, SIDE, SIDE)
    shade[..., 5, 8] = 0.2
    first = MotionFields(before.displacement, shade, before.mouth, before.paint)
    totals = composed(constant((3.0, 0.0)), first)
    assert totals.shade[0, 0, 5, 5].item() == pytest.approx(0.2, abs=1e-6)
    assert totals.shade.sum().item() == pytest.approx(0.2, abs=1e-5)


def test_later_layers_lie_over_earlier_ones() -> None:
    first = constant(shade=0.1, mouth=(0.1, 0.2, 0.5), paint=(0.2, 0.0, -0.2, 0.4))
    second = constant(shade=-0.3, mouth=(0.05, 0.1, 0.25), paint=(0.1, 0.1, 0.1, 0.5))
    totals = composed(second, first)
    assert totals.shade[0, 0, 3, 3].item() == pytest.approx(-0.2)
    mouth = [0.05 + 0.75 * 0.1, 0.1 + 0.75 * 0.2, 0.25 + 0.75 * 0.5]
    assert totals.mouth[0, :, 3, 3].tolist() == pytest.approx(mouth)
    paint = [0.1 + 0.5 * 0.2, 0.1, 0.1 - 0.5 * 0.2, 0.5 + 0.5 * 0.4]
    assert totals.paint[0, :, 3, 3].tolist() == pytest.approx(paint)


def test_the_first_stages_fields_are_the_totals() -> None:
    stage = constant((1.0, 1.0))
    assert composed(stage, None) is stage


def test_shade_multiplies_encoded_values_within_its_limit() -> None:
    dark = image() * 0.2 - 0.7
    for shade in (-0.3, 0.2, 1.0):
        made = picture(dark, constant(shade=shade), atlas(), CHOICE, TONE)
        assert torch.allclose(made + 1, (dark + 1) * math.exp(min(shade, SHADE_LIMIT)), atol=1e-5)


def test_a_mouth_is_drawn_where_its_alpha_is_one() -> None:
    made = picture(image(), constant(mouth=(0.0, 0.0, 1.0)), atlas(), CHOICE, TONE)
    assert made.flatten().tolist() == pytest.approx([2 * 0.4 - 1] * made.numel(), abs=1e-4)


@pytest.mark.parametrize("gain", [0.5, 1.3])
def test_a_mouths_tone_scales_with_the_cheeks(gain: float) -> None:
    fields = constant(mouth=(0.0, 0.0, 1.0))
    made = picture(image(), fields, atlas(), CHOICE, TONE * gain)
    wanted = (0.4**2.2 * gain) ** (1 / 2.2) * 2 - 1
    assert made[0, 0, 9, 9].item() == pytest.approx(wanted, abs=1e-4)


def test_eyes_are_drawn_as_the_paste_draws_them() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1, 192, 160, 3), np.uint8)
    pixels = np.stack([cv2.GaussianBlur(each, (0, 0), 9) for each in pixels])
    crop = np.full((2 * SIDE, 2 * SIDE, 3), 128, np.uint8)
    fields = np.zeros((SIDE, SIDE, FIELDS), np.float16)
    fields[4:14, 2:7, MOUTH] = (0.2, 0.02, 1)
    fields[4:14, 9:14, MOUTH] = (-0.3, -0.03, 1)
    skin = linear(np.full((1, 3), 128, np.uint8))
    motion = Motion(fields, 0, Mouths(pixels, skin, eyes=True))
    pasted = crop.copy()
    mask = np.ones((SIDE, SIDE), np.float32)
    MotionPaste(crop, Similarity(1, 0), crop, motion, mask).into_region(pasted)
    channels = torch.from_numpy(fields.astype(np.float32)).permute(2, 0, 1)[None]
    totals = MotionFields(*channels.split([2, 1, 3, 4], dim=1))
    image = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 127.5 - 1
    atlas = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    mouths = MouthAtlas(atlas, torch.from_numpy(skin), torch.zeros(1), eyes=True)
    made = picture(image, totals, mouths, CHOICE, cheek_tone(image))
    levels = (made[0].permute(1, 2, 0).numpy() + 1) * 127.5
    for rows in (slice(10, 16), slice(21, 26)):  # eyes, and a mouth
        for columns in (slice(6, 12), slice(20, 26)):
            assert np.abs(levels[rows, columns] - pasted[rows, columns]).max() < 2
    assert len({tuple(pasted[y, x]) for y in (12, 23) for x in (8, 22)}) == 4


def test_the_cheeks_are_those_of_the_paste() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    as_network = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 127.5 - 1
    assert cheek_tone(as_network)[0].numpy() == pytest.approx(cheek_light(crop), rel=1e-4)


def test_enlarging_keeps_values_and_half_pixel_centres() -> None:
    ramp = torch.arange(4.0)[None, None, None].expand(1, 1, 4, 4)
    wide = enlarged(ramp)[0, 0, 0]
    assert wide[1:-1].tolist() == pytest.approx([0.25, 0.75, 1.25, 1.75, 2.25, 2.75])


@pytest.fixture(scope="module")
def cascade() -> MotionCascade:
    config = ModelConfig(
        motion=True,
        mouths=3,
        stages=2,
        crop_px=256,
        regions=motion_regions(256),
        motion_widths=(8, 8, 8, 8),
        interpolator_width=8,
    )
    return MotionCascade(config)


def test_a_cascade_gives_the_totals_of_every_stage(cascade: MotionCascade) -> None:
    crop = F.interpolate(image(), size=256)
    target = torch.full((1, 17), 2.0)
    with torch.no_grad():
        made, totals = cascade(crop, torch.zeros(1, 17), target)
    assert made[-1].shape == crop.shape and len(totals) == 2
    assert totals[-1].displacement.shape == (1, 2, 128, 128)
    tone = cheek_tone(crop)
    again = picture(crop, totals[-1], cascade.atlas, cascade.mouth_choice(target), tone)
    assert torch.allclose(made[-1], again)


def test_the_mouth_that_opens_about_as_far_as_the_target_is_chosen(cascade: MotionCascade) -> None:
    cascade.atlas_gap.copy_(torch.tensor([0.0, 0.2, 0.5]))
    cascade.gap_of_units.zero_()
    cascade.gap_of_units[cascade.config.au_names.index("AU26")] = 0.1
    target = torch.zeros(3, 17)
    target[:, cascade.config.au_names.index("AU26")] = torch.tensor([0.0, 1.8, 4.5])
    assert cascade.mouth_choice(target).tolist() == [0, 1, 2]


def test_a_smile_chooses_a_smiling_mouth_among_equals(cascade: MotionCascade) -> None:
    cascade.atlas_gap.fill_(0.1)
    cascade.atlas_smile.copy_(torch.tensor([0.0, 4.0, 2.0]))
    cascade.gap_of_units.zero_()
    target = torch.zeros(2, 17)
    target[1, cascade.config.au_names.index("AU12")] = 4.0
    assert cascade.mouth_choice(target).tolist() == [0, 1]
