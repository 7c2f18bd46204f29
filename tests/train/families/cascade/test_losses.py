"""Each loss against a value worked out by hand."""

import pytest
import torch

from train.families.cascade import losses


def test_the_critic_is_rewarded_for_telling_real_from_fake() -> None:
    real, fake = torch.tensor([3.0, 1.0]), torch.tensor([0.0, -2.0])
    assert losses.critic_loss(real, fake).item() == -3.0
    assert losses.generator_adversarial_loss(fake).item() == 1.0


def test_the_penalty_is_nought_for_a_critic_of_slope_one() -> None:
    direction = torch.nn.functional.normalize(torch.ones(3 * 4 * 4), dim=0)
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)

    def slope(factor: float) -> float:
        def critic(x: torch.Tensor) -> torch.Tensor:
            return factor * (x.flatten(1) @ direction)

        return losses.gradient_penalty(critic, real, fake, rng).item()

    assert slope(1.0) == pytest.approx(0.0, abs=1e-6)
    assert slope(3.0) == pytest.approx(4.0, abs=1e-4)


def test_the_penalty_reaches_the_critics_weights() -> None:
    layer = torch.nn.Linear(5, 1)
    rng = torch.Generator().manual_seed(0)
    penalty = losses.gradient_penalty(
        lambda x: layer(x).flatten(), torch.rand(4, 5), torch.rand(4, 5), rng
    )
    penalty.backward()
    assert layer.weight.grad is not None and layer.weight.grad.abs().sum() > 0


def test_equation_4_is_a_mean_or_a_sum_over_the_units() -> None:
    read, wanted = torch.zeros(2, 4), torch.tensor([[1.0, 0, 0, 0], [1.0, 1, 1, 1]])
    assert losses.condition_loss(read, wanted, "mean").item() == pytest.approx(5 / 8)
    assert losses.condition_loss(read, wanted, "sum").item() == pytest.approx(5 / 2)


def test_equation_5_is_a_mean_absolute_difference() -> None:
    assert losses.content_loss(torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), -0.5)) == 0.5


def test_equation_6_is_the_printed_norm_or_a_mean_and_sums_the_branches() -> None:
    maps = [torch.full((2, 1, 4, 4), 0.5), torch.zeros(2, 1, 2, 2)]
    assert losses.attention_loss(maps, "norm").item() == pytest.approx(2.0)  # sqrt(16 * 0.25)
    assert losses.attention_loss(maps, "mean").item() == pytest.approx(0.5)


def test_equation_7_is_the_norm_of_the_distance() -> None:
    distance = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert losses.interpolation_loss(distance, torch.zeros(2, 2)).item() == pytest.approx(2.5)


def test_the_detail_loss_sees_edges_and_not_brightness() -> None:
    truth = torch.zeros(1, 1, 4, 4)
    truth[..., 2:] = 1  # one edge of height 1, crossed in 4 of 12 differences
    assert losses.detail_loss(truth + 0.5, truth).item() == 0
    assert losses.detail_loss(torch.zeros_like(truth), truth).item() == pytest.approx(1 / 3)


def test_the_paired_loss_counts_each_sample_by_its_weight() -> None:
    edit, truth = torch.zeros(2, 3, 2, 2), torch.ones(2, 3, 2, 2)
    truth[1] = 9
    assert losses.paired_loss(edit, truth).item() == 5.0
    assert losses.paired_loss(edit, truth, torch.tensor([2.0, 0.0])).item() == 1.0
    assert losses.paired_loss(edit, truth, torch.zeros(2)).item() == 0.0


def test_relative_scores_matter_and_not_their_level() -> None:
    better, worse = torch.full((2, 1, 3, 3), 7.0), torch.full((2, 1, 3, 3), 5.0)
    expected = torch.log1p(torch.exp(torch.tensor(-2.0))).item()
    assert losses.relativistic_loss(better, worse).item() == pytest.approx(expected)
    assert losses.relativistic_loss(better + 100, worse + 100).item() == pytest.approx(expected)
    assert losses.relativistic_loss(worse, better).item() == pytest.approx(expected + 2)


def test_features_are_compared_by_the_truths_own_size() -> None:
    truth = [torch.full((1, 2, 2, 2), 4.0), torch.full((1, 1, 1, 1), 0.5)]
    edit = [torch.full((1, 2, 2, 2), 3.0), torch.full((1, 1, 1, 1), 1.0)]
    assert losses.feature_matching_loss(edit, truth).item() == pytest.approx(0.625, rel=1e-5)
    larger = losses.feature_matching_loss([10 * e for e in edit], [10 * t for t in truth])
    assert larger.item() == pytest.approx(0.625, rel=1e-5)


def test_a_pictures_features_do_not_count_less_beside_a_picture_with_larger_ones() -> None:
    truth = torch.tensor([1.0, 100.0])[:, None, None, None]
    alone = [losses.feature_matching_loss([1.5 * t], [t]) for t in truth.split(1)]
    together = losses.feature_matching_loss([1.5 * truth], [truth])
    assert together.item() == pytest.approx(torch.stack(alone).mean().item()) == pytest.approx(0.5)


def test_the_zero_centred_penalty_is_the_squared_slope() -> None:
    picture = torch.rand(2, 3, 4, 4).requires_grad_()
    weight = torch.tensor(2.0, requires_grad=True)
    scores = weight * picture.sum(dim=1, keepdim=True)  # a slope of 2 / 16 places at 48 samples
    penalty = losses.zero_centred_penalty([scores], picture)
    assert penalty.item() == pytest.approx(48 * (2 / 16) ** 2)
    penalty.backward()
    assert weight.grad is not None and weight.grad > 0
