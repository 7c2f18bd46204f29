"""Still pixels: those that the truth leaves alone, four pixels away from those that it does not."""

import numpy as np
import pytest

from train.metrics.background import level_difference, measure_background, still_pixels


def grey(level: int = 100, size: int = 40) -> np.ndarray:
    return np.full((size, size, 3), level, np.uint8)


def touched_at(picture: np.ndarray, y: int, x: int, by: int) -> np.ndarray:
    changed = picture.copy()
    changed[y, x] += by
    return changed


def test_a_pixels_difference_is_its_most_different_channels() -> None:
    first = np.array([[[10, 200, 30]]], np.uint8)
    second = np.array([[[12, 195, 30]]], np.uint8)
    assert level_difference(first, second).tolist() == [[5]]
    assert level_difference(second, first).tolist() == [[5]]


def test_the_margin_is_a_disc_of_four_pixels() -> None:
    still = still_pixels(grey(), touched_at(grey(), 20, 20, 2))
    ys, xs = np.nonzero(~still)
    wanted = {(y, x) for y in range(40) for x in range(40) if (y - 20) ** 2 + (x - 20) ** 2 <= 16}
    assert set(zip(ys.tolist(), xs.tolist(), strict=True)) == wanted


def test_a_difference_of_one_level_touches_nothing() -> None:
    assert still_pixels(grey(), touched_at(grey(), 20, 20, 1)).all()


def test_where_everything_is_touched_nothing_is_still() -> None:
    assert not still_pixels(grey(100), grey(110)).any()


def test_an_edit_inside_the_margin_is_allowed() -> None:
    source, truth = grey(), touched_at(grey(), 20, 20, 50)
    edit = touched_at(source, 23, 20, 50)
    assert measure_background(source[None], edit[None], truth[None]).mean_change == 0


def test_an_edit_outside_the_margin_is_counted() -> None:
    source, truth = grey(), touched_at(grey(), 20, 20, 50)
    edit = touched_at(source, 5, 5, 31)
    found = measure_background(source[None], edit[None], truth[None])
    still = 40 * 40 - 49  # a disc of radius 4 has 49 pixels
    assert found.share == pytest.approx(still / 1600)
    assert found.mean_change == pytest.approx(31 / still)
    assert found.changed_share == pytest.approx(1 / still)


def test_the_worst_picture_is_told_apart_from_the_mean() -> None:
    sources = np.stack([grey(), grey()])
    edits = np.stack([grey(), grey(103)])
    found = measure_background(sources, edits, sources)
    assert (found.mean_change, found.worst_change) == (1.5, 3.0)


def test_where_nothing_is_still_there_is_no_change() -> None:
    found = measure_background(grey(100)[None], grey(200)[None], grey(110)[None])
    assert (found.share, found.mean_change, found.worst_change) == (0, 0, 0)


def test_noise_hides_what_is_still_unless_it_is_averaged() -> None:
    rng = np.random.default_rng(1)
    source, truth = (
        np.clip(rng.normal(100, 3, (40, 40, 3)), 0, 255).astype(np.uint8) for _ in "ab"
    )
    truth[:, :10] += 60
    assert still_pixels(source, truth).mean() < 0.02
    seen = still_pixels(source, truth, noise_px=7)
    assert seen[:, 20:].mean() > 0.5
    assert not seen[:, :14].any()
