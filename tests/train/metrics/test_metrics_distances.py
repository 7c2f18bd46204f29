"""FID and KID: against torchmetrics and scipy, by people, and with hardly any picture."""

import numpy as np
import pytest
import torch

from train.metrics.frechet_distance import frechet_distance, measure_frechet_distance
from train.metrics.kernel_distance import kernel_distance, measure_kernel_distance


def features(seed: int, count: int, size: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(size, size))
    return rng.normal(shift, 1.0, (count, size)) @ mixing


@pytest.mark.parametrize(("real", "made"), [(80, 120), (20, 90), (90, 20)])
def test_fid_is_torchmetrics_fid_with_more_and_with_fewer_pictures_than_features(
    real: int, made: int
) -> None:
    metrics = pytest.importorskip("torchmetrics.image.fid")
    one, two = features(1, real, 40), features(2, made, 40, 0.3)
    moments = [
        torch.from_numpy(array)
        for each in (one, two)
        for array in (each.mean(axis=0), np.cov(each, rowvar=False))
    ]
    wanted = float(metrics._compute_fid(*moments))
    # Its root of a singular matrix is less exact than ours: 1e-6 of the value.
    assert frechet_distance(one, two) == pytest.approx(wanted, rel=1e-6)


def test_fid_is_the_formula_with_scipys_matrix_root() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    one, two = features(3, 200, 12), features(4, 150, 12, 0.5)
    c1, c2 = (np.cov(each, rowvar=False) for each in (one, two))
    root = linalg.sqrtm(c1 @ c2).real
    apart = ((one.mean(axis=0) - two.mean(axis=0)) ** 2).sum()
    wanted = apart + np.trace(c1 + c2 - 2 * root)
    assert frechet_distance(one, two) == pytest.approx(wanted, abs=1e-6)


def test_kid_is_torchmetrics_unbiased_estimate() -> None:
    metrics = pytest.importorskip("torchmetrics.image.kid")
    one, two = features(5, 60, 16), features(6, 60, 16, 0.2)
    tensors = (torch.from_numpy(each) for each in (one, two))
    wanted = float(metrics.poly_mmd(*tensors, degree=3, gamma=None, coef=1.0))
    assert kernel_distance(one, two) == pytest.approx(wanted, rel=1e-6)


def test_a_set_is_no_distance_from_itself() -> None:
    one = features(7, 30, 50)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("measure", [measure_frechet_distance, measure_kernel_distance])
def test_the_interval_holds_the_value_and_people_are_counted(measure) -> None:  # type: ignore[no-untyped-def]
    one, two = features(8, 40, 6), features(9, 80, 6, 0.4)
    found = measure(
        one, [f"p{i % 8}" for i in range(40)], two, [f"p{i % 8}" for i in range(80)], resamples=60
    )
    assert found.low < found.value < found.high
    assert (found.people, found.count) == (8, 80)


@pytest.mark.parametrize("measure", [measure_frechet_distance, measure_kernel_distance])
@pytest.mark.parametrize(("real", "made"), [(1, 5), (5, 1), (0, 5)])
def test_fewer_than_two_pictures_have_no_distance(measure, real: int, made: int) -> None:  # type: ignore[no-untyped-def]
    found = measure(np.ones((real, 3)), ["a"] * real, np.ones((made, 3)), ["a"] * made)
    assert np.isnan(found.value)
    assert found.to_plain()["value"] is None


def test_every_drawn_set_is_computed_as_the_whole_one_is() -> None:
    # With one person only, every drawn set is the set itself.
    one, two = features(1, 30, 5), features(2, 30, 5)
    found = measure_frechet_distance(one, ["a"] * 30, two, ["a"] * 30, resamples=5)
    assert found.low == found.high == pytest.approx(frechet_distance(one, two))
    assert found.value == pytest.approx(found.low)


def test_features_of_other_sizes_and_names_of_another_number_are_refused() -> None:
    with pytest.raises(ValueError, match=r"features of shape \(4, 2\) and \(4, 3\)"):
        frechet_distance(np.ones((4, 2)), np.ones((4, 3)))
    with pytest.raises(ValueError, match="4 and 4 features for 3 and 4 people's names"):
        measure_kernel_distance(np.ones((4, 2)), ["a"] * 3, np.ones((4, 2)), ["a"] * 4)
