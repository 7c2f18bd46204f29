"""The pace of an unfolding expression."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from efgan_rt.pictures.original import Picture
from efgan_rt.unfolding import Unfolding, frame_shares

FACES = 3


def late_and_sudden(progress: float) -> Picture:
    """Nothing up to one half, everything by three quarters; the last face never changes."""
    level = 200 * np.clip((progress - 0.5) * 4, 0, 1)
    faces = np.zeros((FACES, 8, 8, 3), np.uint8)
    faces[:2] = round(level)
    faces[1] //= 4
    return faces


def at_each(shares: Sequence[float]) -> Iterator[Picture]:
    yield from map(late_and_sudden, shares)


@pytest.fixture(scope="module")
def unfolding() -> Unfolding:
    return Unfolding(np.zeros((FACES, 8, 8, 3), np.uint8), at_each)


def test_frames_divide_what_is_seen_evenly(unfolding: Unfolding) -> None:
    shown = [
        late_and_sudden(unfolding.progress_at(share)[0])[0, 0, 0, 0] for share in frame_shares(6)
    ]
    np.testing.assert_allclose(shown, [0, 40, 80, 120, 160, 200], atol=2)


def test_the_way_begins_at_the_picture_and_ends_at_the_edit(unfolding: Unfolding) -> None:
    assert unfolding.progress_at(0).tolist() == [0] * FACES
    assert unfolding.progress_at(1).tolist() == [1] * FACES
    assert unfolding.progress_at(0.5).dtype == np.float32


def test_each_face_has_its_own_pace(unfolding: Unfolding) -> None:
    first, second, third = unfolding.progress_at(0.5)
    assert first == pytest.approx(0.625, abs=0.01)
    assert second == pytest.approx(first, abs=0.01)
    assert third == pytest.approx(0.5)


def test_a_faces_pace_is_the_same_alone(unfolding: Unfolding) -> None:
    alone = Unfolding(
        np.zeros((1, 8, 8, 3), np.uint8),
        lambda shares: (late_and_sudden(each)[1:2] for each in shares),
    )
    for share in frame_shares(9):
        assert alone.progress_at(share)[0] == unfolding.progress_at(share)[1]


def test_pictures_that_are_overwritten_by_the_next_are_compared_as_they_were() -> None:
    kept = np.zeros((1, 8, 8, 3), np.uint8)

    def edited_at(shares: Sequence[float]) -> Iterator[Picture]:
        for share in shares:
            kept[:] = round(100 * share)
            yield kept

    found = Unfolding(np.zeros_like(kept), edited_at).progress_at(0.25)
    assert found[0] == pytest.approx(0.25, abs=0.02)


def test_frames_are_even_shares_from_nothing_to_all() -> None:
    assert frame_shares(2) == (0, 1)
    assert frame_shares(5) == (0, 0.25, 0.5, 0.75, 1)
