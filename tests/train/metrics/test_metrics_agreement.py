"""Agreement of action units: against pingouin, by hand, and where nothing varies."""

import numpy as np
import pytest

from train.metrics.au_agreement import icc31, mean_squared_error, measure_agreement


def readings(seed: int, pictures: int = 60, units: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.gamma(1.0, 1.0, (pictures, units)).clip(0, 5)
    return x, (0.7 * x + 0.4 + rng.normal(0, 0.5, x.shape)).clip(0, 5)


@pytest.mark.parametrize("seed", range(4))
def test_icc_is_pingouins_icc_c_1(seed: int) -> None:
    pingouin = pytest.importorskip("pingouin")
    pandas = pytest.importorskip("pandas")
    x, y = (each[:, 0] for each in readings(seed))
    count = len(x)
    table = pandas.DataFrame(
        {
            "picture": np.tile(np.arange(count), 2),
            "reading": np.repeat(["first", "second"], count),
            "value": np.concatenate([x, y]),
        }
    )
    found = pingouin.intraclass_corr(table, targets="picture", raters="reading", ratings="value")
    (wanted,) = found.loc[found["Type"].isin(["ICC(C,1)", "ICC3"]), "ICC"]
    assert icc31(x, y) == pytest.approx(float(wanted), abs=1e-6)


def test_icc_of_equal_readings_is_1_and_of_opposite_ones_minus_1() -> None:
    x = np.array([0.0, 1.0, 2.0, 5.0])
    assert icc31(x, x) == pytest.approx(1)
    assert icc31(x, 5 - x) == pytest.approx(-1)


def test_a_constant_difference_is_full_consistency() -> None:
    x = np.array([0.0, 1.0, 2.0, 3.0])
    assert icc31(x, x + 2) == pytest.approx(1)
    assert mean_squared_error(x, x + 2) == pytest.approx(4)


def test_the_error_is_the_mean_square_for_each_unit() -> None:
    x, y = readings(7)
    by_hand = [sum((a - b) ** 2 for a, b in zip(x[:, k], y[:, k], strict=True)) / len(x)
               for k in range(4)]  # fmt: skip
    np.testing.assert_allclose(mean_squared_error(x, y), by_hand, atol=1e-12)


def test_a_unit_that_never_varies_has_no_icc_is_named_and_left_out_of_the_average() -> None:
    x, y = readings(1)
    x[:, 2] = y[:, 2] = 0
    people = [f"p{i % 6}" for i in range(len(x))]
    found = measure_agreement(x, y, people, ("AU01", "AU02", "AU04", "AU05"), resamples=50)
    assert found.undefined == ("AU04",)
    assert np.isnan(found.icc["AU04"].value)
    assert found.mse["AU04"].value == 0
    kept = [found.icc[unit].value for unit in ("AU01", "AU02", "AU05")]
    assert found.icc_average.value == pytest.approx(np.mean(kept))
    assert found.to_plain()["icc"]["AU04"]["value"] is None
    assert found.to_plain()["icc_undefined"] == ["AU04"]


def test_a_unit_that_varies_in_one_reading_only_agrees_in_nothing() -> None:
    x = np.array([0.0, 1.0, 2.0])
    assert icc31(x, np.zeros(3)) == 0


def test_one_picture_has_an_error_and_no_icc() -> None:
    found = measure_agreement([[1.0]], [[3.0]], ["ann"], ["AU12"], resamples=10)
    assert found.mse["AU12"].value == 4
    assert np.isnan(found.icc["AU12"].value)
    assert found.undefined == ("AU12",)


def test_no_picture_at_all_has_neither() -> None:
    empty = np.empty((0, 1))
    found = measure_agreement(empty, empty, [], ["AU12"], resamples=10)
    assert found.to_plain()["icc_average"]["value"] is None
    assert found.to_plain()["mse_average"]["value"] is None


def test_intervals_are_those_of_drawing_people_one_by_one() -> None:
    x, y = readings(3, pictures=40, units=2)
    people = np.array([f"p{i % 5}" for i in range(40)])
    found = measure_agreement(x, y, people.tolist(), ("AU01", "AU02"), resamples=80, seed=5)
    draws = np.random.default_rng(5).integers(5, size=(80, 5))
    drawn = []
    for draw in draws:
        rows = np.concatenate([np.flatnonzero(people == f"p{i}") for i in draw])
        drawn.append(icc31(x[rows], y[rows]))
    low, high = np.quantile(np.array(drawn)[:, 1], [0.025, 0.975])
    assert found.icc["AU02"].low == pytest.approx(low, abs=1e-9)
    assert found.icc["AU02"].high == pytest.approx(high, abs=1e-9)


def test_readings_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"readings of shape \(2,\) and \(3,\)"):
        icc31([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match=r"readings of shape \(1, 1\) for 2 pictures and 1 units"):
        measure_agreement([[1.0]], [[1.0]], ["a", "b"], ["AU12"])
