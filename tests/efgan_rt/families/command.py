"""A command that a fixture runs, before any test."""

import sys

import pytest

from efgan_rt.cli.app import main


def run(*arguments: object) -> int:
    """Runs a command; its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["efgan-rt", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
    return int(exit_.value.code or 0)
