"""`efgan-rt presets`: lists, shows and saves edits with a name."""

from pathlib import Path
from typing import Annotated

import typer

from efgan_rt.cli.edit_options import AuOption, IntensityOption, OnlyIfOption
from efgan_rt.cli.face_options import FacesOption

presets = typer.Typer(
    name="presets",
    help="Lists, shows and saves edits with a name, for `batch --preset`.",
    rich_markup_mode="markdown",
    no_args_is_help=True,
)


@presets.command("list")
def list_() -> None:
    """Lists the saved presets and what each asks for; a broken one says why."""
    from rich.table import Table

    from efgan_rt.cli.console import print_table, printable, remark
    from efgan_rt.errors import EfganError
    from efgan_rt.presets.library import load_preset, preset_names
    from efgan_rt.presets.preset import in_words

    names = preset_names()
    if not names:
        remark("no preset is saved; save one with efgan-rt presets save NAME -e happy")
        return
    table = Table("preset", "asks for")
    for name in names:
        try:
            said = in_words(load_preset(name)[1])
        except EfganError as error:
            said = f"error: {error}"
        table.add_row(name, printable(said).replace("[", r"\["))
    print_table(table)


@presets.command()
def show(
    preset: Annotated[str, typer.Argument(metavar="NAME|FILE.toml", help="Which one.")],
) -> None:
    """Prints a preset as its file, checked; its rules' table is written out."""
    from efgan_rt.presets.library import load_preset
    from efgan_rt.presets.preset import preset_toml

    print(preset_toml(load_preset(preset)[1]).decode(), end="")


@presets.command()
def save(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a-z, 0-9, _ and -.")],
    expression: Annotated[
        str | None,
        typer.Option("--expression", "-e", metavar="NAME", help="Such as happy."),
    ] = None,
    intensity: IntensityOption = 1.0,
    au: AuOption = None,
    reference: Annotated[
        Path | None,
        typer.Option(metavar="FACE", help="A face whose expression is taken over."),
    ] = None,
    faces: FacesOption = "all",
    only_if: OnlyIfOption = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE.csv",
            help="A row for each rule: path, face, only_if, expression, intensity, AU12 ...",
        ),
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE.toml", help="A preset's file, in place of the rest."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a preset of that name.")
    ] = False,
) -> None:
    """Saves an edit under a name.

    **Examples**

    - `efgan-rt presets save portrait -e happy --intensity 0.6`
    - `efgan-rt presets save group -e happy --intensity 0.5 --only-if "AU12<1.5"`
    - `efgan-rt presets save wedding --from wedding.toml`
    """
    from efgan_rt.cli.console import print_text
    from efgan_rt.errors import EfganError
    from efgan_rt.presets.library import save_preset
    from efgan_rt.presets.preset import VERSION, Preset, read_preset, read_rules

    if from_ is not None:
        given = (expression, au, reference, only_if, rules)
        if any(each is not None for each in given) or intensity != 1 or faces != "all":
            raise typer.BadParameter("is in place of all other options", param_hint="--from")
        preset = read_preset(from_)
    else:
        try:
            preset = Preset(
                version=VERSION,
                expression=expression,
                intensity=intensity,
                au=au,
                reference=None if reference is None else str(reference.resolve()),
                only_if=only_if,
                faces=int(faces) if faces.isdecimal() else faces,
                rules=() if rules is None else read_rules(rules),
            )
        except ValueError as error:
            raise EfganError(f"the preset cannot be saved: {error}") from error
    print_text(f"saved: {save_preset(name, preset, overwrite=overwrite)}")
