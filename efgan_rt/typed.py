"""Plain values, as files and checkpoints hold them, as typed objects.

msgspec checks; a message names the place, what was found there and what was expected.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from efgan_rt.errors import EfganError
from engines.manifest import wrong_value

T = TypeVar("T")
WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text"}


def typed(values: Any, kind: type[T], where: str) -> T:
    """A dataclass, with those in it, of plain values; lists become tuples, whole numbers floats.

    Args:
        values: a mapping whose keys are names of fields.
        kind: the dataclass.
        where: what the message begins with.

    Raises:
        EfganError: a field is unknown, missing or of the wrong kind.
    """
    _refuse_strangers(values, kind, where)
    try:
        return msgspec.convert(values, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        said, expected, right = wrong_value(error, values, where).rpartition("expected ")
        raise EfganError(f"{said}{expected}{WORDS.get(right, right)}") from error


def _refuse_strangers(values: Any, kind: Any, where: str) -> None:
    if not is_dataclass(kind) or not isinstance(values, Mapping):
        return
    known = {field.name: field.type for field in fields(kind)}
    if unknown := sorted(map(str, values.keys() - known.keys())):
        raise EfganError(f"{where}: unknown {' '.join(unknown)}, expected {' '.join(known)}")
    for name, value in values.items():
        if get_origin(known[name]) is Literal and value not in get_args(known[name]):
            words = " ".join(map(str, get_args(known[name])))
            raise EfganError(f"{where}: {name} is {value!r}, expected one of {words}")
        inside = get_args(known[name])[-1:]  # of a dictionary the values
        _refuse_strangers(value, known[name], f"{where}, {name}")
        for key, each in value.items() if inside and isinstance(value, Mapping) else ():
            _refuse_strangers(each, inside[0], f"{where}, {name}.{key}")
