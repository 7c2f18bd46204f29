"""EET's losses against values computed by hand from the paper's equations."""

import math

import pytest
import torch

from train.families.eet import losses


def close(found: torch.Tensor, wanted: float) -> None:
    assert found.item() == pytest.approx(wanted, rel=1e-6)


def test_equation_1_rounds_to_the_nearest_whole_intensity() -> None:
    au = torch.tensor([[0.0, 0.49, 0.5, 2.5, 4.49, 5.0]])
    assert losses.unit_classes(au).tolist() == [[0, 0, 1, 3, 4, 5]]


def test_equation_2_wants_one_at_the_intensity_of_each_unit_and_zero_elsewhere() -> None:
    found = torch.zeros(1, 12)
    found[0, 2] = 0.5  # unit 1, intensity 2: half of the wanted 1
    found[0, 6] = 0.3  # unit 2, intensity 0: its intensity is 4
    # (1 - 0.5)^2 of unit 1, 0.3^2 + (0 - 1)^2 of unit 2, over m(l + 1) = 12
    close(losses.unit_discrimination_loss(found, torch.tensor([[2.2, 3.6]])), (0.25 + 1.09) / 12)


def test_equation_3_wants_a_sixth_everywhere() -> None:
    found = torch.tensor([[1.0] + [0.0] * 5])
    close(losses.unit_confusion_loss(found), ((5 / 6) ** 2 + 5 * (1 / 6) ** 2) / 6)


def test_equation_4_is_the_same_for_identities() -> None:
    found = torch.tensor([[0.2, 0.6, 0.0, 0.0]])
    identity = torch.tensor([1])
    close(losses.identity_discrimination_loss(found, identity), (0.04 + 0.16) / 4)
    close(losses.identity_confusion_loss(found), (0.0025 + 0.1225 + 2 * 0.0625) / 4)


def test_equation_5_weighs_by_how_seldom_a_unit_occurs() -> None:
    # Above 2 of 5: the first unit in two pictures of four, the second in one, the third in none.
    au = torch.tensor([[3.0, 0, 0], [2.1, 4, 2], [2.0, 0, 0], [0, 1, 0]])
    weights = losses.occurrence_weights(au)
    # Occurrences 1/2, 1/4, and 1/4 as if it occurred once: 2, 4, 4 of 10.
    torch.testing.assert_close(weights, torch.tensor([0.2, 0.4, 0.4]))
    read = torch.tensor([[0.4, 0.8, 0.0]])  # times 5: 2, 4, 0
    close(losses.unit_loss(read, au[:1], weights), 0.2 * 1 + 0.4 * 16)


def test_equation_7_adds_pose_only_where_it_has_a_weight() -> None:
    identity, pose = torch.tensor([[0.0, math.log(3)]]), torch.tensor([[0.0, 0.0, 0.0]])
    who, turned = torch.tensor([1]), torch.tensor([2])
    alone = -math.log(3 / 4)
    close(losses.attribute_loss(identity, pose, who, turned, 0.0), alone)
    close(losses.attribute_loss(identity, pose, who, turned, 2.0), alone + 2 * math.log(3))


def test_equations_8_and_10_are_squares() -> None:
    real, fake = torch.tensor([[0.75], [1.0]]), torch.tensor([[0.5], [-0.5]])
    close(losses.verdict_loss(real, fake), 0.0625 / 2 + 0.25)
    close(losses.deception_loss(fake), (0.25 + 2.25) / 2)


def test_equation_9_compares_both_reconstructions() -> None:
    image = torch.zeros(1, 3, 2, 2)
    close(losses.reconstruction_loss(image + 0.25, image - 0.5, image), 0.75)
