"""Training on several sets of pictures at once, some of them with weak labels."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from efgan_rt.errors import EfganError
from train.families.registry import load_checkpoint
from train.loop import load_faces, train
from train.recipe import DataRecipe
from train.recipes import recipe_from_dict


@pytest.fixture
def photographs(toy_set: Path, tmp_path: Path) -> Path:
    """A second set: the toy pictures under other names, with every intensity at 1."""
    root = tmp_path / "photographs"
    (root / "images").mkdir(parents=True)
    header, *rows = (toy_set / "labels.csv").read_text().splitlines()
    lines = [header]
    for values in (row.split(",") for row in rows):
        shutil.copy(toy_set / "images" / values[0], root / "images" / f"photo_{values[0]}")
        weak = ["1.0"] * (len(values) - 9)
        lines.append(",".join([f"photo_{values[0]}", "photo1", values[2], *weak, *values[-6:]]))
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


def both(toy_set: Path, photographs: Path) -> tuple[list[Path], list[Path]]:
    folders = [toy_set, photographs]
    return [f / "images" for f in folders], [f / "labels.csv" for f in folders]


def test_the_pictures_of_all_sets_are_trained_on(toy_set: Path, photographs: Path) -> None:
    pictures, labels = both(toy_set, photographs)
    faces = load_faces(pictures, labels, DataRecipe(), "cpu")
    alone = load_faces(pictures[:1], labels[:1], DataRecipe(), "cpu")
    assert len(faces.table) == 2 * len(alone.table)
    np.testing.assert_array_equal(faces.pixels[: len(alone.table)], alone.pixels)
    np.testing.assert_array_equal(faces.pixels[len(alone.table) :], alone.pixels)


def test_held_out_people_of_every_set_stay_out(toy_set: Path, photographs: Path) -> None:
    data = DataRecipe(holdout=("p2", "photo*"))
    faces = load_faces(*both(toy_set, photographs), data, "cpu")
    assert set(faces.table.identities) == {"p0", "p1"}


def test_a_folder_without_a_table_is_refused(toy_set: Path, photographs: Path) -> None:
    pictures, labels = both(toy_set, photographs)
    with pytest.raises(EfganError, match="found 2 folders of pictures and 1 label tables, expect"):
        load_faces(pictures, labels[:1], DataRecipe(), "cpu")


def test_weak_labels_do_not_say_what_an_expression_is(
    toy_set: Path, photographs: Path, tmp_path: Path
) -> None:
    tiny = {"width": 4, "critic_width": 4, "interpolator_width": 8, "stages": 1, "regions": []}
    recipe = recipe_from_dict(
        {"name": "t", "model": tiny, "phases": [{"kind": "au_head", "steps": 1, "batch": 2}]},
        where="test",
    )
    smiles = {}
    for name, patterns in (("all", ()), ("sure", ("photo*",))):
        data = DataRecipe(prototypes_without=patterns)
        faces = load_faces(*both(toy_set, photographs), data, "cpu")
        latest = train(replace(recipe, data=data), faces, tmp_path / name)
        smiles[name] = load_checkpoint(latest).expressions["happy"].max()
    assert smiles == {"all": 2.5, "sure": 4.0}
