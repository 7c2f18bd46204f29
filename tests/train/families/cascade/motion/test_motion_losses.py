"""The loss of a stage's totals, against values worked out by hand."""

import math

import pytest
import torch
from torch import Tensor

from train.families.cascade.motion.composition import MotionFields
from train.families.cascade.motion.losses import (
    ANYWHERE,
    AT_BROWS,
    AT_MOUTH,
    FOUND,
    MASKED,
    MOVED,
    MOVED_KNEE,
    ON_FACE,
    PAINTED,
    PLACED,
    READ,
    motion_loss,
)
from train.families.cascade.motion.networks import SkinReading
from train.families.cascade.motion.pairs_set import PairBatch, Truth

SIDE = 10


def plane(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)[None, :, None, None].repeat(1, 1, SIDE, SIDE)


def truth_of(mouth: float = 0.0) -> Truth:
    none = torch.zeros(1, 17)
    return Truth(none, none, plane(0, 0), plane(0, 0), plane(1), plane(mouth), plane(0, 0))


def skin_of(off: float = 0.0, units: float = 0.0) -> SkinReading:
    return SkinReading(plane(off, off), torch.full((1, 17), units))


def batch_of(around_mouth: Tensor | None = None) -> PairBatch:
    around = plane(0) if around_mouth is None else around_mouth
    image = torch.zeros(1, 3, 2 * SIDE, 2 * SIDE)
    return PairBatch(image, torch.zeros(1, 17), (), plane(1), around, plane(0))


def fields_of(
    displacement: Tensor | None = None, alpha: float = 1e-5, paint: float = 0.0
) -> MotionFields:
    moved = plane(0, 0) if displacement is None else displacement
    return MotionFields(moved, plane(0), plane(0, 0, alpha), plane(0, 0, 0, paint))


def test_totals_that_are_their_truth_lose_almost_nothing() -> None:
    loss = motion_loss(fields_of(), skin_of(), truth_of(), batch_of())
    assert loss.total.item() == pytest.approx(0, abs=1e-4)


def test_each_field_loses_by_its_own_error() -> None:
    fields = fields_of(plane(1.0, -2.0), alpha=0.5, paint=0.2)
    loss = motion_loss(fields, skin_of(0.1, 2.0), truth_of(), batch_of()).total.item()
    moved = (1 + 1 / MOVED_KNEE + 2 + 4 / MOVED_KNEE) / 2
    pixels = SIDE * SIDE
    found = 0.2 * pixels / (2 * pixels + 20)
    wanted = MOVED * moved + FOUND * found + READ * 2
    wanted += MASKED * math.log(2) + PAINTED * 0.2
    assert loss == pytest.approx(wanted, rel=1e-5)


def test_movement_of_the_brows_counts_more_than_that_of_the_cheeks() -> None:
    truth = truth_of()
    truth.skin[:, 1, :5] = -0.5  # as far up as the brows
    off = plane(0, 0)
    off[..., :5, :] = 1.0
    up, down = (
        motion_loss(fields_of(each), SkinReading(truth.skin, torch.zeros(1, 17)), truth, batch_of())
        for each in (off, 1 - off)
    )
    face = ANYWHERE + ON_FACE
    assert up.total.item() / down.total.item() == pytest.approx((face + AT_BROWS) / face, rel=2e-2)


def test_an_error_at_the_mouth_counts_more() -> None:
    around = plane(0)
    around[..., :5, :] = 1
    off = plane(0, 0)
    off[..., :5, :] = 1.0
    at_mouth = motion_loss(fields_of(off), skin_of(), truth_of(), batch_of(around)).total.item()
    elsewhere = motion_loss(
        fields_of(1 - off), skin_of(), truth_of(), batch_of(around)
    ).total.item()
    face = ANYWHERE + ON_FACE
    assert at_mouth / elsewhere == pytest.approx((face + AT_MOUTH) / face, rel=2e-2)
    share = (face + AT_MOUTH) / (2 * face + AT_MOUTH)
    assert at_mouth == pytest.approx(MOVED * (1 + 1 / MOVED_KNEE) * share, abs=1e-3)


def test_what_looks_other_than_it_is_to_counts_but_in_a_drawn_mouth() -> None:
    batch = batch_of()
    batch.image[..., SIDE:, :] = 1.0  # light below, dark above
    fields, truth = fields_of(plane(0.0, 1.0)), truth_of()
    figures = motion_loss(fields, skin_of(), truth, batch).figures
    assert figures["seen"] == pytest.approx(2 / (2 * SIDE))  # two rows of twenty
    truth.displacement.copy_(plane(0.0, 1.0))
    assert motion_loss(fields, skin_of(), truth, batch).figures["seen"] == 0
    drawn = motion_loss(fields, skin_of(), truth_of(mouth=1.0), batch).figures
    assert drawn["seen"] == 0


def test_places_in_the_mouth_count_where_there_is_one() -> None:
    still = fields_of(alpha=1 - 1e-5)
    off = MotionFields(still.displacement, still.shade, plane(0.1, -0.1, 1 - 1e-5), still.paint)
    loss = motion_loss(off, skin_of(), truth_of(mouth=1.0), batch_of()).total.item()
    pixels = SIDE * SIDE
    assert loss == pytest.approx(PLACED * 0.2 * pixels / (2 * pixels + 20), abs=1e-3)
    without = motion_loss(fields_of(), skin_of(), truth_of(), batch_of())
    assert without.figures["place"] == 0


def test_figures_compare_with_doing_nothing() -> None:
    moved = truth_of()
    moved.displacement[:, 0] = 2.0
    figures = motion_loss(fields_of(plane(1.0, 0.0)), skin_of(), moved, batch_of()).figures
    assert figures["moved"] / figures["still"] == pytest.approx(0.5)
    open_ = motion_loss(fields_of(alpha=0.9), skin_of(), truth_of(mouth=1.0), batch_of()).figures
    assert figures["both"] == figures["either"] == 0
    assert open_["both"] == open_["either"] == SIDE * SIDE


def test_the_loss_pulls_every_field() -> None:
    fields = MotionFields(
        plane(1.0, 1.0).requires_grad_(),
        plane(0.1),
        plane(0.1, 0.1, 0.5).requires_grad_(),
        plane(0.1, 0.1, 0.1, 0.3).requires_grad_(),
    )
    skin = SkinReading(plane(0.1, 0.1).requires_grad_(), torch.ones(1, 17).requires_grad_())
    motion_loss(fields, skin, truth_of(mouth=1.0), batch_of()).total.backward()
    for each in (fields.displacement, fields.mouth, fields.paint, skin.places, skin.units):
        assert each.grad is not None and each.grad.abs().sum() > 0
