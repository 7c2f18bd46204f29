"""What the training draws from a labelled set."""

from pathlib import Path

import pytest
import torch

from efgan_rt.errors import EfganError
from train.data.faces import Augmentation, FaceSet
from train.data.labels import LabelTable, read_labels
from train.data.regions import RegionBox


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_pair_shows_one_person_with_two_expressions(toy_faces: FaceSet) -> None:
    pair = toy_faces.draw_pairs(64, seeded())
    difference = (pair.source.image - pair.target.image).abs()
    assert difference[:, :, :30].max() == 0  # the same skin and ground: the same person
    assert (difference.flatten(1).amax(dim=1) > 0).all()
    assert not torch.equal(pair.source.au, pair.target.au)


def test_some_pairs_ask_for_no_change(toy_faces: FaceSet) -> None:
    pair = toy_faces.draw_pairs(16, seeded(), unchanged_share=1.0)
    assert torch.equal(pair.source.image, pair.target.image)
    assert torch.equal(pair.source.au, pair.target.au)


def test_both_pictures_of_a_pair_are_augmented_alike(toy_faces: FaceSet) -> None:
    change = Augmentation(flip=True, gain=0.2, shift_px=3)
    pair = toy_faces.draw_pairs(16, seeded(), change, unchanged_share=1.0)
    assert torch.equal(pair.source.image, pair.target.image)


def test_a_one_sided_expression_is_never_mirrored(toy_set: Path) -> None:
    table = read_labels(toy_set / "labels.csv")
    faces = FaceSet(toy_set / "images", table)
    asymmetric = torch.zeros_like(faces.pixels)
    asymmetric[:, :, :64] = 255  # bright left half
    faces.pixels = asymmetric
    batch = faces.draw(200, seeded(), Augmentation(flip=True))
    one_sided = batch.au[:, table.au_names.index("AU14")] > 0
    left_is_bright = batch.image[:, 0, 0, 0] > 0
    assert left_is_bright[one_sided].all()
    assert 0.3 < left_is_bright[~one_sided].float().mean() < 0.7


def test_the_same_seed_draws_the_same_batch(toy_faces: FaceSet) -> None:
    change = Augmentation(flip=True, gain=0.2, shift_px=3)
    first, second = (toy_faces.draw(8, seeded(7), change) for _ in range(2))
    assert torch.equal(first.image, second.image) and torch.equal(first.au, second.au)


def test_regions_are_centred_on_the_average_key_point(toy_faces: FaceSet) -> None:
    boxes = toy_faces.region_boxes(("nose",))
    assert boxes == {"nose": RegionBox(top=53, left=40, height=40, width=48)}  # y: 72, 73, 74


def test_larger_crops_are_brought_to_size_and_their_points_with_them(toy_set: Path) -> None:
    faces = FaceSet(toy_set / "images", read_labels(toy_set / "labels.csv"), crop_px=64)
    assert faces.pixels.shape == (12, 64, 64, 3)
    assert faces.region_boxes(("mouth",))["mouth"].left == 2  # centre 32, width 60


def test_a_set_without_pairs_says_what_to_do(toy_set: Path) -> None:
    table = read_labels(toy_set / "labels.csv")
    lonely = FaceSet(toy_set / "images", _rows(table, [0]))
    with pytest.raises(EfganError, match="use a recipe without the paired warm-up"):
        lonely.draw_pairs(1, seeded())


def test_a_missing_picture_and_an_empty_set_are_named(toy_set: Path, tmp_path: Path) -> None:
    table = read_labels(toy_set / "labels.csv")
    with pytest.raises(EfganError, match=r"p0_neutral\.png"):
        FaceSet(tmp_path, table)
    with pytest.raises(EfganError, match="no pictures are left"):
        FaceSet(toy_set / "images", table.where(lambda who: False))


def _rows(table: LabelTable, rows: list[int]) -> LabelTable:
    identity = iter(range(len(table)))
    return table.where(lambda who: next(identity) in rows)
