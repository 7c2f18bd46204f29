"""A set of pairs on disk and its batches; a flip turns the fields with it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from efgan_rt.errors import EfganError
from efgan_rt.faces.mouths import DEPTH
from train.families.cascade.motion.pairs_set import OPENED_SHARE, PairSet
from train.portraits.pairs import (
    ARRAYS,
    DEPTH_UNIT,
    MOUTH_BIT,
    PLACE_UNIT,
    STEPS,
    open_set,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pairs of noise; the third opens a mouth, all have a source that is dark on the left."""
    rng = np.random.default_rng(0)
    arrays = open_set(tmp_path / "set", 4)
    for array in arrays.values():
        if array.dtype.kind == "f":
            array[:] = rng.uniform(-3, 3, array.shape)
        else:
            low = -128 if array.dtype == np.int8 else 0
            array[:] = rng.integers(low, low + 255, array.shape)
    arrays["weights"][:] &= MOUTH_BIT - 1
    arrays["weights"][2, -1, 60:70, 60:70] |= MOUTH_BIT
    arrays["source"][:, :, :128], arrays["source"][:, :, 128:] = 20, 200
    arrays["source_au"][:], arrays["target_au"][:] = 1, 4
    for array in arrays.values():
        array.flush()
    return tmp_path / "set"


def seed_where(wanted: Callable[[np.random.Generator], bool]) -> int:
    return next(seed for seed in range(100) if wanted(np.random.default_rng(seed)))


def test_a_batch_is_what_lies_on_disk(folder: Path) -> None:
    pairs = PairSet([folder])
    batch = pairs.batch([1, 2], [[0, 2]], None)
    row = pairs.row(2)
    (truth,) = batch.truths
    assert torch.equal(
        truth.displacement[1],
        torch.from_numpy(np.asarray(row["displacement"][2], np.float32)).permute(2, 0, 1),
    )
    assert truth.mouth[1, 0].sum() == 100 and truth.mouth[0].sum() == 0
    place = row["place"][2] * np.array([PLACE_UNIT, DEPTH_UNIT]) - [0.5, DEPTH / 2]
    assert truth.place[1].permute(1, 2, 0).numpy() == pytest.approx(place, abs=1e-6)
    assert batch.image.shape == (2, 3, 256, 256)
    assert batch.image[0, 0, 0, 0].item() == pytest.approx(20 / 127.5 - 1, abs=1e-6)


def test_a_step_asks_for_its_share_of_the_units(folder: Path) -> None:
    batch = PairSet([folder]).batch([0], [[step] for step in range(STEPS)], None)
    assert [truth.au[0, 0].item() for truth in batch.truths] == pytest.approx([2, 3, 4])
    assert [truth.own_au[0, 0].item() for truth in batch.truths] == pytest.approx([1, 2, 3])
    (only,) = PairSet([folder]).batch([0], [[2]], None).truths
    assert (only.own_au == 1).all() and (batch.source_au == 1).all()


def test_places_on_the_skin_move_as_the_picture_does(folder: Path) -> None:
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in ARRAYS}
    rows, columns = np.mgrid[:128, :128] / 128
    arrays["skin"][0] = np.stack([columns, rows], axis=-1)
    arrays["skin"][0, :40] = np.nan
    arrays["displacement"][0, 2] = (3.0, -5.0)  # from the right and from above
    (truth,) = PairSet([folder]).batch([0], [[2]], None).truths
    assert truth.known[0, 0, :45].sum() == 0 and truth.known[0, 0, 46:, :125].all()
    assert not truth.known[0, 0, :, 125:].any()  # from beside the crop
    there = truth.skin[0, :, 60, 70].numpy()
    assert there == pytest.approx([73 / 128, 55 / 128], abs=1e-3)
    assert not truth.skin[0, :, :45].any()


def test_weights_are_planes(folder: Path) -> None:
    pairs = PairSet([folder])
    batch = pairs.batch([3], [[2]], None)
    weights = np.asarray(pairs.row(3)["weights"][-1])
    for plane, bit in ((batch.face, 1), (batch.around_mouth, 2), (batch.around_eyes, 4)):
        assert np.array_equal(plane[0, 0].numpy(), (weights & bit) > 0)


def test_a_flip_turns_the_fields_with_the_picture(folder: Path) -> None:
    pairs = PairSet([folder])
    plain = pairs.batch([2], [[2]], None)
    seed = seed_where(lambda rng: rng.random() < 0.5 and rng.random() > 0.9)  # flipped, not soft
    flipped = pairs.batch([2], [[2]], np.random.default_rng(seed))
    left, right = flipped.image[0, :, :, :100].mean(), flipped.image[0, :, :, 156:].mean()
    assert left > right  # the dark half is on the other side
    (before,), (after,) = plain.truths, flipped.truths
    mirror = torch.tensor([-1.0, 1.0])[:, None, None]
    assert torch.equal(after.displacement[0], before.displacement[0].flip(-1) * mirror)
    assert torch.equal(after.place[0], before.place[0].flip(-1) * mirror)
    assert torch.equal(after.skin[0], before.skin[0].flip(-1) * mirror)
    assert torch.equal(after.known, before.known.flip(-1))
    assert torch.equal(after.mouth, before.mouth.flip(-1))
    assert torch.equal(flipped.face, plain.face.flip(-1))
    assert torch.equal(after.au, before.au)


def test_what_is_not_flipped_keeps_its_fields_in_other_colours(folder: Path) -> None:
    pairs = PairSet([folder])
    plain = pairs.batch([2], [[2]], None)
    seed = seed_where(lambda rng: rng.random() > 0.5)
    other = pairs.batch([2], [[2]], np.random.default_rng(seed))
    assert torch.equal(other.truths[0].displacement, plain.truths[0].displacement)
    assert not torch.equal(other.image, plain.image)
    assert other.image.abs().max() <= 1


def test_pairs_that_open_a_mouth_are_drawn_more_often(folder: Path) -> None:
    drawn = PairSet([folder]).draw(4000, np.random.default_rng(0))
    share = (drawn == 2).mean()
    assert share == pytest.approx(OPENED_SHARE + (1 - OPENED_SHARE) / 4, abs=0.03)


def test_several_folders_are_one_set(folder: Path) -> None:
    pairs = PairSet([folder, folder])
    assert len(pairs) == 8
    assert np.array_equal(pairs.row(6)["source"], pairs.row(2)["source"])


def test_no_folder_or_one_that_lacks_an_array_is_refused(folder: Path) -> None:
    with pytest.raises(EfganError, match="no folder of pairs was given"):
        PairSet([])
    (folder / "skin.npy").unlink()
    with pytest.raises(EfganError, match=r"set: not a set of pairs: .*skin.npy"):
        PairSet([folder])
    assert set(ARRAYS) == {path.stem for path in folder.glob("*.npy")} | {"skin"}
