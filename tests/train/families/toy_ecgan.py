"""ECGAN at 8 channels and 32 pixels, on the toy people: for tests."""

from pathlib import Path

from tests.toy_people import write_people
from train.data.faces import FaceSet
from train.data.labels import read_labels
from train.families.ecgan.recipe import ECGANLosses, ECGANModel, ECGANPhase
from train.recipe import DataRecipe, Recipe


def ecgan_recipe(*, steps: int = 2, critics: bool = True, mask: float = 0.0) -> Recipe:
    """The context network's phase and the training, a few steps each."""
    return Recipe(
        "toy",
        (
            ECGANPhase("context", steps=steps, batch=4),
            ECGANPhase("translate", steps=steps, batch=2, loss=ECGANLosses(mask=mask)),
        ),
        ECGANModel(8, 2, critics, context_width=2),
        DataRecipe(action_units="table", image_px=32),
        family="ecgan",
    )


def ecgan_faces(folder: Path) -> FaceSet:
    """Three people, 32 pixels."""
    root = write_people(folder, ["ann", "bob", "cat"])
    return FaceSet(root / "images", read_labels(root / "labels.csv", None), crop_px=32)
