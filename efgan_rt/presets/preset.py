"""A preset: one edit and the rules that depart from it, as a TOML file holds them.

    version = 1
    expression = "happy"
    intensity = 0.5
    au = "AU45=0"
    only_if = "AU12<1.5"

    [[rules]]                  # the first rule that fits a face decides
    path = "wedding"           # a folder, or a pattern of paths in the input folder
    face = 1                   # the largest
    expression = "surprised"

`rules` may also name a CSV file with a row for each rule. A face that no rule fits gets the
preset's own edit; where there is none, or `only_if` is not true of it, it is left as it is. Faces
are told apart by their size in the picture; nobody is recognised.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from efgan_rt.action_units import MAX_INTENSITY, canonical_name
from efgan_rt.errors import EfganError
from efgan_rt.expressions import AU_ITEM, MAX_EXPRESSION_INTENSITY
from efgan_rt.face_rules import CONDITION
from efgan_rt.faces.framing import FaceChoice
from efgan_rt.labels.csv_table import CsvRow, read_csv

VERSION: Final = 1
MAX_BYTES: Final = 1_000_000
MAX_RULES: Final = 10_000


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is asked of a face.

    Attributes:
        expression: one of the model's.
        intensity: how far towards the expression or the reference, 0 to 2.
        au: single units, as `--au` has them; on top of the rest.
        reference: a picture's or an OpenFace table's path, whose face's expression is taken over,
            or that face's action units by name.
        only_if: what has to be true of the face, as `--only-if` has it.
    """

    expression: str | None = None
    intensity: float = 1.0
    au: str | None = None
    reference: str | dict[str, float] | None = None
    only_if: str | None = None

    def __post_init__(self) -> None:
        """Checks what can be checked without a model.

        Raises:
            ValueError: something is contradictory or out of range; the message says what.
        """
        if self.expression is not None and self.reference is not None:
            raise ValueError("expression and reference are both given; expected one of them")
        if not 0 <= self.intensity <= MAX_EXPRESSION_INTENSITY:
            limit = f"0 to {MAX_EXPRESSION_INTENSITY:g}"
            raise ValueError(f"intensity is {self.intensity:g}; expected {limit}")
        if self.intensity != 1 and self.expression is None and self.reference is None:
            raise ValueError("intensity is given without an expression or a reference")
        for name, text, form, example in (
            ("au", self.au, AU_ITEM, "AU12=3.5,AU04-=1"),
            ("only_if", self.only_if, CONDITION, "AU12<1.5"),
        ):
            parts = [] if text is None else text.split(",")
            wrong = [part for part in parts if form.fullmatch(part) is None]
            if wrong:
                raise ValueError(f"{name} is '{text}'; expected something like {example}")
        if isinstance(self.reference, dict):
            self._check_units(self.reference)

    @staticmethod
    def _check_units(units: Mapping[str, float]) -> None:
        for name, value in units.items():
            try:
                canonical_name(name)
            except EfganError as error:
                raise ValueError(f"reference: {error}") from error
            if not 0 <= value <= MAX_INTENSITY:
                raise ValueError(f"reference: {name} is {value:g}; expected 0 to 5")

    @property
    def is_asked(self) -> bool:
        """Whether anything is asked for."""
        return not (self.expression is None and self.reference is None and not self.au)


AskT = TypeVar("AskT", bound=Ask)


class Rule(Ask, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is asked of some faces.

    Attributes:
        path: a folder's or a picture's path in the input folder, or a pattern of such paths, in
            which `*` stands for anything, slashes included; None for every picture.
        face: its number in the picture, from 1, the largest first; None for every face.
        leave: whether the faces are left as they are.
    """

    path: str | None = None
    face: int | None = None
    leave: bool = False

    def __post_init__(self) -> None:
        """As for `Ask`.

        Raises:
            ValueError: as for `Ask`.
        """
        super().__post_init__()
        if self.face is not None and self.face < 1:
            raise ValueError(f"face is {self.face}; expected a number from 1, the largest")
        if self.leave and self.is_asked:
            raise ValueError("leave and an edit are both given; expected one of them")
        if not self.leave and not self.is_asked:
            raise ValueError("a rule asks for nothing; leave = true leaves faces as they are")


class Preset(Ask, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One edit, and rules that depart from it.

    Attributes:
        version: of the form of the file.
        faces: which faces of a photograph are edited: `all`, `largest` or how many.
        rules: for some of them; the first that fits a face decides.
    """

    version: int = 0
    faces: str | int = "all"
    rules: tuple[Rule, ...] | str = ()

    @property
    def choice(self) -> FaceChoice:
        """Which faces of a photograph are edited."""
        return FaceChoice(self.faces)

    def __post_init__(self) -> None:
        """As for `Ask`.

        Raises:
            ValueError: as for `Ask`.
        """
        super().__post_init__()
        if self.version != VERSION:
            found = f"version {self.version}" if self.version else "no version"
            raise ValueError(f"{found} found; this efgan-rt reads version = {VERSION}")
        try:
            self.choice  # noqa: B018 - checks it
        except EfganError as error:
            raise ValueError(str(error)) from error
        if not self.is_asked and not self.rules:
            raise ValueError(
                "nothing is asked for; expected an expression, au, a reference or rules"
            )
        if self.only_if is not None and not self.is_asked:
            raise ValueError("only_if is given without an edit")
        if len(self.rules) > MAX_RULES and not isinstance(self.rules, str):
            raise ValueError(f"{len(self.rules):,} rules; expected {MAX_RULES:,} at most")


def read_preset(path: Path) -> Preset:
    """A preset from its TOML file, its rules' table read and its paths made whole.

    Raises:
        EfganError: it cannot be read, is no preset, or says what cannot be; in one sentence.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise EfganError(f"{path}: the preset cannot be read: {why}") from error
    if len(data) > MAX_BYTES:
        raise EfganError(f"{path}: over {MAX_BYTES:,} bytes; expected a preset's TOML")
    return parse_preset(data, path)


def parse_preset(data: bytes, path: Path) -> Preset:
    """A preset from its file's bytes; see `read_preset`.

    Args:
        data: TOML.
        path: for messages; what the preset names lies beside it.
    """
    try:
        preset = msgspec.toml.decode(data, type=Preset)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise EfganError(f"{path}: is no preset that can be used: {said}") from error
    beside = path.resolve().parent
    rules = preset.rules
    if isinstance(rules, str):
        rules = read_rules(beside / rules)
    whole = [_with_whole_reference(rule, beside) for rule in rules]
    return msgspec.structs.replace(_with_whole_reference(preset, beside), rules=tuple(whole))


def _with_whole_reference(ask: AskT, beside: Path) -> AskT:
    if not isinstance(ask.reference, str):
        return ask
    return msgspec.structs.replace(ask, reference=str(beside / Path(ask.reference).expanduser()))


def preset_toml(preset: Preset) -> bytes:
    """A preset as its file."""
    return msgspec.toml.encode({"version": VERSION, **msgspec.to_builtins(preset)})


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Rules from a table: columns path, face, only_if, expression, intensity, au, AU12, AU12+ ...

    A row that asks for nothing leaves its faces as they are.

    Raises:
        EfganError: the table cannot be read, has no `path` and no `face`, or holds what cannot be;
            the message names the row.
    """
    table = read_csv(path)
    if not {"path", "face"} & set(table.columns):
        raise EfganError(f"{path}: columns missing: path or face, to say whom a rule is for")
    units = [name for name in table.columns if name.upper().startswith("AU") and name != "au"]
    rules = []
    for place, row in table.places():
        try:
            rules.append(_rule(row, units))
        except (ValueError, msgspec.MsgspecError) as error:
            raise EfganError(f"{place}: {error}") from error
    return tuple(rules)


def _rule(row: CsvRow, units: list[str]) -> Rule:
    items = [row.text("au")] if row.text("au") else []
    for column in units:
        if row.text(column):
            value = row.number(column)
            name = canonical_name(column.removesuffix("+"))
            sign = "=" if not column.endswith("+") else "+=" if value >= 0 else "-="
            items.append(f"{name}{sign}{math.fabs(value) if column.endswith('+') else value:g}")
    rule = Rule(
        path=row.text("path") or None,
        face=row.whole("face") if row.text("face") else None,
        only_if=row.text("only_if") or None,
        expression=row.text("expression") or None,
        intensity=row.number("intensity") if row.text("intensity") else 1.0,
        au=",".join(items) or None,
        leave=not (items or row.text("expression")),
    )
    return rule


def in_words(preset: Preset) -> str:
    """What a preset asks for, in a line."""
    words = []
    if preset.is_asked:
        words.append(_in_words(preset))
    if preset.faces != "all":
        words.append(f"faces: {preset.faces}")
    if preset.rules:
        words.append("1 rule" if len(preset.rules) == 1 else f"{len(preset.rules):,} rules")
    return "; ".join(words)


def _in_words(ask: Ask) -> str:
    words = [ask.expression or ("another face's expression" if ask.reference else "")]
    if ask.intensity != 1:
        words.append(f"{ask.intensity:g}")
    words += [ask.au or "", f"if {ask.only_if}" if ask.only_if else ""]
    return " ".join(each for each in words if each)
