"""Everything that is asked of the faces of a run: targets, where they come from, and their names.

Expressions and other faces are edits that every picture gets, each in a folder of its own where
there are several. A table has one target for each picture that it names, and no other is edited.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from efgan_rt.errors import EfganError
from efgan_rt.face_rules import FaceRule, parse_conditions, plain_target
from efgan_rt.families.family import (
    EXPRESSION,
    FRAMES,
    INTENSITY,
    REFERENCE,
    STAGES,
    TABLE,
    UNITS,
    Family,
    Goal,
    ReadPicture,
    Wish,
)
from efgan_rt.families.properties import Properties
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.fingerprint import rules_hash
from efgan_rt.presets.asked import AskedRules, Model, rules_of
from efgan_rt.presets.preset import Preset, preset_toml
from efgan_rt.requests.known_units import KnownUnits
from efgan_rt.requests.outputs import OutputKind, Outputs, outputs_of, recipe_of
from efgan_rt.requests.target_table import TargetTable, read_target_table
from engines.arrays import FloatArray


@dataclass(frozen=True)
class EditOptions:
    """What a command line asks for, checked one by one.

    Attributes:
        expressions: names.
        references: faces, as pictures or OpenFace's tables.
        intensity: how far towards them, 0 to 2.
        au: single units, as `--au` has them; on top of every edit.
        table: a target for each picture.
        kind: what is made of each edit.
        presets: by name, in place of all the above.
        only_if: what has to be true of a face for any edit.
    """

    expressions: tuple[str, ...] = ()
    references: tuple[Path, ...] = ()
    intensity: float = 1.0
    au: str | None = None
    table: Path | None = None
    kind: OutputKind = field(default_factory=OutputKind)
    presets: Mapping[str, Preset] = field(default_factory=dict)
    only_if: str | None = None

    def __post_init__(self) -> None:
        """Refuses what does not go together.

        Raises:
            EfganError: nothing is asked for, options contradict each other, or two edits have the
                same name.
        """
        names = [*self.expressions, *(each.stem for each in self.references)]
        if self.presets:
            self._check_presets(names)
            return
        if self.table is not None and (names or self.au is not None):
            raise EfganError(
                "--from-csv says what each picture is edited to; leave out --expression, "
                "--reference and --au"
            )
        if self.table is None and not names and self.au is None:
            raise EfganError(
                "say what to edit: --expression NAME, --au UNITS, --reference FACE, "
                "--preset NAME or --from-csv TABLE"
            )
        if not names and self.table is None and self.intensity != 1:
            raise EfganError("--intensity: there is no --expression or --reference for it")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise EfganError(f"two edits are called '{twice[0]}'; give each once, or rename one")

    def _check_presets(self, names: Sequence[str]) -> None:
        if names or self.au is not None or self.table is not None or self.intensity != 1:
            raise EfganError(
                "--preset says what is edited; leave out --expression, --intensity, --au, "
                "--reference and --from-csv, or change the preset"
            )
        faces = {each.faces for each in self.presets.values()}
        if len(faces) > 1:
            raise EfganError(
                f"presets {', '.join(self.presets)} are for different faces of a picture; "
                "run them one by one"
            )

    @property
    def faces(self) -> str | int | None:
        """The faces of a photograph that presets are for; None where there is no preset."""
        return next((each.faces for each in self.presets.values()), None)

    @property
    def asked(self) -> tuple[str, ...]:
        """Which of `efgan_rt.families.family.ASKED` these make use of."""
        found = {
            EXPRESSION: bool(self.expressions),
            INTENSITY: self.intensity != 1,
            UNITS: self.au is not None,
            REFERENCE: bool(self.references),
            TABLE: self.table is not None,
            FRAMES: self.kind.frames is not None,
            STAGES: self.kind.stages,
        }
        return tuple(name for name, is_asked in found.items() if is_asked)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the edits, as people are shown them and as folders are called."""
        named = (*self.presets, *self.expressions, *(each.stem for each in self.references))
        if named:
            return named
        return (self.table.stem if self.table else str(self.au),)

    @property
    def about(self) -> dict[str, Any]:
        """Plain values for a report; what was not asked for is left out."""
        kind = self.kind
        values: dict[str, Any] = {
            "expressions": list(self.expressions),
            "references": list(map(str, self.references)),
            "intensity": self.intensity,
            "au": self.au,
            "from_csv": str(self.table) if self.table else None,
            "presets": [preset_toml(each).decode() for each in self.presets.values()],
            "only_if": self.only_if,
            "frames": kind.frames,
            "pace": str(kind.pace) if kind.frames else None,
            "stages": kind.stages or None,
        }
        always = ("expressions", "intensity", "au")
        return {key: value for key, value in values.items() if key in always or value}


class Edits:
    """The edits of a run, ready to be put into its jobs.

    Attributes:
        outputs: shots, products and their labels.
    """

    def __init__(
        self,
        options: EditOptions,
        family: Family,
        properties: Properties,
        read_picture: ReadPicture,
        say: Callable[[str], None],
    ) -> None:
        """Reads tables and references.

        Args:
            options: what is asked for.
            family: of the engine set.
            properties: of the engine set.
            read_picture: reads a reference picture.
            say: told what of a table is left alone, and what is read in a picture.

        Raises:
            EfganError: an expression, a unit, a table or a reference cannot be used, or models of
                this family take no such option.
        """
        family.refuse(options.asked)
        self._options = options
        self._table: TargetTable | None = None
        self._seen: set[str] = set()
        self._rules: tuple[AskedRules, ...] = ()
        self._conditions = parse_conditions(options.only_if or "", properties.au_names)
        self.outputs: Outputs = outputs_of(options.names, options.kind, properties.stages)
        read_once = cache(read_picture)  # however many rows of a table refer to it

        def goal_of(wish: Wish) -> Goal:
            family.refuse(wish.asked)
            return family.goal(properties, wish, read_once, say)

        if options.table is not None:
            self._table = read_target_table(
                options.table, goal_of, properties.au_names, intensity=options.intensity
            )
            for sentence in self._table.remarks:
                say(sentence)
            return
        if options.presets:
            model = Model(family, properties, read_picture, say)
            asked = [rules_of(each, model) for each in options.presets.values()]
            self._rules = tuple(each.only_if(self._conditions) for each in asked)
            return
        wish = Wish(intensity=options.intensity, au=options.au)
        wishes = [replace(wish, expression=each) for each in options.expressions]
        wishes += [replace(wish, reference=each) for each in options.references]
        targets = map(goal_of, wishes or [wish])
        alone = (FaceRule(target, None, self._conditions) for target in targets)
        self._rules = tuple(AskedRules(((None, each),)) for each in alone)

    @property
    def target(self) -> Goal:
        """What every face gets, where there is one edit without a table, rules or conditions."""
        (only,) = self._rules
        ((pattern, rule),) = only.rules
        target = plain_target([rule])
        assert pattern is None and target is not None
        return target

    def wants(self, picture: PurePosixPath) -> bool:
        """Whether a picture, by its path in the input folder, is to be edited."""
        if self._table is None:
            return any(each.asks(picture) for each in self._rules)
        is_named = self._table.of(picture) is not None
        if is_named:
            self._seen.add(str(picture))
        return is_named

    @property
    def choice(self) -> Callable[[PurePosixPath], bool] | None:
        """`wants`; None where every picture is to be edited."""
        asks_all = self._are_for_all and any(each.asks(None) for each in self._rules)
        return None if asks_all else self.wants

    def label_of(self, picture: PurePosixPath) -> str:
        """What a table asks of a picture; "" where every picture gets the same."""
        return "" if self._table is None else self._table.labels.get(str(picture), "")

    def say_unused(self, left_alone: int, say: Callable[[str], None]) -> None:
        """Says, once every picture has been asked for, what of the table and the folder is unused.

        Args:
            left_alone: pictures without a row, or that a preset's rules leave or do not name.
            say: told.
        """
        if self._table is None:
            if left_alone:
                say(f"{left_alone:,} pictures get no edit by the preset and are not written")
            return
        path = self._table.path
        unused = [name for name in self._table.targets if name not in self._seen]
        if unused:
            shown = ", ".join(unused[:3]) + (", ..." if len(unused) > 3 else "")
            say(f"{path}: {len(unused):,} rows name no picture in the input folder: {shown}")
        if left_alone:
            say(f"{path}: {left_alone:,} pictures have no row and are left alone")

    def jobs(
        self,
        jobs: Iterable[PictureJob],
        below: Callable[[Path], PurePosixPath],
        engines: str,
        written_with: Mapping[str, Any],
        known: KnownUnits | None = None,
    ) -> Iterator[PictureJob]:
        """The jobs with their targets, recipes and known action units.

        Args:
            jobs: of a plan over `outputs.products`.
            below: a picture's path in the input folder.
            engines: from `fingerprint.engines_fingerprint`.
            written_with: options that change what is written, as plain values.
            known: action units that pictures show.
        """
        options = [
            {**written_with, **recipe_of(product, self.outputs.shots, self._options.kind)}
            for product in self.outputs.products
        ]
        edits = [self.outputs.shots[product.shots[0]].edit for product in self.outputs.products]
        before: tuple[tuple[FaceRule, ...], ...] | None = None
        targets: tuple[Goal, ...] = ()
        recipes: tuple[bytes, ...] = ()
        for job in jobs:
            name = None if known is None and self._are_for_all else below(job.source)
            rules = self._rules_for(name)
            if rules != before:  # most often every picture's are the same
                before = rules
                recipes = tuple(
                    rules_hash(rules[edit], engines, each)
                    for edit, each in zip(edits, options, strict=True)
                )
                plain = [plain_target(each) for each in rules]
                targets = tuple(each for each in plain if each is not None)
            units = known.units.get(str(name)) if known else None
            yield PictureJob(
                job.source,
                job.outputs,
                targets,
                recipes if units is None else tuple(_with(r, units) for r in recipes),
                units,
                () if len(targets) == len(rules) else rules,
            )

    @cached_property
    def _are_for_all(self) -> bool:
        """Whether every picture is asked the same."""
        patterns = [pattern for each in self._rules for pattern, _ in each.rules]
        return self._table is None and not any(patterns)

    def _rules_for(self, picture: PurePosixPath | None) -> tuple[tuple[FaceRule, ...], ...]:
        """What each edit asks of a picture's faces; None: for any picture."""
        if self._table is not None:
            assert picture is not None
            own = self._table.of(picture)
            assert own is not None, "the plan asks `wants`"
            return ((FaceRule(own, None, self._conditions),),)
        return tuple(each.of(picture) for each in self._rules)


def _with(recipe: bytes, units: FloatArray) -> bytes:
    """The recipe of an edit that starts from given action units."""
    return hashlib.sha256(recipe + units.tobytes()).digest()
