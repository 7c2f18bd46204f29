"""An array that tells when the host reads or writes it, as far as numpy lets an array notice."""

from collections.abc import Callable
from typing import Any

import numpy as np

from engines.arrays import Array

# Methods of an array that read it without going through numpy's functions.
_READERS = ("copy", "astype", "tobytes", "tolist", "item", "all", "any", "sum", "max", "min")


class PinnedArray(np.ndarray[Any, np.dtype[Any]]):
    """Page-locked memory; views of it stay pinned, results of arithmetic are plain arrays.

    Attributes:
        on_access: called with the array and whether it is written, before every access.
    """

    on_access: Callable[[Array, bool], None] | None = None

    def __array_finalize__(self, parent: Any) -> None:
        self.on_access = getattr(parent, "on_access", None)

    def __setitem__(self, index: Any, value: Any) -> None:
        _tell(self, writes=True)
        _tell(value)
        super().__setitem__(index, _plain(value))

    def __getitem__(self, index: Any) -> Any:
        part = super().__getitem__(index)
        if not (isinstance(part, PinnedArray) and np.shares_memory(part, self)):
            _tell(self)
            return _plain(part)
        return part

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        for each in inputs:
            _tell(each)
        if out := options.get("out"):
            for each in out:
                _tell(each, writes=True)
            options["out"] = tuple(_plain(each) for each in out)
        return getattr(ufunc, method)(*(_plain(each) for each in inputs), **options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        for position, each in enumerate(args):
            _tell(each, writes=function is np.copyto and position == 0)
        plain = {name: _plain(each) for name, each in kwargs.items()}
        return function(*(_plain(each) for each in args), **plain)


def _plain(value: Any) -> Any:
    if isinstance(value, PinnedArray):
        return value.view(np.ndarray)
    if isinstance(value, list | tuple):
        return type(value)(_plain(each) for each in value)
    return value


def _tell(value: Any, *, writes: bool = False) -> None:
    if isinstance(value, PinnedArray) and value.on_access is not None:
        value.on_access(value, writes)


def _reader(name: str) -> Any:
    def read(self: PinnedArray, *args: Any, **kwargs: Any) -> Any:
        _tell(self)
        return getattr(self.view(np.ndarray), name)(*args, **kwargs)

    return read


for _name in _READERS:
    setattr(PinnedArray, _name, _reader(_name))
