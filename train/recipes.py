"""Reads a recipe: one TOML file that makes a training reproducible."""

import tomllib
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from importlib.abc import Traversable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from efgan_rt.errors import EfganError
from train.families.registry import FAMILIES, trained_family
from train.recipe import DataRecipe, Recipe

T = TypeVar("T")
NAMED: Final = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


def recipe_files() -> dict[str, Traversable]:
    """The recipes that come with the families, by name."""
    files = [file for family in FAMILIES.values() for file in family.recipes.iterdir()]
    named = {f.name.removesuffix(".toml"): f for f in files if f.name.endswith(".toml")}
    return dict(sorted(named.items()))


def recipe_names() -> list[str]:
    """Their names."""
    return list(recipe_files())


def read_recipe(name_or_path: str, changes: Sequence[str] = ()) -> Recipe:
    """Reads a recipe that comes with the package, by name, or any TOML file, by path.

    Args:
        name_or_path: which.
        changes: `KEY=VALUE` each, over what the file says; the key is dotted, phases count from 1
            (`model.width=8`, `phases.2.steps=100`), the value as TOML writes it.

    Raises:
        EfganError: no such recipe, not TOML, or a field that is unknown or of the wrong kind.
    """
    files = recipe_files()
    if name_or_path in files:
        text = files[name_or_path].read_text("utf-8")
    else:
        path = Path(name_or_path)
        if not path.is_file():
            raise EfganError(
                f"no recipe '{name_or_path}'; there are {' '.join(files)}, "
                "or give the path of a TOML file"
            )
        text = path.read_text("utf-8")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise EfganError(f"recipe {name_or_path}: not TOML: {error}") from error
    for change in changes:
        _change(values, change)
    return recipe_from_dict(values, where=f"recipe {name_or_path}")


def _change(values: dict[str, Any], change: str) -> None:
    """Puts one `KEY=VALUE` into a recipe's plain values."""
    key, equals, text = change.partition("=")
    *path, last = key.strip().split(".")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # a word needs no quotes on a command line
    place: Any = values
    try:
        for part in path:
            place = _counted(place, part) if isinstance(place, list) else place.setdefault(part, {})
        if not equals or not isinstance(place, dict):
            raise ValueError
    except (ValueError, IndexError, AttributeError) as error:
        raise EfganError(
            f"change '{change}', expected KEY=VALUE such as model.width=8 or phases.2.steps=100; "
            f"the recipe has {len(values.get('phases', ()))} phases, counted from 1"
        ) from error
    place[last] = value


def _counted(places: list[Any], number: str) -> Any:
    """The entry of a list that a number, from 1 on, names."""
    if int(number) < 1:
        raise IndexError
    return places[int(number) - 1]


def recipe_from_dict(values: dict[str, Any], *, where: str) -> Recipe:
    """The recipe of plain values, as a TOML file or `Recipe.to_dict` gives them."""
    values = dict(values)
    try:
        family = trained_family(values.get("family", "cascade"))
    except EfganError as error:
        raise EfganError(f"{where}: {error}") from error
    phases: list[Any] = [
        _build(family.phase, phase, f"{where}, phase {number}")
        for number, phase in enumerate(values.pop("phases", ()), start=1)
    ]
    if not phases:
        raise EfganError(f"{where}: no [[phases]], expected at least one")
    values["model"] = _build(family.model, values.get("model", {}), f"{where}, model")
    values["data"] = _build(DataRecipe, values.get("data", {}), f"{where}, data")
    return _build(Recipe, {**values, "phases": tuple(phases)}, where)


def _build(kind: type[T], values: dict[str, Any], where: str) -> T:
    """A dataclass, with those in it, from plain values; lists become tuples, integers floats."""
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise EfganError(f"{where}: unknown {' '.join(unknown)}, expected {' '.join(known)}")
    plain: dict[str, Any] = {}
    for name, value in values.items():
        expected = known[name].type
        if is_dataclass(expected) and isinstance(value, dict):
            value = _build(cast(type, expected), value, where)
        if isinstance(value, list):
            value = tuple(value)
        if expected is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if expected in (bool, int, float, str) and type(value) is not expected:
            raise EfganError(f"{where}: {name} is {value!r}, expected {NAMED[expected]}")
        plain[name] = value
    try:
        return kind(**plain)
    except TypeError as error:
        raise EfganError(f"{where}: {error}") from error
