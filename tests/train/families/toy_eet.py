"""EET at 8 channels and 32 pixels, on the toy people: for tests."""

from pathlib import Path

from tests.toy_people import write_people
from train.data.faces import FaceSet
from train.data.labels import read_labels
from train.families.eet.recipe import EETLosses, EETModel, EETPhase
from train.recipe import DataRecipe, Recipe

TWELVE = "AU01 AU02 AU04 AU05 AU06 AU09 AU12 AU15 AU17 AU20 AU25 AU26"


def eet_recipe(*, steps: int = 2, single: bool = False, **losses: float) -> Recipe:
    """Both stages, a few steps each."""
    asked = EETLosses(**losses)
    return Recipe(
        "toy",
        (
            EETPhase("disentangle", steps=steps, batch=2, loss=asked),
            EETPhase("transfer", steps=steps, batch=2, betas=(0.5, 0.9), loss=asked),
        ),
        EETModel(width=2, single=single),
        DataRecipe(action_units=TWELVE, image_px=32),
        family="eet",
    )


def eet_faces(folder: Path) -> FaceSet:
    """Three people, 32 pixels, twelve units."""
    root = write_people(folder, ["ann", "bob", "cat"])
    names = DataRecipe(action_units=TWELVE).au_names
    return FaceSet(root / "images", read_labels(root / "labels.csv", names), crop_px=32)
