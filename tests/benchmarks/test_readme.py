"""The README: its figures are those of the results, and its commands exist."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from benchmarks.readme import rewritten
from efgan_rt.cli.app import app


def test_every_table_is_what_the_results_say(repository: Path) -> None:
    text = (repository / "README.md").read_text()
    assert rewritten(text) == text, "run python benchmarks/readme.py"


def test_every_command_and_option_that_it_shows_exists(repository: Path) -> None:
    text = (repository / "README.md").read_text()
    shown = re.findall(r"^ {4}(efgan-rt .*)$", text.replace("\\\n", " "), flags=re.MULTILINE)
    assert len(shown) >= 5
    group = get_command(app)
    for line in shown:
        words = shlex.split(line, comments=True)[1:]
        if words[0].startswith("-"):
            continue
        command = group.commands[words[0]]  # type: ignore[attr-defined]
        known = {name for parameter in command.params for name in parameter.opts}
        unknown = {w for w in words if w.startswith("-") and w != "-" and w not in known}
        assert not unknown, line


def test_every_file_that_it_links_to_is_there(repository: Path) -> None:
    text = (repository / "README.md").read_text()
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert links
    for link in links:
        assert (repository / link).exists(), link


def test_a_stale_table_is_noticed(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (repository / "README.md").read_text()
    stale = re.sub(r"(begin: endurance -->\n)\d", r"\g<1>7", text)
    assert stale != text
    assert rewritten(stale) == text
