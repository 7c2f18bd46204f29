"""Checks arrays and graphs against their specs before an address is given to a runtime.

A runtime that reads through a bare address cannot see that the array behind it has another type,
shape or stride, so this is where that is caught, in one wording for every backend.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from engines.arrays import Array
from engines.base import EngineError, TensorSpec


def at_batch(specs: Iterable[TensorSpec], batch: int) -> tuple[TensorSpec, ...]:
    """The specs with the free dimension `B` fixed."""
    return tuple(replace(spec, shape=spec.resolve(B=batch)) for spec in specs)


def empty_arrays(specs: Iterable[TensorSpec]) -> dict[str, Array]:
    """One uninitialised C-contiguous array for each spec, by name; every shape is fixed."""
    return {spec.name: np.empty(spec.resolve(), spec.numpy_dtype) for spec in specs}


def check_inputs(network: str, specs: Sequence[TensorSpec], inputs: Mapping[str, Array]) -> None:
    """Holds the arrays of one run against the specs, whose shapes are fixed.

    Raises:
        EngineError: an input is missing, unknown, of the wrong type or shape, or not C-contiguous.
    """
    names = [spec.name for spec in specs]
    expected = ", ".join(names)
    for spec in specs:
        array = inputs.get(spec.name)
        if array is None:
            raise EngineError(f"{network}: input '{spec.name}' is missing; it takes {expected}")
        if array.dtype != spec.numpy_dtype:
            raise EngineError(
                f"{network}: input '{spec.name}' is {array.dtype}, expected {spec.dtype}"
            )
        if array.shape != spec.shape:
            raise EngineError(
                f"{network}: input '{spec.name}' has shape {array.shape}, expected {spec.shape}"
            )
        if not array.flags.c_contiguous:
            raise EngineError(
                f"{network}: input '{spec.name}' is not C-contiguous; "
                "pass numpy.ascontiguousarray of it"
            )
    if len(inputs) != len(specs):
        unknown = ", ".join(f"'{name}'" for name in inputs if name not in names)
        raise EngineError(f"{network}: there is no input {unknown}; it takes {expected}")


def check_graph(
    network: str, kind: str, declared: Sequence[TensorSpec], found: Sequence[TensorSpec]
) -> None:
    """Holds what a runtime read from a graph against what the manifest declares.

    Args:
        network: its name in the manifest.
        kind: `input` or `output`, for the message.
        declared: the manifest's specs at the fixed batch.
        found: the runtime's; a dimension given as a string is free and matches any size.

    Raises:
        EngineError: a tensor is missing, unknown, or of another type or shape.
    """
    by_name = {spec.name: spec for spec in found}
    if by_name.keys() != {spec.name for spec in declared}:
        raise EngineError(
            f"{network}: the graph's {kind}s are {', '.join(sorted(by_name))}, the manifest says "
            f"{', '.join(sorted(spec.name for spec in declared))}"
        )
    for spec in declared:
        other = by_name[spec.name]
        same_shape = len(other.shape) == len(spec.shape) and all(
            isinstance(theirs, str) or theirs == ours
            for theirs, ours in zip(other.shape, spec.shape, strict=True)
        )
        if other.dtype != spec.dtype or not same_shape:
            raise EngineError(
                f"{network}: {kind} '{spec.name}' is {other.dtype} {other.shape} in the graph, "
                f"the manifest says {spec.dtype} {spec.shape}"
            )
