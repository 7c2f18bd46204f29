"""`--from-csv`: a table with a target for each picture.

One row a picture, columns found by name, and only `file` must be there:

    file           path in the input folder, with forward slashes
    expression     one of the model's, or empty
    reference      a face whose expression is lent, in place of one: a path from the table's folder
    intensity      0 to 2; empty is what `--intensity` says
    AU12, AU12_r   sets a unit, 0 to 5
    AU12+          raises a unit by so much, -5 to 5; a negative number lowers it

An empty cell asks for nothing. Other columns are left alone, so that a table with notes, or one of
`efgan-rt prepare`, is read as it is. A picture without a row is not edited.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from efgan_rt.action_units import MAX_INTENSITY, canonical_name
from efgan_rt.errors import EfganError
from efgan_rt.expressions import AuItem
from efgan_rt.families.family import Goal, Wish
from efgan_rt.labels.csv_table import CsvRow, CsvTable, read_csv
from efgan_rt.labels.rows import checked_intensity


@dataclass(frozen=True)
class UnitColumn:
    """A column of a table that holds an action unit."""

    column: str
    item: AuItem  # of the value 0


@dataclass(frozen=True)
class TargetTable:
    """A table's targets.

    Attributes:
        path: of the table.
        targets: by the picture's path in the input folder.
        labels: what each row asks for, likewise, such as "happy 0.5 AU12+ -1".
        remarks: what of the table is left alone, in sentences.
    """

    path: Path
    targets: Mapping[str, Goal]
    labels: Mapping[str, str]
    remarks: tuple[str, ...] = ()

    def of(self, picture: PurePosixPath) -> Goal | None:
        """The target of a picture, by its path in the input folder; None where no row names it."""
        return self.targets.get(str(picture))


def read_target_table(
    path: Path,
    goal_of: Callable[[Wish], Goal],
    au_names: Sequence[str],
    *,
    intensity: float = 1.0,
) -> TargetTable:
    """Reads a table of targets.

    Args:
        path: of the table.
        goal_of: what a wish becomes, by the models' family; raises `EfganError`.
        au_names: the model's K action units.
        intensity: of the rows that give none.

    Raises:
        EfganError: it cannot be read, has no `file` or nothing to ask for, names a picture twice,
            or holds a value that cannot be; the message names the row.
    """
    table = read_csv(path)
    table.require("file")
    columns, remarks = _unit_columns(table, au_names)
    if not {"expression", "reference"} & set(table.columns) and not columns:
        raise EfganError(
            f"{path}: the table asks for nothing; expected a column 'expression' or 'reference', "
            "or action units such as AU12 (set) and AU12+ (raise)"
        )
    targets: dict[str, Goal] = {}
    labels: dict[str, str] = {}
    for place, row in table.places():
        name = _file(row)
        if name in targets:
            raise EfganError(f"{place}: {name} has a row already; expected one a picture")
        try:
            targets[name] = goal_of(_wish(row, columns, au_names, path.parent, intensity))
        except EfganError as error:
            text = str(error)
            raise EfganError(text if text.startswith(place) else f"{place}: {text}") from error
        labels[name] = _label(row, columns)
    if not targets:
        raise EfganError(f"{path}: the table has no rows; expected one a picture")
    return TargetTable(path, targets, labels, remarks)


def _unit_columns(
    table: CsvTable, au_names: Sequence[str]
) -> tuple[list[UnitColumn], tuple[str, ...]]:
    """The columns that are action units of the model, and what to say of those that it lacks."""
    columns: list[UnitColumn] = []
    unknown = []
    seen: dict[AuItem, str] = {}
    for column in table.columns:
        relative = column.endswith("+")
        try:
            name = canonical_name(column.removesuffix("+"))
        except EfganError:
            continue
        if not column.upper().startswith("AU"):
            continue
        if name not in au_names:
            unknown.append(column)
            continue
        item = AuItem(list(au_names).index(name), relative, 0.0)
        if item in seen:
            raise EfganError(f"{table.path}: columns {seen[item]} and {column} are the same unit")
        seen[item] = column
        columns.append(UnitColumn(column, item))
    if not unknown:
        return columns, ()
    return columns, (
        f"{table.path}: columns {' '.join(unknown)} are left alone; the model has no such units",
    )


def _file(row: CsvRow) -> str:
    text = row.text("file").replace("\\", "/")
    path = PurePosixPath(text)
    if not text or path.is_absolute() or ".." in path.parts:
        raise EfganError(
            f"{row.place}: file is '{text}', expected a path in the input folder, such as a/b.jpg"
        )
    return str(path)


def _label(row: CsvRow, columns: Sequence[UnitColumn]) -> str:
    words = [row.text("expression"), row.text("reference"), row.text("intensity")]
    for each in columns:
        if row.text(each.column):
            words += [each.column, row.text(each.column)]
    return " ".join(word for word in words if word)


def _wish(
    row: CsvRow,
    columns: Sequence[UnitColumn],
    au_names: Sequence[str],
    folder: Path,
    intensity: float,
) -> Wish:
    expression, reference = row.text("expression"), row.text("reference")
    if expression and reference:
        raise EfganError("expression and reference are both given; give one")
    if reference and not (folder / reference).is_file():
        raise EfganError(
            f"reference is '{reference}', and there is no such file; expected a path from the "
            "table's folder"
        )
    if row.text("intensity"):
        if not (expression or reference):
            raise EfganError("intensity is given without an expression or a reference")
        intensity = row.number("intensity")
    items: dict[int, str] = {}
    for each in columns:
        if not row.text(each.column):
            continue
        index, relative = each.item.index, each.item.relative
        value = row.number(each.column)
        if relative and not abs(value) <= MAX_INTENSITY:
            limits = f"{-MAX_INTENSITY:g} to {MAX_INTENSITY:g}"
            raise EfganError(f"{each.column} is {value:g}, expected a change from {limits}")
        if not relative:
            checked_intensity(value, each.column, row.place)
        if index in items:
            raise EfganError(f"{each.column} and its other column are both given; give one")
        operator = "=" if not relative else "-=" if value < 0 else "+="
        items[index] = f"{au_names[index]}{operator}{abs(value)!r}"
    if not (expression or reference or items):
        raise EfganError(
            "asks for nothing; give an expression, a reference or an action unit, or leave it out"
        )
    return Wish(
        expression or None,
        intensity if expression or reference else 1.0,
        ",".join(items.values()) or None,
        folder / reference if reference else None,
    )
