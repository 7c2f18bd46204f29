"""What a family of models is to everything that runs one: nothing else knows its networks.

A family is a file here, a folder in `train/families/`, and an entry in either registry. The
pipeline, `Editor`, `bench` and `evaluate` ask it for its program and for what a request becomes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from efgan_rt.errors import EfganError
from efgan_rt.families.properties import Properties, Specs
from engines.arrays import Array, FloatArray
from engines.directory import EngineDirectory
from engines.program import Output, Program

PIXELS: Final = "pixels"
"""The place of the crops as given, uint8 (B, crop, crop, 3), in every family."""

EXPRESSION: Final = "expression"
INTENSITY: Final = "intensity"
UNITS: Final = "au"
REFERENCE: Final = "reference"
TABLE: Final = "from-csv"
KNOWN_UNITS: Final = "aus"
FRAMES: Final = "frames"
STAGES: Final = "stages"
ASKED: Final = (EXPRESSION, INTENSITY, UNITS, REFERENCE, TABLE, KNOWN_UNITS, FRAMES, STAGES)
"""What a request may ask for, as the command line's options are called."""


class Goal(Protocol):
    """What one face is to become; `efgan_rt.expressions.Target` is one."""

    @property
    def places(self) -> Mapping[str, FloatArray]:
        """By place, a row of what the family's program is given."""
        ...


@dataclass(frozen=True)
class Given:
    """A goal that is nothing but what the program is given."""

    places: Mapping[str, FloatArray]


@dataclass(frozen=True)
class Wiring:
    """A family's program and what its outputs are.

    Attributes:
        program: of the networks.
        pictures: uint8 (B, crop, crop, 3) after each stage, in order; the last is the edit.
        attention: uint8 (B, crop, crop), 255 where it edited most.
        fields: of each stage, float16 (B, h, w, 10), of a family that moves faces.
        mouth_choice: int32 (B,), which mouth each face shows, likewise.
        units: float32 (B, K), the action units that are read off `PIXELS`.
        kept: place -> what a face's first run gives there and its later runs are given: what is
            read of a face once, whatever it is edited to.
        aims: float32 (S, B, K), what each stage aimed at.
        progress: the place of float32 (B, S), how far each stage goes.
    """

    program: Program
    pictures: tuple[Output, ...]
    attention: Output | None = None
    fields: tuple[Output, ...] = ()
    mouth_choice: Output | None = None
    units: Output | None = None
    kept: Mapping[str, Output] = field(default_factory=dict)
    aims: Output | None = None
    progress: str | None = None

    @property
    def probe(self) -> str:
        """The network that stands for all in a quick measurement."""
        return self.pictures[-1][0]


@dataclass(frozen=True)
class Wish:
    """What an edit is asked for, before any family has looked at it.

    Attributes:
        expression: a name.
        intensity: how far towards it or the reference, 0 to 2.
        au: single units, as `--au` has them.
        reference: another face, a picture or a table of units.
        towards: float32, a vector as `expressions` has them, in place of a name.
    """

    expression: str | None = None
    intensity: float = 1.0
    au: str | None = None
    reference: Path | None = None
    towards: FloatArray | None = None

    @property
    def asked(self) -> tuple[str, ...]:
        """Which of `ASKED` it makes use of."""
        found = {
            EXPRESSION: self.expression is not None or self.towards is not None,
            INTENSITY: self.intensity != 1,
            UNITS: self.au is not None,
            REFERENCE: self.reference is not None,
        }
        return tuple(name for name, is_asked in found.items() if is_asked)


ReadPicture = Callable[[Path, Output], Array]
"""Runs a picture's largest face, framed as every face is, through what leads to an output; its
row."""


@dataclass(frozen=True)
class Family:
    """A family of models, as a run sees it.

    Attributes:
        name: as `--model`, the checkpoint and the manifest have it.
        title: for people.
        accepts: what of `ASKED` it can do.
        read: a set's properties, its networks held against what the family needs.
        specs: what its networks take and give.
        wiring: how its networks are run.
        goal: what a wish becomes; raises `EfganError` for what cannot be done.
        any_goal: some edit, where only its speed matters.
        exact: networks that compute in fp32, on processors and in plans, whatever the others do.
    """

    name: str
    title: str
    accepts: frozenset[str]
    read: Callable[[EngineDirectory], Properties]
    specs: Callable[[Properties], Specs]
    wiring: Callable[[Properties], Wiring]
    goal: Callable[[Properties, Wish, ReadPicture, Callable[[str], None]], Goal]
    any_goal: Callable[[Properties], Goal]
    exact: frozenset[str] = frozenset()

    def refuse(self, asked: tuple[str, ...]) -> None:
        """Refuses what this family cannot be asked for.

        Raises:
            EfganError: names the option, the family, and what it takes instead.
        """
        wrong = [f"--{name}" for name in asked if name not in self.accepts]
        if wrong:
            taken = ", ".join(f"--{name}" for name in ASKED if name in self.accepts)
            raise EfganError(
                f"{', '.join(wrong)}: models of the family {self.name} ({self.title}) take no such "
                f"option; they take {taken or 'none of them'}"
            )
