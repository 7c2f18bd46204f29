"""A lane on the processor: what one batch in flight owns there, and its run.

Arrays go from network to network by reference, so a lane allocates nothing but a few views for a
batch.
"""

from collections.abc import Collection, Mapping
from time import perf_counter

from engines.arrays import Array
from engines.base import Engine
from engines.program import Output, Program, Ran


class HostLane:
    """A request of every network of a program. For one thread at a time."""

    def __init__(self, engines: Mapping[str, Engine], program: Program) -> None:
        self._program = program
        self._requests = {name: engines[name].request() for name in program.networks}

    def close(self) -> None:
        """Nothing to give back early: arrays and requests go with the lane."""

    def run(self, given: Mapping[str, Array], wanted: Collection[Output]) -> Ran:
        """Runs what is needed, and waits for it.

        Args:
            given: by place, C-contiguous arrays of the fixed batch; read only while this runs.
            wanted: which outputs of which networks are given back.

        Raises:
            EngineError: something is not given, or of the wrong type or shape.
        """
        places = dict(given)
        found: dict[Output, Array] = {}
        seconds: dict[str, float] = {}
        for step in self._program.needed(given, wanted):
            inputs = step.gathered(places)
            started = perf_counter()
            outputs = self._requests[step.network].run(inputs)
            seconds[step.network] = perf_counter() - started
            for tensor, place in step.outputs.items():
                places[place] = outputs[tensor]
                found[step.network, tensor] = outputs[tensor]
        return Ran({each: found[each] for each in wanted}, seconds)
