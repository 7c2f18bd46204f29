"""A program: which networks a lane runs one after the other, and where their tensors lie.

A place is a name for memory. A step reads its inputs from places and writes its outputs to places;
a place that a later step writes again is overwritten. What runs is decided by what is given and
what is wanted: a step whose outputs nobody wants, or whose outputs are given, is left out, so one
program serves an edit, a reading alone, and an edit whose reading is known already.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from engines.arrays import Array
from engines.base import EngineError

Output = tuple[str, str]
"""A network and one of its output tensors."""


@dataclass(frozen=True)
class Part:
    """One of the equal parts of a place along its first dimension."""

    place: str
    index: int


@dataclass(frozen=True)
class Step:
    """One network's run.

    Attributes:
        network: its name.
        inputs: by tensor, the place that it is read from.
        outputs: by tensor, the place that it is written to.
    """

    network: str
    inputs: Mapping[str, str | Part]
    outputs: Mapping[str, str]

    def gathered(self, places: Mapping[str, Array]) -> dict[str, Array]:
        """The inputs, by tensor, out of the places; a part is contiguous, and no copy."""
        return {
            tensor: places[place.place][place.index] if isinstance(place, Part) else places[place]
            for tensor, place in self.inputs.items()
        }

    @property
    def read(self) -> set[str]:
        """The places that it reads, whole or in part."""
        return {each.place if isinstance(each, Part) else each for each in self.inputs.values()}


@dataclass(frozen=True)
class Program:
    """Steps in their order, each of another network.

    Attributes:
        steps: all of them.
        inside: places that only carry something from step to step, so that no caller gives or gets
            them.
    """

    steps: tuple[Step, ...]
    inside: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        names = [step.network for step in self.steps]
        assert len(set(names)) == len(names), "a network's outputs are its own until the next run"

    @property
    def networks(self) -> tuple[str, ...]:
        """Their names, in the order in which they run."""
        return tuple(step.network for step in self.steps)

    def place_of(self, output: Output) -> str:
        """Where a network's output is written to."""
        network, tensor = output
        return next(step.outputs[tensor] for step in self.steps if step.network == network)

    def needed(self, given: Collection[str], wanted: Collection[Output]) -> tuple[Step, ...]:
        """The steps to run.

        Args:
            given: places that the caller fills.
            wanted: outputs that the caller gets.

        Raises:
            EngineError: a step reads a place that is neither given nor written before.
        """
        missing: set[str] = set()
        steps = []
        for step in reversed(self.steps):
            written = set(step.outputs.values())
            is_wanted = any((step.network, tensor) in wanted for tensor in step.outputs)
            if not (is_wanted or written & missing):
                continue
            steps.append(step)
            missing = (missing - written) | (step.read - set(given))
        if missing:
            raise EngineError(f"nothing was given for {', '.join(sorted(missing))}")
        return tuple(reversed(steps))


@dataclass(frozen=True, eq=False)
class Ran:
    """What a run gives; arrays are the lane's own, overwritten by its next run."""

    outputs: Mapping[Output, Array]
    seconds: Mapping[str, float]
    """Time of each network that was run; on a GPU also of `upload` and `download`."""
