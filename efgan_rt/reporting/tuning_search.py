"""Looks for the settings with which a run from directory to directory is fastest here.

One setting after the other, each candidate against the best so far: lanes first, for they say how
the threads are shared out, then batch, threads and workers. The two take turns, and the candidate
has to win by more than a machine's usual unrest, so that chance decides nothing. What is
found is the best of what was tried, from directory to directory, decoding and encoding included.
"""

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from efgan_rt.editing import OpenedSet
from efgan_rt.families.family import Goal
from efgan_rt.pipeline.run_state import BatchOptions
from efgan_rt.reporting.bench import measure_pipeline, picture_files
from efgan_rt.tuning import RunSettings, default_settings
from engines.processor import this_processor

TURNS: Final = 3
LEAST_GAIN: Final = 1.03
MOST_LANES: Final = 8
MOST_WORKERS: Final = 8
MOST_BATCH: Final = 128
# A turn lasts a tenth of the time that a bench gives to one way.
TURN_SHARE: Final = 0.1


@dataclass(frozen=True)
class Tuned:
    """The best settings, and what they reach beside the defaults, in pictures a second."""

    settings: RunSettings
    images_per_s: float
    images_per_s_by_default: float


def candidates(
    settings: RunSettings, setting: str, *, batches: tuple[int, int], on_processor: bool, cores: int
) -> list[RunSettings]:
    """What to try of a setting, the others as they are.

    Args:
        settings: the best so far.
        setting: `lanes`, `batch`, `threads` or `workers`.
        batches: the smallest and the largest that the engines take.
        on_processor: False on a GPU, where lanes overlap copies and threads mean nothing.
        cores: of the processor.
    """
    values: list[int]
    if setting == "lanes":
        values = _doubled(1, min(MOST_LANES, cores)) if on_processor else [1, 2, 3]
    elif setting == "batch":
        smallest, largest = batches
        values = [n for n in _doubled(1, MOST_BATCH) if smallest <= n <= largest]
    elif setting == "threads":
        # One fewer leaves a core to decoding and encoding.
        values = [n for n in (cores, cores - 1) if n >= (settings.lanes or 1)]
        values = values if on_processor else []
    else:
        values = _doubled(1, min(MOST_WORKERS, 2 * cores))
    tried = (replace(settings, **{setting: value}) for value in values)
    return [each for each in tried if each != settings]


def _doubled(first: int, last: int) -> list[int]:
    """`first`, twice that, and so on, up to `last`."""
    values = []
    while first <= last:
        values.append(first)
        first *= 2
    return values


def search(
    open_with: Callable[[RunSettings], OpenedSet],
    target: Goal,
    pictures: Path,
    *,
    batches: tuple[int, int],
    on_processor: bool,
    seconds: float,
    backend: str = "",
    say: Callable[[str], None],
) -> Tuned:
    """Measures candidates until no setting is left.

    Args:
        open_with: opens the engines with settings.
        target: what to make of every picture.
        pictures: a folder with at least one picture; they are used over and over.
        batches: see `candidates`.
        on_processor: see `candidates`.
        backend: whose defaults are the first to be measured.
        seconds: that a bench of one way would take for a half; the search takes several of these.
        say: told of each comparison.

    Raises:
        EfganError: a picture cannot be edited.
        EngineError: the engines cannot be opened.
    """
    files = picture_files(pictures)
    turn_s = TURN_SHARE * seconds

    def in_turn(first: RunSettings, second: RunSettings, expected: float) -> tuple[float, float]:
        one, other = (Runner(open_with, target, files, each) for each in (first, second))
        return _in_turn(one, other, expected, turn_s)

    cores = this_processor().cores
    default = default_settings(backend)
    if not batches[0] <= default.batch <= batches[1]:
        default = replace(default, batch=batches[1])
    with Runner(open_with, target, files, default) as runner:
        expected = runner.run(turn_s)
        expected = runner.run(turn_s, expected)
    best = default
    for setting in ("lanes", "batch", "threads", "workers"):
        for other in candidates(
            best, setting, batches=batches, on_processor=on_processor, cores=cores
        ):
            old, new = in_turn(best, other, expected)
            say(f"{other}: {new:.1f} images/s, against {old:.1f} with {best}")
            if new > LEAST_GAIN * old:
                best, expected = other, new
    if best == default:
        return Tuned(default, expected, expected)
    old, new = in_turn(default, best, expected)
    say(f"{best}: {new:.1f} images/s, against {old:.1f} with {default}")
    if new <= LEAST_GAIN * old:  # what was won on the way did not last
        return Tuned(default, old, old)
    return Tuned(best, new, old)


class Runner:
    """Runs from directory to directory with settings, for as long as its context is open."""

    def __init__(
        self,
        open_with: Callable[[RunSettings], OpenedSet],
        target: Goal,
        files: Sequence[Path],
        settings: RunSettings,
    ) -> None:
        self._open_with = open_with
        self._target = target
        self._files = files
        self._settings = settings
        self._stack = ExitStack()

    def __enter__(self) -> "Runner":
        self._set = self._open_with(self._settings)
        self._lanes = [
            self._stack.enter_context(closing(self._set.lane())) for _ in range(self._set.lanes)
        ]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, seconds: float, expected: float = 0.0) -> float:
        """Pictures a second.

        Args:
            seconds: about how long to run; never less than four batches a lane.
            expected: pictures a second, as far as they are known.
        """
        batch = self._set.batch
        count = max(4 * batch * len(self._lanes), round(seconds * expected))
        return measure_pipeline(
            self._lanes,
            self._target,
            self._files,
            count,
            batch=batch,
            crop_px=self._set.crop_px,
            options=BatchOptions(self._settings.workers),
        ).images_per_s


def _in_turn(first: Runner, second: Runner, expected: float, turn_s: float) -> tuple[float, float]:
    """Pictures a second of both, medians of some turns each."""
    with first, second:
        for runner in (first, second):
            runner.run(0)  # warm
        turns = [(first.run(turn_s, expected), second.run(turn_s, expected)) for _ in range(TURNS)]
    one, other = zip(*turns, strict=True)
    return statistics.median(one), statistics.median(other)
