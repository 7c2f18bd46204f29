"""The tables on a terminal and as a Markdown page that shows the pictures as well."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from efgan_rt.errors import EfganError
from train.evaluation.figure_text import Document, TextTable
from train.evaluation.tables import every_table


def to_rich(table: TextTable) -> Table:
    """A table for the terminal."""
    made = Table(title=table.title, caption=table.remark or None, title_justify="left")
    for i, name in enumerate(table.head):
        made.add_column(name, justify="left" if i == 0 else "right")
    for i, row in enumerate(table.rows):
        if i in table.sections:
            made.add_section()
        made.add_row(*row)
    return made


def to_markdown(table: TextTable) -> str:
    """A table with its title and its remark; a section's line is a row of nothing."""
    lines = [table.head, ("---", *["---:"] * (len(table.head) - 1))]
    for i, row in enumerate(table.rows):
        if i in table.sections:
            lines.append(("",) * len(table.head))
        lines.append(row)
    body = "\n".join(f"| {' | '.join(_cell(text) for text in line)} |" for line in lines)
    return f"### {table.title}\n\n{body}\n" + (f"\n{table.remark}\n" if table.remark else "")


def write_page(path: Path, document: Document, pictures: Sequence[tuple[str, Path]]) -> None:
    """Writes everything as one Markdown page.

    Args:
        path: the file.
        document: of the evaluation.
        pictures: captions, and PNG files that lie below the page's folder.

    Raises:
        EfganError: the page cannot be written.
    """
    machine, data = document["machine"], document["data"]
    judges = document["judges"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    parts = [
        "# Evaluation\n",
        f"{document['protocol']['edits']:,} edits of {data['people']} people "
        f"({data['first']} to {data['last']}) to {len(data['expressions'])} expressions. Judges "
        f"learnt from {judges['training_people']} other people; features of FID and KID: "
        f"{judges['features']['name']}; identity: {judges['embedder']['name']}. "
        f"{machine['processor']}, {machine['cores']} cores; {versions}. Seed "
        f"{document['protocol']['seed']}.\n",
    ]
    if document["notes"]:
        parts.append("Notes:\n\n" + "".join(f"- {note}\n" for note in document["notes"]))
    parts += [to_markdown(table) for table in every_table(document)]
    if pictures:
        parts.append("## Pictures\n")
        parts += [
            f"{caption}\n\n![{caption}]({file.relative_to(path.parent).as_posix()})\n"
            for caption, file in pictures
        ]
    try:
        path.write_text("\n".join(parts), encoding="utf-8")
    except OSError as error:
        raise EfganError(f"{path}: cannot be written: {error.strerror}") from error


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
