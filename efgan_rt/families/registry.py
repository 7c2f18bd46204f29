"""The families that there are, by name."""

from efgan_rt.errors import EfganError
from efgan_rt.families.cascade import CASCADE
from efgan_rt.families.ecgan import ECGAN
from efgan_rt.families.eet import EET
from efgan_rt.families.family import Family, Wiring
from efgan_rt.families.properties import Properties
from engines.directory import EngineDirectory

FAMILIES: dict[str, Family] = {each.name: each for each in (CASCADE, EET, ECGAN)}


def family_named(name: str) -> Family:
    """A family.

    Raises:
        EfganError: there is none of that name.
    """
    if name not in FAMILIES:
        raise EfganError(f"there is no family of models '{name}'; known are {', '.join(FAMILIES)}")
    return FAMILIES[name]


def family_of(directory: EngineDirectory) -> Family:
    """The family of an engine set.

    Raises:
        EngineError: this version has no such family.
    """
    try:
        return family_named(directory.manifest.family)
    except EfganError as error:
        raise directory.fault(str(error)) from error


def read_properties(directory: EngineDirectory) -> Properties:
    """What a set says of its model, its networks held against what its family needs.

    Raises:
        EngineError: a property or a network is missing or not as it should be.
    """
    return family_of(directory).read(directory)


def wiring_of(directory: EngineDirectory, properties: Properties) -> Wiring:
    """How the networks of a set are run."""
    return family_of(directory).wiring(properties)
