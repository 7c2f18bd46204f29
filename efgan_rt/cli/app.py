"""The `efgan-rt` command: its subcommands, and what an error looks like.

This module and the fronts that it registers import only what declares options: typer and the
standard library. So `efgan-rt --help` answers at once, and without any inference runtime.
"""

import atexit
import os
import re
import sys
import threading
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

from efgan_rt import __version__
from efgan_rt.cli.batch import BatchRequest
from efgan_rt.cli.bench import BenchRequest
from efgan_rt.cli.build_engines import build_engines
from efgan_rt.cli.evaluate import evaluate
from efgan_rt.cli.export_triton import export_triton
from efgan_rt.cli.info import info
from efgan_rt.cli.options import command_of
from efgan_rt.cli.prepare import PrepareRequest
from efgan_rt.cli.presets import presets
from efgan_rt.cli.studio import studio
from efgan_rt.cli.train import train
from efgan_rt.cli.video import VideoRequest
from efgan_rt.remote.path import RemotePath

# A path has lost one of the slashes.
ADDRESS: Final = re.compile("(s3|gs|https?):/", re.IGNORECASE)

app = typer.Typer(
    name="efgan-rt",
    help="Edits facial expressions in whole directories of pictures.",
    epilog="Try:  efgan-rt batch faces smiling --expression happy",
    rich_markup_mode="markdown",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    # A bug shows Python's own traceback; see `main` for what a user can mend.
    pretty_exceptions_enable=False,
)
app.command("batch", rich_help_panel="Edit pictures")(command_of(BatchRequest))
app.command("video", rich_help_panel="Edit pictures")(command_of(VideoRequest))
app.command(rich_help_panel="Edit pictures")(studio)
app.add_typer(presets, rich_help_panel="Edit pictures")
app.command(rich_help_panel="Make engines")(build_engines)
app.command(rich_help_panel="Make engines")(export_triton)
app.command("prepare", rich_help_panel="Make engines")(command_of(PrepareRequest))
app.command(rich_help_panel="Make engines")(train)
app.command("bench", rich_help_panel="Measure and inspect")(command_of(BenchRequest))
app.command(rich_help_panel="Measure and inspect")(evaluate)
app.command(rich_help_panel="Measure and inspect")(info)


class _LocalCommand(TyperCommand):
    """A command whose paths are on this machine, but for those that it reads as addresses."""

    def invoke(self, ctx: Any) -> Any:
        """Refuses an address that would be taken for a folder called `s3:`; shows none of it."""
        parameters: list[Any] = self.params  # Typer's own, which the base does not say
        for parameter in parameters:
            value = ctx.params.get(parameter.name)
            for each in value if isinstance(value, list | tuple) else (value,):
                is_path = isinstance(each, str | Path) and not isinstance(each, RemotePath)
                address = ADDRESS.match(str(each)) if is_path else None
                if address is not None:
                    raise typer.BadParameter(
                        f"found an address, {address[0]}/; expected a path on this machine: only "
                        "IN_DIR and OUT_DIR of batch may be addresses",
                        ctx=ctx,
                        param=parameter,
                    )
        return super().invoke(ctx)


for _registered in (*app.registered_commands, *presets.registered_commands):
    _registered.cls = _LocalCommand


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"efgan-rt {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Holds the options that come before a command."""


def main() -> None:
    """Runs the command line; an error that the user can mend is one line and exit status 1."""
    try:
        app()
    except Exception as error:
        from efgan_rt.cli.console import printable
        from efgan_rt.errors import EfganError
        from engines.base import EngineError

        sentence: str | None = str(error)
        if not isinstance(error, EfganError | EngineError):
            # A bug, unless a package that is missing, old or there twice explains it.
            from efgan_rt.environment import installation_fault

            sentence = installation_fault()
        if sentence is None:
            raise
        print(f"error: {printable(sentence)}", file=sys.stderr)
        sys.exit(1)


def command() -> None:
    """`main` as a whole process, which ends as soon as it is done.

    Taking down the interpreter and the runtimes' libraries takes a seventh of a run on one picture
    and gives back what the system takes back anyway. Where threads are still at work, or something
    went wrong, Python ends the process as it always does.
    """
    try:
        main()
        status = 0
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        status = end.code or 0
    if threading.active_count() > 1:
        sys.exit(status)
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads: Python has a status of its own for that
        sys.exit(status)
    os._exit(status)


if __name__ == "__main__":
    command()
