"""The families that can be trained and exported, by name."""

from pathlib import Path

from efgan_rt.errors import EfganError
from train.checkpoint import Checkpoint, checkpoint_of, read_content
from train.families.cascade.family import TRAINED_CASCADE
from train.families.ecgan.family import TRAINED_ECGAN
from train.families.eet.family import TRAINED_EET
from train.families.family import TrainedFamily

FAMILIES: dict[str, TrainedFamily] = {
    each.family.name: each for each in (TRAINED_CASCADE, TRAINED_EET, TRAINED_ECGAN)
}


def trained_family(name: object) -> TrainedFamily:
    """A family.

    Raises:
        EfganError: there is none of that name.
    """
    if not isinstance(name, str) or name not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise EfganError(f"there is no family of models {name!r}; known are {known}")
    return FAMILIES[name]


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a `.pt` or a `.safetensors` of any family.

    Raises:
        EfganError: the file is missing, is not a checkpoint of this project, is truncated, or lacks
            something; the message says what.
    """
    content = read_content(path)
    try:
        found = trained_family(content.get("family", "cascade"))
    except EfganError as error:
        raise EfganError(f"{path}: {error}") from error
    return checkpoint_of(
        path,
        content,
        family=found.family.name,
        config=found.config,
        vector=found.vector,
        empty=found.empty,
    )
