"""Reads a recipe: one TOML file that makes a training reproducible."""

import tomllib
from collections.abc import Sequence
from importlib.abc import Traversable
from pathlib import Path
from typing import Any

from efgan_rt.errors import EfganError
from efgan_rt.typed import typed
from train.families.registry import FAMILIES, trained_family
from train.recipe import Recipe


def recipe_files() -> dict[str, Traversable]:
    """The recipes that come with the families, by name."""
    files = [file for family in FAMILIES.values() for file in family.recipes.iterdir()]
    named = {f.name.removesuffix(".toml"): f for f in files if f.name.endswith(".toml")}
    return dict(sorted(named.items()))


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
        typed(phase, family.phase, f"{where}, phase {number}")
        for number, phase in enumerate(values.pop("phases", ()), start=1)
    ]
    if not phases:
        raise EfganError(f"{where}: no [[phases]], expected at least one")
    model: Any = typed(values.get("model", {}), family.model, f"{where}, model")
    # Model and phases are the family's, so that the recipe itself takes whatever they are.
    return typed({**values, "phases": tuple(phases), "model": model}, Recipe, where)
